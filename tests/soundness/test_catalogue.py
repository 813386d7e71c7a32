"""README.md lists every line of groups I, K and L, and the tests that it names exist."""

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
TEXT = (TESTS / "soundness/README.md").read_text()
ROWS = re.findall(r"^\| ([A-Z]\d+) \| .+? \| (.+) \|$", TEXT, re.MULTILINE)
NAMES = re.compile(r"`([^`]+\.py)::(\w+)`")


@cache
def functions(path):
    tree = ast.parse((TESTS / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_line_of_the_catalogue_has_a_test():
    expected = [*(f"I{n}" for n in range(122, 128)), *(f"K{n}" for n in range(142, 150))]
    assert [line for line, _ in ROWS] == [*expected, *(f"L{n}" for n in range(150, 159))]
    assert all(NAMES.findall(tests) for _, tests in ROWS)


def test_every_test_that_is_named_exists():
    missing = [
        f"{path}::{name}"
        for _, tests in ROWS
        for path, name in NAMES.findall(tests)
        if not (TESTS / path).exists() or name not in functions(path)
    ]
    assert missing == []


def test_every_test_whose_name_is_a_line_is_listed():
    listed = {name for _, tests in ROWS for _, name in NAMES.findall(tests)}
    for path in (
        "soundness/test_hostile_receipts.py",
        "soundness/test_hostile_encodings.py",
        "e2e/test_hostile_receipts.py",
    ):
        found = {name for name in functions(path) if re.match(r"test_[ikl]\d", name)}
        assert found <= listed, path
