"""Receipts that are whole but say something else than the caller takes them to say; and bytes that cost too much.

Proofs are not looked at: whoever makes such a receipt has valid ones.
"""

import tracemalloc
from dataclasses import replace

import pytest

from localbento.circuits.rv32im.public import SegmentStatement, public_values
from localbento.claim.assumption import Assumptions
from localbento.claim.claim import Output, ReceiptClaim, SystemState
from localbento.errors import Reason, VerificationError
from localbento.receipt import encoding
from localbento.receipt.composite import CompositeReceipt, SegmentReceipt
from localbento.receipt.encoding import decode, encode
from localbento.receipt.segment import Proved, digest, stated_segment_claim
from localbento.receipt.verify import verify_receipt

PRE, POST = tuple(range(8)), tuple(range(8, 16))
IMAGE = SystemState(0, digest(PRE)).digest()
EXIT_WITHOUT_OUTPUT = bytes(32)


def words(data):
    return tuple(int.from_bytes(data[i : i + 4], "little") for i in range(0, 32, 4))


def receipt(journal=b"", output=None, **fields):
    """One segment; the guest halts with 0."""
    out = Output(journal, Assumptions(())).digest() if output is None else output
    statement = SegmentStatement(PRE, POST, (0,) * 8, terminated=True, output=words(out))
    segment = SegmentReceipt(1, public_values(replace(statement, **fields)), b"")
    return CompositeReceipt((segment,), journal)


def valid(segments):
    return [Proved(stated_segment_claim(s), 100.0) for s in segments]


def verify(what, **expected):
    return verify_receipt(what, IMAGE, verify_segments=valid, **expected)


def refused(what, **expected):
    with pytest.raises(VerificationError) as caught:
        verify(what, **expected)
    return caught.value.reason


@pytest.mark.parametrize("word", [0, 7])
def test_k142_an_input_that_the_caller_does_not_know_of(word):
    """The prover chooses the input words, and a guest may do something else for some of them."""
    given = tuple(int(i == word) for i in range(8))
    attack = receipt(b"journal", input=given)
    assert refused(attack, journal=b"journal") is Reason.INPUT
    assert refused(attack, input_digest=bytes(31) + b"\2") is Reason.INPUT
    assert verify(attack, input_digest=digest(given)).journal == b"journal"
    assert refused(receipt(b"journal"), input_digest=digest(given)) is Reason.INPUT


def test_k143_a_guest_without_output_has_no_empty_journal():
    silent = replace(receipt(output=EXIT_WITHOUT_OUTPUT), journal=None)
    assert refused(silent, journal=b"") is Reason.JOURNAL
    assert verify(silent).journal is None


@pytest.mark.parametrize("journal", [b"", b"journal"])
def test_k145_what_is_accepted_is_the_claim_of_a_good_end(journal):
    accepted = verify(receipt(journal), journal=journal)
    assert accepted.claim.digest() == ReceiptClaim.ok(IMAGE, journal).digest()


def peak(data):
    """Bytes that refusing takes."""
    tracemalloc.start()
    with pytest.raises(VerificationError):
        decode(data)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


HEAD = encode(CompositeReceipt((), None))
LIST = b"\xdc\x40\x00"  # of 2^14 items


@pytest.mark.parametrize(
    "place", [b"", HEAD[: HEAD.index(b"\xa8segments") + 9], HEAD[: HEAD.index(b"\xa8receipts") + 9]]
)
@pytest.mark.parametrize("item", [b"\x90", b"\x80", b"\xa0", b"\xc0"], ids=["list", "map", "text", "nil"])
def test_l154_a_list_of_nothings_costs_no_more_than_its_bytes(place, item):
    bomb = place + LIST + (LIST + item * (1 << 14)) * 64
    assert peak(bomb) < 3 * len(bomb)


def test_o177_limits_hold_for_a_receipt_with_all_that_it_carries(monkeypatch):
    monkeypatch.setattr(encoding, "MAX_SEGMENTS", 5)
    monkeypatch.setattr(encoding, "MAX_ASSUMPTIONS", 3)
    leaf = CompositeReceipt((SegmentReceipt(1, (), b""),) * 2, None)
    two = replace(leaf, receipts=(leaf,))
    assert decode(encode(two)) == two
    for attack in (replace(leaf, receipts=(leaf, leaf)), nested(CompositeReceipt((), None), 2, 2)):
        with pytest.raises(VerificationError) as caught:
            decode(encode(attack))
        assert caught.value.reason is Reason.LIMIT


def nested(leaf, width, depth):
    return leaf if depth == 0 else replace(leaf, receipts=(nested(leaf, width, depth - 1),) * width)


def test_o183_a_released_view_is_a_malformed_receipt():
    view = memoryview(HEAD)
    view.release()
    with pytest.raises(VerificationError) as caught:
        decode(view)
    assert caught.value.reason is Reason.MALFORMED
