"""The other half: with a check left out, the same questions find a second row, and the plain checker takes it."""

import pytest
from rv32im_rows import encode, honest, unit_row
from solver_chips import answer_question, row_question
from solver_forge import forge

from localbento.circuits.rv32im.records import Unit

MINUS = 2**32

UNITS = [
    # chip, answer, what is left out, honest record
    ("div", "quotient", "|r| < |d|", (Unit.DIVU, 7, 2, 3, 1, 1, 0)),
    ("div", "remainder", "|r| < |d|", (Unit.DIVU, 7, 2, 3, 1, 0, 1)),
    # 3 * 2863311531 = 1 modulo 2^32
    ("div", "quotient", "|q| |d| has no high word", (Unit.DIVU, 1, 3, 0, 1, 1, 0)),
    ("div", "quotient", "|q| |d| = |n| - |r|", (Unit.DIVU, 7, 2, 3, 1, 1, 0)),
    ("div", "quotient", "q.hi is 16 bits", (Unit.DIV, 7, MINUS - 2, MINUS - 3, 1, 1, 0)),
    ("div", "quotient", "by zero: all ones", (Unit.DIVU, 7, 0, MINUS - 1, 7, 1, 0)),
    ("div", "quotient", "sign of n", (Unit.DIV, 7, 2, 3, 1, 1, 0)),
    ("div", "remainder", "sign of n", (Unit.DIV, 7, 2, 3, 1, 0, 1)),
    ("less", "push unit 0", "sign of a", (Unit.LT, 2, 1, 0, 1)),
    ("less", "push unit 0", "sign of b", (Unit.LT, 1, 2, 1, 1)),
    ("less", "push unit 0", "high difference is 16 bits", (Unit.LTU, 1 << 16, 2 << 16, 1, 1)),
    ("less", "push unit 0", "low difference is 16 bits", (Unit.LTU, 1, 2, 1, 1)),
    ("less", "push unit 0", "borrow is a bit", (Unit.LTU, 1, 2, 1, 1)),
    ("less", "push unit 0", "same: no difference", (Unit.EQ, 1, 2, 0, 1)),
    ("less", "push unit 0", "different: a difference", (Unit.EQ, 1, 1, 1, 1)),
    ("shift", "push unit 0", "pieces of byte 1", (Unit.SLL, 0x12345678, 3, 0x91A2B3C0, 1)),
    ("shift", "push unit 0", "bytes of a", (Unit.SRL, 0x12345678, 8, 0x123456, 1)),
    ("shift", "push unit 0", "rest of the amount is 11 bits", (Unit.SRL, 0x12345678, 8, 0x123456, 1)),
    ("shift", "push unit 0", "sign of a", (Unit.SRA, 0x12345678, 8, 0x123456, 1)),
    ("mul", "low word", "carry 0 is small", (Unit.MULHU, 3, 5, 15, 0, 1, 1)),
    ("mul", "low word", "limb 1 is 16 bits", (Unit.MULHU, 3, 5, 15, 0, 1, 1)),
    ("mul", "high word", "sign of a", (Unit.MULH, 3, 5, 15, 0, 1, 1)),
    ("mul", "high word", "carry 2 is small", (Unit.MULHU, 3, 5, 15, 0, 1, 1)),
    ("mul", "low word", "bytes of a and b", (Unit.MULHU, 0x300, 0x105, 0x30F00, 0, 1, 1)),
    ("bitwise", "push unit 0", "and of byte 0", (Unit.AND, 0x1234, 0xFF, 0x34, 1)),
]


DAILY = ("|r| < |d|", "sign of a", "bytes of a", "carry 0 is small", "and of byte 0", "borrow is a bit")
"""In the default tier; all others, some 30 s of CPU time, before a release."""


def tiers(cases, place):
    return [c if c[place] in DAILY or c[0] == "alu_reg" else pytest.param(*c, marks=pytest.mark.release) for c in cases]


@pytest.mark.parametrize(("name", "label", "left_out", "record"), tiers(UNITS, 2))
def test_a_unit_without_a_check_has_a_second_answer(name, label, left_out, record):
    assert forge(answer_question(name, label), unit_row(name, *record), left_out)


ROWS = [
    ("alu_reg", "add: low limb", ("add", 1, 2, 3), 5, 7),
    ("alu_reg", "add: high limb", ("add", 1, 2, 3), 5, 7),
    ("alu_reg", "out.lo is 16 bits", ("add", 1, 2, 3), 5, 7),
    ("alu_reg", "sub: low limb", ("sub", 1, 2, 3), 5, 7),
    ("alu_reg", "variant of add", ("and", 1, 2, 3), 5, 7),
    ("alu_imm", "add: low limb", ("addi", 1, 2, 0, 5), 5, None),
    ("jalr", "word in its 64 KiB is 14 bits", ("jalr", 1, 2, 0, 4), 0x20000, None),
    ("jalr", "target: low limb", ("jalr", 1, 2, 0, 4), 0x20000, None),
    ("branch", "next pc", ("beq", 0, 1, 2, 16), 5, 5),
    ("word", "address: high limb", ("lw", 1, 2, 0, 4), 0x20000, None),
    ("word", "source", ("lw", 1, 2, 0, 4), 0x20000, None),
    ("part", "sign of the part", ("lb", 1, 2, 0, 4), 0x20000, None),
    ("part", "bytes of the stored limb", ("sb", 0, 2, 3, 4), 0x20000, 0x1234),
    ("part", "byte of memory", ("lbu", 1, 2, 0, 4), 0x20000, None),
    ("part", "loaded high limb", ("lbu", 1, 2, 0, 4), 0x20000, None),
]


@pytest.mark.parametrize(("name", "left_out", "word", "a", "b"), tiers(ROWS, 1))
def test_a_row_without_a_check_can_show_something_else(name, left_out, word, a, b):
    mnemonic, *operands = word
    row = honest(name, encode(mnemonic, *operands), a, b)
    assert forge(row_question(name), row, left_out)


@pytest.mark.release
@pytest.mark.parametrize(("name", "label", "record"), sorted({(n, w, r) for n, w, _, r in UNITS}))
def test_with_all_checks_there_is_no_second_answer(name, label, record):
    assert forge(answer_question(name, label), unit_row(name, *record)) is None
