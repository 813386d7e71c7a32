"""Every constraint deleted in turn: a row that only it refuses, or key generation that misses it."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from rv32im_corpus import OURS, rows
from rv32im_judge import judge
from rv32im_search_b import SEARCHED, compiled

from localbento.air.chip import CircuitError
from localbento.air.expr import Op
from localbento.air.rules import check_chip
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.poseidon2 import WIDTH
from localbento.field.babybear import P

STORED = json.loads((Path(__file__).parent / "sole_rows_b.json").read_text())

BY_KEY_GENERATION = {
    "host_io": {"data only on a used row"},
    "poseidon2": {"no answers from an unused row", "no end on an unused row", "only a node is a HASH"},
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
    for label in BY_KEY_GENERATION.get(name, set()) - {"only a node is a HASH"}:
        without = replace(chip, constraints=tuple(k for k in chip.constraints if k.label != label))
        assert len(without.constraints) == len(chip.constraints) - 1
        with pytest.raises(CircuitError):
            check_chip(without, 4)


@cache
def node_row():
    main = machine.recorded("poseidon2").main
    row = next(r for r in rows("poseidon2") if r[main.index("node")])
    return tuple(map(int, row))


def test_the_permutation_one_wrong_step_at_a_time():
    """For each S-box and output: a row on which it alone is wrong and all later steps are right for it.

    The steps state "cell - value = 0", cell after cell, so each cell can be mended as soon as its step is known.
    """
    chip = machine.recorded("poseidon2")
    steps = [k for k in chip.constraints if "cube" in k.label or "S-box" in k.label or _is_output(k.label)]
    first = chip.main.index("initial[0].cube[0]")
    assert len(steps) == chip.width - first
    matrix = np.repeat(np.array(node_row(), np.int64)[:, None], len(steps), axis=1)
    values = {}

    def value(node):
        op, a, _ = chip.graph.nodes[node]
        return matrix[a] if op is Op.MAIN else values[node]

    node = 0
    for i, step in enumerate(steps):
        while node <= step.node:
            op, a, b = chip.graph.nodes[node]
            if op is Op.CONSTANT:
                values[node] = a
            elif op is not Op.MAIN:
                x, y = value(a), value(b)
                values[node] = (x + y if op is Op.ADD else x - y if op is Op.SUB else x * y) % P
            node += 1
        matrix[first + i] = (matrix[first + i] - values[step.node]) % P
        matrix[first + i, i] = (matrix[first + i, i] + 1) % P
    verdict = judge(chip, matrix.astype(np.uint32))
    for i, step in enumerate(steps):
        assert {label for label, bad in verdict.failing.items() if bad[i]} == {step.label}


def _is_output(label):
    return label.startswith(("digest ", "capacity "))


@pytest.mark.parametrize("label", ["only a sponge ends", "a page ends with its block 31", "at most one kind"])
def test_kinds_of_permutation(label):
    chip = machine.recorded("poseidon2")
    row = dict(zip(chip.main, node_row(), strict=True))
    changes = {
        "only a sponge ends": {"last": 1, "block": 31},
        "a page ends with its block 31": {"node": 0, "uses": 0, "sponge": 1, "last": 1, "block": 30},
        "at most one kind": {"sponge": 1, "uses": 0},
    }[label]
    row |= changes
    matrix = np.array([[row[c]] for c in chip.main], np.uint32)
    assert {k for k, bad in judge(chip, matrix).failing.items() if bad[0]} == {label}


def test_bits_and_capacities_of_permutations():
    """Flags of 2 and p - 1, capacities of nodes: refused."""
    chip = machine.recorded("poseidon2")
    base = dict(zip(chip.main, node_row(), strict=True))
    labels = {k.label for k in chip.constraints}
    for flag in ("node", "sponge", "last"):
        for value in (2, P - 1):
            matrix = np.array([[(base | {flag: value})[c]] for c in chip.main], np.uint32)
            assert judge(chip, matrix).failing[f"{flag} is a bit"][0]
    for i in range(16, WIDTH):
        assert f"node: capacity {i - 16} is zero" in labels
        row = base | {f"state[{i}]": 1}
        matrix = np.array([[row[c]] for c in chip.main], np.uint32)
        assert f"node: capacity {i - 16} is zero" in {k for k, bad in judge(chip, matrix).failing.items() if bad[0]}
