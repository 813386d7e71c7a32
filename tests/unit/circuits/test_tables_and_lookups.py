"""The preprocessed tables, and the counting of what chips ask of them."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from rv32im_judge import judge
from rv32im_run import CHIPS, recorded

from localbento.air.check import evaluate_columns
from localbento.air.chip import CircuitError, assemble, assemble_fixed
from localbento.air.rules import check_chip
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import Range, Region
from localbento.circuits.rv32im.lookups import count_lookups, linear
from localbento.circuits.rv32im.machine import recorded as recorded_of
from localbento.circuits.rv32im.opcode_chip import LOWEST, Opcodes
from localbento.circuits.rv32im.opcodes import funct7_kinds, table
from localbento.circuits.rv32im.profiles import parse, profiles
from localbento.circuits.rv32im.records import Unit
from localbento.circuits.rv32im.region import REGIONS, Regions
from localbento.circuits.rv32im.tables import FORMS, PLAIN, Counts
from localbento.field.babybear import P


@cache
def tuples(name):
    """Every tuple that a form's chip answers, once for each row and message: int64[4, n]."""
    chip, form = recorded_of(name), FORMS[name]
    fixed = assemble_fixed(form, form.rows())
    values = evaluate_columns(chip, fixed, np.zeros((len(chip.main), form.rows()), np.uint32))
    real = fixed[chip.fixed.index("is_real")] == 1
    parts = [
        np.stack([np.broadcast_to(values[node], (form.rows(),)).astype(np.int64)[real] for node in m.components])
        for m in chip.messages
    ]
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("name", FORMS)
def test_every_tuple_is_true_and_every_true_tuple_is_there(name):
    table, x, y, z = tuples(name)
    for kind in PLAIN:
        of = table == kind
        assert not y[of].any()
        assert not z[of].any()
        assert np.array_equal(np.unique(x[of]), np.arange(1 << kind))
    for kind in (Range.BYTES, Range.AND):
        of = table == kind
        assert max(x[of].max(), y[of].max()) == 255
        assert np.array_equal(np.unique(x[of] + 256 * y[of]), np.arange(1 << 16))
        assert np.array_equal(z[of], x[of] & y[of] if kind == Range.AND else 0 * x[of])
    assert set(table.tolist()) == {int(kind) for kind in Range}


def test_opcodes_are_complete():
    fixed = Opcodes.fixed(1 << LOWEST)
    triples = list(zip(fixed["op5"].tolist(), fixed["funct3"].tolist(), fixed["kind"].tolist(), strict=True))
    kinds = dict(zip(fixed["funct7"].tolist(), fixed["funct7_kind"].tolist(), strict=True))
    assert sorted(kinds) == list(range(128))
    forms, ops = table()
    said = dict(zip(triples, zip(fixed["form"].tolist(), fixed["op"].tolist(), strict=True), strict=True))
    assert len(said) == len(triples) == 256 * (1 + max(kinds.values()))
    for number in range(1 << 15):
        op5, funct3, funct7 = number & 31, number >> 5 & 7, number >> 8
        assert said[op5, funct3, kinds[funct7]] == (forms[number], ops[number])


