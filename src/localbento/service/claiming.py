"""What an engine claims next, and how many threads it gives to a proof."""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from localbento.service.planner.ageing import Ageing, is_worth_waiting
from localbento.service.planner.sharing import Machine, share
from localbento.service.state import Held, Pace, Resources, is_proof, waiting
from localbento.service.taskdb.database import TaskDb
from localbento.service.taskdb.rows import ClaimedTask, TaskRow, TaskState

PROVE: Final = "prove"


class Claims:
    """Claims of one engine, for one job."""

    def __init__(self, db: TaskDb, job_id: str, resources: Resources) -> None:
        self._db = db
        self._job = job_id
        self._resources = resources
        self._ageing = Ageing()

    def claim(self, pool_id: int, streams: Sequence[str]) -> ClaimedTask | None:
        """The next task, now running for the pool; None if there is none that fits, or one that is due does not yet.

        Raises: NotFoundError when the pool is not registered (any more).
        """
        due = self._due() if PROVE in streams else None
        if due is None:
            claimed = self._claim(pool_id, streams)
        else:
            rest = [stream for stream in streams if stream != PROVE]
            claimed = self._claim(pool_id, [PROVE], due) or self._claim(pool_id, rest)
        if claimed is not None and is_proof(claimed):
            oldest = next(iter(self._proofs(TaskState.READY)), None)
            if oldest is None:
                self._ageing.started(None, passed_over=False)
            else:
                passed_over = oldest.definition["index"] < claimed.definition["index"]
                self._ageing.started(oldest.task_id, passed_over=passed_over)
        return claimed

    def lend(self, held: Held, others: Iterable[Held], pace: Pace, *, all_known: bool) -> int:
        """Give a proof that starts now its threads, and the cores for them; how many it has.

        `others` run in this engine.  `all_known`: no more proofs will come than those that wait.
        """
        going = [other for other in others if is_proof(other.claimed)]
        last = [waiting(task) for task in self._proofs(TaskState.READY)] if all_known else []
        now = time.monotonic()
        found = share(
            [waiting(held.claimed), *last],
            [pace.going(other, now) for other in going],
            self._left_by_others([held, *going]),
            all_known=all_known,
        )
        run = held.claimed
        limit = self._resources.cores + found.early
        return max(1, self._db.lend_cores(self._job, run.task_id, run.attempt, found.threads, limit))

    def is_stuck(self) -> bool:
        """Whether nothing runs, in all of the home, that will give back cores or memory when it ends."""
        _, cores, _ = self._db.used_resources()
        return cores == 0

    def _claim(self, pool_id: int, streams: Sequence[str], task_id: str | None = None) -> ClaimedTask | None:
        return self._db.claim(
            pool_id, streams, job_id=self._job, task_id=task_id, cores_limit=self._resources.cores,
            memory_limit=self._resources.memory_bytes,
        )  # fmt: skip

    def _due(self) -> str | None:
        """The one proof that may be claimed, if others have passed it over too often."""
        due = self._ageing.due
        if due is None:
            return None
        oldest = next(iter(self._proofs(TaskState.READY)), None)
        if oldest is None or oldest.task_id != due:
            return None
        _, _, taken = self._db.used_resources()
        comes_back = sum(task.memory_bytes for task in self._proofs(TaskState.RUNNING))
        return due if is_worth_waiting(oldest.memory_bytes, self._resources.memory_bytes, taken, comes_back) else None

    def _proofs(self, state: TaskState) -> list[TaskRow]:
        """In the order in which they are claimed."""
        return [task for task in self._db.get_tasks(self._job, states=[state]) if is_proof(task)]

    def _left_by_others(self, ours: Sequence[Held]) -> Machine:
        """What the machine has for our proofs.  Of `ours` some may have been taken away, which we are told later."""
        _, cores, memory = self._db.used_resources()
        cores = max(0, cores - sum(held.threads for held in ours))
        memory = max(0, memory - sum(held.claimed.memory_bytes for held in ours))
        given = self._resources
        return Machine(given.workers, max(1, given.cores - cores), given.memory_bytes - memory)
