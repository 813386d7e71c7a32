"""Every tutorial's code runs, block after block, as a reader would type it."""

import re
import types
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
PAGES = sorted(TUTORIALS.glob("*.md"))


def blocks(page: Path) -> list[tuple[int, str]]:
    """Python blocks with the line each begins at."""
    text = page.read_text()
    return [
        (text[: m.start(1)].count("\n"), m.group(1))
        for m in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


def run(page: Path) -> None:
    module = types.ModuleType("tutorial")
    for line, code in blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), module.__dict__)


@pytest.mark.parametrize("page", PAGES, ids=[p.stem for p in PAGES])
def test_tutorial(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert blocks(page), "a tutorial without code is not one"
    monkeypatch.chdir(tmp_path)
    run(page)


def test_the_first_tutorial_says_what_a_reader_should_see(capsys: pytest.CaptureFixture[str]) -> None:
    run(TUTORIALS / "first-chip.md")
    printed = capsys.readouterr().out
    assert "somebody knows a number whose 2^100-th power is" in printed
    assert printed.count("refused: ") == 2
    assert "no proof: " in printed
