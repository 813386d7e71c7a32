"""Group L of the catalogue for receipts as bytes: one encoding, nothing that means nothing, no length that is believed.

The attacks are made from the tokens of a small receipt, so that every item of it is attacked in every way.
"""

import itertools
import tracemalloc
from dataclasses import dataclass, replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.circuits.rv32im.public import SegmentStatement, public_values
from localbento.claim.assumption import Assumption, Assumptions
from localbento.claim.claim import Output, ReceiptClaim, SystemState
from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.receipt.composite import CompositeReceipt, SegmentReceipt
from localbento.receipt.encoding import decode, encode
from localbento.receipt.json_form import from_json, to_json
from localbento.receipt.segment import Proved, digest, stated_segment_claim
from localbento.receipt.verify import verify_receipt

ROOTS = [tuple(range(i, i + 8)) for i in range(0, 24, 8)]
IMAGE = SystemState(0, digest(ROOTS[0])).digest()


def words(data):
    return tuple(int.from_bytes(data[i : i + 4], "little") for i in range(0, 32, 4))


def receipt(journal, assumptions=(), receipts=()):
    """Two segments; the guest ends well."""
    out = Output(journal, Assumptions(tuple(assumptions))).digest()
    statements = [
        SegmentStatement(ROOTS[0], ROOTS[1], (0,) * 8),
        SegmentStatement(ROOTS[1], ROOTS[2], (0,) * 8, terminated=True, output=words(out)),
    ]
    segments = tuple(SegmentReceipt(i + 1, public_values(s), b"proof") for i, s in enumerate(statements))
    return CompositeReceipt(segments, journal, tuple(assumptions), tuple(receipts))


INNER = receipt(b"")
RECEIPT = receipt(b"journal", [Assumption(ReceiptClaim.ok(IMAGE, b"").digest())], [INNER])
BYTES = encode(RECEIPT)
KNOWN = {*RECEIPT.segments, *INNER.segments}


def proofs(segments):
    """Accepts exactly the proofs that were made."""
    if not KNOWN.issuperset(segments):
        raise VerificationError(Reason.CONSTRAINTS)
    return [Proved(stated_segment_claim(segment), 100.0) for segment in segments]


def refused(data):
    with pytest.raises(VerificationError) as caught:
        decode(data)
    return caught.value.reason


# The tokens of msgpack: a map's or list's head, a string, bytes, a number, nil.


@dataclass(frozen=True)
class Token:
    kind: str
    value: int | bytes = 0

    @property
    def number(self):
        return len(self.value) if isinstance(self.value, bytes) else self.value

    def forms(self):
        """All encodings of this token, the shortest one first."""
        n, body = self.number, self.value if isinstance(self.value, bytes) else b""
        short = {"map": (0x80, 16), "list": (0x90, 16), "text": (0xA0, 32), "int": (0x00, 128)}.get(self.kind)
        long = {
            "map": [(0xDE, 2), (0xDF, 4)],
            "list": [(0xDC, 2), (0xDD, 4)],
            "text": [(0xD9, 1), (0xDA, 2), (0xDB, 4)],
            "bin": [(0xC4, 1), (0xC5, 2), (0xC6, 4)],
            "int": [(0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8), (0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)],
            "nil": [],
        }[self.kind]
        if self.kind == "nil":
            return [b"\xc0"]
        found = [bytes([short[0] | n])] if short and n < short[1] else []
        signed = range(0xD0, 0xD4)
        found += [
            bytes([marker]) + n.to_bytes(size, "big")
            for marker, size in long
            if n < 1 << (8 * size - (marker in signed))
        ]
        return [head + body for head in found]


def tokens(plain):
    match plain:
        case dict():
            yield Token("map", len(plain))
            for key, value in plain.items():
                yield from tokens(key)
                yield from tokens(value)
        case list():
            yield Token("list", len(plain))
            for item in plain:
                yield from tokens(item)
        case str():
            yield Token("text", plain.encode())
        case bytes():
            yield Token("bin", plain)
        case None:
            yield Token("nil")
        case _:
            yield Token("int", plain)


def plain_of(data):
    return msgpack.unpackb(data, strict_map_key=True)


TOKENS = list(tokens(plain_of(BYTES)))
PARTS = [token.forms()[0] for token in TOKENS]


def with_part(index, part):
    return b"".join([*PARTS[:index], part, *PARTS[index + 1 :]])


def test_the_tokens_are_those_of_the_receipt():
    assert b"".join(PARTS) == BYTES
    assert {token.kind for token in TOKENS} == {"map", "list", "text", "bin", "int"}
    assert verify_receipt(decode(BYTES), IMAGE, verify_segments=proofs).journal == b"journal"


