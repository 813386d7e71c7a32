"""What parent and worker say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localbento.errors import LocalBentoError

Stored = tuple[str, int]
"""An object's digest, 64 hex digits, and its size in bytes."""


@dataclass(frozen=True, slots=True)
class Task:
    """A pure function of objects: its module, what it reads by role, its options.

    `run(**inputs, **options, progress=...)` gets the bytes of the inputs.  Roles with a dot are one list, in order:
    `receipt.000000`, `receipt.000001` become `receipt=[..., ...]`.  A task that `streams_objects` also gets `emit`
    and `log`.
    """

    name: str
    module: str
    inputs: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    streams_objects: bool = False


@dataclass(frozen=True, slots=True)
class Proceed:
    """Parent to worker: there is room for the next object."""


@dataclass(frozen=True, slots=True)
class Step:
    """The task has come to this step."""

    task: str
    step: str


@dataclass(frozen=True, slots=True)
class Emitted:
    """The task has stored an object and waits for `Proceed`."""

    task: str
    stored: Stored
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The task's outputs are stored."""

    task: str
    outputs: Mapping[str, Stored]
    facts: Mapping[str, Any]
    seconds: float
    peak_bytes: int
    steps: Mapping[str, float]
    log_tail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The task raised `error`; `detail` is a trace if that is a bug of ours.

    `damaged` is the digest of an input that is missing or not what its name promises.
    """

    task: str
    error: LocalBentoError
    detail: str = ""
    log_tail: str = ""
    damaged: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker died while it had the task."""

    task: str
    exit_code: int

    @property
    def how(self) -> str:
        """In words."""
        return f"signal {-self.exit_code}" if self.exit_code < 0 else f"exit status {self.exit_code}"


Event = Step | Emitted | Done | Failed | Lost
