"""The oracle's pure functions: the corner cases that the manual names, and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.riscv import semantics
from localbento.riscv.isa import INSTRUCTIONS, Format, Operation
from localbento.riscv.semantics import BINARY, BRANCH, LOADS, MOST_NEGATIVE, STORES, WORD

MIN, MINUS_1 = MOST_NEGATIVE, WORD
EDGES = [0, 1, 2, 31, 32, 33, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, MIN, MIN + 1, MINUS_1 - 1, MINUS_1]
words = st.one_of(st.sampled_from(EDGES), st.integers(0, WORD))


@pytest.mark.parametrize(
    ("operation", "a", "b", "expected"),
    [
        ("add", MINUS_1, 1, 0),
        ("add", 0x7FFF_FFFF, 1, MIN),
        ("sub", 0, 1, MINUS_1),
        ("sub", MIN, 1, 0x7FFF_FFFF),
        ("sll", 1, 31, MIN),
        ("sll", 1, 32, 1),
        ("sll", 3, 31, MIN),
        ("srl", MIN, 31, 1),
        ("srl", MINUS_1, 33, 0x7FFF_FFFF),
        ("sra", MIN, 31, MINUS_1),
        ("sra", MIN, 0, MIN),
        ("sra", 0x7FFF_FFFF, 30, 1),
        ("sra", MINUS_1, 63, MINUS_1),
        ("slt", MIN, 0x7FFF_FFFF, 1),
        ("slt", 0, MINUS_1, 0),
        ("slt", 5, 5, 0),
        ("sltu", MIN, 0x7FFF_FFFF, 0),
        ("sltu", 0, MINUS_1, 1),
        ("mul", MINUS_1, MINUS_1, 1),
        ("mul", 0x1_0000, 0x1_0000, 0),
        ("mulh", MIN, MIN, 0x4000_0000),
        ("mulh", MINUS_1, MINUS_1, 0),
        ("mulh", MINUS_1, 1, MINUS_1),
        ("mulhsu", MINUS_1, MINUS_1, MINUS_1),
        ("mulhsu", MIN, MINUS_1, MIN),
        ("mulhsu", 1, MINUS_1, 0),
        ("mulhu", MINUS_1, MINUS_1, MINUS_1 - 1),
        ("mulhu", MIN, 2, 1),
        ("div", 7, 0, MINUS_1),
        ("div", MIN, 0, MINUS_1),
        ("div", 0, 0, MINUS_1),
        ("div", MIN, MINUS_1, MIN),
        ("div", MINUS_1 - 6, 2, MINUS_1 - 2),  # -7 / 2 = -3
        ("div", 7, MINUS_1 - 1, MINUS_1 - 2),  # 7 / -2 = -3
        ("div", MINUS_1 - 6, MINUS_1 - 1, 3),
        ("div", MIN, 1, MIN),
        ("divu", 7, 0, MINUS_1),
        ("divu", MIN, MINUS_1, 0),
        ("divu", MINUS_1, 2, 0x7FFF_FFFF),
        ("rem", 7, 0, 7),
        ("rem", MIN, 0, MIN),
        ("rem", MIN, MINUS_1, 0),
        ("rem", MINUS_1 - 6, 2, MINUS_1),  # -7 % 2 = -1
        ("rem", 7, MINUS_1 - 1, 1),  # 7 % -2 = 1
        ("remu", 7, 0, 7),
        ("remu", MIN, MINUS_1, MIN),
        ("remu", MINUS_1, 10, 5),
    ],
)
def test_corner_cases_of_the_manual(operation: str, a: int, b: int, expected: int) -> None:
    assert BINARY[Operation(operation)](a, b) == expected


@pytest.mark.parametrize(
    ("operation", "a", "b", "expected"),
    [
        ("lt", MIN, 0, True),
        ("lt", 0, MIN, False),
        ("ltu", MIN, 0, False),
        ("ltu", 0, MIN, True),
        ("ge", 3, 3, True),
        ("ge", MINUS_1, 0, False),
        ("geu", MINUS_1, 0, True),
        ("eq", MIN, MIN, True),
        ("ne", MIN, MIN, False),
    ],
)
def test_branches(operation: str, a: int, b: int, expected: bool) -> None:
    assert BRANCH[Operation(operation)](a, b) is expected


@pytest.mark.parametrize("word", [0x8070_6050, 0x0102_8384, MINUS_1, 0])
def test_loads_take_parts_little_endian(word: int) -> None:
    data = word.to_bytes(4, "little")
    for offset in range(4):
        part = data[offset : offset + 1]
        assert semantics.load(Operation.LBU, offset, word) == int.from_bytes(part, "little")
        assert semantics.load(Operation.LB, offset, word) == int.from_bytes(part, "little", signed=True) & WORD
    for offset in (0, 2):
        part = data[offset : offset + 2]
        assert semantics.load(Operation.LHU, offset, word) == int.from_bytes(part, "little")
        assert semantics.load(Operation.LH, offset, word) == int.from_bytes(part, "little", signed=True) & WORD
    assert semantics.load(Operation.LW, 0, word) == word


@given(st.sampled_from(STORES), st.integers(0, 3), words, words)
def test_stores_change_their_bytes_only(operation: Operation, offset: int, word: int, value: int) -> None:
    size = semantics.access_bytes(operation)
    addr = offset - offset % size
    expected = bytearray(word.to_bytes(4, "little"))
    expected[addr : addr + size] = value.to_bytes(4, "little")[:size]
    assert semantics.store(operation, addr, word, value) == int.from_bytes(expected, "little")


@given(words, words)
def test_quotient_and_remainder_make_up_the_dividend(a: int, b: int) -> None:
    signed = semantics.signed
    q, r = semantics.div(a, b), semantics.rem(a, b)
    assert (semantics.mul(q, b) + r) & WORD == a
    qu, ru = semantics.divu(a, b), semantics.remu(a, b)
    assert (semantics.mul(qu, b) + ru) & WORD == a
    if b != 0:
        assert ru < b
        assert abs(signed(r)) < abs(signed(b))
        assert r == 0 or (signed(r) < 0) == (signed(a) < 0)


@given(words, words)
def test_high_and_low_words_make_up_the_product(a: int, b: int) -> None:
    signed = semantics.signed
    low = semantics.mul(a, b)
    assert semantics.mulhu(a, b) << 32 | low == a * b
    assert (semantics.mulh(a, b) << 32 | low) == signed(a) * signed(b) % (1 << 64)
    assert (semantics.mulhsu(a, b) << 32 | low) == signed(a) * b % (1 << 64)


@given(words, words)
def test_results_are_words(a: int, b: int) -> None:
    for function in BINARY.values():
        assert 0 <= function(a, b) <= WORD


def test_every_instruction_has_semantics() -> None:
    control = {"lui", "auipc", "jal", "jalr", "ecall", "ebreak", "mret"}
    for row in INSTRUCTIONS:
        groups = [row.operation in group for group in (BINARY, BRANCH, LOADS, STORES)]
        assert sum(groups) == (row.operation not in control), row
        if row.operation in BINARY:
            assert row.format in (Format.R, Format.I, Format.SHIFT)


def test_jump_target_clears_bit_0_only() -> None:
    assert semantics.jump_target(0x1003) == 0x1002
    assert semantics.jump_target(MINUS_1) == MINUS_1 - 1
