"""What an execution comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from localbento.claim.assumption import Assumption
from localbento.claim.claim import ReceiptClaim, SessionEnd, session_claim
from localbento.claim.exit_code import ExitCode
from localbento.executor.syscalls.keccak import KeccakRequest
from localbento.hash.tagged import ZERO
from localbento.riscv.memory_image import image_id_of_root

V2_FIXED_CYCLES: Final = 4113
"""What a segment of the released generation spends on tables and its last row."""


def v2_po2(cycles: int) -> int:
    """log2 of the size of a segment of the released generation with this many user and paging cycles."""
    return max(cycles + V2_FIXED_CYCLES - 1, 1).bit_length()


@dataclass(frozen=True, slots=True)
class V2Segment:
    """A segment as the released generation would have cut it."""

    user: int
    paging: int
    po2: int


@dataclass(frozen=True, slots=True)
class Cycles:
    """Cycles counted as the released generation counts them; guests can see `user`."""

    user: int
    paging: int
    total: int

    @classmethod
    def of(cls, segments: Sequence[V2Segment]) -> "Cycles":
        """The sums over all segments."""
        return cls(
            sum(s.user for s in segments),
            sum(s.paging for s in segments),
            sum(1 << s.po2 for s in segments),
        )

    @property
    def reserved(self) -> int:
        """Tables, last rows and padding."""
        return self.total - self.user - self.paging


@dataclass(frozen=True, slots=True)
class Session:
    """A finished execution.

    `journal` is None if the guest states no output.  `assumptions` are those that the guest used, the last one
    first.  `proof_cycles` counts steps of the proof's chain: instructions and rows of calls, no paging.
    `unprovable` names what was used that has no proof (yet).
    """

    pre_root: bytes
    post_root: bytes
    exit_code: ExitCode
    output: bytes
    journal: bytes | None
    assumptions: tuple[Assumption, ...]
    keccak: tuple[KeccakRequest, ...]
    cycles: Cycles
    v2_segments: tuple[V2Segment, ...]
    segments: int
    proof_cycles: int
    instructions: int
    syscalls: Mapping[str, int]
    pages_read: int
    pages_written: int
    seconds: float
    input_digest: bytes = ZERO
    terminate: tuple[int, int] = (0, 0)
    unprovable: tuple[str, ...] = field(default=())

    @property
    def image_id(self) -> bytes:
        """The identity of what was run, 32 bytes."""
        return image_id_of_root(self.pre_root)

    @property
    def claim(self) -> ReceiptClaim:
        """What a proof of the whole session states, its assumptions open."""
        end = SessionEnd(self.exit_code, self.output, self.journal or b"", self.assumptions)
        return session_claim(self.pre_root, self.post_root, self.input_digest, end)
