"""Verifying the proof of one segment: what it claims, and with how many bits."""

from dataclasses import dataclass
from functools import cache

from localbento.circuits.rv32im.keys import verifying_key
from localbento.circuits.rv32im.public import SegmentStatement, check_public_values
from localbento.claim.claim import ReceiptClaim, SegmentEnd, segment_claim
from localbento.receipt.composite import SegmentReceipt
from localbento.stark.soundness import provable_bits
from localbento.stark.verifier import verify


@dataclass(frozen=True, slots=True)
class Proved:
    """A segment's claim, once its proof was verified."""

    claim: ReceiptClaim
    provable_bits: float


def verify_segment(segment: SegmentReceipt) -> Proved:
    """Verify a segment's proof against the verifying key of its profile.

    Raises: VerificationError.
    """
    claim = stated_segment_claim(segment)
    verify(verifying_key(segment.profile), segment.public_values, segment.seal)
    return Proved(claim, profile_bits(segment.profile))


def stated_segment_claim(segment: SegmentReceipt) -> ReceiptClaim:
    """What the public values say, before any proof is looked at.

    Raises: VerificationError if they say nothing possible.
    """
    return claim_of(check_public_values(segment.public_values))


@cache
def profile_bits(profile: int) -> float:
    """Provable bits of a proof of this profile."""
    return provable_bits(verifying_key(profile).shape)


def claim_of(statement: SegmentStatement) -> ReceiptClaim:
    """The claim of a segment from its statement."""
    end = SegmentEnd(statement.a0, statement.a1, digest(statement.output)) if statement.terminated else None
    return segment_claim(digest(statement.pre), digest(statement.post), digest(statement.input), end)


def digest(words: tuple[int, ...]) -> bytes:
    """Eight words as 32 bytes."""
    return b"".join(word.to_bytes(4, "little") for word in words)
