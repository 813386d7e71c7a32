"""One encoding for each receipt; limits; nothing but VerificationError for any bytes."""

import struct
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.claim.assumption import Assumption
from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.receipt import composite, encoding
from localbento.receipt.composite import CompositeReceipt, SegmentReceipt
from localbento.receipt.encoding import decode, encode

SEGMENT = SegmentReceipt(3, (0, 1, P - 1), b"seal")
SMALL = CompositeReceipt((SEGMENT,), b"journal")
NESTED = CompositeReceipt(
    (SEGMENT, replace(SEGMENT, profile=4)), None, (Assumption(bytes(32)), Assumption(b"\1" * 32)), (SMALL, SMALL)
)


def refused(data):
    with pytest.raises(VerificationError) as caught:
        decode(data)
    return caught.value.reason


@pytest.mark.parametrize("receipt", [SMALL, NESTED, CompositeReceipt((), None)])
def test_decoding_gives_back_what_was_encoded(receipt):
    assert decode(encode(receipt)) == receipt
    assert decode(bytearray(encode(receipt))) == receipt
    assert decode(memoryview(encode(receipt))) == receipt


def test_truncation_at_every_offset_and_trailing_bytes_are_refused():
    data = encode(NESTED)
    for end in range(len(data)):
        assert refused(data[:end]) is Reason.MALFORMED
    assert refused(data + b"\0") is Reason.MALFORMED


def test_every_flipped_bit_is_refused_or_is_another_receipt_with_one_encoding():
    data = encode(SMALL)
    for i in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[i // 8] ^= 1 << i % 8
        try:
            other = decode(flipped)
        except VerificationError:
            continue
        assert other != SMALL
        assert encode(other) == bytes(flipped)


def plain(**changes):
    fields = {
        "format": "localbento-receipt",
        "version": 1,
        "kind": "composite",
        "journal": b"",
        "segments": [],
        "assumptions": [],
        "receipts": [],
    }
    return msgpack.packb({**fields, **changes})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.MALFORMED),
        (b"\xc1", Reason.MALFORMED),
        (msgpack.packb([1]), Reason.MALFORMED),
        (msgpack.packb(1.5), Reason.MALFORMED),
        (plain(format="other"), Reason.MALFORMED),
        (plain(kind="succinct"), Reason.MALFORMED),
        (plain(version=2), Reason.VERSION),
        (plain(version=True), Reason.MALFORMED),
        (plain(journal="text"), Reason.MALFORMED),
        (plain(extra=1), Reason.MALFORMED),
        (plain(segments=[[1, b""]]), Reason.MALFORMED),
        (plain(segments=[[-1, b"", b""]]), Reason.MALFORMED),
        (plain(segments=[[1.0, b"", b""]]), Reason.MALFORMED),
        (plain(segments=[[1 << 16, b"", b""]]), Reason.MALFORMED),
        (plain(segments=[[1, b"abc", b""]]), Reason.MALFORMED),
        (plain(segments=[[1, struct.pack("<I", P), b""]]), Reason.NOT_CANONICAL),
        (plain(segments=[[1, bytes(4 * 257), b""]]), Reason.LIMIT),
        (plain(segments=[[1, b"", bytes(composite.MAX_SEAL_BYTES + 1)]]), Reason.LIMIT),
        (plain(assumptions=[[bytes(32), bytes(31)]]), Reason.MALFORMED),
        (plain(assumptions=[[bytes(32), bytes(32)]] * (composite.MAX_ASSUMPTIONS + 1)), Reason.LIMIT),
        (plain(receipts=[1]), Reason.MALFORMED),
        (b"\xdb\xff\xff\xff\xff", Reason.MALFORMED),  # a string that announces 4 GiB
        (b"\xdd\x7f\xff\xff\xff", Reason.MALFORMED),  # a list that announces 2^31 items
        (b"\x91" * 5000 + b"\x90", Reason.MALFORMED),  # nested deep
    ],
)
def test_what_is_no_receipt_is_refused(data, reason):
    assert refused(data) is reason


def test_keys_in_another_order_and_longer_integers_are_refused():
    fields = msgpack.unpackb(plain())
    assert refused(msgpack.packb(dict(reversed(fields.items())))) is Reason.MALFORMED
    assert refused(plain().replace(b"version\x01", b"version\xcc\x01")) is Reason.MALFORMED


def test_nesting_is_limited():
    receipt = SMALL
    for _ in range(composite.MAX_DEPTH - 1):
        receipt = CompositeReceipt((SEGMENT,), None, (), (receipt,))
    assert decode(encode(receipt)) == receipt
    assert refused(encode(CompositeReceipt((SEGMENT,), None, (), (receipt,)))) is Reason.LIMIT


def test_a_receipt_over_the_limit_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(encoding, "MAX_RECEIPT_BYTES", 10)
    assert refused(encode(SMALL)) is Reason.LIMIT


@pytest.mark.parametrize("data", [None, 5, "text", [1], 1.5])
def test_what_is_not_bytes_is_refused(data):
    assert refused(data) is Reason.MALFORMED


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data):
    assert refused(data) is Reason.MALFORMED
