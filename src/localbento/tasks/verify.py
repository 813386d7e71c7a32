"""Verify a receipt from its bytes, as a stranger would; several workers share a long one.

Each of `step` tasks verifies every `step`-th segment's proof and everything that is cheap: the chain, the journal,
the claim.  The receipt is verified when all of them have ended.
"""

from collections.abc import Callable, Sequence

from localbento.errors import ProvingError, VerificationError
from localbento.receipt.composite import SegmentReceipt
from localbento.receipt.encoding import decode
from localbento.receipt.segment import Proved, profile_bits, stated_segment_claim, verify_segment
from localbento.receipt.verify import verify_receipt
from localbento.tasks.outcome import Outcome
from localbento.tasks.session import SessionRecord


def run(receipt: bytes, session: bytes, *, first: int, step: int, progress: Callable[[str], None]) -> Outcome:
    """Verify segments first, first + step, ... of a receipt; the first task also the receipts that it carries.

    Raises: ProvingError if it does not verify: we made it, so this is a bug or a damaged machine.
    """
    progress("verify")
    composite = decode(receipt)
    record = SessionRecord.from_bytes(session)

    def verify(segments: Sequence[SegmentReceipt]) -> list[Proved]:
        if segments is composite.segments:
            mine = range(first, len(segments), step)
        else:
            mine = range(len(segments)) if first == 0 else range(0)
        return [verify_segment(s) if i in mine else _stated(s) for i, s in enumerate(segments)]

    try:
        verified = verify_receipt(
            composite, record.image_id, journal=record.journal, allow_exit=True, verify_segments=verify
        )
    except VerificationError as error:
        msg = f"the finished receipt does not verify ({error}); this is a bug"
        raise ProvingError(msg) from error
    facts = {"claim_digest": verified.claim.digest().hex(), "provable_bits": verified.provable_bits}
    return Outcome({}, facts)


def _stated(segment: SegmentReceipt) -> Proved:
    """What another task verifies."""
    return Proved(stated_segment_claim(segment), profile_bits(segment.profile))
