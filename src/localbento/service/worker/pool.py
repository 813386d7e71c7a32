"""A pool of worker processes under one parent.

The pool never promises more memory than it was given: a task starts when its own prediction fits beside those
that run.  A worker that dies is noticed at once and replaced; its task is tried again, three times in all.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Final, Self

from localbento.errors import HostError
from localbento.service.worker.loop import Done, Event, Failed, Lost, Started, Task, worker_main

ATTEMPTS: Final = 3
JOIN_SECONDS: Final = 5.0


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    task: Task | None = None


class Pool:
    """Workers that run tasks in the order of submission, as far as memory allows."""

    def __init__(self, workers: int, memory_bytes: int, preload: tuple[str, ...] = ()) -> None:
        """Up to `workers` processes; `memory_bytes` is what all tasks together may use.

        One starts at once, the others when there is work for them.  `preload` names task kinds that workers make
        ready for before they are asked.
        """
        if workers < 1:
            msg = f"a pool needs at least one worker, found {workers}"
            raise ValueError(msg)
        self._context = multiprocessing.get_context("spawn")
        self._memory = memory_bytes
        self._preload = preload
        self._waiting: deque[Task] = deque()
        self._crashes: dict[str, int] = {}
        self._most = workers
        self._workers = [self._start()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process numbers of the workers."""
        return tuple(w.process.pid or 0 for w in self._workers)

    @property
    def pending(self) -> int:
        """Tasks that wait or run."""
        return len(self._waiting) + sum(w.task is not None for w in self._workers)

    @property
    def idle(self) -> int:
        """Tasks that could start now, memory aside."""
        return self._most - self.pending

    def submit(self, task: Task) -> None:
        """Queue a task.

        Raises: HostError if it alone would need more memory than the pool has.
        """
        if task.memory_bytes > self._memory:
            msg = (
                f"{task.name}: expected to need {_gib(task.memory_bytes)}, found {_gib(self._memory)} allowed; "
                "raise --memory or lower --segment-size"
            )
            raise HostError(msg)
        self._waiting.append(task)
        if self.pending > len(self._workers) and len(self._workers) < self._most:
            self._workers.append(self._start())

    def events(self, timeout: float | None = 0.0) -> Iterator[Event]:
        """What has happened, waiting up to `timeout` seconds for something to happen (None: for ever).

        Raises: HostError when a task has crashed its worker three times.
        """
        yield from self._dispatch()
        sources: list[object] = [w.pipe for w in self._workers if w.task is not None]
        sources += [w.process.sentinel for w in self._workers]
        ready = set(map(id, wait(sources, timeout)))  # type: ignore[arg-type]
        if ready:
            for worker in list(self._workers):
                yield from self._collect(worker)
        yield from self._dispatch()

    def _dispatch(self) -> Iterator[Event]:
        for worker in self._workers:
            used = sum(w.task.memory_bytes for w in self._workers if w.task is not None)
            if worker.task is None and self._waiting and used + self._waiting[0].memory_bytes <= self._memory:
                worker.task = self._waiting.popleft()
                try:
                    worker.pipe.send(worker.task)
                except (BrokenPipeError, OSError):
                    continue  # the worker is gone: _collect notices, and gives the task back
                yield Started(worker.task.name)

    def _collect(self, worker: _Worker) -> Iterator[Event]:
        try:
            while worker.pipe.poll():
                event = worker.pipe.recv()
                if isinstance(event, Done | Failed):
                    worker.task = None
                yield event
        except (EOFError, OSError):
            worker.process.join(JOIN_SECONDS)
        if not worker.process.is_alive():
            yield from self._replace(worker)

    def _replace(self, worker: _Worker) -> Iterator[Event]:
        code = worker.process.exitcode or 0
        self._workers[self._workers.index(worker)] = self._start()
        worker.pipe.close()
        if worker.task is None:
            return
        task = worker.task
        yield Lost(task.name, code)
        self._crashes[task.name] = self._crashes.get(task.name, 0) + 1
        if self._crashes[task.name] >= ATTEMPTS:
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
            msg = (
                f"{task.name}: its worker died {ATTEMPTS} times (last: {how}); if memory ran out, "
                "use fewer --jobs or a lower --memory"
            )
            raise HostError(msg)
        self._waiting.appendleft(task)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=worker_main, args=(theirs, os.getpid(), self._preload), daemon=True)
        with _worker_environment():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def stop(self) -> None:
        """End all workers at once: what they have finished is written, what they have not is nobody's."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(JOIN_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


@contextmanager
def _worker_environment() -> Iterator[None]:
    """What a worker's C library should know from its first moment.

    PERF: glibc gives every large array back to the system as soon as it is free, and the next proof touches fresh
    memory again: an eighth of the time of a second proof, measured.  A worker that keeps what it has uses 3 % more
    at its peak.
    """
    settings = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
