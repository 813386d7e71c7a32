"""Memory accesses of rare rows, one a row: a rare chip then pays two cells of width an access instead of eleven."""

from dataclasses import dataclass

import numpy as np

from localbento.air.cells import Bit, Felt, Word
from localbento.air.chip import Chip, Columns, Constraints
from localbento.circuits.rv32im.buses import ACCESS, MEMORY, Range
from localbento.circuits.rv32im.cells import check_range
from localbento.circuits.rv32im.records import U32


class Access(Chip):
    """Carries out one access: the word `old`, left at `addr` at time `previous`, becomes `new` at time `now`.

    `previous < now`, because `now - previous - 1` is a limb of 16 bits and one of 8, and every `now` is below
    2^24 as times of the CPU chain are.

    Assumes: of the row that pushed ACCESS, that `new` equals `old` for a read and is in range for a write, and
    that `now` is a time of its own cycle.
    """

    is_real: Bit
    now: Felt
    addr: Felt
    old: Word
    new: Word
    previous: Felt
    gap_high: Felt

    def constrain(self, c: Constraints) -> None:
        """One access."""
        gap_low = self.now - self.previous - 1 - self.gap_high * (1 << 16)
        c.pull(ACCESS, (self.now, self.addr, *self.old, *self.new), label="asked for")
        c.pull(MEMORY, (self.addr, self.previous, *self.old), label="what is there")
        c.push(MEMORY, (self.addr, self.now, *self.new), label="what is there from now on")
        check_range(c, "time passed, low 16 bits", Range.U16, gap_low)
        check_range(c, "time passed, high 8 bits", Range.U8, self.gap_high)

    @staticmethod
    def fill(r: "Accesses") -> Columns:
        """Columns, one row an access."""
        return {
            "is_real": np.ones(len(r.now), np.uint32), "now": r.now, "addr": r.addr, "old": r.old, "new": r.new,
            "previous": r.previous, "gap_high": (r.now - r.previous - 1) >> 16,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Accesses:
    """Accesses to carry out, uint32[n] each: time, word address, word before and after, time of the access before."""

    now: U32
    addr: U32
    old: U32
    new: U32
    previous: U32

    @staticmethod
    def join(parts: "list[Accesses]") -> "Accesses":
        """All of them, one after the other."""
        empty = np.zeros(0, np.uint32)
        return Accesses(
            *(
                np.concatenate([empty, *(getattr(p, name) for p in parts)])
                for name in ("now", "addr", "old", "new", "previous")
            )
        )
