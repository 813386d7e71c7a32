"""Put a receipt together from its segments' proofs.  Verifying it is another task's work."""

from collections.abc import Callable, Sequence

from localbento.receipt.composite import CompositeReceipt
from localbento.receipt.encoding import decode, encode
from localbento.tasks.execute import receipts_for
from localbento.tasks.outcome import Outcome
from localbento.tasks.prove import decode_segment
from localbento.tasks.session import SessionRecord


def run(
    session: bytes,
    receipt: Sequence[bytes],
    assumption: Sequence[bytes] = (),
    *,
    progress: Callable[[str], None],
) -> Outcome:
    """The composite receipt.

    Args:
        session: an execute task's output.
        receipt: the segments' proofs, in order.
        assumption: receipts that the guest was offered; those that it used travel in the receipt.
        progress: called with the name of each step as it begins.

    Raises: ProvingError if the receipt of something that the guest assumed is missing.
    """
    progress("assemble")
    record = SessionRecord.from_bytes(session)
    segments = tuple(decode_segment(data) for data in receipt)
    carried = receipts_for(record.assumptions, [decode(data) for data in assumption])
    whole = encode(CompositeReceipt(segments, record.journal, record.assumptions, carried))
    return Outcome({"receipt": whole}, {"segments": len(segments), "receipt_bytes": len(whole)})
