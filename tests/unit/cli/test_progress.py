"""Progress as a user sees it: plain lines in a pipe, a picture on a terminal, silence when asked for."""

import io
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from rich.console import Console

from localbento.api import ProgressEvent, TaskProgress
from localbento.cli import progress
from localbento.cli.progress import Progress, describe, picture

GIB = 1 << 30


def event(**changes):
    given = {
        "executed": False, "cycles": 1_234_567, "done": 3, "running": 2, "waiting": 4, "steps": ("witness",),
        "cycles_per_second": 112_345.0, "remaining_seconds": 83.0, "job": "3f2a91bc" + "0" * 24,
        "tasks": (TaskProgress("prove 3", "queries", 2.5), TaskProgress("prove 4", "main columns", 0.4)),
        "memory_bytes": 3 * GIB, "memory_limit_bytes": 20 * GIB,
    }  # fmt: skip
    return ProgressEvent(**{**given, **changes})


def drawn(what, width=80):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(what)
    return console.file.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        raise OSError


def test_a_line_says_everything():
    assert describe(event()) == (
        "1,234,567 cycles so far; segments 3 done, 2 running, 4 waiting; prove 3 queries, prove 4 main columns; "
        "112.3 kHz; 83 s left; 3.0 GiB memory"
    )


def test_a_line_says_nothing_that_is_not_known():
    line = describe(
        event(executed=True, tasks=(), steps=(), cycles_per_second=0.0, remaining_seconds=None, memory_bytes=0)
    )
    assert line == "1,234,567 cycles; segments 3 done, 2 running, 4 waiting"


@contextmanager
def speaking(**given):
    """Progress after its first half second."""
    with Progress(enabled=True, **given) as shown:
        shown._first.join(10)
        yield shown


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)


def test_the_first_line_comes_soon_whatever_happens(capsys, monkeypatch):
    assert progress.FIRST_SECONDS == 0.0
    monkeypatch.undo()
    assert progress.FIRST_SECONDS < 1.0
    with speaking(title="a.elf"):
        assert capsys.readouterr().err == "a.elf: starting\n"


def test_what_ends_at_once_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.2)
    with Progress(enabled=True) as shown:
        shown.event(event(final=True))
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_what_happened_before_the_first_line_is_said_with_it(capsys, monkeypatch):
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.05)
    with Progress(enabled=True) as shown:
        shown.event(event(note="look"))
        shown._first.join(10)
    starting, note, line = capsys.readouterr().err.splitlines()
    assert (starting, note) == ("starting", "look")
    assert "112.3 kHz" in line


def test_nothing_known_is_not_said(capsys):
    with speaking() as shown:
        shown.event(event(cycles=0, tasks=(), steps=()))
    assert capsys.readouterr().err == "starting\n"


def test_in_a_pipe_lines_are_plain_and_not_many(capsys):
    with speaking() as shown:
        for _ in range(100):
            shown.event(event())
        shown.event(event(final=True))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_what_is_said_is_not_said_again_at_once(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with speaking() as shown:
        for second in range(60):
            now[0] = 100.0 + second
            shown.event(event(done=3 + second // 30, cycles_per_second=1000.0 + second))
    lines = capsys.readouterr().err.splitlines()[1:]
    assert len(lines) == 6
    assert sum("segments 4 done" in line for line in lines) == 3


def test_a_segment_is_called_so(capsys):
    line = describe(event(tasks=(TaskProgress("7", "queries"), TaskProgress("verify 0", "verify"))))
    assert "segment 7 queries, verify 0 verify" in line


def test_a_note_is_said_once_and_at_once(capsys):
    with speaking() as shown:
        shown.event(event())
        for _ in range(3):
            shown.event(event(note="prove 3: its worker died; it is tried again"))
    assert capsys.readouterr().err.count("its worker died") == 1


def test_quiet_is_quiet(capsys):
    with Progress(enabled=False) as shown:
        shown.event(event(final=True))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colour_gets_lines(monkeypatch, name, value):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(name, value)
    with speaking() as shown:
        shown.event(event())
    assert "\x1b" not in screen.getvalue()
    assert "112.3 kHz" in screen.getvalue()


def test_a_terminal_gets_the_picture_and_is_left_clean(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with Progress(enabled=True, title="a.elf") as shown:
        shown.event(event())
    text = screen.getvalue()
    assert "1,234,567" in text
    assert text.rindex("\x1b[2K") > text.rindex("1,234,567")


def test_the_picture_names_job_tasks_pace_and_memory():
    text = drawn(picture(event(), 12.0, title="a.elf", note="look"))
    for expected in (
        "a.elf, 3f2a91bc, 12.0 s", "prove 3  queries  2.5 s", "prove 4  main columns", "112.3 kHz, 1:23 left",
        "3.0 GiB of 20.0 GiB", "3 done, 2 running, 4 waiting", "look",
    ):  # fmt: skip
        assert expected in text


@pytest.mark.parametrize("width", [20, 40, 79])
def test_the_picture_is_never_wider_than_the_terminal(width):
    lines = drawn(picture(event(), 12.0, title="ein-sehr-langer-name-字字字.elf" * 3), width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert len(lines) == len(drawn(picture(event(), 12.0), 200).splitlines())


def test_many_tasks_do_not_fill_the_screen():
    tasks = tuple(TaskProgress(f"prove {i}", "queries") for i in range(64))
    text = drawn(picture(event(tasks=tasks), 1.0))
    assert "and 56 tasks more" in text
    assert text.count("queries") == progress.TASK_LINES


def test_an_error_leaves_the_terminal_clean(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with pytest.raises(KeyboardInterrupt), Progress(enabled=True) as shown:
        interrupt_after(shown)
    assert screen.getvalue().rindex("\x1b[?25h") > screen.getvalue().rindex("\x1b[?25l")
    assert sys.stderr is screen


def interrupt_after(shown):
    shown.event(event())
    raise KeyboardInterrupt


def test_plain_progress_does_not_load_the_drawing_library():
    code = (
        "import sys\nfrom localbento.cli.progress import Progress\n"
        "with Progress(enabled=True) as p: p._first.join()\nprint('rich' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert found.stdout.strip() == "False"
