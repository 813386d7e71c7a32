"""Each constraint and each lookup of the instruction chips and units is needed: a row fails it and nothing else.

The rows are stored; `python tests/rv32im_search.py` finds new ones when a chip changes.
"""

import json

import pytest
from rv32im_run import WITHOUT_TABLES, recorded
from rv32im_search import STORE, Row

ROWS = json.loads(STORE.read_text())
NAMES = WITHOUT_TABLES

REDUNDANT = {
    # Implied by the others; key generation reads off them that a multiplicity or an operation is boolean.
    ("div", "by_zero is a bit"),  # 0 or 1 by "no divisor" and "a divisor" on a used row, 0 on an unused one
    ("div", "n_abs.hi is 16 bits"),  # |n| = |q| |d| + |r| bounds it; kept so that |n| is a word on its own
    # Kinds of decode: -k of one beside k or k + 1 others.
    ("decode", "compressed is a bit"),  # both rules about the low bits would apply
    ("decode", "bad_ecall is a bit"),  # the inverse would be that of rd and of fields (fields - 1024): never equal
}


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_has_a_row_that_only_it_refuses(name):
    row = Row(recorded(name))
    missing = set(row.cells) - set(ROWS[name])
    assert missing == {label for chip, label in REDUNDANT if chip == name}
    for label, cells in ROWS[name].items():
        assert set(row.look(cells)) == {label}, label


@pytest.mark.parametrize("name", NAMES)
def test_stored_rows_name_rules_that_exist(name):
    assert set(ROWS[name]) <= set(Row(recorded(name)).cells)


@pytest.mark.parametrize("name", NAMES)
def test_a_chip_without_the_rule_accepts_the_row(name):
    row = Row(recorded(name))
    label, cells = next(iter(ROWS[name].items()))
    without = Row(recorded(name))
    without.labels = ["" if x == label else x for x in row.labels]
    without.pulls = [m for m in row.pulls if m.label != label] if label not in row.labels else row.pulls
    if label in row.labels:
        assert set(without.look(cells)) == {""}
