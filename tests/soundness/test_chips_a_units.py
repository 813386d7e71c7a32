"""Attacks on rows of the units: each rule was missing in some deployed machine.

A row is made honestly, changed, and must fail in the place that is named.
"""

import pytest
from rv32im_rows import cell, refusals, unit_row
from rv32im_search import division

from localbento.circuits.rv32im.records import Unit
from localbento.field.babybear import P

NEGATIVE = 1 << 31


def test_shift_of_a_limb_would_wrap():
    """61441 * 2**15 modulo p is 32767: bytes are multiplied, by 2**8 at most."""
    assert 61441 * 2**15 % P == 32767
    row = unit_row("shift", Unit.SLL, 61441, 15, 61441 << 15, 1)
    assert not refusals("shift", row)
    assert refusals("shift", row, **{"out[0]": 32767, "out[1]": 0}) == {"low limb", "high limb"}
    assert max(cell("shift", row, f"a[{i}]") for i in range(4)) * 256 < P
    assert "product of byte 0" in refusals("shift", row, **{"high[0]": cell("shift", row, "high[0]") ^ 1})


def test_shift_amount_has_five_bits():
    row = unit_row("shift", Unit.SLL, 3, 33, 6, 1)
    assert cell("shift", row, "rest") == 1
    assert "rest of the amount is 11 bits" in refusals("shift", row, rest=(1 - pow(32, -1, P)) % P, **{"amount[0]": 1})
    assert refusals("shift", row, power=1)


@pytest.mark.parametrize("amount", [0, 31])
def test_arithmetic_shift_brings_the_sign(amount):
    a = 0x8000_0000
    row = unit_row("shift", Unit.SRA, a, amount, (a - (1 << 32) >> amount) & 0xFFFF_FFFF, 1)
    assert not refusals("shift", row)
    assert "sign of a" in refusals("shift", row, sign=0, fill_bit=0)
    assert "what comes in" in refusals("shift", row, fill_bit=0)
    assert "only right shifts are arithmetic" in refusals("shift", row, right=0)


def test_comparison_answers_are_not_flipped():
    for op, a, b, out in ((Unit.LT, NEGATIVE, 0, 1), (Unit.LTU, NEGATIVE, 0, 0), (Unit.GE, 5, 5, 1), (Unit.EQ, 3, 3, 1),
                          (Unit.NE, 0x1_0000, 0, 1)):  # fmt: skip
        row = unit_row("less", op, a, b, out, 1)
        assert not refusals("less", row)
        assert refusals("less", row, out=1 - out) == {"answer"}
        assert refusals("less", row, a_sign=1 - cell("less", row, "a_sign"))
        assert refusals("less", row, below=1 - cell("less", row, "below"))
    row = unit_row("less", Unit.EQ, 3, 4, 0, 1)
    assert "same: no difference" in refusals("less", row, same=1, inverse=0, out=1)
    row = unit_row("less", Unit.EQ, 3, 3, 1, 1)
    assert "different: a difference" in refusals("less", row, same=0, out=0)


def test_product_of_two_limbs_would_wrap_but_bytes_do_not():
    row = unit_row("mul", Unit.MULHU, 0xFFFF_FFFF, 0xFFFF_FFFF, 1, 0xFFFF_FFFE, 1, 1)
    assert not refusals("mul", row)
    assert refusals("mul", row, **{"out[0]": 2})
    assert "limb 0" in refusals("mul", row, **{"out[0]": 2, "carry[0]": cell("mul", row, "carry[0]") + 1})


@pytest.mark.parametrize("op", [Unit.MULH, Unit.MULHSU])
def test_sign_of_an_operand_is_not_dropped(op):
    a = b = NEGATIVE | 5
    high = {Unit.MULH: (a - 2**32) * (b - 2**32), Unit.MULHSU: (a - 2**32) * b}[op] >> 32 & 0xFFFF_FFFF
    row = unit_row("mul", op, a, b, a * b & 0xFFFF_FFFF, high, 1, 1)
    assert not refusals("mul", row)
    assert "sign of a" in refusals("mul", row, a_minus=0)
    if op is Unit.MULH:
        assert "sign of b" in refusals("mul", row, b_minus=0)


def test_quotient_is_one_over_the_integers():
    """1 / 3 is not 2863311531, though 3 * 2863311531 = 1 modulo 2**32."""
    assert 3 * 2863311531 % 2**32 == 1
    row = division(Unit.DIVU, 1, 3, 2863311531, 0)
    assert refusals("div", row) == {"|q| |d| has no high word"}


def test_remainder_is_smaller_than_the_divisor():
    assert refusals("div", division(Unit.DIVU, 7, 2, 2, 3)) == {"|r| < |d|"}
    assert refusals("div", division(Unit.DIV, 2**32 - 7, 2, 2**32 - 2, 2**32 - 3)) == {"|r| < |d|"}


def test_division_by_zero_has_its_own_results():
    for op in (Unit.DIV, Unit.DIVU):
        for n in (0, 7, NEGATIVE, 0xFFFF_FFFF):
            assert not refusals("div", division(op, n, 0, 0xFFFF_FFFF, n))
            assert refusals("div", division(op, n, 0, 5, n)) == {"by zero: all ones"}
            assert refusals("div", division(op, n, 0, 0xFFFF_FFFF, n ^ 1))
            assert "not by zero: a divisor" in refusals("div", division(op, n, 0, 0xFFFF_FFFF, n), by_zero=0)
    assert "by zero: no divisor" in refusals("div", division(Unit.DIVU, 7, 2, 0xFFFF_FFFF, 7), by_zero=1, q_abs__lo=0)


def test_overflow_of_signed_division():
    assert not refusals("div", division(Unit.DIV, NEGATIVE, 0xFFFF_FFFF, NEGATIVE, 0))
    assert refusals("div", division(Unit.DIV, NEGATIVE, 0xFFFF_FFFF, 0, NEGATIVE))
    assert refusals("div", division(Unit.DIV, NEGATIVE, 0xFFFF_FFFF, NEGATIVE - 1, 0xFFFF_FFFF))


def test_signs_of_quotient_and_remainder():
    n = 2**32 - 7
    assert not refusals("div", division(Unit.DIV, n, 2, 2**32 - 3, 2**32 - 1))
    assert refusals("div", division(Unit.DIV, n, 2, 2**32 - 4, 1))
    assert refusals("div", division(Unit.DIV, n, 2, 3, 2**32 - 1))
    row = division(Unit.DIV, n, 2, 2**32 - 3, 2**32 - 1)
    assert "q counts as negative" in refusals("div", row, q_minus=0)
    assert "n counts as negative" in refusals("div", row, n_minus=0)
    assert "sign of n" in refusals("div", row, n_sign=0, n_minus=0)


def test_there_is_no_minus_zero():
    row = division(Unit.DIV, 2**32 - 1, 2, 0, 2**32 - 1)
    assert not refusals("div", row)
    assert cell("div", row, "q_minus") == 1
    assert refusals("div", row, q__lo=1 << 16, q__hi=0xFFFF) >= {"q.lo is 16 bits"}
    assert refusals("div", row, q__hi=1 << 16) == {"q.hi is 16 bits"}
