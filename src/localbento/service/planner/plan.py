"""What has to be done after each segment: a pure plan of numbered tasks, that grows while the guest still runs.

Segments are leaves.  Two finished trees of the same height are joined at once, as a binary counter carries, so that a
proof can be joined while later segments are still being executed.  Keccak batches make a second tree, of unions.
`finish` folds what is left and puts one Finalize on top.

The numbers are names in the task database; they and the order of the inputs are those of Bento's planner.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from localbento.errors import LocalBentoError, ProvingError

OPEN_TEXT: Final = "Still in planning phases ...\n"


class PlanNotStarted(LocalBentoError):  # noqa: N818 - Bento's name
    """A plan is finished before it has a segment."""

    def __init__(self) -> None:
        super().__init__("Planning not yet started")


class PlanFinalized(LocalBentoError):  # noqa: N818 - Bento's name
    """A segment or keccak batch comes after the plan was finished."""

    def __init__(self) -> None:
        super().__init__("Cannot add segment to finished plan")


class NoKeccakInChainError(ProvingError):
    """A composite receipt has no place for the proof of a keccak batch."""

    def __init__(self) -> None:
        super().__init__(
            "a composite receipt holds no proofs of keccak batches; ask for a succinct receipt, "
            "or build the guest without the keccak accelerator"
        )


class Command(StrEnum):
    """What a task does."""

    SEGMENT = "segment"
    KECCAK = "keccak"
    JOIN = "join"
    UNION = "union"
    FINALIZE = "finalize"


@dataclass(frozen=True, slots=True)
class PlanTask:
    """One task: its number in the plan, and the numbers of the tasks whose outputs it needs."""

    number: int
    command: Command
    height: int
    """0 for a leaf, else one more than the highest task it depends on."""
    depends_on: tuple[int, ...] = ()
    """Join: left and right; Finalize: the root, or all segments of a chain; nothing for all others."""
    keccak_depends_on: tuple[int, ...] = ()
    """Union: left and right; Finalize: the keccak root, if there is one; nothing for all others."""


@dataclass(slots=True)
class _Plan:
    """What the two kinds of plan share: the numbered tasks, the reader's place, and being closed."""

    _tasks: list[PlanTask] = field(default_factory=list)
    _position: int = 0
    _last: int | None = None

    @property
    def tasks(self) -> Sequence[PlanTask]:
        """All tasks so far; a task's number is its place."""
        return tuple(self._tasks)

    @property
    def last(self) -> int | None:
        """The number of the Finalize task, once the plan is finished."""
        return self._last

    def __len__(self) -> int:
        """How many tasks are planned so far."""
        return len(self._tasks)

    def task(self, number: int) -> PlanTask:
        """The task of that number.

        Raises: IndexError if there is none; that is a mistake of the caller.
        """
        if not 0 <= number < len(self._tasks):
            msg = f"Invalid task number {number}"
            raise IndexError(msg)
        return self._tasks[number]

    def next_task(self) -> PlanTask | None:
        """The next task that was not handed out yet, in the order of numbers; None until there is another one.

        It says nothing about whether the task can run; what it depends on was handed out before.
        """
        if self._position == len(self._tasks):
            return None
        self._position += 1
        return self._tasks[self._position - 1]

    def new_tasks(self) -> Iterator[PlanTask]:
        """Hand out everything that `next_task` has."""
        while (task := self.next_task()) is not None:
            yield task

    def render(self) -> str:
        """The tree below Finalize, for people: two spaces a level, right input first; keccaks are not shown."""
        if self._last is None:
            return OPEN_TEXT
        lines, stack = [], [(self._last, 0)]
        while stack:
            number, depth = stack.pop()
            task = self._tasks[number]
            lines.append(f"{'  ' * depth}{number} {task.command.value.capitalize()}")
            stack.extend((below, depth + 1) for below in task.depends_on)
        return "\n".join(lines)

    def _add(self, command: Command, depends_on: tuple[int, ...] = (), keccak_depends_on: tuple[int, ...] = ()) -> int:
        below = [self._tasks[i].height for i in depends_on + keccak_depends_on]
        number = len(self._tasks)
        self._tasks.append(PlanTask(number, command, 1 + max(below, default=-1), depends_on, keccak_depends_on))
        return number

    def _require_open(self) -> None:
        if self._last is not None:
            raise PlanFinalized


