"""Verifying a receipt, as a stranger would: from its bytes and an image ID.

1. every segment's proof, against the verifying key of its profile      segment.py
2. the chain: each segment starts where the one before was cut          claim.join_all
3. the output: the last segment's digest is that of journal and assumptions
4. the assumptions: each is proved by a receipt carried along, itself verified by these steps
5. what the caller expects: image ID, exit code, input digest, journal

With the defaults and a journal, the claim is exactly RISC Zero's `ReceiptClaim::ok(image_id, journal)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localbento.claim.assumption import Assumptions
from localbento.claim.claim import Output, ReceiptClaim, join_all, resolve
from localbento.claim.pruned import digest_of
from localbento.errors import Reason, VerificationError
from localbento.hash.tagged import ZERO
from localbento.receipt.composite import MAX_DEPTH, CompositeReceipt, SegmentReceipt
from localbento.receipt.encoding import decode
from localbento.receipt.segment import Proved, profile_bits, stated_segment_claim, verify_segment

VerifySegments = Callable[[Sequence[SegmentReceipt]], list[Proved]]
"""Verifies every segment of a receipt, in order; one after the other unless a caller has workers for it."""


def one_by_one(segments: Sequence[SegmentReceipt]) -> list[Proved]:
    """Verify segments in this process."""
    return [verify_segment(segment) for segment in segments]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a receipt proves, once it was verified.

    `claim` rests on nothing: its assumptions are resolved.  `provable_bits` is the least of all proofs in it.
    """

    claim: ReceiptClaim
    image_id: bytes
    journal: bytes | None
    segments: int
    provable_bits: float


def verify_bytes(
    data: bytes,
    image_id: bytes,
    *,
    journal: bytes | None = None,
    allow_exit: bool = False,
    input_digest: bytes = ZERO,
) -> Verified:
    """Decode and verify.

    Args:
        data: the receipt's bytes.
        image_id: the program's identity, 32 bytes.
        journal: the journal that is expected, if any is; an empty one is not that of a guest without output.
        allow_exit: accept a guest that ended with another exit code than Halted(0).
        input_digest: the machine's input words, which whoever proves chooses: a guest can read them, so an
            execution that was given others than expected shows nothing.

    Raises: VerificationError with a reason, for any bytes at all; nothing else.
    """
    return verify_receipt(decode(data), image_id, journal=journal, allow_exit=allow_exit, input_digest=input_digest)


def verify_receipt(
    receipt: CompositeReceipt,
    image_id: bytes,
    *,
    journal: bytes | None = None,
    allow_exit: bool = False,
    input_digest: bytes = ZERO,
    verify_segments: VerifySegments = one_by_one,
) -> Verified:
    """Verify a decoded receipt; as `verify_bytes`."""
    verified = verify_claim(receipt, verify_segments=verify_segments)
    if verified.image_id != image_id:
        detail = f"expected {image_id.hex()}, found {verified.image_id.hex()}"
        raise VerificationError(Reason.IMAGE_ID, detail)
    if not verified.claim.exit_code.is_ok and not allow_exit:
        detail = f"expected Halted(0), found {verified.claim.exit_code}; --allow-exit accepts any exit code"
        raise VerificationError(Reason.EXIT_CODE, detail)
    given = digest_of(verified.claim.input)
    if given != input_digest:
        raise VerificationError(Reason.INPUT, f"expected input digest {input_digest.hex()}, found {given.hex()}")
    if journal is not None and journal != verified.journal:
        found = "no output" if verified.journal is None else _short(verified.journal)
        detail = f"expected {_short(journal)}, found {found}"
        raise VerificationError(Reason.JOURNAL, detail)
    return verified


def _short(journal: bytes) -> str:
    return f"{len(journal)} bytes {journal[:16].hex()}{'…' if len(journal) > 16 else ''}"


def verify_claim(
    receipt: CompositeReceipt, depth: int = MAX_DEPTH, verify_segments: VerifySegments = one_by_one
) -> Verified:
    """What the receipt proves, whatever the caller expects of it.

    Raises: VerificationError.
    """
    if depth == 0:
        raise VerificationError(Reason.LIMIT, f"receipt: nested deeper than {MAX_DEPTH}")
    if not receipt.segments:
        raise VerificationError(Reason.WRONG_SHAPE, "there are no segments")
    proved = verify_segments(receipt.segments)
    joined = join_all([p.claim for p in proved])
    if not joined.exit_code.expects_output:
        raise VerificationError(Reason.EXIT_CODE, "the last segment was cut: the execution is not complete")
    claim = _with_output(joined, receipt)
    bits = min(p.provable_bits for p in proved)
    claim, bits = _resolve(claim, receipt, bits, depth, verify_segments)
    return Verified(claim, claim.pre.digest(), receipt.journal, len(receipt.segments), bits)


def stated_claim(receipt: CompositeReceipt) -> tuple[ReceiptClaim, float]:
    """What the receipt says, with the bits that its proofs would have; no proof is verified.

    Raises: VerificationError if it contradicts itself.
    """
    if not receipt.segments:
        raise VerificationError(Reason.WRONG_SHAPE, "there are no segments")
    claim = _with_output(join_all([stated_segment_claim(s) for s in receipt.segments]), receipt)
    bits = min(profile_bits(s.profile) for s in receipt.segments)
    for assumption in receipt.assumptions:
        claim = resolve(claim, assumption)
    return claim, min([bits, *(stated_claim(inner)[1] for inner in receipt.receipts)])


def _with_output(claim: ReceiptClaim, receipt: CompositeReceipt) -> ReceiptClaim:
    """The claim with its output opened to journal and assumptions, which must have its digest."""
    stated = digest_of(claim.output)
    if stated == ZERO:
        if receipt.journal is not None or receipt.assumptions:
            raise VerificationError(Reason.JOURNAL, "the guest states no output, the receipt has one")
        return claim
    if receipt.journal is None:
        raise VerificationError(Reason.JOURNAL, "the guest states an output, the receipt has none")
    output = Output(receipt.journal, Assumptions(receipt.assumptions))
    if output.digest() != stated:
        detail = f"the guest's output digest {stated.hex()} is not that of journal and assumptions"
        raise VerificationError(Reason.JOURNAL, detail)
    return ReceiptClaim(claim.pre, claim.post, claim.exit_code, claim.input, output)


def _resolve(
    claim: ReceiptClaim, receipt: CompositeReceipt, bits: float, depth: int, verify_segments: VerifySegments
) -> tuple[ReceiptClaim, float]:
    distinct = list(dict.fromkeys(receipt.assumptions))
    if len(distinct) != len(receipt.receipts):
        detail = f"expected receipts for {len(distinct)} assumptions, found {len(receipt.receipts)}"
        raise VerificationError(Reason.ASSUMPTIONS, detail)
    for assumption, inner in zip(distinct, receipt.receipts, strict=True):
        if assumption.control_root != ZERO:
            detail = f"control root {assumption.control_root.hex()}: no receipt of this kind can be carried"
            raise VerificationError(Reason.ASSUMPTIONS, detail)
        verified = verify_claim(inner, depth - 1, verify_segments)
        found = verified.claim.digest()
        if found != assumption.claim:
            detail = f"expected a receipt of claim {assumption.claim.hex()}, found {found.hex()}"
            raise VerificationError(Reason.ASSUMPTIONS, detail)
        bits = min(bits, verified.provable_bits)
    for assumption in receipt.assumptions:
        claim = resolve(claim, assumption)
    return claim, bits
