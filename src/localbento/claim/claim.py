"""The claim about an execution, and what follows for segments, sessions and joins.

Source: RISC Zero, risc0-zkvm 3.0.6, claim/receipt.rs; risc0-binfmt 3.0.5, sys_state.rs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from localbento.claim.assumption import Assumption, Assumptions
from localbento.claim.exit_code import ExitCode, System
from localbento.claim.pruned import Pruned, check_digest, digest_of, opened
from localbento.errors import Reason, VerificationError
from localbento.hash.tagged import ZERO, tagged_struct


@dataclass(frozen=True, slots=True)
class SystemState:
    """Machine state at a border between segments: pc (0 in every claim here) and memory's Merkle root."""

    pc: int
    merkle_root: bytes

    def __post_init__(self) -> None:
        """Refuse what is no digest."""
        check_digest(self.merkle_root)

    def digest(self) -> bytes:
        """32 bytes.  Of the initial state this is the image ID."""
        return tagged_struct("risc0.SystemState", [self.merkle_root], [self.pc])


FINAL_STATE = SystemState(0, ZERO)
"""The state after Halted: nothing about memory is said."""


NO_ASSUMPTIONS = Assumptions()


@dataclass(frozen=True, slots=True)
class Output:
    """What the guest made public: its journal and what it assumed."""

    journal: bytes | Pruned
    """The journal's bytes, or pruned: their SHA-256."""
    assumptions: Assumptions | Pruned = NO_ASSUMPTIONS

    def digest(self) -> bytes:
        """32 bytes.  Never zero: an empty journal is not an absent output."""
        down = [digest_of(self.journal), self.assumptions.digest()]
        return tagged_struct("risc0.Output", down)


@dataclass(frozen=True, slots=True)
class ReceiptClaim:
    """That a machine went from `pre` to `post` and ended as `exit_code` says.

    `input` is the machine's input digest, None for zero; `output` is None where the guest has none.
    """

    pre: SystemState | Pruned
    post: SystemState | Pruned
    exit_code: ExitCode
    input: Pruned | None = None
    output: Output | Pruned | None = None

    def digest(self) -> bytes:
        """32 bytes."""
        down = [
            digest_of(self.input),
            self.pre.digest(),
            self.post.digest(),
            digest_of(self.output),
        ]
        return tagged_struct("risc0.ReceiptClaim", down, self.exit_code.pair)

    @classmethod
    def ok(cls, image_id: bytes, journal: bytes | Pruned) -> "ReceiptClaim":
        """The claim of a program that ended with Halted(0) and rests on nothing."""
        pre = Pruned(image_id)
        return cls(pre, FINAL_STATE, ExitCode.halted(0), None, Output(journal))

    @classmethod
    def paused(cls, image_id: bytes, journal: bytes | Pruned) -> "ReceiptClaim":
        """The same with Paused(0), as RISC Zero's constructor has it (its post root is zero, too)."""
        pre = Pruned(image_id)
        return cls(pre, FINAL_STATE, ExitCode.paused(0), None, Output(journal))


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """What a terminating segment makes public: registers a0, a1 and the 8 output words."""

    a0: int
    a1: int
    output: bytes

    def __post_init__(self) -> None:
        """Refuse what is no digest."""
        check_digest(self.output)


