"""Attacks on rows of the instruction chips: groups E and F of the catalogue, and what was broken once.

A row is made honestly, changed, and must fail in the place that is named.
"""

import numpy as np
import pytest
from rv32im_judge import judge
from rv32im_rows import cell, cells_of, encode, honest, outside, refusals
from rv32im_run import Run, recorded
from rv32im_search import Row, with_cells

from localbento.field.babybear import P

NEGATIVE = 1 << 31

# Arithmetic


def test_sum_with_wrong_carry_or_not_reduced():
    row = honest("alu_reg", encode("add", 3, 1, 2), 0xFFFF_FFFF, 1)
    assert refusals("alu_reg", row, out__hi=1) == {"add: high limb"}
    assert refusals("alu_reg", row, out__hi=1 << 16) == {"out.hi is 16 bits"}
    assert refusals("alu_reg", row, out__lo=1 << 16) >= {"out.lo is 16 bits"}
    row = honest("alu_reg", encode("sub", 3, 1, 2), 0, 1)
    assert refusals("alu_reg", row, out__hi=0xFFFE) == {"sub: high limb"}
    row = honest("alu_imm", encode("addi", 3, 1, imm=-1), 0)
    assert refusals("alu_imm", row, out__lo=0xFFFE) == {"add: low limb", "add: high limb"}


@pytest.mark.parametrize("mnemonic", ["sll", "slt", "sltu", "xor", "srl", "sra", "or", "and", "mul", "mulh", "mulhsu",
                                      "mulhu", "div", "divu", "rem", "remu"])  # fmt: skip
def test_result_of_a_unit_is_no_other(mnemonic):
    row = honest("alu_reg", encode(mnemonic, 3, 1, 2), 0x8000_0005, 0xFFFF_FFFE)
    out = cell("alu_reg", row, "out.lo")
    for wrong in (out + 1, out - 1, out ^ 0x8000):
        assert "pull unit 0" in refusals("alu_reg", row, out__lo=wrong)
    variant = cell("alu_reg", row, "variant")
    assert outside("alu_reg", row, variant=variant + 1)
    assert refusals("alu_reg", row, add=1) >= {"variant of add"}


def test_result_is_not_left_to_nobody():
    """A unit's instruction that is declared inline, or an addition that asks no unit and is not one."""
    row = honest("alu_reg", encode("xor", 3, 1, 2), 5, 6)
    assert "variant of add" in refusals("alu_reg", row, add=1, out__lo=11)
    row = honest("alu_reg", encode("add", 3, 1, 2), 5, 6)
    assert "pull unit 0" in refusals("alu_reg", row, add=0, out__lo=99)
    assert "an unused row computes nothing" in refusals("alu_reg", row, is_real=0)


def test_two_reads_of_one_register_are_chained():
    """rs1 = rs2: the second read takes what the first one left; another value is another message."""
    row = honest("alu_reg", encode("add", 3, 1, 1), 77)
    chip = recorded("alu_reg")
    assert cell("alu_reg", row, "b.previous") == 5 * cell("alu_reg", row, "cycle") + 1
    before = judge(chip, np.array([row], np.uint32).T).outside
    changed = with_cells(row, chip, b__word__lo=78, out__lo=155)
    assert not Row(chip).look(changed)
    assert judge(chip, np.array([row, changed], np.uint32).T).differs(0)[1]
    assert before


def test_destination_is_written_after_sources_are_read():
    row = honest("alu_reg", encode("add", 1, 1, 1), 3)
    assert cell("alu_reg", row, "result.previous") == 5 * cell("alu_reg", row, "cycle") + 2
    assert cell("alu_reg", row, "out.lo") == 6
    now = 5 * cell("alu_reg", row, "cycle") + 4
    assert "result: later than before" in refusals("alu_reg", row, result__previous=now)


# Times


@pytest.mark.parametrize("gap", [0, -1, (1 << 24) + 1, P - 5])
def test_time_of_the_access_before_is_earlier_and_near(gap):
    """Equal, later, too far, and round the field."""
    row = honest("alu_imm", encode("xori", 3, 1, imm=5), 1)
    now = 5 * cell("alu_imm", row, "cycle") + 1
    previous = now - gap
    high = ((gap - 1) % P) >> 16
    refused = refusals("alu_imm", row, a__previous=previous, a__gap_high=high)
    assert refused & {"a: later than before", "gaps"}


@pytest.mark.parametrize("name", ["alu_reg", "alu_imm", "word", "part", "branch", "const", "jalr", "slow_fetch"])
def test_times_follow_from_the_cycle_that_the_chain_gave(name):
    """No access of an instruction happens at a time that is a column of its own."""
    chip = recorded(name)
    taken = next(m for m in chip.messages if m.bus.name == "cpu" and m.sign < 0)
    cycle = chip.graph.nodes[taken.components[0]]
    load = [i for i, column in enumerate(chip.main) if column == "load"]  # a bit; it moves the slot
    for m in chip.messages:
        if m.bus.name == "memory" and m.sign > 0:
            assert cells_of(chip, m.components[1]) <= {cycle[1], *load}


def test_peek_lends_at_the_memory_slot_of_a_cycle_only():
    run = Run(7)
    run.step(encode("addi", 1, 1, imm=1), 1)
    run.peek(next(iter(run.code)))
    row = [int(x) for x in run.matrices(spare=0)["peek"][:, 0]]
    fifth = pow(5, -1, P)
    shifted = (cell("peek", row, "cycle") + fifth) % P
    for high in (0, shifted >> 16, (shifted >> 16) % 256):
        assert refusals("peek", row, cycle=shifted, cycle_high=high)


