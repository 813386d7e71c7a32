"""Jobs of the home, to look at and to order about.

Nothing here proves; `resume_job` of `localbento.api.proving` does.  A home that does not exist has no jobs, and
looking at it makes none.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localbento.api.views import SHORT_ID, STATES, Activity, Deleted, EventView, JobView, TaskView
from localbento.errors import UsageError

if TYPE_CHECKING:
    from localbento.service.home import Home
    from localbento.service.taskdb.rows import JobRow, TaskRow, TaskState

INIT: Final = "init"
GUEST_LOG: Final = "guest_log"
DELETE_GRACE_SECONDS: Final = 2.0
"""How long an object stays that somebody else may be about to refer to."""


def list_jobs(*, states: Sequence[str] = (), limit: int | None = None, home: Path | None = None) -> list[JobView]:
    """Jobs of the home, newest first; in some states only, if some are named.

    Raises: UsageError for an unknown state; HostError if the task database cannot be read.
    """
    from localbento.service.taskdb.rows import JobState

    wrong = [state for state in states if state not in STATES]
    if wrong:
        msg = f"--state: expected one of {', '.join(STATES)}, found {wrong[0]!r}"
        raise UsageError(msg)
    with opened(home) as place:
        if place is None:
            return []
        alive = _live_pools(place)
        rows = place.db.list_jobs(states=[JobState(state) for state in states] or None, limit=limit)
        return [_listed(place, row, alive) for row in rows]


def show_job(job: str, *, home: Path | None = None) -> JobView:
    """A job with all its tasks; `job` is the beginning of its id.

    Raises: UsageError if there is no such job, or several; HostError.
    """
    with opened(home) as place:
        if place is None:
            raise _no_job(job)
        return _whole(place, place.db.get_job(place.db.resolve_job_id(job)), _live_pools(place))


def current_jobs(*, ended: int, home: Path | None = None) -> list[JobView]:
    """Jobs that have not ended, with the tasks that run, and so many of those that ended last; newest first.

    Raises: HostError.
    """
    from localbento.service.taskdb.rows import ENDED, JobState

    with opened(home) as place:
        if place is None:
            return []
        alive = _live_pools(place)
        rows = place.db.list_jobs(states=[JobState.RUNNING])
        rows += place.db.list_jobs(states=ENDED, limit=ended)
        rows.sort(key=lambda row: row.created_at, reverse=True)
        return [_listed(place, row, alive) for row in rows]


def job_ids(*, home: Path | None = None) -> list[tuple[str, str]]:
    """Ids and guests of all jobs, newest first: what a shell completes.

    Raises: HostError.
    """
    with opened(home) as place:
        return [] if place is None else [(row.id, row.guest_name or "") for row in place.db.list_jobs()]


def job_events(job: str, *, after: int = 0, home: Path | None = None) -> list[EventView]:
    """What happened to a job after the event of that number, in order.

    Raises: UsageError if there is no such job, or several; HostError.
    """
    with opened(home) as place:
        if place is None:
            raise _no_job(job)
        found = place.db.events(place.db.resolve_job_id(job), after)
        return [EventView(e.seq, e.at, e.level, e.text) for e in found]


def guest_output(job: str, *, home: Path | None = None) -> bytes:
    """What the guest printed; of one that failed the end of it; nothing as long as it runs.

    Raises: UsageError if there is no such job, or several; HostError if the object is damaged.
    """
    with opened(home) as place:
        if place is None:
            raise _no_job(job)
        found = place.db.resolve_job_id(job)
        digest = place.db.task_outputs(found, INIT).get(GUEST_LOG)
        if digest is not None:
            return place.store.get(digest)
        return (place.db.get_task(found, INIT).log_tail or "").encode("utf-8", "surrogateescape")


def cancel_job(job: str, *, home: Path | None = None) -> JobView:
    """Stop a job: whoever works on it lets go within a second or two.  What is proved is kept, until it is deleted.

    Raises: UsageError if there is no such job, or it has ended; HostError.
    """
    with opened(home) as place:
        if place is None:
            raise _no_job(job)
        row = place.db.get_job(place.db.resolve_job_id(job))
        if row.state != "running":
            msg = f"job {row.id[:SHORT_ID]}: expected one that has not ended, found it {row.state.value}"
            raise UsageError(msg)
        place.db.cancel_job(row.id)
        place.db.log(row.id, "info", "cancelled by its user")
        return _listed(place, place.db.get_job(row.id), _live_pools(place))


def require_retryable(job: str, *, home: Path | None = None) -> JobView:
    """A job that failed or was cancelled.

    Raises: UsageError if it is another, or there is none; HostError.
    """
    found = show_job(job, home=home)
    if found.state in ("failed", "cancelled"):
        return found
    hint = "bento jobs resume goes on with it"
    if found.state == "done":
        lost = _lost_result(found.id, home)
        hint = (
            f"but {lost}: the same 'bento prove' makes it again" if lost else "its receipt is there: bento jobs resume"
        )
    msg = f"job {found.short_id}: expected one that failed or was cancelled, found it {found.state}; {hint}"
    raise UsageError(msg)


def _lost_result(job: str, home: Path | None) -> str | None:
    from localbento.service.jobs import lost_result

    with opened(home) as place:
        return None if place is None else lost_result(place, job)


def delete_job(job: str, *, home: Path | None = None) -> Deleted:
    """Remove a job with its receipt, its log, and every object that nothing else refers to.

    Raises: UsageError if there is no such job, or a process works on it; HostError.
    """
    with opened(home) as place:
        if place is None:
            raise _no_job(job)
        row = place.db.get_job(place.db.resolve_job_id(job))
        if _listed(place, row, _live_pools(place)).activity is Activity.WORKING:
            short = row.id[:SHORT_ID]
            msg = f"job {short}: expected one that nobody works on; bento jobs cancel {short} first"
            raise UsageError(msg)
        freed = place.db.delete_job(row.id)
        gone = place.store.collect(place.db.referenced, DELETE_GRACE_SECONDS, only=freed)
        place.log_path(row.id).unlink(missing_ok=True)
        return Deleted(row.id, gone.count, gone.bytes)


def _no_job(job: str) -> UsageError:
    return UsageError(f"job {job!r}: not found; `bento jobs list` shows what there is")


@contextmanager
def opened(home: Path | None) -> "Iterator[Home | None]":
    """The home with its task database; None if it has none."""
    from localbento.service.home import DATABASE, Home, home_path

    root = home or home_path()
    if not (root / DATABASE).exists():
        yield None
        return
    with Home(root) as place:
        yield place


def _live_pools(place: "Home") -> set[int]:
    """Pools whose process is there."""
    from localbento.service.home import is_alive

    return {pool.id for pool in place.db.list_pools() if is_alive(pool)}


def _listed(place: "Home", row: "JobRow", alive: set[int]) -> JobView:
    """A job by itself, with those of its tasks that run or failed."""
    from localbento.service.taskdb.rows import TaskState

    ended_well = row.state in ("done", "cancelled")
    wanted = [TaskState.RUNNING, TaskState.FAILED]
    tasks = [] if ended_well else place.db.get_tasks(row.id, states=wanted)
    return _job(place, row, tasks, alive)


def _whole(place: "Home", row: "JobRow", alive: set[int]) -> JobView:
    return _job(place, row, place.db.get_tasks(row.id), alive)


def _job(place: "Home", row: "JobRow", tasks: Sequence["TaskRow"], alive: set[int]) -> JobView:
    failed = [t for t in tasks if t.state == "failed"]
    first = min(failed, key=lambda t: t.updated_at or 0.0, default=None)
    now = time.time()
    return JobView(
        id=row.id,
        state=row.state.value,
        activity=_activity(row, tasks, alive),
        guest=row.guest_name,
        image_id=row.image_id,
        receipt=row.receipt_kind,
        created_at=row.created_at,
        finished_at=row.finished_at,
        seconds=max(0.0, (row.finished_at or now) - row.created_at),
        cycles=row.executed_cycles,
        counts=_counted(place.db.count_tasks(row.id)),
        segments=_counted(place.db.count_tasks(row.id, "prove")),
        tasks=tuple(_task(t) for t in tasks),
        error=row.error,
        error_class=None if first is None else first.error_class,
    )


def _counted(counts: Mapping["TaskState", int]) -> dict[str, int]:
    return {state.value: count for state, count in counts.items()}


def _activity(row: "JobRow", tasks: Sequence["TaskRow"], alive: set[int]) -> Activity:
    if row.state != "running":
        return Activity.ENDED
    if any(t.state == "running" and t.pool_id in alive for t in tasks):
        return Activity.WORKING
    return Activity.WAITING if alive else Activity.STOPPED


def _kind(row: "TaskRow") -> str:
    return str(row.definition.get("kind", "")) if isinstance(row.definition, Mapping) else ""


def _task(row: "TaskRow") -> TaskView:
    definition = row.definition if isinstance(row.definition, Mapping) else {}
    output = row.output if isinstance(row.output, Mapping) else {}
    cycles, spent = definition.get("cycles"), output.get("seconds")
    seconds = float(spent) if isinstance(spent, int | float) else None
    if row.state == "running" and row.started_at is not None:
        seconds = max(0.0, time.time() - row.started_at)
    return TaskView(
        name=row.task_id,
        kind=_kind(row),
        state=row.state.value,
        step=row.step if row.state == "running" else None,
        seconds=seconds,
        cores=row.cores,
        memory_bytes=row.memory_bytes,
        cycles=cycles if isinstance(cycles, int) else None,
        retries=row.retries,
        crashes=row.crashes,
        error=row.error,
        error_class=row.error_class,
        log_tail=row.log_tail or None,
    )