@dataclass(slots=True)
class Plan(_Plan):
    """A plan that joins all segments into one proof, as Bento's planner does.

    With n segments and k keccak batches it has 2n tasks if k = 0, else 2n + 2k - 1.
    """

    _peaks: list[int] = field(default_factory=list)
    """Roots of joined runs of segments that nothing consumes yet: oldest first, heights strictly decreasing."""
    _keccak_peaks: deque[int] = field(default_factory=deque)

    def segment(self) -> int:
        """Plan one more segment, and the joins that it makes possible; the number of the segment.

        Raises: PlanFinalized after `finish`.
        """
        self._require_open()
        leaf = self._add(Command.SEGMENT)
        self._carry(self._peaks, leaf, self._join)
        return leaf

    def keccak(self) -> int:
        """Plan one more keccak batch, and the unions that it makes possible; the number of the batch.

        Raises: PlanFinalized after `finish`.
        """
        self._require_open()
        leaf = self._add(Command.KECCAK)
        self._carry(self._keccak_peaks, leaf, self._union)
        return leaf

    def finish(self) -> int:
        """Fold what is left, unions first, then joins, and put Finalize on top; its number.  Again: the same number.

        Unions fold from the oldest and tallest, which becomes the right input; joins from the newest and shortest.

        Raises: PlanNotStarted if there is no segment; nothing has changed then, and more may follow.
        """
        if not self._peaks:
            raise PlanNotStarted
        if self._last is None:
            while len(self._keccak_peaks) > 1:
                first, second = self._keccak_peaks.popleft(), self._keccak_peaks.popleft()
                self._keccak_peaks.appendleft(self._union(second, first))
            while len(self._peaks) > 1:
                right, left = self._peaks.pop(), self._peaks.pop()
                self._peaks.append(self._join(left, right))
            self._last = self._add(Command.FINALIZE, tuple(self._peaks), tuple(self._keccak_peaks))
        return self._last

    def _join(self, left: int, right: int) -> int:
        return self._add(Command.JOIN, (left, right))

    def _union(self, left: int, right: int) -> int:
        return self._add(Command.UNION, (), (left, right))

    def _carry(self, peaks: list[int] | deque[int], leaf: int, combine: Callable[[int, int], int]) -> None:
        current = leaf
        while peaks and self._tasks[peaks[-1]].height == self._tasks[current].height:
            current = combine(peaks.pop(), current)
        peaks.append(current)


@dataclass(slots=True)
class ChainPlan(_Plan):
    """The plan of a composite receipt: segments are proved and nothing is joined; Finalize depends on all, in order."""

    def segment(self) -> int:
        """Plan one more segment; its number, which is also its index in the chain.

        Raises: PlanFinalized after `finish`.
        """
        self._require_open()
        return self._add(Command.SEGMENT)

    def keccak(self) -> int:
        """Refuse.

        Raises: PlanFinalized after `finish`, else NoKeccakInChainError; the plan is as before.
        """
        self._require_open()
        raise NoKeccakInChainError

    def finish(self) -> int:
        """Plan Finalize, that depends on every segment in order; its number.  Doing it again is harmless.

        Raises: PlanNotStarted if there is no segment; nothing has changed then, and more may follow.
        """
        if self._last is None:
            if not self._tasks:
                raise PlanNotStarted
            self._last = self._add(Command.FINALIZE, tuple(range(len(self._tasks))))
        return self._last
