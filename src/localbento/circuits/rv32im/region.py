"""Which high halves of byte addresses lie in which region: a row for each that a segment asks for."""

from typing import TYPE_CHECKING, Final

import numpy as np

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr
from localbento.circuits.rv32im.buses import RANGE, REGION, Range, Region
from localbento.circuits.rv32im.residues import small_inverse

if TYPE_CHECKING:
    from localbento.circuits.rv32im.tables import Counts

REGIONS: Final = {
    Region.MACHINE: (0x0001, 0xFFFF),
    Region.USER: (0x0001, 0xBFFF),
    Region.DISPATCH: (0xC000, 0xFEFF),
}
"""First and last high half of each region."""

USER_LAST: Final = REGIONS[Region.USER][1] >> 8
DISPATCH_FIRST: Final = REGIONS[Region.DISPATCH][0] >> 8
DISPATCH_LAST: Final = REGIONS[Region.DISPATCH][1] >> 8
"""High bytes of the bounds: all of them are at the end of a block of 256 halves."""

ROWS_A_PAGE: Final = 6
ROWS_BESIDE: Final = 8
SHA2_ROWS_A_POINTER: Final = 11


def most_rows(pages: int, sha2_rows: int) -> int:
    """The most rows that a segment of so many touched pages and rows of `sha2` can take.

    A lookup names the high half of a byte address that the segment accesses or executes, whose page is touched; or of
    a branch's target, which is at most 4 KiB away: the half itself or a neighbour.  Each of three halves a page may be
    asked for in two regions (machine; user below 0xC000, dispatch above).  A SHA2 call without blocks names two
    pointers that it does not follow, in 22 rows; and the pc after the last cycle is not fetched any more.
    """
    return ROWS_A_PAGE * pages + -(-sha2_rows // SHA2_ROWS_A_POINTER) + ROWS_BESIDE


class Regions(Chip):
    """REGION(kind, low + 256 high): the half is not 0 (machine), in 1 .. 0xBFFF (user), in 0xC000 .. 0xFEFF (dispatch).

    `low` and `high` are looked up as bytes, so the half has 16 bits; its inverse says that it is not 0; `below` and
    `above`, bytes too, are what lies between the high byte and the bounds of its region.  A row answers any number of
    times; rank 1.

    Assumes: nothing.
    """

    machine: Bit
    user: Bit
    dispatch: Bit
    uses: Felt
    low: Felt
    high: Felt
    inverse: Felt
    below: Felt
    above: Felt

    def real(self) -> Expr:
        """One of the kinds."""
        return self.machine + self.user + self.dispatch

    def constrain(self, c: Constraints) -> None:
        """One half in one region."""
        c.boolean("one kind", c.real)
        c.zero("an unused row answers nothing", (1 - c.real) * self.uses)
        half = self.low + 256 * self.high
        c.equal("not the zero area", half * self.inverse, c.real)
        last = self.user * (USER_LAST - self.high) + self.dispatch * (DISPATCH_LAST - self.high)
        c.equal("up to the last of the region", last, self.below)
        c.equal("from the first of dispatch", self.dispatch * (self.high - DISPATCH_FIRST), self.above)
        c.pull(RANGE, (Range.BYTES, self.low, self.high, 0), label="two bytes")
        c.pull(RANGE, (Range.BYTES, self.below, self.above, 0), label="inside the bounds")
        kind = Region.MACHINE * self.machine + Region.USER * self.user + Region.DISPATCH * self.dispatch
        c.provide(REGION, (kind, half), self.uses, label="region")

    @staticmethod
    def fill(counts: "Counts") -> Columns:
        """Columns from counted lookups, a row for each tuple that was asked for."""
        kind, half = np.nonzero(counts.regions)
        low, high = half & 255, half >> 8
        user, dispatch = kind == Region.USER, kind == Region.DISPATCH
        last = np.where(user, USER_LAST, DISPATCH_LAST)
        return {
            "machine": kind == Region.MACHINE, "user": user, "dispatch": dispatch,
            "uses": counts.regions[kind, half], "low": low, "high": high,
            "inverse": small_inverse(half.astype(np.uint32)),
            "below": np.where(user | dispatch, last - high, 0), "above": np.where(dispatch, high - DISPATCH_FIRST, 0),
        }  # fmt: skip
