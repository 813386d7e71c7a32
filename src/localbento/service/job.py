"""One job, worked off at once: segments come from an executor, proofs go to a directory.

This is the simplest right form of what a task database will do: tasks have input and output files, run in any
order on any worker, and writing twice is harmless.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from localbento.errors import LocalBentoError
from localbento.service.files import write_whole
from localbento.service.worker.loop import Done, Event, Failed, Lost, Started, Step, Task
from localbento.service.worker.pool import Pool

POLL_SECONDS: Final = 0.1
NEARLY_DONE: Final = 0.6
"""A running proof that has used this share of the usual time will soon leave its core to the last one."""


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment on disk: its number, cycles, and the memory that proving it is predicted to take."""

    index: int
    path: Path
    cycles: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class JobState:
    """What a job has done so far."""

    executed: bool
    cycles: int
    waiting: int
    running: tuple[tuple[str, str], ...]
    done: int
    cycles_done: int
    seconds: float
    final: bool = False


@dataclass(slots=True)
class SegmentResult:
    """How one proof went."""

    index: int
    path: Path
    cycles: int
    seconds: float = 0.0
    peak_bytes: int = 0
    steps: dict[str, float] = field(default_factory=dict)


class Source(Protocol):
    """Executes the guest; calls back with each segment while it goes on."""

    def __call__(self, emit: Callable[[SegmentFile], None], stopped: Callable[[], bool]) -> None:
        """Run to the end, or until `stopped()`."""
        ...


class ProofJob:
    """Proves every segment that a source yields, on a pool of workers."""

    def __init__(
        self, directory: Path, *, kind: str, options: dict[str, object], workers: int, cores: int, memory_bytes: int
    ) -> None:
        """`kind` is the task module; `options` go to every task; outputs are `directory/<index>.receipt`."""
        self._directory = directory
        self._kind = kind
        self._options = options
        self._workers = workers
        self._cores = cores
        self._memory = memory_bytes
        self._queue: queue.Queue[SegmentFile | LocalBentoError | BaseException | None] = queue.Queue()
        self._waiting: list[SegmentFile] = []
        self._running: dict[str, tuple[SegmentResult, float, str]] = {}
        self._results: dict[int, SegmentResult] = {}
        self._executed = False
        self._cycles = 0
        self._stop = threading.Event()

    def run(
        self,
        source: Source,
        progress: Callable[[JobState], None],
        finish: Callable[[Pool, list[SegmentResult]], None] | None = None,
    ) -> list[SegmentResult]:
        """Execute and prove; results in the order of the segments.

        `finish` gets the workers once more, when all segments are proved.

        Raises: what the source raised; HostError, ProvingError or VerificationError of the first task that fails.
        """
        started = time.monotonic()
        thread = threading.Thread(target=self._execute, args=(source,), daemon=True)
        with Pool(self._workers, self._memory, (self._kind,)) as pool:
            thread.start()
            try:
                while not (self._executed and not self._waiting and not pool.pending):
                    self._take_segments(wait=pool.pending == 0)
                    self._submit(pool)
                    for event in pool.events(POLL_SECONDS if pool.pending else 0.0):
                        self._note(event)
                    progress(self._state(time.monotonic() - started))
                results = [self._results[i] for i in sorted(self._results)]
                if finish is not None:
                    finish(pool, results)
            finally:
                self._stop.set()
        thread.join()
        return results

    def _execute(self, source: Source) -> None:
        try:
            source(self._queue.put, self._stop.is_set)
        except BaseException as error:  # handed to the thread that waits
            self._queue.put(error)
        else:
            self._queue.put(None)

    def _take_segments(self, *, wait: bool) -> None:
        block = wait and not self._waiting and not self._executed
        while True:
            try:
                item = self._queue.get(timeout=POLL_SECONDS) if block else self._queue.get_nowait()
            except queue.Empty:
                return
            block = False
            if item is None:
                self._executed = True
            elif isinstance(item, BaseException):
                raise item
            else:
                self._waiting.append(item)
                self._cycles += item.cycles

    def _submit(self, pool: Pool) -> None:
        """Hand segments to idle workers, with threads inside a proof where there are fewer segments than cores."""
        while self._waiting and pool.idle and pool.pending < self._workers:
            if not self._executed and len(self._waiting) + len(self._running) < self._workers:
                return  # how many segments there will be decides how many threads each may have
            segment = self._waiting.pop(0)
            name = f"segment {segment.index}"
            output = self._directory / f"{segment.index:06}.receipt"
            self._running[name] = (SegmentResult(segment.index, output, segment.cycles), time.monotonic(), "waiting")
            options = {**self._options, "threads": self._threads()}
            pool.submit(Task(name, self._kind, (segment.path,), output, options, segment.memory_bytes))
            for event in pool.events(0.0):
                self._note(event)

    def _threads(self) -> int:
        """Threads for the segment just taken: its share of the cores; all of them if it will soon be alone."""
        busy = len(self._running)
        if not self._executed:
            return max(1, self._cores // self._workers)
        if not self._waiting and self._others_nearly_done():
            return self._cores
        return max(1, self._cores // min(self._workers, busy + len(self._waiting)))

    def _others_nearly_done(self) -> bool:
        finished = [r.seconds / max(r.cycles, 1) for r in self._results.values()]
        *others, _ = self._running.values()
        if not others:
            return True
        if not finished:
            return False
        usual, now = sum(finished) / len(finished), time.monotonic()
        return all(now - since > NEARLY_DONE * usual * result.cycles for result, since, _ in others)

    def _note(self, event: Event) -> None:
        result, since, _ = self._running[event.task]
        match event:
            case Started():
                self._running[event.task] = (result, time.monotonic(), "starting")
            case Step(step=step):
                self._running[event.task] = (result, since, step)
            case Done():
                result.seconds, result.peak_bytes, result.steps = event.seconds, event.peak_bytes, dict(event.steps)
                self._results[result.index] = result
                del self._running[event.task]
            case Failed():
                raise event.error
            case Lost():
                self._running[event.task] = (result, time.monotonic(), "again: its worker died")

    def _state(self, seconds: float) -> JobState:
        return JobState(
            self._executed,
            self._cycles,
            len(self._waiting),
            tuple((name, step) for name, (_, _, step) in self._running.items()),
            len(self._results),
            sum(r.cycles for r in self._results.values()),
            seconds,
        )


def store_segment(directory: Path, index: int, data: bytes) -> Path:
    """Write a segment where the job finds it; readable by its owner only, since it holds guest memory."""
    path = directory / f"{index:06}.segment"
    write_whole(path, data, private=True)
    return path
