"""The unit of products."""

from typing import Annotated, ClassVar

import numpy as np

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr, total
from localbento.circuits.rv32im.access import LIMB
from localbento.circuits.rv32im.bitwise import split_bytes
from localbento.circuits.rv32im.buses import RANGE, UNIT, Range
from localbento.circuits.rv32im.cells import check_bytes, check_range
from localbento.circuits.rv32im.records import U32, MulRow, Unit
from localbento.circuits.rv32im.residues import canonical

BIAS = 2
"""Signed carries are looked up plus this."""


class Multiply(Chip):
    """The product of two words, 64 bits: its low and its high word, each for any number of instructions.

    Manual: "M" extension, MUL, MULH, MULHSU, MULHU.  The low word is the same whatever the signs mean.
    Each limb of the product is an equation over products of bytes: at most 2**27 with its carry, so that no
    equation over the integers is mistaken for one modulo p (two limbs of 16 bits multiplied would pass p).
    A negative operand is its unsigned word less 2**32: the other operand is subtracted from the high word.
    Assumes: nothing; the rows that it answers for have bytes in range.
    """

    is_real: Bit
    low_uses: Felt
    high_uses: Felt
    a_signed: Bit
    b_signed: Bit
    a: Annotated[tuple[Felt, ...], 4]
    b: Annotated[tuple[Felt, ...], 4]
    a_minus: Felt  # a is signed and negative
    b_minus: Felt
    out: Annotated[tuple[Felt, ...], 4]  # limbs of the product
    carry: Annotated[tuple[Felt, ...], 4]  # the last two between -2 and 2**11 - 3

    HIGH_OPS: ClassVar[tuple[int, ...]] = (Unit.MULH, Unit.MULHSU, Unit.MULHU)

    def constrain(self, c: Constraints) -> None:
        """One pair of operands."""
        c.zero("an unused row has no low word", (1 - self.is_real) * self.low_uses)
        c.zero("an unused row has no high word", (1 - self.is_real) * self.high_uses)
        c.zero("b is signed only if a is", (1 - self.a_signed) * self.b_signed)
        check_bytes(c, "bytes of a and b", *self.a[:3], *self.b[:3])
        c.pull(RANGE, (Range.AND, self.a[3], 128 * self.a_signed, 128 * self.a_minus), label="sign of a")
        c.pull(RANGE, (Range.AND, self.b[3], 128 * self.b_signed, 128 * self.b_minus), label="sign of b")
        a = (self.a[0] + 256 * self.a[1], self.a[2] + 256 * self.a[3])
        b = (self.b[0] + 256 * self.b[1], self.b[2] + 256 * self.b[3])
        for i in range(4):
            value = self.limb(i)
            if i > 0:
                value = value + self.carry[i - 1]
            if i >= 2:
                value = value - self.a_minus * b[i - 2] - self.b_minus * a[i - 2]
            c.equal(f"limb {i}", value, self.out[i] + LIMB * self.carry[i])
            check_range(c, f"limb {i} is 16 bits", Range.U16, self.out[i])
            check_range(c, f"carry {i} is small", Range.U11, self.carry[i] + (BIAS if i >= 2 else 0))
        high = Unit.MULHU - self.a_signed - self.b_signed
        c.provide(UNIT, (Unit.MUL, *a, *b, *self.out[:2]), self.low_uses, rank=1, ops=(Unit.MUL,), label="low word")
        c.provide(UNIT, (high, *a, *b, *self.out[2:]), self.high_uses, rank=1, ops=self.HIGH_OPS, label="high word")

    def limb(self, i: int) -> Expr:
        """Products of bytes at the two byte positions of a limb of the product."""
        at = [
            self.a[k] * self.b[position - k] * (1 << 8 * (position - 2 * i))
            for position in (2 * i, 2 * i + 1)
            for k in range(4)
            if 0 <= position - k < 4
        ]
        return total(at)

    @staticmethod
    def fill(rows: U32) -> Columns:
        """Columns from records uint32[n, 7] (`MulRow`)."""
        op, a, b, low, high, low_uses, high_uses = (rows[:, i] for i in MulRow)
        a_signed, b_signed = op != Unit.MULHU, op == Unit.MULH
        a_bytes, b_bytes = split_bytes(a), split_bytes(b)
        a_minus, b_minus = (a >> 31) * a_signed, (b >> 31) * b_signed
        out = (low & 0xFFFF, low >> 16, high & 0xFFFF, high >> 16)
        subtracted = [a_minus.astype(np.int64) * (b >> s & 0xFFFF) + b_minus * (a >> s & 0xFFFF) for s in (0, 16)]
        carry = np.zeros(len(rows), np.int64)
        carries = []
        for i in range(4):
            value = carry - (subtracted[i - 2] if i >= 2 else 0)
            for position in (2 * i, 2 * i + 1):
                for k in range(4):
                    if 0 <= position - k < 4:
                        value = value + (a_bytes[k] * b_bytes[position - k] << np.uint32(8 * (position - 2 * i)))
            carry = (value - out[i]) >> 16
            carries.append(canonical(carry))
        return {
            "is_real": 1,
            "low_uses": low_uses,
            "high_uses": high_uses,
            "a_signed": a_signed,
            "b_signed": b_signed,
            "a": a_bytes,
            "b": b_bytes,
            "a_minus": a_minus,
            "b_minus": b_minus,
            "out": out,
            "carry": tuple(carries),
        }
