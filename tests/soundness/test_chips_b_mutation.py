"""Group D for the chips around the instructions: any changed cell is noticed, by a label, a table or another chip."""

import random
from fnmatch import fnmatch

import numpy as np
import pytest
from rv32im_corpus import OURS, rows, unused
from rv32im_judge import judge, variants

from localbento.air.check import evaluate_columns
from localbento.circuits.rv32im import machine
from localbento.field.babybear import P

FREE = {
    # A cell that a kind of row does not use: no constraint of that kind and no message names it, but for the range
    # that its type promises (bits of host_io, bytes of read_data).
    "system": {
        "resume": "pc x y third.*",
        "split": "x y third.* words*",
        "close": "pc third.* words*",
        "terminate": "",
        "ecall": "third.* words*",
        "trap": "third.* words*",
        "mret": "second* third.* words*",
    },
    "host_io": {"is_read": "", "is_write": "pointer.* byte_low byte_high carry"},
    "read_data": {"whole": "removed put beside"},
    "poseidon2": {},
    "full_rounds": {},
    "partial_rounds": {},
    "page_block": {},
    "page": {},
    "node": {},
    "access": {},
    "sha2": {},
    "sha2_round": {},
    "sha2_step": {},
}
"""Columns by kind of row that are free, and why that is harmless: see above.  Everything else is pinned."""


def uses(chip, matrix):
    """Multiplicities of the chip's providers by row."""
    values = evaluate_columns(chip, np.zeros((0, matrix.shape[1]), np.uint32), matrix)
    return [np.broadcast_to(values[m.times], matrix.shape[1:]) for m in chip.messages if m.rank is not None]


def noticed(chip, matrix):
    """Of rows uint32[columns, n]: whether row i is refused, or seen by other chips as another row than row 0."""
    verdict = judge(chip, matrix)
    answers = sum(((u != u[0]).astype(int) for u in uses(chip, matrix)), np.zeros(matrix.shape[1], int))
    return (verdict.problems() + answers > 0) | verdict.differs(0)


def is_free(name, row, column):
    chip = machine.recorded(name)
    if not any(row):
        return True
    kinds = [kind for kind in FREE[name] if row[chip.main.index(kind)]]
    return any(fnmatch(column, pattern) for kind in kinds for pattern in FREE[name][kind].split())


@pytest.mark.parametrize("name", OURS)
def test_every_changed_cell_of_a_used_row_is_noticed(name):
    chip, rng = machine.recorded(name), random.Random(name)
    cells = range(chip.width) if chip.width < 200 else None
    survivors = set()
    for row in rows(name, 40 if chip.width < 200 else 4)[:-1]:
        chosen = cells or rng.sample(range(chip.width), 150)
        matrix, which = variants(row, chosen, rng)
        for cell in set(which[~noticed(chip, matrix)]) - {-1}:
            if not is_free(name, row, chip.main[cell]):
                survivors.add(chip.main[cell])
    assert not survivors


@pytest.mark.parametrize("name", OURS)
def test_the_list_of_free_cells_is_exact(name):
    """A column that is listed as free is so: nobody sees 0 or 1 there.  (Else the list would hide something.)"""
    chip = machine.recorded(name)
    for kind, patterns in FREE[name].items():
        for pattern in patterns.split():
            columns = [i for i, column in enumerate(chip.main) if fnmatch(column, pattern)]
            assert columns, (kind, pattern)
            row = next(r for r in rows(name) if r[chip.main.index(kind)])
            for column in columns:
                changed = row.copy()
                changed[column] = int(row[column] == 0)
                assert (
                    chip.main[column] in ("byte_low", "byte_high", "carry")
                    or not noticed(chip, np.stack([row, changed], axis=1))[1]
                )


