"""A waiting task that does not fit beside smaller ones is passed over by so many of them, and no more.  Pure."""

from typing import Final

MOST_PASSED: Final = 8


class Ageing:
    """Counts how often the oldest task that waits was passed over."""

    def __init__(self) -> None:
        self._oldest: str | None = None
        self._passed = 0

    def started(self, oldest_waiting: str | None, *, passed_over: bool) -> None:
        """A task was started; `passed_over`: one that came after the oldest of those that wait still."""
        if oldest_waiting != self._oldest:
            self._oldest, self._passed = oldest_waiting, 0
        self._passed += passed_over

    @property
    def due(self) -> str | None:
        """The task whose turn it is, whatever else would fit."""
        return self._oldest if self._passed >= MOST_PASSED else None


def is_worth_waiting(needs: int, limit: int, taken: int, comes_back: int) -> bool:
    """Whether a task fits once the proofs that run have ended.  If it does not, starting nothing helps nobody.

    Args:
        needs: its bytes of memory.
        limit: for all running tasks.
        taken: by all of them now.
        comes_back: of that, by proofs of the same job.
    """
    return needs <= limit - (taken - comes_back)
