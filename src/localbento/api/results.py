"""What the facade returns: receipts, executions, proofs, progress."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from localbento.api.files import read_file, write_file

if TYPE_CHECKING:
    from localbento.claim.exit_code import ExitCode
    from localbento.receipt.composite import CompositeReceipt
    from localbento.receipt.verify import Verified


@dataclass(frozen=True, slots=True)
class Receipt:
    """A proof that a program ended with a journal, and what it takes to verify that."""

    composite: "CompositeReceipt"

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a receipt file.

        Raises: UsageError if it cannot be read; VerificationError if it is no receipt.
        """
        from localbento.receipt.composite import MAX_RECEIPT_BYTES

        return cls.from_bytes(read_file(Path(path), "receipt", MAX_RECEIPT_BYTES))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a receipt.

        Raises: VerificationError if it is none.
        """
        from localbento.receipt.encoding import decode

        return cls(decode(data))

    def to_bytes(self) -> bytes:
        """The receipt's one encoding."""
        from localbento.receipt.encoding import encode

        return encode(self.composite)

    def save(self, path: Path | str) -> None:
        """Write the receipt, whole or not at all.

        Raises: HostError if the file system refuses.
        """
        write_file(Path(path), self.to_bytes())

    @property
    def journal(self) -> bytes | None:
        """What the guest made public; None if it states no output.  Trust it only after `verify`."""
        return self.composite.journal

    def verify(self, image_id: bytes, *, journal: bytes | None = None, allow_exit: bool = False) -> "Verified":
        """Verify everything: proofs, chain, journal, assumptions, and that the program is `image_id`.

        Raises: VerificationError with a reason.
        """
        from localbento.receipt.verify import verify_receipt

        return verify_receipt(self.composite, image_id, journal=journal, allow_exit=allow_exit)


@dataclass(frozen=True, slots=True)
class Cycles:
    """Counted as RISC Zero's released generation counts them."""

    user: int
    paging: int
    total: int


@dataclass(frozen=True, slots=True)
class Execution:
    """What a run without proof did."""

    image_id: bytes
    exit_code: "ExitCode"
    journal: bytes | None
    claim_digest: bytes
    cycles: Cycles
    segments: int
    syscalls: Mapping[str, int]
    pages_read: int
    pages_written: int
    instructions: int
    seconds: float

    @property
    def instructions_per_second(self) -> float:
        """Guest instructions by second."""
        return self.instructions / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """The fields of `bento execute --json` (docs/formats.md)."""
        return {
            "image_id": self.image_id.hex(),
            "exit_code": exit_code_json(self.exit_code),
            "journal": hex_or_none(self.journal),
            "claim_digest": self.claim_digest.hex(),
            "cycles": {"user": self.cycles.user, "paging": self.cycles.paging, "total": self.cycles.total},
            "segments": self.segments,
            "syscalls": dict(self.syscalls),
            "pages": {"read": self.pages_read, "written": self.pages_written},
            "seconds": self.seconds,
            "instructions_per_second": self.instructions_per_second,
        }


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """A task that a worker has now."""

    name: str
    step: str
    seconds: float = 0.0
    """Since it was claimed."""


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """The state of a proving job."""

    executed: bool
    cycles: int
    done: int
    running: int
    waiting: int
    steps: tuple[str, ...]
    cycles_per_second: float
    remaining_seconds: float | None
    final: bool = False
    job: str = ""
    """Its id; empty before it has one."""
    tasks: tuple[TaskProgress, ...] = ()
    memory_bytes: int = 0
    """What the running tasks are predicted to take."""
    memory_limit_bytes: int = 0
    note: str = ""
    """Something that just happened and should be read: a worker died, a task is tried again."""


@dataclass(frozen=True, slots=True)
class ProofResult:
    """A verified receipt, and how it was made."""

    receipt: Receipt
    image_id: bytes
    exit_code: "ExitCode"
    claim_digest: bytes
    cycles: int
    segments: int
    seconds: float
    proving_seconds: float
    receipt_bytes: int
    provable_bits: float
    peak_bytes: int
    steps: Mapping[str, float]
    profiles: tuple[int, ...]
    job: str = ""
    """The job's number in the home, if it has one."""
    cycles_before: int = 0
    """Cycles of segments that were proved before this call began: what a resumed job had."""
    reused: bool = False
    """Whether the job was done before; `seconds` are those that it took then."""

    @property
    def seal_bytes(self) -> int:
        """Bytes of the largest segment proof."""
        return max(len(s.seal) for s in self.receipt.composite.segments)

    @property
    def cycles_per_second(self) -> float:
        """Executed cycles, less those that an earlier call has proved, by second of this call."""
        return (self.cycles - self.cycles_before) / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """The fields of `bento prove --json` (docs/formats.md)."""
        return {
            "image_id": self.image_id.hex(),
            "exit_code": exit_code_json(self.exit_code),
            "journal": hex_or_none(self.receipt.journal),
            "claim_digest": self.claim_digest.hex(),
            "cycles": self.cycles,
            "segments": self.segments,
            "seconds": self.seconds,
            "cycles_per_second": self.cycles_per_second,
            "receipt_bytes": self.receipt_bytes,
            "provable_bits": self.provable_bits,
            "job": self.job,
            "reused": self.reused,
        }


Progress = Callable[[ProgressEvent], None]


def exit_code_json(code: "ExitCode") -> dict[str, Any]:
    """An exit code as JSON has it."""
    return {"system": str(code).split("(", maxsplit=1)[0], "user": code.user}


def hex_or_none(data: bytes | None) -> str | None:
    """Bytes as hex; None stays None."""
    return None if data is None else data.hex()
