"""The kinds of task: one table.

A kind names the module whose `run` is the task, the stream that its tasks wait on, what it reads and writes by
role, what it takes of the machine, and how often it is tried.  Kinds of recursion stand here already: the planner
and the task database carry them, and a job that needs one is refused when it is submitted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from localbento.errors import UsageError

MINUTE: Final = 60
MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of task.

    `inputs` and `outputs` are roles of objects.  `cores` and `memory_bytes` are what a task takes unless its own
    prediction says otherwise.  A task is tried again, `max_retries` times, when its worker died or its time ran out;
    an error that it raises itself is final, since it would come again.
    """

    name: str
    module: str | None
    stream: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cores: int = 1
    memory_bytes: int = 512 * MEBIBYTE
    max_retries: int = 2
    timeout_seconds: int = 60 * MINUTE
    streams_objects: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is code for it."""
        return self.module is not None


_ALL: Final = (
    Kind(
        "execute", "localbento.tasks.execute", "exec", ("program", "stdin", "secret", "assumption"), ("session",),
        # It waits for the provers most of the time, and must not keep a core from them.
        cores=0, timeout_seconds=30 * 24 * 60 * MINUTE, streams_objects=True,
    ),
    Kind("prove", "localbento.tasks.prove", "prove", ("segment", "secret"), ("receipt",)),
    Kind("finalize", "localbento.tasks.finalize", "aux", ("session", "receipt", "assumption"), ("receipt",)),
    Kind("verify", "localbento.tasks.verify", "aux", ("receipt", "session"), ()),
    Kind("join", None, "join", ("left", "right"), ("receipt",)),
    Kind("resolve", None, "join", ("receipt", "assumption"), ("receipt",)),
    Kind("keccak", None, "coproc", ("states",), ("receipt",)),
    Kind("union", None, "join", ("left", "right"), ("receipt",)),
    Kind("wrap", None, "snark", ("receipt",), ("receipt",)),
)  # fmt: skip
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _ALL}
STREAMS: Final = tuple(dict.fromkeys(kind.stream for kind in _ALL))

RECEIPT_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "composite": ("execute", "prove", "finalize", "verify"),
    "succinct": ("execute", "prove", "join", "resolve", "finalize", "verify"),
    "groth16": ("execute", "prove", "join", "resolve", "finalize", "verify", "wrap"),
}
"""What a receipt of each kind takes."""


def check_receipt_kind(receipt: str) -> None:
    """Refuse, before anything is done, a receipt that cannot be made.

    Raises: UsageError.
    """
    needed = RECEIPT_KINDS.get(receipt)
    if needed is None:
        msg = f"--receipt: expected one of {', '.join(RECEIPT_KINDS)}, found {receipt!r}"
        raise UsageError(msg)
    missing = [name for name in needed if not KINDS[name].exists]
    if missing:
        msg = f"--receipt {receipt}: not possible yet, there is no {' and no '.join(missing)}; use --receipt composite"
        raise UsageError(msg)
