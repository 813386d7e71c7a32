"""The JSON of a receipt: nothing is lost either way, and hostile text is refused before anything is made of it."""

import io
import json
import random
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_of import check, validator

from localbento.api.receipts import convert_receipt, read_receipt, receipt_from_json, receipt_to_json
from localbento.claim.assumption import Assumption
from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.receipt import composite, json_form
from localbento.receipt.composite import CompositeReceipt, SegmentReceipt
from localbento.receipt.encoding import encode
from localbento.receipt.json_form import MAX_JSON_BYTES, from_json, to_json
from localbento.receipt.json_reader import JsonReader

SEGMENT = SegmentReceipt(3, (0, 1, P - 1), b"seal")
SMALL = CompositeReceipt((SEGMENT,), b"journal")
NESTED = CompositeReceipt(
    (SEGMENT, replace(SEGMENT, profile=4)), None, (Assumption(bytes(32)), Assumption(b"\1" * 32)), (SMALL, SMALL)
)
RECEIPTS = [SMALL, NESTED, CompositeReceipt((), None), CompositeReceipt((), b"")]

digests = st.binary(min_size=32, max_size=32)
segments = st.builds(
    SegmentReceipt, st.integers(0, 65535), st.lists(st.integers(0, P - 1), max_size=5).map(tuple), st.binary()
)


def level(below):
    return st.builds(
        CompositeReceipt,
        st.lists(segments, max_size=3).map(tuple),
        st.none() | st.binary(),
        st.lists(st.builds(Assumption, digests, digests), max_size=3).map(tuple),
        st.lists(below, max_size=2).map(tuple),
    )


receipts = level(level(st.builds(CompositeReceipt, st.just(()), st.none() | st.binary())))


def refused(data, read=from_json):
    with pytest.raises(VerificationError) as caught:
        read(data)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def plain(receipt=NESTED):
    return json.loads(to_json(receipt))


def text(**changes):
    return json.dumps({**plain(SMALL), **changes}).encode()


# There and back


@given(receipts)
def test_nothing_is_lost(receipt):
    packed = encode(receipt)
    written = receipt_to_json(packed)
    assert receipt_from_json(written) == packed
    assert from_json(written) == receipt
    assert to_json(from_json(written)) == written


@given(receipts)
def test_what_is_written_is_as_the_schema_says(receipt):
    check("receipt", plain(receipt))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"kind": "fake"},
        {"journal": "0"},
        {"journal": "0G"},
        {"segments": [{"profile": 1, "public_values": [P], "seal": ""}]},
        {"segments": [{"profile": 1 << 16, "public_values": [], "seal": ""}]},
        {"segments": [{"profile": 1, "seal": ""}]},
        {"assumptions": [{"claim": "00" * 31, "control_root": "00" * 32}]},
        {"receipts": [{}]},
        {"more": 1},
    ],
)
def test_what_is_refused_is_not_as_the_schema_says(changes):
    assert not validator("receipt").is_valid({**plain(SMALL), **changes})
    assert refused(text(**changes)) in (Reason.MALFORMED, Reason.NOT_CANONICAL, Reason.VERSION)


def test_what_it_looks_like():
    assert to_json(NESTED) == (
        b'{"format": "localbento-receipt", "version": 1, "kind": "composite", "journal": null, '
        b'"segments": [{"profile": 3, "public_values": [0, 1, 2013265920], "seal": "7365616c"}, '
        b'{"profile": 4, "public_values": [0, 1, 2013265920], "seal": "7365616c"}], '
        b'"assumptions": [{"claim": "%s", "control_root": "%s"}, {"claim": "%s", "control_root": "%s"}], "receipts": ['
        b'{"format": "localbento-receipt", "version": 1, "kind": "composite", "journal": "6a6f75726e616c", '
        b'"segments": [{"profile": 3, "public_values": [0, 1, 2013265920], "seal": "7365616c"}], '
        b'"assumptions": [], "receipts": []}, '
        b'{"format": "localbento-receipt", "version": 1, "kind": "composite", "journal": "6a6f75726e616c", '
        b'"segments": [{"profile": 3, "public_values": [0, 1, 2013265920], "seal": "7365616c"}], '
        b'"assumptions": [], "receipts": []}]}\n'
    ) % (b"00" * 32, b"00" * 32, b"01" * 32, b"00" * 32)


