"""How many threads the next proof gets: proofs side by side, or one after the other with more threads each.  Pure.

Side by side uses cores best, as long as the proofs end at about the same time.  A long one beside a short one leaves
a core idle for most of its time, and is better done on all cores, before or after the short one.  So, when few are
left, both ways are worked out, and the one that ends first is taken.  A proof keeps the threads that it began with.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FIXED_CELLS: Final = 5_500_000
"""What every proof takes on one thread beside its cells, in cells: transcript, queries, its verification."""
SERIAL: Final = 0.08
"""The share of a proof's work by cell that more threads do not shorten.

Both from warm proofs on one and on two threads, in s, at 88 ns a cell: `hello` (4.1 million cells) 0.79 and 0.65,
`pages` (20.0) 2.37 and 1.53, `chess` (22.6) 2.37 and 1.54, `sort` (58.7) 6.22 and 3.46, `chess` (90.3) 8.31 and 4.71;
the 21 segments of docs/benchmarks.md (82.2) 186.9 and 108.0 together, 1.73, where this says 1.76.  More than two
threads were not measured: the same two constants are taken for them.
"""
SOON: Final = 0.4
"""A running proof that ends within this share of the next one's time on one thread lends it its cores beforehand."""
WORTH_IT: Final = 0.95
"""Fewer at a time must end this much earlier: predictions are within 15 %, and side by side never leaves much idle."""
FEW: Final = 2
"""With more than so many waiting proofs for each worker nothing is worked out: the end is not in sight."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What proofs may have: so many at a time, cores, bytes of memory."""

    workers: int
    cores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proof that could start: committed cells of its profile, and its memory."""

    cells: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Going:
    """A proof that runs: when it will end, in the unit of `proof_time`, and what it holds until then."""

    left: float
    cores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Share:
    """What the next proof gets: threads; `early` cores of those that end soon count as free already."""

    threads: int
    early: int = 0


def proof_time(cells: float, threads: int) -> float:
    """How long a proof of so many committed cells takes, in the time that one cell takes on one thread."""
    return FIXED_CELLS + cells * (SERIAL + (1 - SERIAL) / threads)


def share(waiting: Sequence[Waiting], going: Sequence[Going], machine: Machine, *, all_known: bool = True) -> Share:
    """What the first of `waiting` gets, which starts now beside those that are `going`.

    Args:
        waiting: it and those that start after it, in their order; at least one.
        going: proofs that run, on this machine's cores.
        machine: what there is for all of them.
        all_known: no more proofs will come.  Otherwise nothing is assumed of them but that they keep all workers busy.
    """
    limit = SOON * proof_time(waiting[0].cells, 1)
    early = sum(g.cores for g in going if g.left <= limit)
    going = [Going(g.left, 0, g.memory_bytes) if g.left <= limit else g for g in going]
    busy = sum(g.cores > 0 for g in going)
    lanes = machine.workers
    if all_known:
        lanes = max(1, min(machine.workers, busy + len(waiting)))
        if len(waiting) <= FEW * machine.workers:
            lanes = _best_lanes(waiting, going, machine, lanes)
    return Share(_threads(machine.cores - sum(g.cores for g in going), lanes - busy), early)


@dataclass(frozen=True, slots=True)
class Run:
    """A proof's share of a plan, in the unit of `proof_time`."""

    start: float
    end: float
    threads: int


def work_off(tasks: Sequence[Waiting], machine: Machine) -> list[Run]:
    """When each of some proofs runs, in their order, with the rule that an engine goes by."""
    runs, running = [], _Running(machine, ())
    for i, task in enumerate(tasks):
        running.wait_for(task, machine.workers)
        threads = share(tasks[i : i + FEW * machine.workers + 1], running.going(), machine).threads
        runs.append(Run(running.now, running.start(task, threads), threads))
    return runs


def finishing_time(waiting: Sequence[Waiting], going: Sequence[Going], machine: Machine, lanes: int) -> float:
    """When the last proof ends, in the unit of `proof_time`, if at most `lanes` run at a time.

    Each starts in its turn, when there is a lane, a core and memory for it, and gets its part of the cores that are
    free then.  The first starts at once.
    """
    running, last = _Running(machine, going), 0.0
    for i, task in enumerate(waiting):
        if i:
            running.wait_for(task, lanes)
        threads = _threads(machine.cores - running.cores, min(lanes - running.busy, len(waiting) - i))
        last = max(last, running.start(task, threads))
    return max([last, *(g.left for g in going)])


class _Running:
    """Proofs that run at a moment of a plan."""

    def __init__(self, machine: Machine, going: Sequence[Going]) -> None:
        self._machine = machine
        self._heap = [(g.left, g.cores, g.memory_bytes) for g in going]
        heapq.heapify(self._heap)
        self._memory = sum(g.memory_bytes for g in going)
        self.now = 0.0
        self.cores = sum(g.cores for g in going)
        self.busy = sum(g.cores > 0 for g in going)

    def wait_for(self, task: Waiting, lanes: int) -> None:
        """Let time pass until the task can start; what ends at the same moment has ended, too."""
        while self._heap and (self._heap[0][0] <= self.now or not self._fits(task, lanes)):
            end, cores, memory = heapq.heappop(self._heap)
            self.now = max(self.now, end)
            self.cores -= cores
            self.busy -= cores > 0
            self._memory -= memory

    def start(self, task: Waiting, threads: int) -> float:
        """When it will end."""
        end = self.now + proof_time(task.cells, threads)
        heapq.heappush(self._heap, (end, threads, task.memory_bytes))
        self.cores += threads
        self.busy += 1
        self._memory += task.memory_bytes
        return end

    def going(self) -> list[Going]:
        """As they are now."""
        return [Going(end - self.now, cores, memory) for end, cores, memory in self._heap]

    def _fits(self, task: Waiting, lanes: int) -> bool:
        return (
            self.busy < lanes
            and self.cores < self._machine.cores
            and self._memory + task.memory_bytes <= self._machine.memory_bytes
        )


def _best_lanes(waiting: Sequence[Waiting], going: Sequence[Going], machine: Machine, most: int) -> int:
    best, end = most, finishing_time(waiting, going, machine, most)
    # Of numbers that give each proof the same threads the largest; a few, however many cores there are.
    tried = {-(-machine.cores // threads) for threads in range(1, machine.cores + 1)}
    for lanes in sorted((lanes for lanes in tried if lanes < most), reverse=True):
        other = finishing_time(waiting, going, machine, lanes)
        if other < WORTH_IT * end:
            best, end = lanes, other
    return best


def _threads(free: int, lanes: int) -> int:
    """Its part of the free cores, if so many proofs share them; the remainder goes to those that start first."""
    return max(1, -(-free // max(1, lanes)))
