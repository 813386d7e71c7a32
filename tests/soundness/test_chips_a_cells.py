"""Group D for the instruction chips, units, decode, peek and slow_fetch: any changed cell is noticed.

"Noticed" is strict (rv32im_judge): a label fails, a lookup is false, another chip sees another row, or, for a
unit, the answer is another true one; that a table was not asked before does not count.
"""

import random

import numpy as np
import pytest
from rv32im_judge import judge, variants
from rv32im_run import FIXED_ROWS, WITHOUT_TABLES, Run, fixed, recorded

from localbento.air.check import RowChecker
from localbento.field.babybear import P

NAMES = WITHOUT_TABLES
SERVERS = ("bitwise", "less", "shift", "mul", "div", "decode", "region")

FREE = {
    ("bitwise", "uses"), ("less", "uses"), ("shift", "uses"), ("mul", "low_uses"), ("mul", "high_uses"),
    ("div", "quotient_uses"), ("div", "remainder_uses"), ("decode", "uses"),
    ("region", "uses"),
    # A server answers a true tuple any number of times; the balance of the bus decides how often.
    ("decode", "reachable"),
    # On a kind without a target it only asks for one more look at the region of the pc; on a branch that is not
    # reachable after all, the target becomes p - 1 (component u changes), where nothing goes on.
}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    found = {name: [] for name in NAMES}
    for user in (0, 1):
        run = Run(101 + user, user)
        for i in range(500):
            run.random_step(slow=i % 17 == 0)
            if i % 50 == 7:
                run.peek(run.rng.choice(list(run.code)))
                run.go(run.fresh_pc())
        run.odd_words(60)
        for name, matrix in run.matrices(spare=0).items():
            if name in found:
                found[name] += list(matrix.T)
    rng = random.Random(3)
    return {name: rng.sample(columns, min(40, len(columns))) for name, columns in found.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_cell_is_noticed(name, rows):
    chip, rng = recorded(name), random.Random(4)
    survivors = set()
    for column in rows[name]:
        matrix, which = variants(column, range(len(column)), rng)
        verdict = judge(chip, matrix)
        assert verdict.problems()[0] == 0
        assert not verdict.lies.any() or (verdict.problems()[verdict.lies] > 0).all()
        accepted = (verdict.problems() == 0) & ~verdict.differs(0)
        if name in SERVERS and name != "decode":
            accepted &= _same_answers(chip, matrix)
        survivors |= {chip.main[which[i]] for i in np.flatnonzero(accepted) if i > 0}
    assert survivors <= {cell for chip_name, cell in FREE if chip_name == name}


def _same_answers(chip, matrix):
    """Columns whose provided tuples are those of column 0: an other true answer is an other row, not a survivor."""
    from localbento.air.check import evaluate_columns

    values = evaluate_columns(chip, np.zeros((0, matrix.shape[1]), np.uint32), matrix)
    same = np.ones(matrix.shape[1], bool)
    for m in chip.messages:
        if m.rank is not None:
            for node in m.components:
                part = np.broadcast_to(values[node], matrix.shape[1:])
                same &= part == part[0]
    return same


@pytest.mark.parametrize("name", NAMES)
def test_an_unused_row_sends_nothing_whichever_cell_is_changed(name):
    chip = recorded(name)
    padding = np.array([chip.chip.padding.get(cell, 0) for cell in chip.main], np.uint32)
    checker = RowChecker(chip)
    real = _real_cells(chip)
    for cell in range(len(padding)):
        if cell in real:
            continue
        for value in (0, 1, 2, P - 1, 77):
            row = padding.copy()
            row[cell] = value
            effect = checker.effect([int(x) for x in row])
            assert effect.failing or not effect.messages, chip.main[cell]


@pytest.mark.parametrize("name", NAMES)
def test_an_unused_row_has_no_multiplicity(name):
    """Group D 52: each multiplicity of each chip in turn, on a row that is not used."""
    chip = recorded(name)
    padding = [chip.chip.padding.get(cell, 0) for cell in chip.main]
    times = {chip.graph.nodes[m.times][1] for m in chip.messages if chip.graph.nodes[m.times][0].name == "MAIN"}
    checker = RowChecker(chip)
    for cell in times - _real_cells(chip):
        row = list(padding)
        row[cell] = 1
        assert checker.effect(row).failing, chip.main[cell]


def _real_cells(chip):
    cells, stack = set(), [chip.real]
    while stack:
        op, a, b = chip.graph.nodes[stack.pop()]
        if op.name == "MAIN":
            cells.add(a)
        elif op.name != "CONSTANT":
            stack += [a, b]
    return cells


@pytest.mark.parametrize("name", FIXED_ROWS)
def test_rows_outside_the_tables_answer_nothing(name):
    chip = recorded(name)
    checker = RowChecker(chip)
    for cell in range(len(chip.main)):
        main = [0] * len(chip.main)
        main[cell] = 1
        assert checker.effect(main, [0] * len(chip.fixed)).failing
    real = fixed(name)[chip.fixed.index("is_real")]
    assert real[: int(real.sum())].all()
    assert not real[-192:].any()