@pytest.mark.parametrize("name", OURS)
def test_an_unused_row_sends_nothing(name):
    """Whatever one cell of an unused row is, the row is refused or silent; a used row has all the constraints."""
    chip, rng = machine.recorded(name), random.Random(name)
    row = unused(name)
    matrix, which = variants(row, range(chip.width), rng)
    verdict = judge(chip, matrix)
    silent = ~verdict.differs(0)
    values = evaluate_columns(chip, np.zeros((0, matrix.shape[1]), np.uint32), matrix)
    real = np.broadcast_to(values[chip.real], matrix.shape[1:])
    sends = sum((np.broadcast_to(values[m.times], real.shape) != 0).astype(int) for m in chip.messages)
    fine = (verdict.problems() > 0) | (silent & (sends == 0)) | (real == 1)
    assert not {chip.main[c] for c in set(which[~fine])}


@pytest.mark.parametrize("name", OURS)
def test_every_multiplicity_is_0_on_an_unused_row(name):
    """Each column that a multiplicity is made of, set to 1, 2 or p - 1 alone on an unused row (test 52, 53)."""
    chip = machine.recorded(name)
    for m in chip.messages:
        for cell in sorted(_cells(chip, m.times)):
            for value in (1, 2, P - 1):
                row = unused(name)
                row[cell] = value
                values = evaluate_columns(chip, np.zeros((0, 1), np.uint32), row[:, None])
                sent, real = values[m.times][0], values[chip.real][0]
                failing = [k.label for k in chip.constraints if values[k.node][0]]
                assert failing or not sent or (real == 1 and value == 1), (m.label, chip.main[cell], value)


def _cells(chip, node):
    found, stack = set(), [node]
    while stack:
        op, a, b = chip.graph.nodes[stack.pop()]
        if op.name == "MAIN":
            found.add(a)
        elif op.name in ("ADD", "SUB", "MUL"):
            stack += [a, b]
    return found


@pytest.mark.parametrize("name", ["system", "host_io", "read_data", "full_rounds", "sha2", "sha2_step"])
def test_kinds_are_one_hot(name):
    """Two kinds at once, none on a row that sends, 2 and p - 1, and two ones with a p - 1 (tests 51, 65)."""
    chip, kinds = machine.recorded(name), _kinds(name)
    for row in rows(name)[:-1]:
        own = next(k for k in kinds if row[k])
        others = [k for k in kinds if k != own]
        pairs = [((own, x), (k, y)) for k in others for x, y in ((1, 1), (2, P - 1), (P - 1, 2))]
        changes = [*pairs, ((own, 2),), ((own, P - 1),)]
        matrix = np.repeat(row[:, None], len(changes), axis=1)
        for i, change in enumerate(changes):
            for cell, value in change:
                matrix[cell, i] = value
        assert judge(chip, matrix).problems().all()


def _kinds(name):
    chip = machine.recorded(name)
    return sorted(_cells(chip, chip.real))


@pytest.mark.parametrize("name", OURS)
def test_pairs_of_cells(name):
    """Two cells changed by +1 and -1, swapped, or taken from another row (security catalogue, 7.1 item 3)."""
    chip, rng = machine.recorded(name), random.Random(name)
    some = rows(name)[:-1]
    for row in some[: 12 if chip.width < 200 else 2]:
        columns = [row]
        pairs = []
        for _ in range(300):
            i, j = rng.sample(range(chip.width), 2)
            for change in ("shift", "swap", "copy"):
                changed = row.copy()
                if change == "shift":
                    changed[i], changed[j] = (int(row[i]) + 1) % P, (int(row[j]) - 1) % P
                elif change == "swap":
                    changed[i], changed[j] = row[j], row[i]
                else:
                    source = rng.choice(some)
                    changed[i], changed[j] = source[i], source[j]
                if not np.array_equal(changed, row):
                    columns.append(changed)
                    pairs.append((i, j))
        matrix = np.stack(columns, axis=1)
        lost = np.flatnonzero(~noticed(chip, matrix)[1:])
        bad = [
            [chip.main[c] for c in pairs[k]] for k in lost
            if not all(is_free(name, row, chip.main[c]) or row[c] == matrix[c, k + 1] for c in pairs[k])
        ]  # fmt: skip
        assert not bad