@pytest.mark.parametrize("receipt", RECEIPTS)
@pytest.mark.parametrize("form", [{"indent": 2}, {"sort_keys": True}, {"separators": (",", ":")}, {"indent": "\t\r"}])
def test_other_programs_may_write_it_their_way(receipt, form):
    assert from_json(json.dumps(plain(receipt), **form).encode()) == receipt


def test_conversion_goes_to_the_other_form_unless_told():
    packed, written = encode(NESTED), to_json(NESTED)
    spaced = json.dumps(plain(), indent=1).encode()
    assert convert_receipt(packed) == convert_receipt(packed, "json") == written
    assert convert_receipt(written) == convert_receipt(written, "msgpack") == packed
    assert convert_receipt(packed, "msgpack") == packed
    assert convert_receipt(spaced, "json") == written
    assert convert_receipt(b"\n " + spaced) == packed
    for bad in (b"", b"{", packed[:-1], packed + b"\0", b"[]", b"null"):
        for to in (None, "json", "msgpack"):
            assert refused(bad, lambda data, to=to: convert_receipt(data, to)) is Reason.MALFORMED


def test_the_json_of_the_largest_receipt_is_within_the_limit():
    many = replace(SEGMENT, public_values=(P - 1,) * 256, seal=b"")
    bare = SegmentReceipt(65535, (), b"")
    sizes = [
        (CompositeReceipt(tuple([many] * 100), None), 100 * 60),
        (CompositeReceipt(tuple([bare] * 100), None), 100 * 60),
        (CompositeReceipt((), bytes(10_000), (Assumption(bytes(32)),) * 100), 0),
        (CompositeReceipt((), None, (), (CompositeReceipt((), None),) * 100), 0),
    ]
    for receipt, extra in sizes:
        assert len(to_json(receipt)) <= 3 * len(encode(receipt)) + extra + 1000
    assert composite.MAX_SEGMENTS * 60 + 1000 < MAX_JSON_BYTES - 3 * composite.MAX_RECEIPT_BYTES


# Hostile text


def test_truncation_at_every_offset_and_what_follows_are_refused():
    data = to_json(NESTED).rstrip()
    for end in range(len(data)):
        assert refused(data[:end]) is Reason.MALFORMED
    for more in (b"{}", b",", b"x", b"\0", data):
        assert refused(data + more) is Reason.MALFORMED


def test_mutated_text_is_refused_or_is_a_receipt_that_both_forms_agree_on():
    data = to_json(SMALL)
    accepted = 0
    for i in range(len(data)):
        for byte in b'0a"}],:{[ \\\x00\xff':
            changed = data[:i] + bytes([byte]) + data[i + 1 :]
            try:
                receipt = from_json(changed)
            except VerificationError:
                continue
            accepted += 1
            assert receipt_from_json(to_json(receipt)) == encode(receipt)
            assert json.loads(changed) == json.loads(to_json(receipt))
    assert accepted > 50


@given(st.binary(max_size=200) | st.text('{}[]",:0a \\', max_size=200).map(str.encode))
def test_random_text_is_refused(data):
    assert refused(data) is Reason.MALFORMED