def test_the_chips_leave_rows_free_for_blinding():
    for form in FORMS.values():
        assert form.used() <= form.rows() - 192
        with pytest.raises(ValueError, match="expected"):
            form.fixed(form.rows() // 2)
    assert len(Opcodes.fixed(1 << LOWEST)["op"]) <= (1 << LOWEST) - 192
    with pytest.raises(ValueError, match="expected at least"):
        Opcodes.fixed(1 << 10)


@pytest.mark.parametrize("name", FORMS)
def test_uses_stand_at_their_tuples(name):
    """Whatever is counted is answered as often, by a row that holds it."""
    counts, rng = Counts(), np.random.default_rng(1)
    wanted = []
    for kind in Range:
        x = rng.integers(0, 1 << min(kind, 16), 300) if kind < Range.BYTES else rng.integers(0, 256, 300)
        y = rng.integers(0, 256, 300) if kind >= Range.BYTES else 0 * x
        z = x & y if kind == Range.AND else 0 * x
        assert counts.add_range(int(kind), x, y, z)
        wanted.append(np.stack([0 * x + int(kind), x, y, z]))
    chip, form = recorded_of(name), FORMS[name]
    main = assemble(form, form.fill(counts), form.rows())
    real = assemble_fixed(form, form.rows())[chip.fixed.index("is_real")] == 1
    uses = np.concatenate([main[chip.graph.nodes[m.times][1]][real] for m in chip.messages])
    asked, times = np.unique(np.concatenate(wanted, axis=1), axis=1, return_counts=True)
    answered = np.repeat(tuples(name)[:, uses > 0], uses[uses > 0], axis=1)
    found, often = np.unique(answered, axis=1, return_counts=True)
    assert np.array_equal(found, asked)
    assert np.array_equal(often, times)
    assert not main[:, ~real].any()


@pytest.mark.parametrize("name", ["region", "opcodes", *FORMS])
def test_key_generation_wants_the_rule_that_unused_rows_are_silent(name):
    chip = recorded_of(name)
    for label in [k.label for k in chip.constraints if "answer" in k.label]:
        without = replace(chip, constraints=tuple(k for k in chip.constraints if k.label != label))
        with pytest.raises(CircuitError, match="provider"):
            check_chip(without, 4)


def test_regions_are_those_of_the_rows():
    """Every half of every region has a row, none outside has."""
    assert REGIONS[Region.USER] == (1, 0xBFFF)
    assert REGIONS[Region.DISPATCH] == (0xC000, 0xFEFF)
    assert REGIONS[Region.MACHINE] == (1, 0xFFFF)
    for kind in Region:
        first, last = REGIONS[kind]
        counts = Counts()
        assert counts.add_region(kind, np.arange(first, last + 1))
        matrix = assemble(Regions, Regions.fill(counts), last + 1 - first)
        assert not judge(recorded("region"), matrix).problems().any()
        for half in {0, first - 1, last + 1} & set(range(1 << 16)):
            counts = Counts()
            counts.regions[kind, half] = 1
            filled = {k: np.asarray(v) % P for k, v in Regions.fill(counts).items()}
            verdict = judge(recorded("region"), assemble(Regions, filled, 1))
            assert {k for k, bad in verdict.failing.items() if bad[0]} & {"not the zero area", "inside the bounds"}


def test_regions_of_a_segment_have_room():
    for profile in profiles():
        pages = min(profile.capacity("page"), profile.capacity("page_block") // 32)
        assert profile.capacity("region") >= 6 * pages + profile.capacity("sha2") / 11 + 8
    data = {name: [9, 1] for name in machine.CHIPS}
    with pytest.raises(ValueError, match="rows of region"):
        parse({"tight": data | {"page_block": [13, 1]}})


def column(*values):
    return np.array(values, np.int64)


ZERO = column(0)


@pytest.mark.parametrize("kind", PLAIN)
def test_counting_knows_the_ends_of_a_range(kind):
    top = (1 << kind) - 1
    counts = Counts()
    assert counts.add_range(kind, column(0, top, top), ZERO, ZERO)
    assert counts.ranges[kind][0] == 1
    assert counts.ranges[kind][top] == 2
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
    assert not counts.add_opcode(column(4), column(0), column(5), column(0), column(0))
    assert counts.add_funct7(column(0, 127), funct7_kinds()[[0, 127]].astype(np.int64))
    assert not counts.add_funct7(column(0), column(1))
    assert not counts.add_funct7(column(128), column(0))


def shift_matrix():
    records = np.array([[Unit.SRL, 0x8765_4321, 13, 0x8765_4321 >> 13, 1], [Unit.SLL, 3, 33, 6, 2]], np.uint32)
    return assemble(CHIPS["shift"], CHIPS["shift"].fill(records), 6)


def test_counts_are_those_of_the_messages():
    counts = Counts()
    matrix = shift_matrix()
    count_lookups(recorded("shift"), matrix, counts)
    assert sum(uses.sum() for uses in counts.ranges.values()) == 2 * 9
    assert counts.ranges[Range.U11][1] == 1  # the rest of 33
    assert counts.ranges[Range.AND].sum() == 2  # the sign of a, an AND
    count_lookups(recorded("shift"), matrix, counts)
    assert sum(uses.sum() for uses in counts.ranges.values()) == 4 * 9


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
