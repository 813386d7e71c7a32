"""Attacks on regions as rows, on the tables of instructions, and on the tables of three heights."""

from collections import defaultdict

import numpy as np
import pytest
from rv32im_attack import column, failing, mains_of
from rv32im_corpus import case
from rv32im_judge import judge
from rv32im_rows import decoded, encode

from localbento.air.bus import BusKind
from localbento.air.check import check, evaluate_columns
from localbento.air.chip import assemble_fixed
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import RANGE, Range
from localbento.circuits.rv32im.opcodes import PAIRS, funct7_kinds, short_table
from localbento.circuits.rv32im.profiles import profiles
from localbento.circuits.rv32im.public import public_values
from localbento.circuits.rv32im.region import REGIONS
from localbento.circuits.rv32im.tables import BLINDED, FORMS
from localbento.field.babybear import P
from localbento.stark.params import S100

# regions


def test_a_row_of_regions_answers_for_its_region_and_nothing_else():
    """All kinds and all halves, with the best inverse and distances that there are."""
    low, high = np.tile(np.arange(256), 256), np.repeat(np.arange(256), 256)
    half = low + 256 * high
    chip = machine.recorded("region")
    inverse = np.array([pow(int(x), -1, P) if x else 0 for x in half])
    for number, kind in enumerate(("machine", "user", "dispatch"), 1):
        bound = {"machine": high, "user": 0xBF, "dispatch": 0xFE}[kind] - high
        cells = {kind: 1, "uses": 7, "low": low, "high": high, "inverse": inverse, "below": bound % P,
                 "above": (high - 0xC0) % P if kind == "dispatch" else 0}  # fmt: skip
        matrix = np.zeros((len(chip.main), 1 << 16), np.uint32)
        for name, values in cells.items():
            matrix[column("region", name)] = values
        verdict = judge(chip, matrix)
        first, last = REGIONS[number]
        assert np.array_equal(half[~(verdict.problems() > 0)], np.arange(first, last + 1))
        outside = {f for f, bad in verdict.failing.items() if bad.any()}
        assert outside == {"not the zero area"} | ({"inside the bounds"} if kind != "machine" else set())


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        ({"low": 0x100, "high": 0xBF}, {"two bytes"}),  # 0xC000 as 256 + 256 * 0xBF
        ({"low": P - 256, "high": 0xC1, "below": P - 2}, {"two bytes", "inside the bounds"}),
        ({"low": 1, "high": 0, "inverse": 0, "below": 0xBF}, {"not the zero area"}),
        ({"machine": 1}, {"one kind", "an unused row answers nothing"}),
        ({"machine": P - 1}, {"machine is a bit", "an unused row answers nothing"}),
        ({"user": 0, "inverse": 0, "below": 0}, {"an unused row answers nothing"}),
    ],
)
def test_a_row_of_regions_with_another_split_or_kind(cells, rules):
    """One of the numbers outside its byte, two kinds, none, or a negative one."""
    row = {"machine": 0, "user": 1, "dispatch": 0, "uses": 1, "low": 0, "high": 0xBF, "below": 0, "above": 0}
    row |= cells
    half = (row["low"] + 256 * row["high"]) % P
    real = (row["machine"] + row["user"]) % P
    row = {"inverse": real * pow(half, -1, P) % P} | row
    assert failing("region", row) == rules


def test_a_region_answers_with_its_own_kind():
    """The answers of a machine row given by an honest user row of the same half: both messages are left over."""
    mains = mains_of("split_user")
    rows = mains["region"]
    half = rows[column("region", "low")] + 256 * rows[column("region", "high")]
    old = np.flatnonzero((rows[column("region", "machine")] == 1) & (half <= REGIONS[2][1]))[0]
    new = rows[:, old].copy()
    cells = ("machine", "user", "below")
    new[[column("region", c) for c in cells]] = 0, 1, 0xBF - (int(half[old]) >> 8)
    rows[column("region", "uses"), old] = 0
    mains["region"] = np.concatenate([rows, new[:, None]], axis=1)
    report = _whole("split_user", mains)
    assert not report.failure_count
    found = {(i.message, int(np.sign(i.net))) for i in report.imbalances if i.bus == "region"}
    assert found == {((1, int(half[old])), -1), ((2, int(half[old])), 1)}


def _whole(label, mains):
    whole = case(label)
    chips = whole.profile.system.chips
    fixed = [assemble_fixed(c.chip, m.shape[1]) for c, m in zip(chips, mains.values(), strict=True)]
    return check(whole.profile.system, list(mains.values()), fixed, public_values(whole.witness.statement), 200)


# opcodes


@pytest.mark.parametrize("word", [encode("add", 5, 6, 7), encode("sub", 5, 6, 7), encode("mul", 5, 6, 7),
                                  encode("srai", 5, 6, imm=3)])  # fmt: skip