def test_l150_trailing_bytes():
    for more in (b"\0", b"\xc0", b"\xc1", b"\n", BYTES, bytes(1000)):
        assert refused(BYTES + more) is Reason.MALFORMED
        assert refused(more + BYTES) is Reason.MALFORMED


def test_l151_truncation_at_every_offset():
    for end in range(len(BYTES)):
        assert refused(BYTES[:end]) is Reason.MALFORMED


def test_l152_every_longer_form_of_every_item():
    count = 0
    for index, token in enumerate(TOKENS):
        for form in token.forms()[1:]:
            changed = with_part(index, form)
            assert plain_of(changed) == plain_of(BYTES), "a general decoder sees no difference"
            assert refused(changed) is Reason.MALFORMED
            count += 1
    assert count > 150


def test_l152_keys_in_another_order_missing_or_twice():
    items = list(plain_of(BYTES).items())
    orders = 0
    for order in itertools.permutations(items):
        if list(order) != items:
            assert refused(msgpack.packb(dict(order))) is Reason.MALFORMED
            orders += 1
    assert orders == 5039
    body = [b"".join(t.forms()[0] for part in item for t in tokens(part)) for item in items]
    for i in range(len(items)):
        assert refused(bytes([0x86]) + b"".join(body[:i] + body[i + 1 :])) is Reason.MALFORMED
        for j in range(len(items)):
            twice = body[: j + 1] + body[i : i + 1] + body[j + 1 :]
            for head in (0x87, 0x88):
                assert refused(bytes([head]) + b"".join(twice)) is Reason.MALFORMED


@pytest.mark.parametrize("value", [-1, -P, -(2**31), True, False, None, 1.0, float("nan"), "1", b"\1", [1], {}, 2**63])
@pytest.mark.parametrize("place", ["version", "profile"])
def test_l153_numbers_that_are_none(value, place):
    plain = plain_of(BYTES)
    if place == "version":
        plain["version"] = value
    else:
        plain["segments"][0][0] = value
    expected = {Reason.VERSION} if (place, value) == ("version", 2**63) else {Reason.MALFORMED}
    assert refused(msgpack.packb(plain)) in expected


@pytest.mark.parametrize("value", [P, P + 1, 2**31, 2**32 - 1])
def test_l153_elements_that_are_not_canonical(value):
    plain = plain_of(BYTES)
    for segment in (plain["segments"][0], plain["segments"][1], plain["receipts"][0]["segments"][0]):
        honest = segment[1]
        for place in range(0, len(honest), 4):
            segment[1] = honest[:place] + value.to_bytes(4, "little") + honest[place + 4 :]
            assert refused(msgpack.packb(plain)) is Reason.NOT_CANONICAL
        segment[1] = honest
    assert msgpack.packb(plain) == BYTES


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_l153_digests_of_another_length(size):
    for place in (0, 1):
        plain = plain_of(BYTES)
        plain["assumptions"][0][place] = bytes(size)
        assert refused(msgpack.packb(plain)) in (Reason.MALFORMED, Reason.LIMIT)


HEADS = {
    "bin": [b"\xc6", 4],
    "text": [b"\xdb", 4],
    "list": [b"\xdd", 4],
    "map": [b"\xdf", 4],
    "ext": [b"\xc9", 4],
    "int": [b"\xcf", 8],
}


