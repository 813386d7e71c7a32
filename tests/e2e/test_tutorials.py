"""Every tutorial's code runs, block after block, as a reader would type it."""

import re
import shutil
import subprocess
import types
from pathlib import Path

import pytest

import localbento

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
PAGES = sorted(page for page in TUTORIALS.glob("*.md") if "```python" in page.read_text())


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
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENTO_HOME", str(tmp_path / "home"))
    run(page)


@pytest.mark.skipif(shutil.which("clang") is None or shutil.which("ld.lld") is None, reason="needs clang and lld")
def test_a_guest_in_c_as_the_tutorial_writes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (TUTORIALS / "write-a-guest.md").read_text()
    source, build = (re.search(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for kind in ("c", "sh"))
    assert source
    assert build
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    (tmp_path / "square.c").write_text(source.group(1))
    subprocess.run(["bash", "-ec", build.group(1)], cwd=tmp_path, check=True)
    run = localbento.execute((tmp_path / "square.elf").read_bytes(), (12).to_bytes(4, "little"))
    assert run.journal == (144).to_bytes(4, "little")


def test_the_first_tutorial_says_what_a_reader_should_see(capsys: pytest.CaptureFixture[str]) -> None:
    run(TUTORIALS / "first-chip.md")
    printed = capsys.readouterr().out
    assert "somebody knows a number whose 2^100-th power is" in printed
    assert printed.count("refused: ") == 2
    assert "no proof: " in printed
