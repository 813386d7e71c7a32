"""scenarios.md has every row of the description of Bento's behaviour, and the tests that it names exist."""

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
TEXT = (TESTS / "e2e/scenarios.md").read_text()
ROWS = re.findall(r"^\| ([A-H]\d+[a-c]?) \| (.+?) \| (.+?) \| (.+) \|$", TEXT, re.MULTILINE)
NAMES = re.compile(r"`([^`]+\.py)::(\w+)`")
NUMBERS = {"A": 12, "B": 16, "C": 19, "D": 8, "E": 12, "F": 6, "G": 7, "H": 10}
SCENARIO = re.compile(r"test_((?:[a-h]\d+[a-c]?_)+|[a-h]\d+_to_[a-h]\d+_)")


@cache
def functions(path):
    tree = ast.parse((TESTS / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_is_there_in_order():
    expected = [f"{group}{n}" for group, last in NUMBERS.items() for n in range(1, last + 1)]
    place = expected.index("C3")
    expected[place : place + 1] = ["C3a", "C3b", "C3c"]
    assert [row for row, *_ in ROWS] == expected


def test_every_row_has_a_test_or_a_reason_why_not_yet():
    for row, _, then, tests in ROWS:
        if tests == "-":
            assert re.search(r"^later: (recursion|wrapping|keccak|REST)", then), row
        else:
            assert NAMES.findall(tests), row


def test_every_test_that_is_named_exists():
    missing = [
        f"{row}: {path}::{name}"
        for row, _, _, tests in ROWS
        for path, name in NAMES.findall(tests)
        if not (TESTS / path).exists() or name not in functions(path)
    ]
    assert missing == []


def test_every_test_whose_name_is_a_scenario_is_listed_there():
    listed = {(path, name): set() for _, _, _, tests in ROWS for path, name in NAMES.findall(tests)}
    for row, _, _, tests in ROWS:
        for found in NAMES.findall(tests):
            listed[found].add(row.lower())
    for file in (TESTS / "e2e").glob("test_scenarios_*.py"):
        path = f"e2e/{file.name}"
        for name in functions(path):
            if found := SCENARIO.match(name):
                assert (path, name) in listed, name
                first = found[1].split("_")[0]
                assert first in listed[path, name], name
