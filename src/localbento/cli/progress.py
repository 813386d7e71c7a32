"""Progress on stderr: a live picture on a terminal, plain lines otherwise.

A plain line comes when there is news and the last one is two seconds old, and after ten seconds in any case.  The
first one comes after half a second, whatever happens: who waits knows that something goes on, and what ends before
(a wrong option, a job that is done already) says one line only.  With NO_COLOR, without a terminal, or on a dumb one,
all is plain.
"""

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from localbento.cli.show import clock, plural, size, terminal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from localbento.api import ProgressEvent

FIRST_SECONDS: Final = 0.5
PLAIN_SECONDS: Final = 2.0
SILENT_SECONDS: Final = 10.0
LIVE_PER_SECOND: Final = 8
SHORT_ID: Final = 8
BAR_CELLS: Final = 24
TASK_LINES: Final = 8
"""Tasks that are shown one by one; a machine with more cores than this gets a count of the others."""
STARTING: Final = "starting"


class Progress:
    """Shows what a job does; `event` is the callback, and may be called from any thread."""

    def __init__(self, *, enabled: bool, title: str = "") -> None:
        """`title` names what is proved."""
        self._enabled = enabled
        self._title = title
        self._started = time.monotonic()
        self._next = 0.0
        self._said = 0.0
        self._key: object = None
        self._last: ProgressEvent | None = None
        self._note = ""
        self._live: Any = None
        self._lock = threading.Lock()
        self._first: threading.Timer | None = None
        self._speaks = False

    def __enter__(self) -> Self:
        if not self._enabled:
            return self
        if terminal():
            self._live = _live(self._picture)
            self._live.start()
        else:
            self._first = threading.Timer(FIRST_SECONDS, self._begin)
            self._first.daemon = True
            self._first.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._first is not None:
            self._first.cancel()
            with self._lock:
                self._speaks = False
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begin(self) -> None:
        """Say the first line, unless all is over."""
        with self._lock:
            if self._first is None or self._first.finished.is_set():
                return
            self._speaks = True
            _line(f"{self._title}: {STARTING}" if self._title else STARTING)
            if self._note:
                _line(self._note)
            if self._last is not None:
                self._say(self._last)

    def event(self, event: "ProgressEvent") -> None:
        """Take note of the state of the job; show it, but not too often."""
        with self._lock:
            self._last = event
            news = bool(event.note) and event.note != self._note
            self._note = event.note or self._note
            if self._speaks:
                if news:
                    _line(event.note)
                self._say(event)

    def _say(self, event: "ProgressEvent") -> None:
        now = time.monotonic()
        if not event.cycles and not event.tasks and not event.final:
            return
        key = (event.executed, event.done, event.running, event.waiting, _steps(event), event.steps)
        due = now >= self._next and (key != self._key or now - self._said >= SILENT_SECONDS)
        if due or event.final:
            self._next, self._said, self._key = now + PLAIN_SECONDS, now, key
            _line(describe(event))

    def _picture(self) -> "RenderableType":
        return picture(self._last, time.monotonic() - self._started, title=self._title, note=self._note)


def _line(text: str) -> None:
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        raise
    except OSError:
        return  # a log on a full disk, a terminal that was closed: no reason to stop proving


def stderr_console() -> "Console":
    """A terminal's console on stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def _live(render: Any) -> Any:
    from rich.live import Live

    # `transient`: the picture goes when the job ends, and the summary stands alone.
    return Live(
        get_renderable=render,
        console=stderr_console(),
        refresh_per_second=LIVE_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=True,
    )


def describe(event: "ProgressEvent") -> str:
    """One line: cycles, segments by state, tasks with their step, rate, remaining time, memory."""
    parts = [f"{event.cycles:,} cycles{'' if event.executed else ' so far'}"]
    parts.append(f"segments {event.done} done, {event.running} running, {event.waiting} waiting")
    if event.tasks:
        parts.append(_steps(event))
    elif event.steps:
        parts.append("step " + ", ".join(event.steps))
    if event.cycles_per_second > 0:
        parts.append(f"{event.cycles_per_second / 1e3:.1f} kHz")
    if event.remaining_seconds is not None:
        parts.append(f"{event.remaining_seconds:.0f} s left")
    if event.memory_bytes:
        parts.append(f"{size(event.memory_bytes)} memory")
    return "; ".join(parts)


def _steps(event: "ProgressEvent") -> str:
    more = len(event.tasks) - TASK_LINES
    named = ", ".join(f"{task_name(task.name)} {task.step}".strip() for task in event.tasks[:TASK_LINES])
    return named + (f" and {more} more" if more > 0 else "")


def task_name(name: str) -> str:
    """As people call it: tasks that prove a segment are named by its number alone, the first one runs the guest."""
    return f"segment {name}" if name.isdigit() else {"init": "guest"}.get(name, name)


def picture(event: "ProgressEvent | None", seconds: float, *, title: str = "", note: str = "") -> "RenderableType":
    """What stands on the terminal: a row for each fact, never wider than the terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=8)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, value, style in _rows(event, seconds, title, note):
        table.add_row(name, Text(value, style=style, no_wrap=True, overflow="ellipsis"))
    return table


def _rows(event: "ProgressEvent | None", seconds: float, title: str, note: str) -> list[tuple[str, str, str]]:
    head = [part for part in (title, "" if event is None else event.job[:SHORT_ID]) if part]
    rows = [("job", ", ".join([*head, clock(seconds)]), "bold")]
    if event is None:
        return [*rows, ("", STARTING, "")]
    rows.append(("cycles", f"{event.cycles:,} {'executed' if event.executed else 'so far, executing'}", ""))
    total = event.done + event.running + event.waiting
    states = f"{event.done} done, {event.running} running, {event.waiting} waiting"
    rows.append(("segments", states, ""))
    rows.append(("", _bar(event.done, event.running, total), ""))
    for task in event.tasks[:TASK_LINES]:
        rows.append(("", f"{task_name(task.name)}  {task.step}  {clock(task.seconds)}", "cyan"))
    if len(event.tasks) > TASK_LINES:
        rows.append(("", f"and {plural(len(event.tasks) - TASK_LINES, 'task')} more", "cyan"))
    if event.steps and not event.tasks:
        rows.append(("", ", ".join(event.steps), "cyan"))
    pace = f"{event.cycles_per_second / 1e3:.1f} kHz" if event.cycles_per_second > 0 else "not known yet"
    if event.remaining_seconds is not None:
        pace += f", {clock(event.remaining_seconds)} left"
    rows.append(("rate", pace, ""))
    if event.memory_bytes:
        of = f" of {size(event.memory_limit_bytes)}" if event.memory_limit_bytes else ""
        rows.append(("memory", size(event.memory_bytes) + of, ""))
    if note:
        rows.append(("", note, "yellow"))
    return rows


def _bar(done: int, running: int, total: int) -> str:
    """Done, running and open shares of a bar."""
    if not total:
        return "░" * BAR_CELLS
    full = BAR_CELLS * done // total
    half = min(BAR_CELLS - full, -(-BAR_CELLS * running // total))
    return "█" * full + "▒" * half + "░" * (BAR_CELLS - full - half)
