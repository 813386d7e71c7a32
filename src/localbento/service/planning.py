"""From a plan's tasks to rows of the task database.

Everything here may be done twice: a task that is there already, the same in every detail, stays as it is.  So an
execution that was killed is simply run again.
"""

from collections.abc import Mapping
from typing import Any, Final

from localbento.errors import ProvingError
from localbento.service.home import Home
from localbento.service.jobs import FINALIZE, INIT, SECRET, USER
from localbento.service.kinds import KINDS, RECEIPT_KINDS, Kind
from localbento.service.planner.plan import ChainPlan, Command, Plan, PlanTask
from localbento.service.taskdb.errors import NotFoundError
from localbento.service.taskdb.rows import ClaimedTask, TaskState
from localbento.service.worker.messages import Stored

RECEIPT: Final = "receipt"
SEGMENT: Final = "segment"
SESSION: Final = "session"
VERIFY: Final = "verify"


class Planning:
    """Turns the segments of one job's execution into tasks, as they come."""

    def __init__(
        self, home: Home, job_id: str, receipt_kind: str, verifiers: int, kinds: Mapping[str, Kind] = KINDS
    ) -> None:
        """`verifiers` is among how many tasks the last verification is divided, if there are so many segments."""
        self._home = home
        self._job = job_id
        self._verifiers = verifiers
        self._kinds = kinds
        self._plan: Plan | ChainPlan = Plan() if "join" in RECEIPT_KINDS[receipt_kind] else ChainPlan()
        self._inputs = home.db.task_refs(job_id, INIT)
        self.cycles = 0
        """Executed, so far."""
        self.last_seen = False
        """Whether every segment is planned, though the execution may not have said yet that it has ended."""

    def segment(self, stored: Stored, facts: Mapping[str, Any]) -> bool:
        """A segment was executed: plan what follows.  True if its proof has yet to be made."""
        self.cycles += facts["cycles"]
        self.last_seen = facts["last"]
        number = self._plan.segment()
        waits = True
        while (task := self._plan.next_task()) is not None:
            if task.command is not Command.SEGMENT:
                self._later(task)
            else:
                waits = self._segment(number, stored, facts)
        return waits

    def finish(self, session: Stored) -> None:
        """The execution has ended: plan the receipt, and its verification."""
        self._plan.finish()
        while (task := self._plan.next_task()) is not None:
            if task.command is Command.FINALIZE:
                self._finalize(task, session)
            else:
                self._later(task)

    def _segment(self, number: int, stored: Stored, facts: Mapping[str, Any]) -> bool:
        definition = {
            "kind": "prove",
            "index": facts["index"],
            "cycles": facts["cycles"],
            "profile": facts["profile"],
            "cells": facts["cells"],
            "segment": stored[0],
        }
        state = self._ensure(
            str(number),
            self._kinds["prove"],
            definition,
            inputs={SEGMENT: stored, SECRET: self._given(SECRET)},
            memory_bytes=facts["memory_bytes"],
        )
        return state is not TaskState.DONE

    def _finalize(self, task: PlanTask, session: Stored) -> None:
        proofs = [str(number) for number in task.depends_on]
        assumptions = {role: self._given(role) for role in self._inputs if role.startswith("assumption.")}
        self._ensure(
            FINALIZE,
            self._kinds["finalize"],
            {"kind": "finalize", "from": {RECEIPT: proofs}},
            prerequisites=proofs,
            inputs={SESSION: session, **assumptions},
        )
        step = min(self._verifiers, len(proofs))
        for first in range(step):
            self._ensure(
                f"{VERIFY} {first}",
                self._kinds[VERIFY],
                {"kind": VERIFY, "from": {RECEIPT: FINALIZE}, "options": {"first": first, "step": step}},
                prerequisites=[FINALIZE],
                inputs={SESSION: session},
            )

    def _later(self, task: PlanTask) -> None:
        # Submission refuses receipts that need these; nothing may get here half way.
        msg = f"task {task.number} ({task.command.value}): there is no such task yet; this is a bug"
        raise ProvingError(msg)

    def _given(self, role: str) -> Stored:
        ref = self._inputs[role]
        return ref.digest, ref.size

    def _ensure(
        self,
        name: str,
        kind: Kind,
        definition: Mapping[str, Any],
        *,
        inputs: Mapping[str, Stored],
        prerequisites: list[str] | None = None,
        memory_bytes: int | None = None,
    ) -> TaskState:
        db = self._home.db
        return db.ensure_task(
            self._job,
            name,
            db.get_or_create_stream(kind.stream, 0, 1.0, USER),
            dict(definition),
            prerequisites or [],
            kind.max_retries,
            kind.timeout_seconds,
            inputs=dict(inputs),
            private=tuple(inputs),
            cores=kind.cores,
            memory_bytes=memory_bytes or kind.memory_bytes,
        )


def inputs_of(home: Home, task: ClaimedTask) -> dict[str, str]:
    """Digests by role: what a task was given, and other tasks' outputs, one or a list in order.

    Raises: NotFoundError if one is not there: the task, or one before it, was forgotten (`rewind_job`) meanwhile.
    """
    db, job = home.db, task.job_id
    found = db.task_inputs(job, task.task_id)
    try:
        for role, source in task.definition.get("from", {}).items():
            if isinstance(source, str):
                found[role] = db.task_outputs(job, source)[role]
            else:
                outputs = db.outputs_of(job, role)
                found |= {f"{role}.{i:06}": outputs[name] for i, name in enumerate(source)}
    except KeyError as error:
        msg = f"task {task.task_id}: expected an output of an earlier task, found none ({error})"
        raise NotFoundError(msg) from error
    if not found:
        msg = f"task {task.task_id}: expected inputs, found none"
        raise NotFoundError(msg)
    return found
