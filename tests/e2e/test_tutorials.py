"""README and tutorials run, block after block, as a reader would type them; every link in docs leads somewhere."""

import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import pytest

import localbento

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TUTORIALS = DOCS / "tutorials"
README = ROOT / "README.md"
PAGES = sorted(TUTORIALS.glob("*.md"))
NEEDS_CLANG = {"write-a-guest"}
clang = pytest.mark.skipif(not (shutil.which("clang") and shutil.which("ld.lld")), reason="needs clang and lld")
MARKS = {"first-chip": [], "write-a-guest": [pytest.mark.prove, clang]}


def blocks(page: Path, kind: str) -> list[tuple[int, str]]:
    """Blocks of one language with the line each begins at."""
    text = page.read_text()
    return [
        (text[: m.start(1)].count("\n"), m.group(1))
        for m in re.finditer(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


def run_python(page: Path) -> None:
    """All blocks, one after the other in one module."""
    module = types.ModuleType("tutorial")
    for line, code in blocks(page, "python"):
        exec(compile("\n" * line + code, str(page), "exec"), module.__dict__)


def run_shell(page: Path, skip: str = "") -> str:
    """All blocks, one after the other in one shell that ends at the first error; what they printed."""
    script = "\n".join(code for _, code in blocks(page, "sh") if not skip or skip not in code)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that looks like the root of the repository, and a home of its own."""
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    (tmp_path / "docs").symlink_to(DOCS)
    # The root has a virtual environment once `make prove` has run.
    activate = tmp_path / ".venv/bin/activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f"PATH={str(Path(sys.executable).parent)!r}:$PATH\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENTO_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    "page", [pytest.param(p, id=p.stem, marks=MARKS.get(p.stem, [pytest.mark.prove])) for p in PAGES]
)
def test_tutorial(page: Path, place: Path) -> None:
    if page.stem in NEEDS_CLANG:
        ((_, source),) = blocks(page, "c")
        (place / "square.c").write_text(source)
    run_python(page)
    printed = run_shell(page)
    match page.stem:
        case "resume":
            assert "bento jobs resume" in printed
            assert "no such" not in printed
            assert localbento.list_jobs() == [], "its last command deletes its only job"
        case "script":
            assert len(localbento.list_jobs()) == 3
            assert b"some input".hex() in printed
        case "write-a-guest":
            assert (place / "square.receipt").exists()
            assert "144" in printed
            assert "90000000" in printed


@clang
def test_a_guest_in_c_as_the_tutorial_writes_it(place: Path) -> None:
    page = TUTORIALS / "write-a-guest.md"
    ((_, source),) = blocks(page, "c")
    (place / "square.c").write_text(source)
    subprocess.run(["bash", "-ec", blocks(page, "sh")[0][1]], check=True)
    run = localbento.execute((place / "square.elf").read_bytes(), (12).to_bytes(4, "little"))
    assert run.journal == (144).to_bytes(4, "little")


def test_the_first_tutorial_says_what_a_reader_should_see(capsys: pytest.CaptureFixture[str]) -> None:
    run_python(TUTORIALS / "first-chip.md")
    printed = capsys.readouterr().out
    assert "somebody knows a number whose 2^100-th power is" in printed
    assert printed.count("refused: ") == 2
    assert "no proof: " in printed


@pytest.mark.prove
def test_readme(place: Path) -> None:
    printed = run_shell(README, skip="make ")
    assert printed.count("provable bits") >= 2
    (job,) = localbento.list_jobs()
    assert (job.guest, job.state) == ("modpow", "done")
    run_python(README)


def test_the_readme_has_ten_lines_and_make_targets_that_exist() -> None:
    setup, tour = (code for _, code in blocks(README, "sh"))
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", setup, re.MULTILINE):
        assert f"\n{target}:" in makefile
    assert len(tour.splitlines()) == 10


def test_the_picture_shows_what_the_view_shows_today() -> None:
    import json
    import runpy

    from rich.console import Console

    record = runpy.run_path(str(DOCS / "record.py"))
    moment = json.loads((DOCS / "pictures/prove.json").read_text())
    console = Console(width=record["COLUMNS"], file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    with console.capture() as captured:
        console.print(record["rows"](moment))
    drawn = ElementTree.parse(DOCS / "pictures/prove.svg").getroot()
    texts = [
        (float(e.get("y", 0)), float(e.get("x", 0)), e.text or "") for e in drawn.iter() if e.tag.endswith("}text")
    ]
    shown = "".join("".join(text.split()) for _, _, text in sorted(texts))
    for line in captured.get().splitlines():
        assert "".join(line.split()) in shown, "python docs/record.py --draw"


def test_every_link_in_the_docs_leads_somewhere() -> None:
    pages = [README, *DOCS.rglob("*.md"), *(ROOT / "tests").rglob("*.md"), *(ROOT / "fixtures").rglob("*.md")]
    lost = []
    for page in pages:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in target and not (page.parent / target).exists():
                lost.append(f"{page.relative_to(ROOT)}: {target}")
        for name in re.findall(
            r"`((?:src|docs|tests|kernels|fixtures)/[\w./-]*\w\.(?:py|md|json|sql|svg|c|h|S))`", text
        ):
            if not (ROOT / name).exists():
                lost.append(f"{page.relative_to(ROOT)}: {name}")
    assert lost == []
