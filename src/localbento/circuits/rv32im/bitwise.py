"""The unit of AND, OR and XOR."""

from typing import Annotated, ClassVar

import numpy as np

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.circuits.rv32im.buses import RANGE, UNIT, Range
from localbento.circuits.rv32im.records import U32, Unit, UnitRow


class Bitwise(Chip):
    """AND, OR or XOR of two words, for any number of instructions.

    Manual: RV32I, "Integer Computational Instructions", AND, OR, XOR.
    The AND of each pair of bytes stands in a table, which also bounds the bytes; a | b = a + b - (a & b) and
    a ^ b = a + b - 2 (a & b).  Proves the tuple it answers, for all operands; assumes nothing.
    """

    is_real: Bit
    uses: Felt  # how many instructions take this answer: free, since the row is true
    is_or: Bit
    is_xor: Bit
    a: Annotated[tuple[Felt, ...], 4]  # bytes
    b: Annotated[tuple[Felt, ...], 4]
    both: Annotated[tuple[Felt, ...], 4]  # a & b
    out: Annotated[tuple[Felt, ...], 2]  # limbs

    OPS: ClassVar[tuple[int, ...]] = (Unit.AND, Unit.OR, Unit.XOR)

    def constrain(self, c: Constraints) -> None:
        """One pair of operands."""
        c.zero("an unused row answers nothing", (1 - self.is_real) * self.uses)
        c.one_of_none("or and xor are two", (self.is_or, self.is_xor))
        for i in range(4):
            message = (Range.AND, self.a[i], self.b[i], self.both[i])
            c.pull(RANGE, message, label=f"and of byte {i}")
        a = [self.a[i] + 256 * self.a[i + 1] for i in (0, 2)]
        b = [self.b[i] + 256 * self.b[i + 1] for i in (0, 2)]
        for i, name in enumerate(("low", "high")):
            both = self.both[2 * i] + 256 * self.both[2 * i + 1]
            some = a[i] + b[i] - 2 * both
            c.equal(f"{name} limb", both + self.is_or * some + self.is_xor * (some - both), self.out[i])
        op = Unit.AND + self.is_or * (Unit.OR - Unit.AND) + self.is_xor * (Unit.XOR - Unit.AND)
        c.provide(UNIT, (op, *a, *b, *self.out), self.uses, rank=1, ops=self.OPS)

    @staticmethod
    def fill(rows: U32) -> Columns:
        """Columns from records uint32[n, 5] (`UnitRow`)."""
        op, a, b, out, uses = (rows[:, i] for i in UnitRow)
        return {
            "is_real": 1,
            "uses": uses,
            "is_or": op == Unit.OR,
            "is_xor": op == Unit.XOR,
            "a": split_bytes(a),
            "b": split_bytes(b),
            "both": split_bytes(a & b),
            "out": (out & 0xFFFF, out >> 16),
        }


def split_bytes(word: U32) -> tuple[U32, ...]:
    """The bytes of words uint32[n], lowest first: four times uint32[n]."""
    return tuple((word >> i & 255).astype(np.uint32) for i in (0, 8, 16, 24))
