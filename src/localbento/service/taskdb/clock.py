"""Two clocks: one for people, and one that only goes forward and is the same for all processes of the machine."""

import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Where the task database gets its times from."""

    def now(self) -> float:
        """Wall seconds since 1970, for people."""
        ...

    def tick(self) -> float:
        """Seconds since boot, the same in all processes; never goes back, and counts sleep."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> float:
        """Wall seconds since 1970."""
        return time.time()

    def tick(self) -> float:
        """Seconds since boot, sleep included (macOS has no CLOCK_BOOTTIME, its CLOCK_MONOTONIC counts sleep)."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def boot_id() -> str:
    """A name for the time since the machine started: ticks of another boot are void.

    Where the system has none it is "unknown": a pool is then told apart by its process number and start alone.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