# Loads and stores


def test_address_out_of_the_region():
    zero_area = honest("word", encode("lw", 3, 1), 0x1_0000)
    assert refusals("word", zero_area, a__word__hi=0, high=0, source_addr=0) == {"region of the mode"}
    kernel = honest("word", encode("lw", 3, 1), 0xBFFF_FFFC, user=True)
    cells = {"a__word__hi": 0xC000, "high": 0xC000}
    assert refusals("word", kernel, **cells, source_addr=0xC000_FFFC >> 2) == {"region of the mode"}
    assert outside("word", kernel, user=0)


def test_word_at_an_address_that_is_no_multiple_of_four():
    """4 * 503316481 = 3 modulo p: so the quotient is looked up in 14 bits itself."""
    row = honest("word", encode("lw", 3, 1), 0x4000_0000)
    quarter = 3 * pow(4, -1, P) % P
    assert quarter == 503316481
    changed = {"a__word__lo": 3, "low": quarter, "source_addr": quarter + (0x4000 << 14)}
    assert refusals("word", row, **changed) == {"word in its 64 KiB is 14 bits"}


def test_half_at_an_odd_address():
    row = honest("part", encode("lhu", 3, 1), 0x4000_0000, memory_word=0x0403_0201)
    assert "a half is at an even address" in refusals("part", row, odd=1, a__word__lo=1)


def test_part_of_another_lane_or_with_another_extension():
    row = honest("part", encode("lb", 3, 1), 0x4000_0001, memory_word=0x1122_8044)
    assert "loaded low limb" in refusals("part", row, new__lo=0x44)
    assert "loaded high limb" in refusals("part", row, new__hi=0)
    assert "sign of the part" in refusals("part", row, sign=0, new__lo=0x80, new__hi=0)
    assert refusals("part", row, odd=0, a__word__lo=0)
    assert outside("part", row, signed=0)
    assert "limb of memory" in refusals("part", row, upper=1, a__word__lo=3)


def test_bytes_of_a_limb_are_bytes():
    """lh of a limb cut as b0 + 256 b1 in field elements that are no bytes."""
    row = honest("part", encode("lb", 3, 1), 0x4000_0000, memory_word=0x0000_0201)
    other = (0x201 - 5) * pow(256, -1, P) % P
    cells = {"byte0": 5, "byte": 5, "top_byte": 5, "byte1": other, "new__lo": 5, "stored_byte": 1}
    refused = refusals("part", row, **cells)
    assert "gaps and the other byte of the limb 2" in refused


@pytest.mark.parametrize(("mnemonic", "changed"), [("sb", {"new__lo": 0x1155}), ("sb", {"new__hi": 0}),
                                                   ("sh", {"new__hi": 7}), ("sb", {"new__lo": 0x6600})])  # fmt: skip
def test_store_leaves_the_rest_of_the_word(mnemonic, changed):
    row = honest("part", encode(mnemonic, rs1=1, rs2=2), 0x4000_0000, 0xAABB_CC55, memory_word=0x3344_2211)
    assert refusals("part", row, **changed) & {"stored low limb", "stored high limb"}


def test_store_of_another_value():
    row = honest("word", encode("sw", rs1=1, rs2=2), 0x4000_0000, 5, memory_word=9)
    assert outside("word", row, source__word__lo=9)
    assert refusals("word", row, load=1)  # source and goal change places
    assert outside("word", row, load=1)


# Control


def test_branch_goes_where_the_comparison_says():
    for mnemonic, a, b in (("beq", 5, 5), ("blt", NEGATIVE, NEGATIVE - 1), ("bgeu", 7, 7), ("bne", 1, 1)):
        row = honest("branch", encode(mnemonic, rs1=1, rs2=2, imm=64), a, b)
        taken = cell("branch", row, "taken")
        target, after = cell("branch", row, "target"), cell("branch", row, "pc") + 1
        flipped = {"taken": 1 - taken, "next": after if taken else target}
        assert refusals("branch", row, **flipped) == {"pull unit 0"}
        assert "next pc" in refusals("branch", row, next=after if taken else target)
        assert refusals("branch", row, taken=2)


@pytest.mark.parametrize("name", ["alu_reg", "alu_imm", "word", "part"])
def test_what_does_not_jump_goes_on_at_the_next_word(name):
    chip = recorded(name)
    pushed = next(m for m in chip.messages if m.bus.name == "cpu" and m.sign > 0)
    assert {chip.main[c] for c in cells_of(chip, pushed.components[1])} == {"pc"}


def test_jalr_clears_bit_0_and_must_then_be_aligned():
    row = honest("jalr", encode("jalr", 1, 2, imm=0), 0x3000_0001)
    assert cell("jalr", row, "odd") == 1
    assert "odd is a bit" in refusals("jalr", row, a__word__lo=2, odd=2)
    quarter = 2 * pow(4, -1, P) % P
    assert refusals("jalr", row, a__word__lo=2, odd=0, low=quarter) == {"word in its 64 KiB is 14 bits"}
    assert outside("jalr", row, link_lo=cell("jalr", row, "link_lo") + 4)


def test_jalr_stays_in_the_region_of_the_mode():
    row = honest("jalr", encode("jalr", 1, 2, imm=0), 0xBFFF_0000, user=True)
    assert refusals("jalr", row, a__word__hi=0xC000, high=0xC000) == {"region of the mode"}
    assert refusals("jalr", row, a__word__hi=0, high=0) == {"region of the mode"}
