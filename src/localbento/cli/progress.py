"""Progress on stderr: one live line on a terminal, plain lines otherwise."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from localbento.cli.show import terminal

if TYPE_CHECKING:
    from localbento.api import ProgressEvent

PLAIN_SECONDS = 2.0
LIVE_SECONDS = 0.1


class Progress:
    """Shows what a job does; `event` is the callback."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._live = enabled and terminal()
        self._next = 0.0
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._clear()

    def event(self, event: "ProgressEvent") -> None:
        """Show the state of the job, but not too often."""
        now = time.monotonic()
        if not self._enabled or (now < self._next and not event.final):
            return
        self._next = now + (LIVE_SECONDS if self._live else PLAIN_SECONDS)
        line = describe(event)
        if self._live:
            self._clear()
            sys.stderr.write(line)
            self._drawn = True
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False


def describe(event: "ProgressEvent") -> str:
    """One line: cycles, segments by state, step, rate, remaining time."""
    parts = [f"{event.cycles:,} cycles{'' if event.executed else ' so far'}"]
    parts.append(f"segments {event.done} done, {event.running} running, {event.waiting} waiting")
    if event.steps:
        parts.append("step " + ", ".join(event.steps))
    if event.cycles_per_second > 0:
        parts.append(f"{event.cycles_per_second / 1e3:.1f} kHz")
    if event.remaining_seconds is not None:
        parts.append(f"{event.remaining_seconds:.0f} s left")
    return "; ".join(parts)