SEG = {"profile": 1, "public_values": [], "seal": ""}
ASS = {"claim": "00" * 32, "control_root": "00" * 32}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (text(format="other"), Reason.MALFORMED),
        (text(format=None), Reason.MALFORMED),
        (text(kind="succinct"), Reason.MALFORMED),
        (text(version=2), Reason.VERSION),
        (text(version=True), Reason.MALFORMED),
        (text(version=1.0), Reason.MALFORMED),
        (text(version="1"), Reason.MALFORMED),
        (text(journal=1), Reason.MALFORMED),
        (text(journal=[]), Reason.MALFORMED),
        (text(journal=False), Reason.MALFORMED),
        (text(journal="0"), Reason.MALFORMED),
        (text(journal="0g"), Reason.MALFORMED),
        (text(journal="0A"), Reason.MALFORMED),
        (text(journal="00 00"), Reason.MALFORMED),
        (text(journal="0x00"), Reason.MALFORMED),
        (text(journal="٠٠"), Reason.MALFORMED),
        (text(segments=None), Reason.MALFORMED),
        (text(segments={}), Reason.MALFORMED),
        (text(segments=[[]]), Reason.MALFORMED),
        (text(segments=[None]), Reason.MALFORMED),
        (text(segments=[{}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "more": 1}]), Reason.MALFORMED),
        (text(segments=[{"profile": 1, "seal": ""}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "profile": -1}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "profile": 1.0}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "profile": float("nan")}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "profile": float("inf")}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "profile": 1 << 16}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "profile": 10**30}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "public_values": [P]}]), Reason.NOT_CANONICAL),
        (text(segments=[{**SEG, "public_values": [1 << 32]}]), Reason.NOT_CANONICAL),
        (text(segments=[{**SEG, "public_values": [-1]}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "public_values": ["1"]}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "public_values": [1.5]}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "public_values": [True]}]), Reason.MALFORMED),
        (text(segments=[{**SEG, "public_values": [0] * 257}]), Reason.LIMIT),
        (text(segments=[{**SEG, "seal": "00" * (composite.MAX_SEAL_BYTES + 1)}]), Reason.LIMIT),
        (text(assumptions=[{**ASS, "claim": "00" * 31}]), Reason.MALFORMED),
        (text(assumptions=[{**ASS, "claim": "00" * 33}]), Reason.LIMIT),
        (text(assumptions=[{**ASS, "claim": None}]), Reason.MALFORMED),
        (text(assumptions=[{"claim": "00" * 32}]), Reason.MALFORMED),
        (text(assumptions=[ASS] * (composite.MAX_ASSUMPTIONS + 1)), Reason.LIMIT),
        (text(receipts=[1]), Reason.MALFORMED),
        (text(receipts=[{}]), Reason.MALFORMED),
        (text(extra=1), Reason.MALFORMED),
        (b"", Reason.MALFORMED),
        (b"null", Reason.MALFORMED),
        (b"[]", Reason.MALFORMED),
        (b"\xef\xbb\xbf" + text(), Reason.MALFORMED),
        (text().decode().encode("utf-16"), Reason.MALFORMED),
        (b"//\n" + text(), Reason.MALFORMED),
        (text().replace(b'"version": 1', b'"version": 01'), Reason.MALFORMED),
        (text().replace(b'"version": 1', b'"version": +1'), Reason.MALFORMED),
        (text().replace(b'"version": 1', b'"version": 1e0'), Reason.MALFORMED),
        (text().replace(b'"version": 1', b'"version": 1_0'), Reason.MALFORMED),
        (text().replace(b'"version": 1', b'"version": \xd9\xa1'), Reason.MALFORMED),
        (text().replace(b"version", b"vers\\u0069on"), Reason.MALFORMED),
        (text().replace(b"composite", b"compo\\u0073ite"), Reason.MALFORMED),
        (text().replace(b'"receipts": []', b'"receipts": [,]'), Reason.MALFORMED),
        (text().replace(b'"receipts": []', b'"receipts": [],'), Reason.MALFORMED),
        (text().replace(b"2013265920]", b"2013265920,]"), Reason.MALFORMED),
        (text().replace(b'"', b"'"), Reason.MALFORMED),
        (text().replace(b" ", b"\xc2\xa0"), Reason.MALFORMED),
        (b'{"receipts": ' + b"[" * 100_000, Reason.MALFORMED),
        (b"[" * 100_000, Reason.MALFORMED),
        (b'{"version": ' + b"9" * 1_000_000, Reason.MALFORMED),
        (b'{"' + b"v" * 1_000_000, Reason.MALFORMED),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else value[:24].decode("latin1"),
)
def test_what_is_no_receipt_is_refused(data, reason):
    assert refused(data) is reason


