"""What a worker process does: take a task, run it, write its output whole, say how it went.

A worker ends when its parent is gone, however that happened.
"""

import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from localbento.errors import HostError, LocalBentoError, VerificationError
from localbento.service.files import write_whole

PARENT_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """A pure function of files: its kind (a module of `localbento.tasks`), what it reads, where its result goes.

    `run(*inputs, **options, progress=step)` gets the bytes of the inputs and returns those of the output.
    """

    name: str
    kind: str
    inputs: tuple[Path, ...]
    output: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has taken the task."""

    task: str


@dataclass(frozen=True, slots=True)
class Step:
    """The task has come to this step."""

    task: str
    step: str


@dataclass(frozen=True, slots=True)
class Done:
    """The task's output is written."""

    task: str
    seconds: float
    peak_bytes: int
    steps: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Failed:
    """The task failed; `error` is the exception's class, `message` its text."""

    task: str
    error: LocalBentoError
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker died while it had the task."""

    task: str
    exit_code: int


Event = Started | Step | Done | Failed | Lost


def task_function(kind: str) -> Callable[..., bytes]:
    """The pure function of a task kind: `run` in the module that the kind names."""
    function: Callable[..., bytes] = importlib.import_module(kind).run
    return function


def worker_main(pipe: Connection, parent: int, preload: tuple[str, ...] = ()) -> None:
    """Run tasks from the pipe until it closes or the parent is gone.

    `preload` names kinds that will be asked for: their modules are imported, and made warm where they have a `warm()`,
    while there is nothing to do yet.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    for kind in preload:
        _preload(kind)
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        if task is None:
            return
        try:
            pipe.send(_run(task, pipe))
        except (BrokenPipeError, OSError):
            return


def _preload(kind: str) -> None:
    try:
        warm = getattr(importlib.import_module(kind), "warm", None)
        if warm is not None:
            warm()
    except Exception:  # whatever is wrong will be said by the first task of this kind
        return


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


def _run(task: Task, pipe: Connection) -> Done | Failed:
    started = time.perf_counter()
    clock = _StepClock(task.name, pipe)
    try:
        data = [path.read_bytes() for path in task.inputs]
        result = task_function(task.kind)(*data, **task.options, progress=clock.step)
        write_whole(task.output, result)
    except LocalBentoError as error:
        return Failed(task.name, _portable(error))
    except MemoryError:
        return Failed(task.name, HostError(f"{task.name}: out of memory; use fewer --jobs or a lower --memory"))
    except Exception as error:  # a bug of ours must reach the parent as one line, with its trace kept
        message = f"{task.name}: {type(error).__name__}: {error}"
        return Failed(task.name, HostError(message), traceback.format_exc())
    clock.stop()
    return Done(task.name, time.perf_counter() - started, peak_memory_bytes(), clock.seconds)


def _portable(error: LocalBentoError) -> LocalBentoError:
    """The same error, in a form that survives a pipe: subclasses may have constructors of their own."""
    if isinstance(error, VerificationError):
        return error
    base = next(c for c in type(error).__mro__ if LocalBentoError in (c, *c.__bases__))
    plain = base(str(error))
    return plain if isinstance(plain, LocalBentoError) else HostError(str(error))


class _StepClock:
    """Seconds by step, told to the parent as they begin."""

    def __init__(self, task: str, pipe: Connection) -> None:
        self._task = task
        self._pipe = pipe
        self._current: str | None = None
        self._since = 0.0
        self.seconds: dict[str, float] = {}

    def step(self, name: str) -> None:
        """A step begins; the one before it ends."""
        self.stop()
        self._current, self._since = name, time.perf_counter()
        self._pipe.send(Step(self._task, name))

    def stop(self) -> None:
        """The last step ends."""
        if self._current is not None:
            elapsed = time.perf_counter() - self._since
            self.seconds[self._current] = self.seconds.get(self._current, 0.0) + elapsed
        self._current = None


def peak_memory_bytes() -> int:
    """The largest resident size of this process so far."""
    try:
        # ru_maxrss would count what the parent held when it started this process.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
