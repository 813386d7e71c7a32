"""A toy machine: sums of squares, with a range table, an exchange bus, a lookup bus of rank 1, public messages."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from localbento.air.bus import Bus, BusKind
from localbento.air.cells import Bit, Felt, Fixed
from localbento.air.chip import Chip, Columns, Constraints, assemble, record
from localbento.air.system import Public, PublicMessage, System

RANGE = Bus("range", 1, ("value",), BusKind.LOOKUP, rank=0)
SQUARE = Bus("square", 2, ("x", "square"), BusKind.LOOKUP, rank=1)
STATE = Bus("state", 3, ("step", "total"), BusKind.EXCHANGE)
LIMIT = 50


class Range(Chip):
    """The numbers below LIMIT."""

    is_real: Fixed
    value: Fixed
    uses: Felt
    unused: Annotated[tuple[Felt, ...], 7]

    def constrain(self, c: Constraints) -> None:
        c.zero("no answers from an unused row", (1 - self.is_real) * self.uses)
        c.provide(RANGE, (self.value,), self.uses)

    @classmethod
    def fixed(cls, rows: int) -> Columns:
        return {"is_real": np.ones(LIMIT, np.uint32), "value": np.arange(LIMIT, dtype=np.uint32)}


class Square(Chip):
    """Given x below LIMIT, its square."""

    is_real: Bit
    uses: Felt
    x: Felt
    square: Felt
    unused: Annotated[tuple[Felt, ...], 13]

    def constrain(self, c: Constraints) -> None:
        c.equal("square", self.x * self.x, self.square)
        c.zero("no answers from an unused row", (1 - self.is_real) * self.uses)
        c.pull(RANGE, (self.x,))
        c.provide(SQUARE, (self.x, self.square), self.uses)


class Step(Chip):
    """One term added to the total."""

    is_real: Bit
    step: Felt
    total: Felt
    x: Felt
    square: Felt

    def constrain(self, c: Constraints) -> None:
        c.zero("nothing on an unused row", (1 - self.is_real) * self.x)
        c.pull(SQUARE, (self.x, self.square))
        c.pull(STATE, (self.step, self.total))
        c.push(STATE, (self.step + 1, self.total + self.square))


CHIPS = (record(Step), record(Square), record(Range))
SYSTEM = System(
    "sum of squares",
    CHIPS,
    ("count", "total"),
    (PublicMessage(STATE, 1, (0, 0)), PublicMessage(STATE, -1, (Public(0), Public(1)))),
)


def fill(terms: Sequence[int], log_heights: Sequence[int]) -> tuple[list[np.ndarray], list[int]]:
    """The matrices and the public values for the sum of the squares of these terms."""
    x = np.array(terms, np.uint32)
    totals = np.concatenate([[0], np.cumsum(x.astype(np.int64) ** 2)]).astype(np.uint32)
    seen, uses = np.unique(x, return_counts=True)
    ones, nothing = np.ones(len(x), np.uint32), np.uint32(0)
    steps = {
        "is_real": ones, "step": np.arange(len(x), dtype=np.uint32), "total": totals[:-1], "x": x, "square": x * x,
    }  # fmt: skip
    squares = {
        "is_real": np.ones(len(seen), np.uint32), "uses": uses.astype(np.uint32), "x": seen, "square": seen * seen,
        "unused": (nothing,) * 13,
    }  # fmt: skip
    table = np.zeros(LIMIT, np.uint32)
    table[seen] = 1
    parts = [steps, squares, {"uses": table, "unused": (nothing,) * 7}]
    matrices = [
        assemble(chip.chip, part, 1 << h) for chip, part, h in zip(CHIPS, parts, log_heights, strict=True)
    ]
    return matrices, [len(x), int(totals[-1])]
