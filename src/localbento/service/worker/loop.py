"""What a worker process does: take a task, load its inputs, run it, store its outputs, say how it went.

A worker ends when its parent is gone, however that happened.
"""

import gc
import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from localbento.errors import HostError, LocalBentoError, VerificationError
from localbento.service.store.objects import ObjectDamaged, ObjectMissing, ObjectStore
from localbento.service.worker.messages import Done, Emitted, Failed, Proceed, Step, Stored, Task
from localbento.tasks.outcome import Outcome

PARENT_POLL_SECONDS: Final = 0.2
LOG_TAIL_BYTES: Final = 64 << 10
GUEST_LOG: Final = "guest_log"
"""The role under which what a guest printed is stored."""


def worker_main(pipe: Connection, parent: int, store_root: Path, preload: tuple[str, ...] = ()) -> None:
    """Run tasks from the pipe until it closes or the parent is gone.

    `preload` names modules that will be asked for: they are imported, and made warm where they have a `warm()`,
    while there is nothing to do yet.
    """
    # PERF: what is imported and made warm stays for good; the collector would walk over it again and again.
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    store = ObjectStore(store_root)
    for module in preload:
        _preload(module, pipe)
    gc.freeze()
    gc.enable()
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        if not isinstance(task, Task):
            continue
        try:
            pipe.send(_run(task, pipe, store))
        except (EOFError, OSError):
            return


def _preload(module: str, pipe: Connection) -> None:
    if pipe.poll():
        return  # there is work already: it loads what it needs itself
    try:
        warm = getattr(importlib.import_module(module), "warm", None)
        if warm is not None:
            warm()
    except Exception:  # whatever is wrong will be said by the first task of this kind
        return


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


def _run(task: Task, pipe: Connection, store: ObjectStore) -> Done | Failed:
    started = time.perf_counter()
    running = _Running(task.name, pipe, store)
    try:
        given: dict[str, Any] = {**_load(task.inputs, store), **task.options, "progress": running.step}
        if task.streams_objects:
            given |= {"emit": running.emit, "log": running.log}
        outcome: Outcome = importlib.import_module(task.module).run(**given)
        outputs = {role: _put(store, data) for role, data in outcome.objects.items()}
        if running.printed:
            outputs[GUEST_LOG] = _put(store, bytes(running.printed))
    except (BrokenPipeError, EOFError):
        raise
    except LocalBentoError as error:
        damaged = error.digest if isinstance(error, ObjectMissing | ObjectDamaged) else None
        return Failed(task.name, _portable(error), log_tail=running.tail(), damaged=damaged)
    except MemoryError:
        exhausted = HostError("out of memory; use fewer --jobs or a lower --memory")
        return Failed(task.name, exhausted, log_tail=running.tail())
    except Exception as error:  # a bug of ours must reach the parent as one line, with its trace kept
        message = f"{type(error).__name__}: {error}; this is a bug"
        return Failed(task.name, HostError(message), traceback.format_exc(), running.tail())
    running.stop()
    elapsed = time.perf_counter() - started
    return Done(task.name, outputs, outcome.facts, elapsed, peak_memory_bytes(), running.seconds, running.tail())


def _load(inputs: Mapping[str, str], store: ObjectStore) -> dict[str, Any]:
    """The bytes of each input; roles with a dot become a list."""
    loaded: dict[str, Any] = {}
    for role in sorted(inputs):
        name, dot, _ = role.partition(".")
        data = store.get(inputs[role])
        if dot:
            loaded.setdefault(name, []).append(data)
        else:
            loaded[name] = data
    return loaded


def _put(store: ObjectStore, data: bytes) -> Stored:
    stored = store.put(data)
    return stored.digest, stored.size


def _portable(error: LocalBentoError) -> LocalBentoError:
    """The same error, in a form that survives a pipe: subclasses may have constructors of their own."""
    if isinstance(error, VerificationError):
        return error
    base = next(c for c in type(error).__mro__ if LocalBentoError in (c, *c.__bases__))
    plain = base(str(error))
    return plain if isinstance(plain, LocalBentoError) else HostError(str(error))


class _Running:
    """What a task calls while it runs, and the seconds of its steps."""

    def __init__(self, task: str, pipe: Connection, store: ObjectStore) -> None:
        self._task = task
        self._pipe = pipe
        self._store = store
        self._current: str | None = None
        self._since = 0.0
        self.seconds: dict[str, float] = {}
        self.printed = bytearray()

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

    def emit(self, data: bytes, facts: Mapping[str, Any]) -> None:
        """Store an object, tell the parent, and wait until it has room for another."""
        self._pipe.send(Emitted(self._task, _put(self._store, data), dict(facts)))
        while not isinstance(self._pipe.recv(), Proceed):
            pass

    def log(self, data: bytes) -> None:
        """Keep the end of what the guest prints."""
        self.printed += data
        if len(self.printed) > 2 * LOG_TAIL_BYTES:
            del self.printed[:-LOG_TAIL_BYTES]

    def tail(self) -> str:
        """The end of it, as text."""
        return self.printed[-LOG_TAIL_BYTES:].decode(errors="replace")


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
