"""The task database: jobs, tasks and who runs them, in one SQLite file that several processes share."""

from localbento.service.taskdb.clock import Clock, SystemClock, boot_id
from localbento.service.taskdb.database import TaskDb
from localbento.service.taskdb.errors import ConflictError, InvalidWeightError, NotFoundError
from localbento.service.taskdb.options import Options
from localbento.service.taskdb.rows import (
    ClaimedTask,
    EventRow,
    ImageRow,
    JobMeta,
    JobRow,
    JobState,
    Json,
    Lease,
    ObjectRef,
    ObjectUsage,
    PoolRow,
    PredictionRow,
    StreamRow,
    StuckTask,
    TaskRow,
    TaskState,
)

__all__ = [
    "ClaimedTask",
    "Clock",
    "ConflictError",
    "EventRow",
    "ImageRow",
    "InvalidWeightError",
    "JobMeta",
    "JobRow",
    "JobState",
    "Json",
    "Lease",
    "NotFoundError",
    "ObjectRef",
    "ObjectUsage",
    "Options",
    "PoolRow",
    "PredictionRow",
    "StreamRow",
    "StuckTask",
    "SystemClock",
    "TaskDb",
    "TaskRow",
    "TaskState",
    "boot_id",
]
