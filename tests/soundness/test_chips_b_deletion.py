"""Every constraint deleted in turn: a row that only it refuses, or key generation that misses it."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rv32im_corpus import OURS, rows
from rv32im_judge import judge
from rv32im_search_b import PERMUTATIONS, SEARCHED, compiled

from localbento.air.chip import CircuitError
from localbento.air.expr import Op
from localbento.air.rules import check_chip
from localbento.circuits.rv32im import machine
from localbento.field.babybear import P

STORED = json.loads((Path(__file__).parent / "sole_rows_b.json").read_text())

BY_KEY_GENERATION = {
    "host_io": {"data only on a used row"},
}
"""Constraints that others imply; key generation wants them in so many words, and refuses a chip without them."""


@pytest.mark.parametrize("name", SEARCHED)
def test_each_check_alone_refuses_some_row(name):
    """A stored row for every label and lookup: nothing else refuses it."""
    row = compiled(name)
    wanted = set(row.cells) - BY_KEY_GENERATION.get(name, set())
    assert wanted == set(STORED[name]), "run python tests/rv32im_search_b.py"
    for label, cells in STORED[name].items():
        assert set(row.look(cells)) == {label}


@pytest.mark.parametrize("name", OURS)
def test_key_generation_misses_the_rest(name):
    chip = machine.recorded(name)
    for label in BY_KEY_GENERATION.get(name, set()):
        without = replace(chip, constraints=tuple(k for k in chip.constraints if k.label != label))
        assert len(without.constraints) == len(chip.constraints) - 1
        with pytest.raises(CircuitError):
            check_chip(without, 4)


@pytest.mark.parametrize("name", PERMUTATIONS)
def test_the_permutation_one_wrong_step_at_a_time(name):
    """For each S-box and output: a row on which it alone is wrong and all later steps are right for it.

    The steps state "cell - value = 0", cell after cell, so each cell can be mended as soon as its step is known.
    """
    chip = machine.recorded(name)
    for row in {tuple(r[sorted(_bits(chip))]): r for r in rows(name)[:-1]}.values():
        _one_wrong_step_at_a_time(chip, row)


def _bits(chip):
    return [chip.graph.nodes[n][1] for n in chip.bits]


def _one_wrong_step_at_a_time(chip, row):
    steps = _steps(chip)
    matrix = np.repeat(row.astype(np.int64)[:, None], len(steps), axis=1)
    verdict = judge(chip, _mended(chip, matrix, wrong=1))
    for i, step in enumerate(steps):
        assert {label for label, bad in verdict.failing.items() if bad[i]} == {step.label}


def _steps(chip):
    """The constraints that state one cell each, in the order of the cells after the state."""
    steps = [k for k in chip.constraints if "cube" in k.label or "S-box" in k.label or _is_output(k.label)]
    assert len(steps) == chip.width - chip.main.index("state[23]") - 1
    return steps


def _mended(chip, matrix, wrong=0):
    """Rows with the cells that flags and state call for; in row i the i-th cell is off by `wrong`."""
    first = chip.main.index("state[23]") + 1
    matrix, values = matrix.astype(np.int64), {}

    def value(node):
        op, a, _ = chip.graph.nodes[node]
        return matrix[a] if op is Op.MAIN else values[node]

    node = 0
    for i, step in enumerate(_steps(chip)):
        while node <= step.node:
            op, a, b = chip.graph.nodes[node]
            if op is Op.CONSTANT:
                values[node] = a
            elif op is not Op.MAIN:
                x, y = value(a), value(b)
                values[node] = (x + y if op is Op.ADD else x - y if op is Op.SUB else x * y) % P
            node += 1
        matrix[first + i] = (matrix[first + i] - values[step.node]) % P
        if wrong:
            matrix[first + i, i] = (matrix[first + i, i] + wrong) % P
    return matrix.astype(np.uint32)


def _is_output(label):
    return label.startswith(("digest ", "capacity "))


def test_an_unused_row_ends_nothing():
    """Every other constraint of a permutation is a step or a bit."""
    chip = machine.recorded("poseidon2")
    row = rows("poseidon2")[-1].copy()
    row[chip.main.index("last")] = 1
    assert _refusals(chip, row) == {"no end on an unused row"}
    labels = {k.label for k in chip.constraints if "cube" not in k.label and "S-box" not in k.label}
    assert {x for x in labels if not _is_output(x)} == {"is_real is a bit", "last is a bit", "no end on an unused row"}


@pytest.mark.parametrize("name", PERMUTATIONS)
def test_bits_of_permutations(name):
    """Flags of 2 and p - 1, and two flags at once, each refused by its own rule alone."""
    chip = machine.recorded(name)
    unused = rows(name)[-1]
    for flag in _bits(chip):
        refusals = []
        for value in (2, P - 1):
            for other in (None, *_bits(chip)):
                row = unused.copy()
                row[flag] = value
                if other not in (None, flag):
                    row[other] = 1
                refusals.append(_refusals(chip, _mended(chip, row[:, None])[:, 0]))
        assert all(f"{chip.main[flag]} is a bit" in found for found in refusals)
        assert {f"{chip.main[flag]} is a bit"} in refusals


def test_one_place_a_row():
    chip = machine.recorded("full_rounds")
    kinds = ["first", "second", "third", "onward", "last"]
    for one, other in itertools.combinations(kinds, 2):
        row = rows("full_rounds")[-1].copy()
        row[[chip.main.index(one), chip.main.index(other)]] = 1
        assert _refusals(chip, _mended(chip, row[:, None])[:, 0]) == {"at most one pair"}


def _refusals(chip, row):
    return {label for label, bad in judge(chip, row[:, None].astype(np.uint32)).failing.items() if bad[0]}