def segment_claim(pre_root: bytes, post_root: bytes, input_digest: bytes, end: SegmentEnd | None) -> ReceiptClaim:
    """The claim of one segment, from what its proof makes public.

    Args:
        pre_root: Merkle root at the start.
        post_root: Merkle root at the end, the real one; the claim has zero if the guest halted.
        input_digest: the machine's input words, zero if there is no input.
        end: None if the segment was cut; then the claim is SystemSplit without output.

    Raises:
        VerificationError: EXIT_CODE, if the halt type in a0 is neither 0 nor 1.
    """
    exit_code = ExitCode.SYSTEM_SPLIT if end is None else ExitCode.from_terminate(end.a0)
    output = None if end is None or end.output == ZERO else Pruned(end.output)
    return ReceiptClaim(
        SystemState(0, pre_root),
        _post_state(post_root, exit_code),
        exit_code,
        _input(input_digest),
        output,
    )


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended, as the host saw it.

    `output` is the guest's own output digest; `journal` what it wrote; `assumptions` what it
    assumed and nobody has proved yet, the last one first.
    """

    exit_code: ExitCode
    output: bytes
    journal: bytes = b""
    assumptions: Sequence[Assumption] = ()

    def fits(self, assumptions: Sequence[Assumption]) -> bool:
        """Whether the guest's output digest is that of the journal and all assumptions it made.

        Zero, no output, fits if there are neither.  Where it does not fit, no receipt can exist.
        """
        if self.output == ZERO:
            return not self.journal and not assumptions
        return Output(self.journal, Assumptions(tuple(assumptions))).digest() == self.output


def session_claim(pre_root: bytes, post_root: bytes, input_digest: bytes, end: SessionEnd) -> ReceiptClaim:
    """The claim of a whole session, from what the host saw.

    The output is the host's journal and assumptions, opened; None if the guest's output digest is
    zero or the session was cut.
    """
    output = None
    if end.exit_code.expects_output and end.output != ZERO:
        output = Output(end.journal, Assumptions(tuple(end.assumptions)))
    return ReceiptClaim(
        SystemState(0, pre_root),
        _post_state(post_root, end.exit_code),
        end.exit_code,
        _input(input_digest),
        output,
    )


def join(left: ReceiptClaim, right: ReceiptClaim) -> ReceiptClaim:
    """Two claims about neighbouring stretches of one execution make one claim about both.

    Raises:
        VerificationError: CONTINUITY, if `right` does not start where `left` was cut.
    """
    if left.post.digest() != right.pre.digest():
        detail = f"state {left.post.digest().hex()} is followed by {right.pre.digest().hex()}"
        raise VerificationError(Reason.CONTINUITY, detail)
    if left.exit_code != ExitCode.SYSTEM_SPLIT:
        detail = f"a segment that ended with {left.exit_code} is followed by another"
        raise VerificationError(Reason.CONTINUITY, detail)
    if digest_of(left.output) != ZERO:
        raise VerificationError(Reason.CONTINUITY, "a segment that was cut has an output")
    if digest_of(left.input) != digest_of(right.input):
        raise VerificationError(Reason.CONTINUITY, "the segments have different inputs")
    return ReceiptClaim(left.pre, right.post, right.exit_code, left.input, right.output)


def join_all(claims: Sequence[ReceiptClaim]) -> ReceiptClaim:
    """The claim of a chain of segments.

    Raises:
        VerificationError: WRONG_SHAPE without claims, CONTINUITY where two do not join.
    """
    if not claims:
        raise VerificationError(Reason.WRONG_SHAPE, "there are no segments")
    joined = claims[0]
    for claim in claims[1:]:
        joined = join(joined, claim)
    return joined


def resolve(conditional: ReceiptClaim, assumption: Assumption) -> ReceiptClaim:
    """The claim without the head of its assumptions, which must be `assumption`.

    Raises:
        VerificationError: CLAIM, if output or assumptions are pruned; ASSUMPTIONS, if there is no
        output,
            no assumption left, or another one at the head.
    """
    if conditional.output is None:
        raise VerificationError(Reason.ASSUMPTIONS, "a claim without output assumes nothing")
    output = opened(conditional.output, "the output")
    assumptions = opened(output.assumptions, "the list of assumptions")
    rest = assumptions.remove_head(assumption.digest())
    return replace(conditional, output=replace(output, assumptions=rest))


def _post_state(root: bytes, exit_code: ExitCode) -> SystemState:
    return FINAL_STATE if exit_code.system is System.HALTED else SystemState(0, root)


def _input(digest: bytes) -> Pruned | None:
    check_digest(digest)
    return None if digest == ZERO else Pruned(digest)
