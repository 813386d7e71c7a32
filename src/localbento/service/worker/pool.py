"""Worker processes under one parent.

The pool knows processes, not resources: whether a task may start is the task database's to say.  A worker that dies
is noticed at once; what becomes of its task is for the caller to decide.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from localbento.service.worker.loop import worker_main
from localbento.service.worker.messages import Done, Emitted, Event, Failed, Lost, Proceed, Task

JOIN_SECONDS: Final = 5.0


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    preload: tuple[str, ...]
    seen: set[str] = field(default_factory=set)
    task: Task | None = None

    def knows(self, module: str) -> bool:
        return module in self.seen or module in self.preload


class Pool:
    """Runs tasks in processes that it starts when they are needed."""

    def __init__(self, store_root: Path) -> None:
        """`store_root` is where workers find their inputs and leave their outputs."""
        self._context = multiprocessing.get_context("spawn")
        self._store_root = store_root
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process numbers of the workers."""
        return tuple(w.process.pid or 0 for w in self._workers)

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the tasks that workers have."""
        return tuple(w.task.name for w in self._workers if w.task is not None)

    def spawn(self, preload: tuple[str, ...]) -> None:
        """Start a worker in advance; it makes itself ready for the modules that `preload` names."""
        self._workers.append(self._start(preload))

    def start(self, task: Task) -> None:
        """Hand a task to an idle worker, one that knows its kind if there is one, else to a new one."""
        idle = [w for w in self._workers if w.task is None and w.process.is_alive()]
        worker = min(idle, key=lambda w: not w.knows(task.module), default=None)
        if worker is None:
            worker = self._start(())
            self._workers.append(worker)
        worker.task = task
        worker.seen.add(task.module)
        try:
            worker.pipe.send(task)
        except OSError:
            return  # the worker is gone: the next look at its events says so

    def proceed(self, name: str) -> None:
        """Tell a task that has emitted an object to go on."""
        for worker in self._having([name]):
            try:
                worker.pipe.send(Proceed())
            except OSError:
                continue

    def kill(self, names: Iterable[str]) -> None:
        """End tasks at once, with their workers; no event follows."""
        for worker in self._having(names):
            worker.task = None
            self._workers.remove(worker)
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()

    def retire(self, most: int) -> None:
        """End idle workers until there are at most `most` workers: what they hold is memory for others."""
        for worker in [w for w in self._workers if w.task is None]:
            if len(self._workers) <= most:
                return
            self._workers.remove(worker)
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()

    def events(self, timeout: float | None = 0.0) -> Iterator[Event]:
        """What has happened, waiting up to `timeout` seconds for something to happen (None: for ever)."""
        sources: list[Connection | int] = [w.pipe for w in self._workers]
        sources += [w.process.sentinel for w in self._workers]
        ready = wait(sources, timeout)
        for worker in list(self._workers):
            if worker.process.sentinel in ready:
                worker.process.join(JOIN_SECONDS)  # its end is known a moment before its exit status is
            yield from self._collect(worker)

    def _collect(self, worker: _Worker) -> Iterator[Event]:
        try:
            while worker in self._workers and worker.pipe.poll():
                event = worker.pipe.recv()
                if worker.task is None or event.task != worker.task.name:
                    continue
                if isinstance(event, Done | Failed):
                    worker.task = None
                yield event
                if isinstance(event, Emitted):
                    return  # nothing more comes before the answer
        except (EOFError, OSError):
            worker.process.join(JOIN_SECONDS)
            worker.process.kill()  # if it still lives, it can tell us nothing any more
            worker.process.join()
        if worker in self._workers and not worker.process.is_alive():
            self._workers.remove(worker)
            worker.pipe.close()
            if worker.task is not None:
                yield Lost(worker.task.name, worker.process.exitcode or 0)

    def _having(self, names: Iterable[str]) -> list[_Worker]:
        wanted = set(names)
        return [w for w in self._workers if w.task is not None and w.task.name in wanted]

    def _start(self, preload: tuple[str, ...]) -> _Worker:
        ours, theirs = self._context.Pipe()
        args = (theirs, os.getpid(), self._store_root, preload)
        process = self._context.Process(target=worker_main, args=args, daemon=True)
        with _worker_environment(), _interrupts_held_back():
            process.start()
        theirs.close()
        return _Worker(process, ours, preload)

    def stop(self) -> None:
        """End all workers at once: what they have stored is stored, what they have not is nobody's."""
        # Not asked politely: a worker loses nothing by it, and one that was stopped (SIGSTOP) would not hear.
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()


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


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C goes to all processes of the terminal, and must not meet a worker before it has said that it ignores it.

    A mask is inherited, and holds from the first moment.  For ourselves it is not enough: another thread of ours takes
    what this one masks, and the handler would interrupt us half way, with the worker waiting for what it is to do.
    What comes meanwhile reaches us afterwards.
    """
    resource_tracker.ensure_running()  # its start would end with SIGINT let through
    seen: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        handlers = {number: handler for number, handler in found.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: seen.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if seen:  # of several within these milliseconds the first
            signal.raise_signal(seen[0])
