"""The whole family of exceptions, with exit codes and the reasons for which a proof is refused."""

from enum import StrEnum
from typing import ClassVar


class LocalBentoError(Exception):
    """Anything that localbento itself raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(LocalBentoError):
    """The request cannot be carried out: bad ELF, contradictory options, unreadable input."""

    exit_code: ClassVar[int] = 2


class GuestError(LocalBentoError):
    """The guest failed: panic, trap, cycle limit, refused system call."""

    exit_code: ClassVar[int] = 3


class ProvingError(LocalBentoError):
    """A valid input could not be proved: our bug, resources, or a call that has no chip yet."""

    exit_code: ClassVar[int] = 5


class HostError(LocalBentoError):
    """Disk, memory, a lost worker: nothing wrong with the request."""

    exit_code: ClassVar[int] = 6


class Interrupted(LocalBentoError):  # noqa: N818 - nothing went wrong
    """The user stopped the work; what is done is kept."""

    exit_code: ClassVar[int] = 130


class Reason(StrEnum):
    """Why a proof, claim or receipt is refused.  One list; a test has a case for each member."""

    MALFORMED = "malformed"
    """The bytes are not the canonical encoding of a proof or receipt of the expected shape."""
    NOT_CANONICAL = "not-canonical"
    """A field element is not smaller than p, or a digest word is out of range."""
    WRONG_SHAPE = "wrong-shape"
    """A length differs from what parameters, circuit and heights determine."""
    UNKNOWN_PARAMETERS = "unknown-parameters"
    """The parameter set is not known, or not accepted by this verifier (toy sets are not)."""
    UNKNOWN_CIRCUIT = "unknown-circuit"
    """The circuit or profile is not one of those that this verifier knows."""
    PUBLIC_VALUES = "public-values"
    """The public values are not what the circuit declares, or out of range."""
    POINT_IN_BASE_FIELD = "point-in-base-field"
    """The out-of-domain point lies in the base field (probability 2^-124)."""
    ZERO_DENOMINATOR = "zero-denominator"
    """A public message's fingerprint is zero."""
    CONSTRAINTS = "constraints"
    """The quotient at the out-of-domain point is not the mix of constraints there."""
    BUS_IMBALANCE = "bus-imbalance"
    """The published sums and the public messages do not cancel."""
    GRINDING = "grinding"
    """The nonce does not give the required zero bits."""
    MERKLE_ROOT = "merkle-root-mismatch"
    """An opened row does not hash up to the committed cap."""
    FRI_FOLD = "fri-fold"
    """A folded value does not agree with the next layer or the opened columns."""
    FRI_FINAL = "fri-final"
    """The last folded value is not that of the final polynomial."""
    CLAIM = "claim"
    """The claim does not follow from the proof's public values."""
    IMAGE_ID = "image-id"
    """The program is another one than expected."""
    JOURNAL = "journal"
    """The journal is not the one that the claim commits to."""
    INPUT = "input"
    """The execution was given another input digest than expected."""
    EXIT_CODE = "exit-code"
    """The guest did not end with the accepted exit code."""
    CONTINUITY = "continuity"
    """Two neighbouring segments do not join."""
    ASSUMPTIONS = "assumptions"
    """Assumption receipts are missing, superfluous, in another order, or do not verify."""
    LIMIT = "limit"
    """A size limit is exceeded."""
    VERSION = "version"
    """The format version is not known."""


class VerificationError(LocalBentoError):
    """These bytes do not prove that claim."""

    exit_code: ClassVar[int] = 4

    def __init__(self, reason: Reason, detail: str = "") -> None:
        """Remember the reason; the message is the reason, then the detail."""
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["VerificationError"], tuple[Reason, str]]:
        """How it travels between processes: an exception is otherwise made anew from its message alone."""
        return type(self), (self.reason, self.detail)
