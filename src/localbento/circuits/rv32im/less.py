"""The unit of comparisons: equal, unequal, less and not less, signed and unsigned."""

from typing import ClassVar

import numpy as np

from localbento.air.cells import Bit, Felt, Word
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr
from localbento.circuits.rv32im.access import LIMB
from localbento.circuits.rv32im.buses import UNIT, Range
from localbento.circuits.rv32im.cells import check_range
from localbento.circuits.rv32im.records import U32, Unit, UnitRow
from localbento.circuits.rv32im.residues import small_inverse


class Less(Chip):
    """Whether a = b, a != b, a < b or a >= b, signed or unsigned, as 0 or 1.

    Manual: RV32I, "Conditional Branches", and SLT, SLTU.
    a - b is computed in limbs with borrows, and the differences are 16 bits: so the borrows are right.  For signed
    numbers the last borrow is corrected by the two signs.  EQ and NE ask whether both differences are 0.
    Assumes: the operands are limbs of 16 bits (users took them from memory or DECODE).
    """

    is_real: Bit
    uses: Felt
    negate: Bit  # NE, GE, GEU
    order: Bit  # LT and its kin, not EQ
    unsigned: Bit
    a: Word
    b: Word
    out: Felt
    borrow: Bit  # of the low limbs
    below: Bit  # of the whole words
    high: Felt  # high limb of the difference
    a_sign: Bit
    b_sign: Bit
    same: Felt
    inverse: Felt  # of the difference, 0 if there is none

    OPS: ClassVar[tuple[int, ...]] = (Unit.EQ, Unit.NE, Unit.LT, Unit.GE, Unit.LTU, Unit.GEU)

    def constrain(self, c: Constraints) -> None:
        """One pair of operands."""
        c.zero("an unused row answers nothing", (1 - self.is_real) * self.uses)
        c.zero("only an order is unsigned", (1 - self.order) * self.unsigned)
        signed = self.order - self.unsigned
        low = self.a.lo - self.b.lo + LIMB * self.borrow
        below = self.below - signed * (self.a_sign - self.b_sign)
        c.equal("high difference", self.a.hi - self.b.hi - self.borrow + LIMB * below, self.high)
        check_range(c, "low difference is 16 bits", Range.U16, low)
        check_range(c, "high difference is 16 bits", Range.U16, self.high)
        check_sign(c, "sign of a", self.a.hi, self.a_sign)
        check_sign(c, "sign of b", self.b.hi, self.b_sign)
        difference = low + self.high  # below 2**17: 0 only if both are
        c.zero("same: no difference", self.same * difference)
        c.equal("different: a difference", difference * self.inverse, self.is_real - self.same)
        c.zero("no difference, no inverse", self.same * self.inverse)
        holds = self.same + self.order * (self.below - self.same)
        c.equal("answer", self.negate + holds - 2 * self.negate * holds, self.out)
        op = Unit.EQ + self.negate + 2 * self.order + 2 * self.unsigned
        c.provide(UNIT, (op, *self.a, *self.b, self.out, 0), self.uses, rank=1, ops=self.OPS)

    @staticmethod
    def fill(rows: U32) -> Columns:
        """Columns from records uint32[n, 5] (`UnitRow`)."""
        op, a, b, out, uses = (rows[:, i] for i in UnitRow)
        kind = op - Unit.EQ
        flip = sign_flip(op)
        a_lo, b_lo = a & 0xFFFF, b & 0xFFFF
        borrow = (a_lo < b_lo).astype(np.uint32)
        low = (a_lo - b_lo) & 0xFFFF
        high = ((a >> 16) - (b >> 16) - borrow) & 0xFFFF
        return {
            "is_real": 1,
            "uses": uses,
            "negate": kind & 1,
            "order": kind >= 2,
            "unsigned": kind >= 4,
            "a": a,
            "b": b,
            "out": out,
            "borrow": borrow,
            "below": (a ^ flip) < (b ^ flip),
            "high": high,
            "a_sign": a >> 31,
            "b_sign": b >> 31,
            "same": a == b,
            "inverse": small_inverse(low + high),
        }


def sign_flip(op: U32) -> U32:
    """What makes operands comparable as unsigned words: bit 31 for signed orders, else 0."""
    return np.where((op == Unit.LT) | (op == Unit.GE), np.uint32(1 << 31), np.uint32(0))


def compare(op: U32, a: U32, b: U32) -> U32:
    """Answers of this unit as 0 or 1, for columns of comparisons and operands; uint32[n]."""
    flip = sign_flip(op)
    holds = np.where(op < Unit.LT, a == b, (a ^ flip) < (b ^ flip))
    answer: U32 = (holds ^ ((op - Unit.EQ) & 1)).astype(np.uint32)
    return answer


def check_sign(c: Constraints, label: str, high: Expr, sign: Expr) -> None:
    """`sign` is bit 15 of a limb that is known to be 16 bits.

    Twice the rest is 16 bits; the rest is an integer above -2**15 and below 2**16, so doubling does not wrap.
    """
    check_range(c, label, Range.U16, (high - (1 << 15) * sign) * 2)
