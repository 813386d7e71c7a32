"""Units: their rows satisfy their constraints for edge and random operands, and give what the oracle gives."""

import random

import numpy as np
import pytest
from rv32im_judge import judge
from rv32im_run import BINARY, BITWISE, CHIPS, COMPARISONS, EDGES, PRODUCTS, SHIFTS, recorded, unit_result

from localbento.air.chip import assemble
from localbento.circuits.rv32im.less import compare
from localbento.circuits.rv32im.records import Unit

OPS = {"bitwise": BITWISE, "less": tuple(COMPARISONS), "shift": SHIFTS}


def operands(seed=1, count=300):
    rng = random.Random(seed)
    pairs = [(a, b) for a in EDGES for b in EDGES] + [(a, b) for a in (0x8000_0001, 0x1234_5678) for b in range(40)]
    return pairs + [(rng.randrange(1 << 32), rng.randrange(1 << 32)) for _ in range(count)]


def filled(name, records):
    matrix = assemble(CHIPS[name], CHIPS[name].fill(np.array(records, np.uint32)), len(records) + 2)
    return judge(recorded(name), matrix)


@pytest.mark.parametrize("name", OPS)
def test_rows_are_accepted_and_true(name):
    records = [[op, a, b, unit_result(op, a, b), 3] for op in OPS[name] for a, b in operands()]
    verdict = filled(name, records)
    assert not verdict.problems().any()
    assert not verdict.lies.any()


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("change", [1, 0x1_0000, 0x4000_0000])
def test_rows_with_a_wrong_result_are_refused(name, change):
    records = [[op, a, b, unit_result(op, a, b) ^ change, 3] for op in OPS[name] for a, b in operands(count=20)]
    assert (filled(name, records).problems()[: len(records)] > 0).all()


def products():
    for kind in (Unit.MULHU, Unit.MULHSU, Unit.MULH):
        for a, b in operands():
            yield [kind, a, b, unit_result(Unit.MUL, a, b), unit_result(kind, a, b), 1, 1]


def test_products_are_accepted_and_true():
    verdict = filled("mul", list(products()))
    assert not verdict.problems().any()
    assert not verdict.lies.any()
    assert set(PRODUCTS) <= set(BINARY)


@pytest.mark.parametrize("column", [3, 4])
@pytest.mark.parametrize("change", [1, 0x1_0000])
def test_wrong_products_are_refused(column, change):
    records = list(products())
    for record in records:
        record[column] ^= change
    assert (filled("mul", records).problems()[: len(records)] > 0).all()


def quotients():
    for signed in (True, False):
        for n, d in operands():
            q, r = (Unit.DIV, Unit.REM) if signed else (Unit.DIVU, Unit.REMU)
            yield [q, n, d, unit_result(q, n, d), unit_result(r, n, d), 1, 1]


def test_quotients_are_accepted_and_true():
    verdict = filled("div", list(quotients()))
    assert not verdict.problems().any()
    assert not verdict.lies.any()


@pytest.mark.parametrize("column", [3, 4])
@pytest.mark.parametrize("change", [1, 0x1_0000, 0x8000_0000])
def test_wrong_quotients_are_refused(column, change):
    records = list(quotients())
    for record in records:
        record[column] ^= change
    assert (filled("div", records).problems()[: len(records)] > 0).all()


def test_compare_gives_what_the_oracle_gives():
    records = np.array([[op, a, b] for op in COMPARISONS for a, b in operands()], np.uint32)
    found = compare(records[:, 0], records[:, 1], records[:, 2])
    assert found.tolist() == [unit_result(Unit(op), int(a), int(b)) for op, a, b in records]
