"""Attacks on decode rows: the split of the pc, targets, registers, kinds of words.

A row is made honestly, changed, and must fail in the place that is named.
"""

import pytest
from rv32im_rows import cell, decoded, encode, refusals

from localbento.circuits.rv32im.records import USER_MODE
from localbento.field.babybear import P


def test_pc_has_one_split():
    """Machine word x below 2**27 - 1 is, as an element, also the user word x + 0x3800_0001."""
    row = decoded(encode("addi", 1, 1, imm=1), pc=0x4100)
    other = 0x4100 + 0x3800_0001
    assert (other + USER_MODE) % P == 0x4100
    cells = {"user": 1, "low": other & 0x3FFF, "high": other >> 14}
    refused = refusals("decode", row, **cells)
    assert "region of the mode" in refused
    assert not any("fetched as code" in x for x in refused)


def test_user_code_does_not_run_past_its_region():
    row = decoded(encode("addi", 1, 1, imm=1), user=True, pc=0xBFFF_FFFC >> 2)
    assert not refusals("decode", row)
    pc = (0xC000_0000 >> 2) + USER_MODE
    cells = {"low": 0, "high": 0xC000, "pc": pc, "goal_low": 0, "goal_high": 0xC000, "wraps": 0}
    assert refusals("decode", row, **cells) == {"region of the mode"}


def test_last_word_of_memory_is_no_instruction():
    row = decoded(encode("addi", 1, 1, imm=1), pc=0xFFFF_FFF8 >> 2)
    last = 0xFFFF_FFFC >> 2
    cells = {"low": 0x3FFF, "goal_low": 0x3FFF, "pc": last, "wraps": 1}
    assert refusals("decode", row, **cells) == {"link: 16 bits"}
    assert refusals("decode", row, **(cells | {"wraps": 0})) == {"link: 14 bits"}


def test_targets_that_are_not_aligned_or_out_of_range_are_nowhere():
    for word, user, pc in (
        (encode("beq", rs1=1, rs2=2, imm=6), False, 0x1000_0000),
        (encode("jal", 1, imm=2), False, 0x1000_0000),
        (encode("jal", 1, imm=64), True, 0xBFFF_FFF0 >> 2),
        (encode("beq", rs1=1, rs2=2, imm=-64), False, 0x1_0010 >> 2),
    ):
        row = decoded(word, user, pc)
        assert cell("decode", row, "u") == P - 1
        target = cell("decode", row, "goal_low") + (cell("decode", row, "goal_high") << 14) + USER_MODE * user
        refused = refusals("decode", row, reachable=1, u=target)
        assert refused & {"reachable: aligned", "reachable: region of the mode"}
        assert "component u" in refusals("decode", row, u=target)


def test_link_and_targets_are_those_of_the_word():
    row = decoded(encode("jal", 1, imm=-2048))
    for column in ("x", "y", "u", "rd", "op", "s1", "v"):
        assert refusals("decode", row, **{column: cell("decode", row, column) + 1})
    assert "goal: low limb" in refusals("decode", row, goal_low=cell("decode", row, "goal_low") + 1)


@pytest.mark.parametrize("mnemonic", ["addi", "lw", "lui", "jalr", "mul"])
def test_write_to_x0_goes_to_the_scratch_word(mnemonic):
    """The test that dies when the write goes to x0."""
    for user in (False, True):
        row = decoded(encode(mnemonic, rd=0), user)
        scratch = 0x3FFF_C000 + 32 * user + 64
        assert cell("decode", row, "rd") == scratch
        assert refusals("decode", row, rd=scratch - 64) == {"address of rd"}
        assert refusals("decode", row, rd=scratch - 64, no_rd=0, inverse=0) == {"not x0: rd is not 0"}


def test_write_to_a_register_does_not_go_to_the_scratch_word():
    row = decoded(encode("addi", rd=5))
    assert "x0: rd is 0" in refusals("decode", row, no_rd=1, inverse=0, rd=cell("decode", row, "rd") + 64)


def test_illegal_words_have_no_other_kind():
    for word in (0x0000_100F, 0x1050_0073, 0x0000_2067, 0xFFFF_FFFF, 0x0200_1013, 0x4000_1013, 0x0000_3003):
        row = decoded(word, user=True)
        assert cell("decode", row, "op") == 513, hex(word)
        for kind in ("imm", "reg", "load", "jalr", "ecall", "mret", "store"):
            flag = next(k for k in ("illegal", "bad_ecall", "bad_mret") if cell("decode", row, k))
            assert refusals("decode", row, **{flag: 0, kind: 1}), (hex(word), kind)


def test_compressed_words_are_illegal_whatever_their_other_bits():
    row = decoded(encode("addi", 1, 1, imm=1) & ~3 | 1, user=True)
    assert cell("decode", row, "compressed") == 1
    assert "not compressed: 11" in refusals("decode", row, compressed=0, imm=1)
    legal = decoded(encode("addi", 1, 1, imm=1), user=True)
    refused = refusals("decode", legal, compressed=1, imm=0, bit0=0, op5=cell("decode", legal, "op5") + pow(4, -1, P))
    assert "opcode" in refused


@pytest.mark.parametrize("word", [0x73 | 1 << 7, 0x73 | 1 << 15, 0x10_0073 | 1 << 7, 0x20_0073, 0x3020_0073 | 1 << 15,
                                  0x3010_0073, 0x3030_0073])  # fmt: skip
def test_system_words_with_other_fields_are_illegal(word):
    row = decoded(word, user=True)
    flag = "bad_mret" if word >> 25 else "bad_ecall"
    assert cell("decode", row, flag) == 1
    for kind in ("ecall", "ebreak", "mret"):
        assert refusals("decode", row, **{flag: 0, kind: 1, "inverse": 0}), kind


def test_system_words_are_not_called_illegal():
    for word, flag in ((0x73, "bad_ecall"), (0x10_0073, "bad_ecall")):
        row = decoded(word, user=True)
        kind = "ecall" if word == 0x73 else "ebreak"
        assert "neither ecall nor ebreak" in refusals("decode", row, **{kind: 0, flag: 1, "inverse": 1, "op": 513})
    row = decoded(0x3020_0073)
    refused = refusals("decode", row, mret=0, bad_mret=1, inverse=1, op=513, user=1)
    assert {"not mret", "fetched as code: the pc itself"} <= refused


def test_traps_are_answered_in_user_mode_only_and_mret_in_machine_mode_only():
    row = decoded(0, user=True, pc=0x1000_0000)
    assert refusals("decode", row, user=0, pc=0x1000_0000) == {"trap in user mode only"}
    row = decoded(0x3020_0073, pc=0x1000_0000)
    assert refusals("decode", row, user=1, pc=0x1000_0000 + USER_MODE) == {"mret in machine mode only"}


def test_a_field_of_one_bit_more_is_no_field():
    """The word cut in two ways: a bit moved from one field to its neighbour."""
    row = decoded(encode("add", 3, 1, 2), user=True)
    assert refusals("decode", row, rd_even=17, funct3=P - 1)
    assert "rd has 5 bits" in refusals("decode", row, rd_even=cell("decode", row, "rd_even") + 16, funct3=P - 1)
    assert "rs1 has 5 bits" in refusals("decode", row, rs1_even=16, rs2_bit=P - 1)
    assert refusals("decode", row, sign=1, funct7_low=P - 64) >= {"funct7 has 7 bits"}
