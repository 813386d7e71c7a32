"""What an engine may take, what it holds, and what it tells of its job."""

import time
from dataclasses import dataclass, field
from typing import Final

from localbento.service.planner.sharing import Going, Waiting, proof_time
from localbento.service.taskdb.rows import ClaimedTask, TaskRow
from localbento.service.worker.messages import Done


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job may take of the machine: proofs at a time, cores, bytes of memory of all tasks that run on it."""

    workers: int
    cores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task that a worker of ours has: its step, and for how many seconds."""

    name: str
    kind: str
    step: str
    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class EngineState:
    """How far a job is, for whoever watches."""

    job_id: str
    executed: bool
    cycles: int
    waiting: int
    running: tuple[RunningTask, ...]
    segments_running: int
    done: int
    cycles_done: int
    seconds: float
    cycles_per_second: float
    memory_limit_bytes: int
    note: str = ""
    final: bool = False


@dataclass
class Held:
    """A task that this engine has claimed and a worker of ours runs."""

    claimed: ClaimedTask
    kind: str
    since: float
    heard: float
    """When its worker last told of it: how long a task may take is counted from there, since proofs may take hours."""
    step: str = "waiting"
    threads: int = 1


CELLS_BY_CYCLE: Final = 100
"""About what docs/benchmarks.md has for large segments."""
LATE: Final = 0.1
"""A proof that takes longer than expected is taken to need this share more of its time so far."""


@dataclass
class Pace:
    """Proofs made by this engine: what later ones are judged by."""

    started: float = field(default_factory=time.monotonic)
    cycles: int = 0
    seconds: float = 0.0
    expected: float = 0.0
    """Of the same proofs, in the unit of `proof_time`."""

    def add(self, held: Held, cycles: int, seconds: float) -> None:
        """A proof is made."""
        self.cycles += cycles
        self.seconds += seconds
        self.expected += proof_time(cells_of(held.claimed), held.threads)

    def going(self, held: Held, now: float) -> Going:
        """What is known of a proof that runs; before any has ended, only that it may take its whole time yet."""
        left = proof_time(cells_of(held.claimed), held.threads)
        if self.seconds:
            spent = (now - held.since) * self.expected / self.seconds
            left = max(left - spent, LATE * spent)
        return Going(left, held.threads, held.claimed.memory_bytes)


def is_proof(task: ClaimedTask | TaskRow) -> bool:
    """Whether a task proves a segment."""
    return bool(task.definition and task.definition.get("kind") == "prove")


def cells_of(task: ClaimedTask | TaskRow) -> int:
    """Committed cells of a proof; jobs planned before these were noted have its cycles."""
    return int(task.definition.get("cells", CELLS_BY_CYCLE * task.definition["cycles"]))


def waiting(task: ClaimedTask | TaskRow) -> Waiting:
    """A proof that waits, for the rule that shares cores out."""
    return Waiting(cells_of(task), task.memory_bytes)


def told(event: Done, held: Held) -> str:
    """One line about a task that is done."""
    match held.kind:
        case "execute":
            what = f"executed {event.facts['cycles']:,} cycles, cut into {event.facts['segments']} segments"
        case "prove":
            threads = f" on {held.threads} threads" if held.threads > 1 else ""
            what = f"segment {event.facts['index']} proved and verified, {event.facts['cycles']:,} cycles{threads}"
        case "finalize":
            what = f"receipt of {event.facts['receipt_bytes']:,} bytes put together"
        case _:
            what = f"task {event.task} done"
    return f"{what}, {event.seconds:.1f} s"


def gib(count: int) -> str:
    """Bytes in GiB."""
    return f"{count / 2**30:.1f} GiB"
