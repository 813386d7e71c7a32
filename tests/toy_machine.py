"""A small machine for tests of the proof system: two kinds of bus, ranked providers, tables, public messages.

A state (step, a, b) is handed on from row to row, b becoming a^2 + b + nibble; nibbles come from a table, squares from
a chip that answers for them.
"""

from dataclasses import replace
from typing import Annotated

import numpy as np

from localbento.air.bus import Bus, BusKind
from localbento.air.cells import Bit, Felt, Fixed
from localbento.air.chip import Chip, Constraints, assemble, record
from localbento.air.expr import Expr
from localbento.air.system import Public, PublicMessage, System
from localbento.field.babybear import P

STATE = Bus("state", 1, ("step", "a", "b"), BusKind.EXCHANGE)
NIBBLE = Bus("nibble", 2, ("value",), BusKind.LOOKUP)
SQUARE = Bus("square", 3, ("x", "y"), BusKind.LOOKUP, rank=1)
NIBBLES = 16


class Step(Chip):
    """Hands the state on."""

    is_real: Bit
    step: Felt
    a: Felt
    b: Felt
    square: Felt
    nibble: Felt
    cube: Felt
    twelfth: Felt

    def constrain(self, c: Constraints) -> None:
        c.pull(STATE, (self.step, self.a, self.b))
        c.push(STATE, (self.step + 1, self.b, self.square + self.b + self.nibble))
        c.pull(NIBBLE, (self.nibble,))
        c.pull(SQUARE, (self.a, self.square))
        c.equal("cube", self.cube, self.nibble * self.nibble * self.nibble)
        c.equal("twelfth power", self.twelfth, self.cube * self.cube * self.cube * self.cube)


class Nibbles(Chip):
    """The table of 0 ... 15."""

    value: Fixed
    is_value: Fixed
    uses: Felt
    unused: Annotated[tuple[Felt, ...], 4]

    def real(self) -> Expr:
        return self.is_value

    def constrain(self, c: Constraints) -> None:
        c.zero("no answers beyond the table", (1 - self.is_value) * self.uses)
        c.provide(NIBBLE, (self.value,), self.uses)

    @classmethod
    def fixed(cls, rows: int):
        return {"value": np.arange(NIBBLES), "is_value": np.ones(NIBBLES, np.uint32)}


class Squares(Chip):
    """Answers (x, x^2)."""

    is_real: Bit
    uses: Felt
    x: Felt
    y: Felt
    unused: Felt

    def constrain(self, c: Constraints) -> None:
        c.equal("y is the square", self.y, self.x * self.x)
        c.zero("no answers from an unused row", (1 - self.is_real) * self.uses)
        c.provide(SQUARE, (self.x, self.y), self.uses)


SYSTEM = System(
    "toy",
    (record(Step), record(Nibbles), record(Squares)),
    ("a", "b", "steps", "last_a", "last_b"),
    (
        PublicMessage(STATE, 1, (0, Public(0), Public(1))),
        PublicMessage(STATE, -1, (Public(2), Public(3), Public(4))),
    ),
)


class OtherStep(Step):
    """The same columns and degrees, another constant."""

    def constrain(self, c):
        c.pull(STATE, (self.step, self.a, self.b))
        c.push(STATE, (self.step + 2, self.b, self.square + self.b + self.nibble))
        c.pull(NIBBLE, (self.nibble,))
        c.pull(SQUARE, (self.a, self.square))
        c.equal("cube", self.cube, self.nibble * self.nibble * self.nibble)
        c.equal("twelfth power", self.twelfth, self.cube * self.cube * self.cube * self.cube)


OTHER_CONSTANT = replace(SYSTEM, chips=(record(OtherStep, "Step"), *SYSTEM.chips[1:]))


def run(a: int, b: int, nibbles: list[int]):
    """Columns of the three chips and the public values."""
    rows, squares = [], {}
    start = (a, b)
    for step, nibble in enumerate(nibbles):
        square = a * a % P
        squares[a, square] = squares.get((a, square), 0) + 1
        rows.append((1, step, a, b, square, nibble, nibble**3, pow(nibble, 12, P)))
        a, b = b, (square + b + nibble) % P
    names = ("is_real", "step", "a", "b", "square", "nibble", "cube", "twelfth")
    step_columns = {n: np.array([r[i] for r in rows], np.int64) for i, n in enumerate(names)}
    uses = np.zeros(NIBBLES, np.int64)
    np.add.at(uses, nibbles, 1)
    zero = np.zeros(NIBBLES, np.int64)
    table = {"uses": uses, "unused": (zero,) * 4}
    pairs = sorted(squares)
    answers = {
        "is_real": np.ones(len(pairs), np.int64),
        "uses": np.array([squares[p] for p in pairs], np.int64),
        "x": np.array([p[0] for p in pairs], np.int64),
        "y": np.array([p[1] for p in pairs], np.int64),
        "unused": np.zeros(len(pairs), np.int64),
    }
    return (step_columns, table, answers), (*start, len(nibbles), a, b)


def witness(log_heights, a: int = 3, b: int = 5, steps: int = 20):
    """Matrices of the three chips at these heights, and the public values."""
    columns, public = run(a, b, [(7 * i + 3) % NIBBLES for i in range(steps)])
    matrices = [
        assemble(chip.chip, filled, 1 << h) for chip, filled, h in zip(SYSTEM.chips, columns, log_heights, strict=True)
    ]
    return matrices, public