@pytest.mark.parametrize("name", list(plain()))
def test_every_field_is_there_once(name):
    fields = plain()
    without = {key: value for key, value in fields.items() if key != name}
    assert refused(json.dumps(without).encode()) is Reason.MALFORMED
    twice = json.dumps(fields)[:-1] + f', "{name}": {json.dumps(fields[name])}}}'
    assert json.loads(twice) == fields
    assert refused(twice.encode()) is Reason.MALFORMED
    with pytest.raises(VerificationError, match=f"a second field '{name}'"):
        from_json(f'{{"{name}": {json.dumps(fields[name])}, "{name}"'.encode())


def test_fields_in_any_order():
    items = list(plain().items())
    for seed in range(20):
        random.Random(seed).shuffle(items)
        assert from_json(json.dumps(dict(items)).encode()) == NESTED


def test_nesting_is_limited():
    receipt = SMALL
    for _ in range(composite.MAX_DEPTH - 1):
        receipt = CompositeReceipt((SEGMENT,), None, (), (receipt,))
    assert from_json(to_json(receipt)) == receipt
    assert refused(to_json(CompositeReceipt((SEGMENT,), None, (), (receipt,)))) is Reason.LIMIT


def test_limits_hold_for_the_whole_receipt(monkeypatch):
    monkeypatch.setattr(json_form, "MAX_SEGMENTS", 4)
    monkeypatch.setattr(json_form, "MAX_ASSUMPTIONS", 2)
    assert from_json(to_json(NESTED)) == NESTED
    more = replace(NESTED, segments=(*NESTED.segments, SEGMENT))
    for order in (False, True):
        assert refused(json.dumps(plain(more), sort_keys=order).encode()) is Reason.LIMIT
    deeper = replace(NESTED, receipts=(SMALL, CompositeReceipt((), None, (), (CompositeReceipt((), None),))))
    assert refused(to_json(deeper)) is Reason.LIMIT
    assert refused(to_json(replace(NESTED, receipts=(SMALL,) * 3))) is Reason.LIMIT


def test_a_text_over_the_limit_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(json_form, "MAX_JSON_BYTES", 10)
    assert refused(to_json(SMALL)) is Reason.LIMIT


def test_json_that_makes_too_large_a_receipt_is_refused(monkeypatch):
    monkeypatch.setattr(composite, "MAX_RECEIPT_BYTES", 10)
    assert refused(to_json(SMALL), receipt_from_json) is Reason.LIMIT


@pytest.mark.parametrize("data", [None, 5, "{}", [1], 1.5, bytearray(b"{}")])
def test_what_is_not_bytes_is_refused(data):
    assert refused(data) is Reason.MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        b'{"receipts": [' + b"[]," * 1_000_000,
        b'{"segments": [' + b"null," * 1_000_000,
        b'{"journal": "' + b"\\u0000" * 1_000_000,
        b'{"journal": [' + b"1," * 2_000_000,
        b'{"segments": [{"seal": "' + b"0" * (4 * composite.MAX_SEAL_BYTES) + b'"',
        b'{"segments": [{"public_values": [' + b"1," * 2_000_000,
        b'{"' + b"a" * 5_000_000 + b'"',
        b" " * 5_000_000,
    ],
    ids=lambda data: data[:30].decode(),
)
def test_refusing_takes_no_memory(data):
    tracemalloc.start()
    try:
        refused(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_a_stream_is_read_up_to_the_limit(monkeypatch):
    assert read_receipt(io.BytesIO(b"abc")) == b"abc"
    monkeypatch.setattr(composite, "MAX_RECEIPT_BYTES", 3 << 20)

    class Endless(io.RawIOBase):
        given = 0

        def read(self, size=-1):
            self.given += size
            return bytes(size)

    endless = Endless()
    assert refused(endless, read_receipt) is Reason.LIMIT
    assert endless.given == 4 << 20
    assert len(read_receipt(io.BytesIO(bytes(3 << 20)))) == 3 << 20
    assert len(read_receipt(io.BytesIO(bytes(4 << 20)), json=True)) == 4 << 20


def test_the_reader_tells_the_byte():
    with pytest.raises(VerificationError, match=r"receipt in JSON, byte 12: expected version: a whole number"):
        from_json(b'{"version": "1"}')
    reader = JsonReader(b"  7 ")
    assert reader.integer("seven") == 7
    reader.end()
