"""What is known of jobs, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

SHORT_ID: Final = 8
STATES: Final = ("running", "done", "failed", "cancelled")
TASK_STATES: Final = ("pending", "ready", "running", "done", "failed", "cancelled")


class Activity(StrEnum):
    """What becomes of a job at this moment."""

    WORKING = "working"
    """A process runs tasks of it."""
    WAITING = "waiting"
    """Processes work in this home, on tasks of other jobs."""
    STOPPED = "stopped"
    """It has not ended and nobody works on it: `bento jobs resume`."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task."""

    name: str
    kind: str
    state: str
    step: str | None
    seconds: float | None
    """Since it was handed out; of one that is done, what it took."""
    cores: int
    memory_bytes: int
    cycles: int | None
    retries: int
    crashes: int
    error: str | None
    error_class: str | None
    log_tail: str | None
    """The last that it said before it failed: a guest's output, or a trace."""

    def to_json(self) -> dict[str, Any]:
        """A member of `tasks` in `bento jobs show --json`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "state": self.state,
            "step": self.step,
            "seconds": self.seconds,
            "cores": self.cores,
            "memory_bytes": self.memory_bytes,
            "cycles": self.cycles,
            "retries": self.retries,
            "crashes": self.crashes,
            "error": self.error,
            "error_class": self.error_class,
            "log_tail": self.log_tail,
        }


@dataclass(frozen=True, slots=True)
class JobView:
    """One job."""

    id: str
    state: str
    activity: Activity
    guest: str | None
    image_id: str | None
    receipt: str | None
    created_at: float
    finished_at: float | None
    seconds: float
    """From the submission to the end, or to now."""
    cycles: int | None
    """Executed so far."""
    counts: Mapping[str, int]
    """Tasks by state."""
    segments: Mapping[str, int]
    """Segments by the state of their proof."""
    error: str | None
    error_class: str | None
    tasks: tuple[TaskView, ...]
    """Those that run or failed; all of them if the job was asked for by itself."""

    @property
    def short_id(self) -> str:
        """What people see; any unambiguous beginning of the id is understood."""
        return self.id[:SHORT_ID]

    @property
    def running(self) -> tuple[TaskView, ...]:
        """Tasks that a worker has now."""
        return tuple(task for task in self.tasks if task.state == "running")

    @property
    def memory_bytes(self) -> int:
        """What the running tasks are predicted to take."""
        return sum(task.memory_bytes for task in self.running)

    @property
    def exit_code(self) -> int | None:
        """The exit code that a command which ran this job to its end would have; None if it has not ended."""
        from localbento import errors

        if self.state == "running":
            return None
        if self.state == "done":
            return 0
        if self.state == "cancelled":
            return errors.Interrupted.exit_code
        kind = getattr(errors, self.error_class or "", errors.HostError)
        if kind is errors.VerificationError:
            return errors.ProvingError.exit_code
        return int(kind.exit_code)

    def to_json(self, *, tasks: str = "") -> dict[str, Any]:
        """A member of `jobs` in `bento jobs list --json`.

        With `tasks` "all" (`bento jobs show`) or "running" (`bento status`) those stand there, too.
        """
        fields: dict[str, Any] = {
            "job": self.id,
            "state": self.state,
            "activity": self.activity.value,
            "guest": self.guest,
            "image_id": self.image_id,
            "receipt": self.receipt,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
            "seconds": self.seconds,
            "cycles": self.cycles,
            "task_counts": {state: self.counts.get(state, 0) for state in TASK_STATES},
            "segment_counts": {state: self.segments.get(state, 0) for state in TASK_STATES},
            "error": self.error,
            "error_class": self.error_class,
        }
        if tasks:
            fields["memory_bytes"] = self.memory_bytes
            fields["tasks"] = [task.to_json() for task in (self.tasks if tasks == "all" else self.running)]
        return fields


@dataclass(frozen=True, slots=True)
class EventView:
    """Something that happened to a job."""

    seq: int
    at: float
    level: str
    text: str

    def to_json(self) -> dict[str, Any]:
        """One line of `bento jobs logs --json`."""
        return {"seq": self.seq, "at": self.at, "level": self.level, "text": self.text}


@dataclass(frozen=True, slots=True)
class Deleted:
    """What went with a job."""

    job: str
    objects: int
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """The fields of `bento jobs delete --json`."""
        return {"job": self.job, "objects": self.objects, "bytes": self.bytes}


@dataclass(frozen=True, slots=True)
class ImageView:
    """A guest that was added by name."""

    image_id: str
    name: str
    size: int
    added_at: float

    def to_json(self) -> dict[str, Any]:
        """A member of `images` in `bento image list --json`."""
        return {"image_id": self.image_id, "name": self.name, "bytes": self.size, "added_at": self.added_at}
