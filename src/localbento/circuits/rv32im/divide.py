"""The unit of quotients and remainders."""

from typing import ClassVar

import numpy as np

from localbento.air.cells import Bit, Felt, Word
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr
from localbento.circuits.rv32im.access import INVERSE_LIMB, LIMB
from localbento.circuits.rv32im.buses import UNIT
from localbento.circuits.rv32im.cells import RangedWord
from localbento.circuits.rv32im.less import check_sign
from localbento.circuits.rv32im.records import U32, DivRow, Unit
from localbento.circuits.rv32im.residues import small_inverse


class Divide(Chip):
    """Quotient and remainder of two words, signed or unsigned, each for any number of instructions.

    Manual: "M" extension, DIV, DIVU, REM, REMU and the table "Semantics for division by zero and division
    overflow".  On absolute values, over the integers and not modulo 2**32: |q| |d| + |r| = |n| with a product
    whose high word is 0 (else 1 / 3 could be 2863311531), and |r| < |d|.  These determine |q| and |r|; r takes the
    sign of n, q the sign of n times that of d.  -2**31 / -1 is no case of its own: |q| = 2**31 is the word of
    -2**31, too.  A divisor 0 is one: q is all ones, |q| = 0 and so r = n.
    Assumes: n and d are limbs of 16 bits; `mul` and `less` answer truly (rank 1; this unit has rank 2).
    """

    is_real: Bit
    quotient_uses: Felt
    remainder_uses: Felt
    signed: Bit
    n: Word
    d: Word
    q: RangedWord
    r: RangedWord
    n_abs: RangedWord
    d_abs: Word  # in range because `mul` has it as an operand
    q_abs: Word
    r_abs: RangedWord
    n_sign: Bit  # bit 31, whether or not it means a sign
    d_sign: Bit
    n_minus: Felt  # signed and negative
    d_minus: Felt
    q_minus: Felt
    carry: Bit  # of |q| |d| + |r|, between the limbs
    by_zero: Bit
    inverse: Felt  # of the sum of the divisor's limbs

    QUOTIENT_OPS: ClassVar[tuple[int, ...]] = (Unit.DIV, Unit.DIVU)
    REMAINDER_OPS: ClassVar[tuple[int, ...]] = (Unit.REM, Unit.REMU)

    def constrain(self, c: Constraints) -> None:
        """One pair of operands."""
        c.zero("an unused row has no quotient", (1 - self.is_real) * self.quotient_uses)
        c.zero("an unused row has no remainder", (1 - self.is_real) * self.remainder_uses)
        self.constrain_signs(c)
        self.constrain_divisor(c)
        absolute(c, "n", self.n, self.n_abs, self.n_minus, 1 - self.n_minus)
        absolute(c, "d", self.d, self.d_abs, self.d_minus, 1 - self.d_minus)
        absolute(c, "r", self.r, self.r_abs, self.n_minus, 1 - self.n_minus)
        absolute(c, "q", self.q, self.q_abs, self.q_minus, 1 - self.q_minus - self.by_zero)
        low = self.n_abs.lo - self.r_abs.lo + LIMB * self.carry
        high = self.n_abs.hi - self.r_abs.hi - self.carry
        factors = (*self.q_abs, *self.d_abs)
        c.pull(UNIT, (Unit.MUL, *factors, low, high), label="|q| |d| = |n| - |r|")
        c.pull(UNIT, (Unit.MULHU, *factors, 0, 0), label="|q| |d| has no high word")
        below = (Unit.LTU, *self.r_abs, *self.d_abs, 1, 0)
        c.pull(UNIT, below, self.is_real - self.by_zero, label="|r| < |d|")
        operands = (*self.n, *self.d)
        quotient, remainder = Unit.DIVU - self.signed, Unit.REMU - self.signed
        c.provide(
            UNIT, (quotient, *operands, *self.q), self.quotient_uses, rank=2, ops=self.QUOTIENT_OPS, label="quotient"
        )
        c.provide(
            UNIT,
            (remainder, *operands, *self.r),
            self.remainder_uses,
            rank=2,
            ops=self.REMAINDER_OPS,
            label="remainder",
        )

    def constrain_signs(self, c: Constraints) -> None:
        """Which of n, d, q count as negative; r goes with n."""
        check_sign(c, "sign of n", self.n.hi, self.n_sign)
        check_sign(c, "sign of d", self.d.hi, self.d_sign)
        c.equal("n counts as negative", self.signed * self.n_sign, self.n_minus)
        c.equal("d counts as negative", self.signed * self.d_sign, self.d_minus)
        differ = self.n_minus + self.d_minus - 2 * self.n_minus * self.d_minus
        c.equal("q counts as negative", differ * (1 - self.by_zero), self.q_minus)

    def constrain_divisor(self, c: Constraints) -> None:
        """Division by zero is that, and has its results."""
        limbs = self.d.lo + self.d.hi  # below 2**17: 0 only if both are
        c.zero("an unused row does not divide by zero", (1 - self.is_real) * self.by_zero)
        c.zero("by zero: no divisor", self.by_zero * limbs)
        c.zero("not by zero: a divisor", self.is_real * (limbs * self.inverse - 1 + self.by_zero))
        c.zero("by zero: no inverse", self.by_zero * self.inverse)
        c.zero("by zero: all ones", self.by_zero * (2 * 0xFFFF - self.q.lo - self.q.hi))
        c.zero("by zero: no product", self.by_zero * (self.q_abs.lo + self.q_abs.hi))

    @staticmethod
    def fill(rows: U32) -> Columns:
        """Columns from records uint32[n, 7] (`DivRow`)."""
        op, n, d, q, r, quotient_uses, remainder_uses = (rows[:, i] for i in DivRow)
        signed = op == Unit.DIV
        by_zero = d == 0
        n_minus, d_minus = (n >> 31) * signed, (d >> 31) * signed
        q_minus = (n_minus ^ d_minus) * ~by_zero

        def magnitude(x: U32, minus: U32) -> U32:
            found: U32 = np.where(minus, 0 - x, x).astype(np.uint32)
            return found

        n_abs, r_abs = magnitude(n, n_minus), magnitude(r, n_minus)
        return {
            "is_real": 1,
            "quotient_uses": quotient_uses,
            "remainder_uses": remainder_uses,
            "signed": signed,
            "n": n,
            "d": d,
            "q": q,
            "r": r,
            "n_abs": n_abs,
            "d_abs": magnitude(d, d_minus),
            "q_abs": np.where(by_zero, 0, magnitude(q, q_minus)).astype(np.uint32),
            "r_abs": r_abs,
            "n_sign": n >> 31,
            "d_sign": d >> 31,
            "n_minus": n_minus,
            "d_minus": d_minus,
            "q_minus": q_minus,
            "carry": (n_abs & 0xFFFF) < (r_abs & 0xFFFF),
            "by_zero": by_zero,
            "inverse": small_inverse((d & 0xFFFF) + (d >> 16)),
        }


def absolute(c: Constraints, name: str, x: Word, size: Word, minus: Expr, plain: Expr) -> None:
    """`size` is -x modulo 2**32 where `minus`, x itself where `plain` (both boolean).

    Assumes: limbs of both are 16 bits.  Their sums are then 0 or 2**16, and -0 is 0.
    """
    low = x.lo + size.lo
    high = x.hi + size.hi + low * INVERSE_LIMB
    c.zero(f"low limb of -{name}", minus * low * (low - LIMB))
    c.zero(f"high limb of -{name}", minus * high * (high - LIMB))
    c.zero(f"low limb of +{name}", plain * (x.lo - size.lo))
    c.zero(f"high limb of +{name}", plain * (x.hi - size.hi))
