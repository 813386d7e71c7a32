"""The unit of shifts."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr, select
from localbento.circuits.rv32im.bitwise import split_bytes
from localbento.circuits.rv32im.buses import RANGE, UNIT, Range
from localbento.circuits.rv32im.cells import check_bytes, check_range
from localbento.circuits.rv32im.records import U32, Unit, UnitRow


class Shift(Chip):
    """A word shifted left, right, or right with copies of its sign, by the low five bits of another.

    Manual: RV32I, SLL, SRL, SRA and their immediate forms: only the low five bits of the amount count.
    The amount is k + 8 m.  Each byte of a is multiplied by 2**k (left) or 2**(8 - k) (right), at most 2**16,
    and the product cut into two bytes; neighbours' pieces do not overlap and are added; the bytes then move by m.
    (A limb of 16 bits times 2**15 would pass p.)
    Assumes: the operands are limbs of 16 bits.  Of the amount this is looked up again, so that its decomposition
    stands on its own.
    """

    is_real: Bit
    uses: Felt
    right: Bit
    arithmetic: Bit
    a: Annotated[tuple[Felt, ...], 4]  # bytes
    amount: Annotated[tuple[Bit, ...], 5]
    rest: Felt  # of the low limb of b
    b_hi: Felt
    power: Felt
    low: Annotated[tuple[Felt, ...], 4]  # of a byte's product
    high: Annotated[tuple[Felt, ...], 4]
    sign: Felt
    fill_bit: Felt  # what comes in from above: the sign, if arithmetic
    byte: Annotated[tuple[Felt, ...], 4]  # shifted by k
    out: Annotated[tuple[Felt, ...], 2]

    padding: ClassVar[Mapping[str, int]] = {"power": 1}
    OPS: ClassVar[tuple[int, ...]] = (Unit.SLL, Unit.SRL, Unit.SRA)

    def constrain(self, c: Constraints) -> None:
        """One pair of operands."""
        c.zero("an unused row answers nothing", (1 - self.is_real) * self.uses)
        c.zero("only right shifts are arithmetic", (1 - self.right) * self.arithmetic)
        self.constrain_amount(c)
        self.constrain_bits(c)
        low, high = (self.moved(i) + 256 * self.moved(i + 1) for i in (0, 2))
        c.equal("low limb", low, self.out[0])
        c.equal("high limb", high, self.out[1])
        op = Unit.SLL + self.right * (Unit.SRL - Unit.SLL) + self.arithmetic * (Unit.SRA - Unit.SRL)
        a = (self.a[0] + 256 * self.a[1], self.a[2] + 256 * self.a[3])
        c.provide(UNIT, (op, *a, self.amount_limb(), self.b_hi, *self.out), self.uses, rank=1, ops=self.OPS)

    def amount_limb(self) -> Expr:
        """The low limb of b."""
        value: Expr = 32 * self.rest
        for i, bit in enumerate(self.amount):
            value = value + (1 << i) * bit
        return value

    def constrain_amount(self, c: Constraints) -> None:
        """B is the amount and a rest of 11 and 16 bits; the power belongs to the amount's low three bits."""
        check_range(c, "rest of the amount is 11 bits", Range.U11, self.rest)
        check_range(c, "high limb of the amount is 16 bits", Range.U16, self.b_hi)
        one, two, four, _, _ = self.amount
        left = (1 + one) * (1 + 3 * two) * (1 + 15 * four)
        half, quarter, sixteenth = (2 - one), (4 - 3 * two), (16 - 15 * four)
        c.equal("power of two", select(self.right, half * quarter * sixteenth * 2, left), self.power)

    def constrain_bits(self, c: Constraints) -> None:
        """The bytes of a, shifted by less than eight bits."""
        check_bytes(c, "bytes of a", *self.a)
        for i in range(4):
            c.equal(f"product of byte {i}", self.a[i] * self.power, self.low[i] + 256 * self.high[i])
            check_bytes(c, f"pieces of byte {i}", self.low[i], self.high[i])
        c.pull(RANGE, (Range.AND, self.a[3], 128, 128 * self.sign), label="sign of a")
        c.equal("what comes in", self.arithmetic * self.sign, self.fill_bit)
        from_above = (*self.low[1:], self.fill_bit * (256 - self.power))
        from_below = (self.constant_zero(c), *self.high[:3])
        for i in range(4):
            whole = select(self.right, self.high[i] + from_above[i], self.low[i] + from_below[i])
            c.equal(f"byte {i} after less than eight bits", whole, self.byte[i])

    @staticmethod
    def constant_zero(c: Constraints) -> Expr:
        """Nothing comes in from below."""
        return c.constant(0)

    def moved(self, place: int) -> Expr:
        """The byte that stands at `place` after moving whole bytes by the amount's two high bits."""
        _, _, _, eight, sixteen = self.amount
        filled = self.fill_bit * 255
        right: Sequence[Expr] = [self.byte[place + m] if place + m < 4 else filled for m in range(4)]
        left: Sequence[Expr | int] = [self.byte[place - m] if place >= m else 0 for m in range(4)]
        pick = [select(self.right, r, x) for r, x in zip(right, left, strict=True)]
        return select(sixteen, select(eight, pick[3], pick[2]), select(eight, pick[1], pick[0]))

    @staticmethod
    def fill(rows: U32) -> Columns:
        """Columns from records uint32[n, 5] (`UnitRow`)."""
        op, a, b, out, uses = (rows[:, i] for i in UnitRow)
        k = b & 7
        right = op != Unit.SLL
        shift_up = np.where(right, 8 - k, k).astype(np.uint32)
        pieces = [x << shift_up for x in split_bytes(a)]
        sign = a >> 31
        fill_bit = sign * (op == Unit.SRA)
        extended = np.where(fill_bit, a.view(np.int32) >> k.view(np.int32), (a >> k).view(np.int32)).view(np.uint32)
        return {
            "is_real": 1,
            "uses": uses,
            "right": right,
            "arithmetic": op == Unit.SRA,
            "a": split_bytes(a),
            "amount": tuple(b >> i & 1 for i in range(5)),
            "rest": b >> 5 & 0x7FF,
            "b_hi": b >> 16,
            "power": np.uint32(1) << shift_up,
            "low": tuple(x & 255 for x in pieces),
            "high": tuple(x >> 8 for x in pieces),
            "sign": sign,
            "fill_bit": fill_bit,
            "byte": split_bytes(np.where(right, extended, a << k)),
            "out": (out & 0xFFFF, out >> 16),
        }
