"""The preprocessed tables, and the counting of what chips ask of them."""

import numpy as np
import pytest
from rv32im_run import CHIPS, recorded

from localbento.air.chip import CircuitError, assemble
from localbento.circuits.rv32im.buses import Range, Region
from localbento.circuits.rv32im.lookups import count_lookups, linear
from localbento.circuits.rv32im.records import Unit
from localbento.circuits.rv32im.tables import REGIONS, ROWS, START, USED, Counts, Tables
from localbento.field.babybear import P


@pytest.fixture(scope="module")
def fixed():
    return Tables.fixed(ROWS)


def test_every_range_is_complete_and_nothing_else(fixed):
    value = fixed["x"] + 256 * fixed["y"]
    for kind in START:
        assert sorted(value[fixed["table"] == kind].tolist()) == list(range(1 << kind))
    assert set(fixed["table"].tolist()) == {int(k) for k in START}


def test_bytes_and_their_ands_are_complete(fixed):
    pairs = set(zip(fixed["x"].tolist(), fixed["y"].tolist(), strict=True))
    assert len(pairs) == 1 << 16
    assert max(max(p) for p in pairs) == 255
    assert (fixed["both"] == fixed["x"] & fixed["y"]).all()


def test_regions_hold_their_high_halves_only(fixed):
    for region, (first, last) in REGIONS.items():
        assert set(fixed[region.name.lower()].tolist()) == set(range(first, last + 1))
    assert REGIONS[Region.USER] == (1, 0xBFFF)
    assert REGIONS[Region.DISPATCH] == (0xC000, 0xFEFF)
    assert REGIONS[Region.MACHINE] == (1, 0xFFFF)


def test_opcodes_are_complete(fixed):
    triples = set(zip(fixed["op5"].tolist(), fixed["funct3"].tolist(), fixed["funct7"].tolist(), strict=True))
    assert len(triples) == 1 << 15


def test_the_chip_leaves_rows_free_for_blinding_and_has_one_height(fixed):
    assert USED <= ROWS - 192
    with pytest.raises(ValueError, match="expected"):
        Tables.fixed(ROWS // 2)


def column(*values):
    return np.array(values, np.int64)


ZERO = column(0)


@pytest.mark.parametrize("kind", list(START))
def test_counting_knows_the_ends_of_a_range(kind):
    top = (1 << kind) - 1
    counts = Counts()
    assert counts.add_range(kind, column(0, top, top), ZERO, ZERO)
    assert counts.uses[0, START[kind]] == 1
    assert counts.uses[0, START[kind] + top] == 2
    assert not counts.add_range(kind, column(top + 1), ZERO, ZERO)
    assert not counts.add_range(kind, column(P - 1), ZERO, ZERO)
    assert not counts.add_range(kind, column(0), column(1), ZERO)


def test_counting_refuses_what_is_in_no_table():
    counts = Counts()
    assert counts.add_range(Range.AND, column(6), column(3), column(2))
    assert not counts.add_range(Range.AND, column(6), column(3), column(3))
    assert not counts.add_range(Range.BYTES, column(256), column(0), ZERO)
    assert not counts.add_range(5, column(0), ZERO, ZERO)
    assert counts.add_region(Region.USER, column(1, 0xBFFF))
    assert not counts.add_region(Region.USER, column(0xC000))
    assert not counts.add_region(Region.MACHINE, column(0))
    assert not counts.add_region(0, column(5))
    assert not counts.add_opcode(column(4), column(0), column(0), column(1), column(0))
    assert not counts.add_opcode(column(32), column(0), column(0), column(0), column(0))


def shift_matrix():
    records = np.array([[Unit.SRL, 0x8765_4321, 13, 0x8765_4321 >> 13, 1], [Unit.SLL, 3, 33, 6, 2]], np.uint32)
    return assemble(CHIPS["shift"], CHIPS["shift"].fill(records), 6)


def test_counts_are_those_of_the_messages():
    counts = Counts()
    matrix = shift_matrix()
    count_lookups(recorded("shift"), matrix, counts)
    assert counts.uses.sum() == 2 * 9
    assert counts.uses[0, START[Range.U11] + 1] == 1  # the rest of 33
    assert counts.uses[2].sum() == 2  # the sign of a, an AND
    count_lookups(recorded("shift"), matrix, counts)
    assert counts.uses.sum() == 4 * 9


def test_counting_names_the_chip_and_the_label():
    matrix = shift_matrix()
    matrix[recorded("shift").main.index("rest"), 0] = 2048
    with pytest.raises(ValueError, match="shift, 'rest of the amount is 11 bits'"):
        count_lookups(recorded("shift"), matrix, Counts())


def test_a_product_of_cells_is_no_linear_form():
    chip = recorded("shift")
    nodes, degrees = chip.graph.nodes, chip.graph.degrees
    product = next(i for i, node in enumerate(nodes) if node[0].name == "MUL" and degrees[i] == 2)
    with pytest.raises(CircuitError, match="not linear"):
        linear(chip.graph, product)
