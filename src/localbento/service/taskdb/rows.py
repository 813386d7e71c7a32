"""What the task database hands out: one frozen record for each kind of row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self, TypeAlias

from localbento.errors import UsageError

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""Any JSON value, as it is given to the database; what comes back is Any, as from json.loads."""

Cells: TypeAlias = tuple[Any, ...]
"""A row as sqlite3 gives it: None, int, float, str, in the order of its statement."""


def dump(value: Json) -> str:
    """JSON text with sorted keys, so that equal values have equal texts.

    Raises: UsageError for what JSON cannot say (NaN, bytes, ...).
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        msg = f"expected a JSON value, found {type(value).__name__}: {error}"
        raise UsageError(msg) from error


def load(text: str) -> Any:
    """The value of a JSON text."""
    return json.loads(text)


class JobState(StrEnum):
    """States of a job; docs/service/taskdb.md has the arrows."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """States of a task; docs/service/taskdb.md has the arrows."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream with its counters; priority is smaller for who is served first, infinite when nothing is ready."""

    id: str
    worker_type: str
    reserved: int
    be_mult: float
    user_id: str
    ready: int
    running: int
    priority: float


@dataclass(frozen=True, slots=True)
class JobMeta:
    """What a job is about, for people; the database does not look at it."""

    guest_name: str | None = None
    image_id: str | None = None
    receipt_kind: str | None = None
    options: Json = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job; times are wall seconds."""

    id: str
    state: JobState
    error: str | None
    user_id: str
    reported: bool
    created_at: float
    finished_at: float | None
    key: str | None
    superseded: bool
    guest_name: str | None
    image_id: str | None
    receipt_kind: str | None
    options: Any
    executed_cycles: int | None
    result: Any

    @classmethod
    def of(cls, row: Cells) -> Self:
        """A row of the view job_rows."""
        return cls(
            id=row[0],
            state=JobState(row[1]),
            error=row[2],
            user_id=row[3],
            reported=bool(row[4]),
            created_at=row[5],
            finished_at=row[6],
            key=row[7],
            superseded=bool(row[8]),
            guest_name=row[9],
            image_id=row[10],
            receipt_kind=row[11],
            options=load(row[12]),
            executed_cycles=row[13],
            result=None if row[14] is None else load(row[14]),
        )


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task; times are wall seconds, lease_tick the boot-clock second at which its pool's lease expires.

    `output` is None both for no output and for the output null: `state` tells which.
    """

    job_id: str
    task_id: str
    stream_id: str
    worker_type: str
    definition: Any
    prerequisites: tuple[str | int, ...]
    state: TaskState
    waiting_on: int
    created_at: float
    started_at: float | None
    updated_at: float | None
    progress: float
    step: str | None
    retries: int
    max_retries: int
    timeout_secs: float
    cores: int
    memory_bytes: int
    attempt: int
    pool_id: int | None
    lease_tick: float | None
    crashes: int
    output: Any
    error: str | None
    error_class: str | None
    reason: str | None
    log_tail: str | None

    @classmethod
    def of(cls, row: Cells) -> Self:
        """A row of the view task_rows."""
        return cls(
            job_id=row[0],
            task_id=row[1],
            stream_id=row[2],
            worker_type=row[3],
            definition=load(row[4]),
            prerequisites=tuple(load(row[5])),
            state=TaskState(row[6]),
            waiting_on=row[7],
            created_at=row[8],
            started_at=row[9],
            updated_at=row[10],
            progress=row[11],
            step=row[12],
            retries=row[13],
            max_retries=row[14],
            timeout_secs=row[15],
            cores=row[16],
            memory_bytes=row[17],
            attempt=row[18],
            pool_id=row[19],
            lease_tick=row[20],
            crashes=row[21],
            output=None if row[22] is None else load(row[22]),
            error=row[23],
            error_class=row[24],
            reason=row[25],
            log_tail=row[26],
        )


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A task that was handed out; `attempt` is the token that its reports must carry."""

    job_id: str
    task_id: str
    definition: Any
    prerequisites: tuple[str | int, ...]
    attempt: int
    retries: int
    max_retries: int
    crashes: int
    timeout_secs: float
    cores: int
    memory_bytes: int

    @classmethod
    def of(cls, row: Cells) -> Self:
        """What the statement claim_task returns."""
        return cls(row[0], row[1], load(row[2]), tuple(json.loads(row[3])), *row[4:])


class Lease(NamedTuple):
    """One run of a task."""

    job_id: str
    task_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A parent that runs tasks; lease_tick belongs to the boot boot_id."""

    id: int
    pid: int
    process_start: float
    boot_id: str
    host: str
    registered_at: float
    lease_tick: float
    running: int


@dataclass(frozen=True, slots=True)
class StuckTask:
    """A pending task that waits for nothing: how often prerequisites are listed, and how many are done."""

    job_id: str
    task_id: str
    waiting_on: int
    listed: int
    finished: int


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A reference to an object of the store."""

    digest: str
    size: int
    private: bool


@dataclass(frozen=True, slots=True)
class ObjectUsage:
    """Objects that are referred to: how many, their bytes, by how many references, how many of them are private."""

    objects: int
    size: int
    references: int
    private: int


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A guest image that was added."""

    image_id: str
    digest: str
    size: int
    name: str
    added_at: float


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """What was predicted and what was measured."""

    job_id: str
    what: str
    predicted: float | None
    measured: float | None
    at: float


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened to a job; `seq` grows, and is what `events(after=...)` takes."""

    seq: int
    at: float
    level: str
    text: str