@pytest.mark.parametrize("announced", [1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
@pytest.mark.parametrize("kind", HEADS)
def test_l154_a_length_that_is_announced_is_not_believed(kind, announced):
    marker, size = HEADS[kind]
    head = marker + announced.to_bytes(size, "big")
    tracemalloc.start()
    try:
        for index in range(len(TOKENS)):
            for data in (with_part(index, head), b"".join(PARTS[:index]) + head):
                assert refused(data) in (Reason.MALFORMED, Reason.LIMIT, Reason.VERSION)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize("version", [0, 2, 127, 128, 1 << 16, (1 << 64) - 1])
def test_l155_another_version(version):
    plain = plain_of(BYTES)
    plain["version"] = version
    assert refused(msgpack.packb(plain)) is Reason.VERSION
    plain = plain_of(BYTES)
    plain["receipts"][0]["version"] = version
    assert refused(msgpack.packb(plain)) is Reason.VERSION


@pytest.mark.parametrize("place", ["format", "kind"])
@pytest.mark.parametrize("value", ["", "localbento", "composite ", "COMPOSITE", "localbento-receipt2", 0, None, []])
def test_l155_another_format_or_kind(place, value):
    assert refused(msgpack.packb({**plain_of(BYTES), place: value})) is Reason.MALFORMED


def test_l155_nested_without_end():
    head = BYTES[: BYTES.index(b"\xa8receipts") + 9]
    empty = encode(CompositeReceipt((), None))
    level = empty[: empty.index(b"\xa8receipts") + 9] + b"\x91"
    assert refused(head + b"\x91" + level * 100_000) is Reason.LIMIT
    assert refused(b"\x91" * 1_000_000) is Reason.MALFORMED
    assert refused(b"\x81\xa6format" * 100_000) is Reason.MALFORMED


def test_l156_every_flipped_bit_is_refused():
    """Not one of them is another receipt of the same claim, or of any other."""
    for bit in range(8 * len(BYTES)):
        flipped = bytearray(BYTES)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VerificationError):
            verify_receipt(decode(flipped), IMAGE, verify_segments=proofs)


@given(st.data())
def test_l156_bytes_exchanged_moved_and_doubled(data):
    place, length, to = (data.draw(st.integers(0, len(BYTES) - 1)) for _ in range(3))
    piece, rest = BYTES[place : place + length], BYTES[:place] + BYTES[place + length :]
    for changed in (rest, rest[:to] + piece + rest[to:], BYTES[:to] + piece + BYTES[to:]):
        if changed != BYTES:
            with pytest.raises(VerificationError):
                verify_receipt(decode(changed), IMAGE, verify_segments=proofs)


digests = st.binary(min_size=32, max_size=32)
made_up = st.builds(
    CompositeReceipt,
    st.lists(
        st.builds(
            SegmentReceipt, st.integers(0, 65535), st.lists(st.integers(0, P - 1), max_size=9).map(tuple), st.binary()
        ),
        max_size=20,
    ).map(tuple),
    st.none() | st.binary(max_size=300),
    st.lists(st.builds(Assumption, digests, digests), max_size=20).map(tuple),
)


@given(made_up, made_up)
def test_l157_what_is_decoded_is_encoded_to_the_same_bytes(outer, inner):
    for value in (outer, replace(outer, receipts=(inner, inner))):
        data = encode(value)
        assert decode(data) == value
        assert encode(decode(data)) == data


def test_l157_mutated_receipts_that_are_decoded_have_that_one_encoding():
    decoded = 0
    for index in range(0, len(BYTES), 2):
        for byte in (0, 0x81, 0xC0):
            data = BYTES[:index] + bytes([byte]) + BYTES[index + 1 :]
            try:
                found = decode(data)
            except VerificationError:
                continue
            decoded += 1
            assert encode(found) == data
            assert encode(from_json(to_json(found))) == data
    assert decoded > 500


def test_l158_no_field_is_free():
    """Every field of every part, replaced by another value that it may have, is noticed."""
    segment, assumption = RECEIPT.segments[0], RECEIPT.assumptions[0]

    def with_segment(**changes):
        return replace(RECEIPT, segments=(replace(segment, **changes), *RECEIPT.segments[1:]))

    attacks = [
        with_segment(profile=2),
        with_segment(seal=b"proog"),
        with_segment(seal=b"proof\0"),
        *(
            with_segment(public_values=(*segment.public_values[:i], v ^ 1, *segment.public_values[i + 1 :]))
            for i, v in enumerate(segment.public_values)
        ),
        replace(RECEIPT, journal=b"journak"),
        replace(RECEIPT, assumptions=(replace(assumption, claim=bytes(32)),)),
        replace(RECEIPT, assumptions=(replace(assumption, control_root=b"\1" * 32),)),
        replace(RECEIPT, assumptions=()),
        replace(RECEIPT, receipts=()),
        replace(RECEIPT, receipts=(replace(INNER, journal=b"x"),)),
    ]
    fields = {*SegmentReceipt.__dataclass_fields__, *CompositeReceipt.__dataclass_fields__}
    assert fields == {"profile", "public_values", "seal", "segments", "journal", "assumptions", "receipts"}
    for attack in attacks:
        assert decode(encode(attack)) == attack
        with pytest.raises(VerificationError):
            verify_receipt(attack, IMAGE, verify_segments=proofs)


@pytest.mark.parametrize("more", [{"note": 1}, {"": b""}, {"journal2": None}, {"Journal": b""}])
def test_l158_no_field_is_unknown(more):
    plain = plain_of(BYTES)
    assert refused(msgpack.packb({**plain, **more})) is Reason.MALFORMED
    plain["receipts"][0] |= more
    assert refused(msgpack.packb(plain)) is Reason.MALFORMED
    for part, place in (("segments", 0), ("assumptions", 0)):
        longer = plain_of(BYTES)
        longer[part][place].append(b"")
        assert refused(msgpack.packb(longer)) in (Reason.MALFORMED, Reason.LIMIT)