def test_an_instruction_with_the_funct7_of_another(word):
    """Every kind of funct7, with whatever OPCODE says beside it: the word's own kind is the only one."""
    row = decoded(word)
    chip = machine.recorded("decode")
    op5, funct3, own = (int(row[column("decode", c)]) for c in ("op5", "funct3", "funct7_kind"))
    forms, ops = short_table()
    decodings = set()
    for kind in range(len(forms) // PAIRS):
        forged = np.array(row, np.uint32)
        number = op5 + 32 * funct3 + PAIRS * kind
        values = {"funct7_kind": kind, "form": forms[number], "table_op": ops[number], "op": ops[number]}
        for name, value in values.items():
            forged[column("decode", name)] = value
        found = {f for f, bad in judge(chip, forged[:, None]).failing.items() if bad[0]}
        decodings.add((int(forms[number]), int(ops[number])))
        assert found - {"kind is that of the opcode"} == (set() if kind == own else {"kind of funct7"})
        assert kind != own or not found
    assert len(decodings) > 1


def test_every_funct7_has_one_kind_and_one_cut():
    """All cells that make the same high half of a word: 64 * sign and what is left of it."""
    chip = machine.recorded("decode")
    for funct7 in range(128):
        row = np.array(decoded(encode("addi", 5, 6, imm=1) & 0x01FF_FFFF | funct7 << 25), np.uint32)
        matrix = np.repeat(row[:, None], 2 * 5, axis=1)
        sign = np.repeat([0, 1], 5)
        matrix[column("decode", "sign")] = sign
        matrix[column("decode", "funct7_low")] = (funct7 - 64 * sign) % P
        matrix[column("decode", "funct7_kind")] = np.tile(np.arange(5), 2)
        failing_here = judge(chip, matrix).failing
        good = ~(failing_here["funct7 has 7 bits"] | failing_here["kind of funct7"])
        assert [(int(s), k % 5) for k, s in enumerate(sign) if good[k]] == [(funct7 >> 6, int(funct7_kinds()[funct7]))]


def test_opcode_and_funct3_have_one_cut():
    """4 op5 + 4096 funct3 has 2^21 other cuts with a small op5 or funct3; OPCODE knows neither."""
    row = np.array(decoded(encode("add", 5, 6, 7)), np.uint32)
    chip = machine.recorded("decode")
    shift = np.concatenate([np.arange(-2000, 2000), np.arange(8) * pow(1024, -1, P)]) % P
    matrix = np.repeat(row[:, None], len(shift), axis=1)
    matrix[column("decode", "op5")] = (int(row[column("decode", "op5")]) + 1024 * shift) % P
    matrix[column("decode", "funct3")] = (int(row[column("decode", "funct3")]) - shift) % P
    good = ~judge(chip, matrix).failing["opcode"]
    assert [int(x) for x in shift[good]] == [0, 0]


# tables


def _tuples(name):
    chip, form = machine.recorded(name), FORMS[name]
    fixed = assemble_fixed(form, form.rows())
    values = evaluate_columns(chip, fixed, np.zeros((len(chip.main), form.rows()), np.uint32))
    answering = np.zeros((len(chip.main), form.rows()), np.uint32)
    answering[:] = 1
    free = evaluate_columns(chip, fixed, answering)
    allowed = ~np.any([np.broadcast_to(free[k.node] != 0, (form.rows(),)) for k in chip.constraints], axis=0)
    parts = [
        np.stack([np.broadcast_to(values[n], allowed.shape)[allowed] for n in m.components]) for m in chip.messages
    ]
    table, x, y, z = np.concatenate(parts, axis=1).astype(np.int64)
    assert max(x.max(), y.max(), z.max()) < 1 << 16
    return np.unique(table << 48 | x << 32 | y << 16 | z), np.flatnonzero(allowed)


def test_all_forms_of_the_tables_answer_the_same():
    """Rows that may answer, by the chip's own rules, and what they say: the true tuples, neither more nor less."""
    sets = {name: _tuples(name) for name in FORMS}
    true = [int(kind) << 48 | x << 32 for kind in Range if kind <= Range.U16 for x in range(1 << kind)]
    x, y = np.tile(np.arange(256), 256), np.repeat(np.arange(256), 256)
    pairs = [int(Range.BYTES) << 48 | x << 32 | y << 16, int(Range.AND) << 48 | x << 32 | y << 16 | x & y]
    true = np.unique(np.concatenate([np.array(true), *pairs]))
    for name, (said, rows) in sets.items():
        assert np.array_equal(said, true)
        assert rows.max() < FORMS[name].rows() - BLINDED <= FORMS[name].rows() - S100.blinding


def test_a_use_in_another_block_of_the_table():
    """One use moved by one row, or into the next column: one tuple is answered too often, another not at all."""
    mains = mains_of("split_machine")
    for move in ("row", "block"):
        forged = mains | {"tables13": mains["tables13"].copy()}
        matrix = forged["tables13"]
        row = np.flatnonzero(matrix[0])[0]
        matrix[0, row] -= 1
        matrix[0 if move == "row" else 1, row + (move == "row")] += 1
        report = _whole("split_machine", forged)
        assert not report.failure_count
        assert sorted((i.bus, i.net) for i in report.imbalances) == [("range", -1), ("range", 1)]


def test_a_lookup_outside_the_tables_cannot_be_sent_p_times():
    """A false tuple vanishes if p rows ask for it; all lookups of the largest profiles are few against that."""
    for profile in profiles():
        asked = defaultdict(int)
        for chip, height in zip(profile.system.chips, profile.system_heights, strict=True):
            for m in chip.messages:
                if m.sign < 0 and m.bus.kind is BusKind.LOOKUP:
                    asked[m.bus] += 1 << height
        assert asked[RANGE] == max(asked.values()) < P // 64
