"""Segments as bytes, and segments that lie."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from executor_guests import Guest
from hypothesis import given, settings
from hypothesis import strategies as st

from localbento.claim.claim import SegmentEnd
from localbento.errors import ProvingError, Reason, VerificationError
from localbento.executor import execute
from localbento.executor.preflight import preflight
from localbento.executor.segment import Segment
from localbento.riscv.memory_image import PartialImage


@cache
def segment(name="secret") -> Segment:
    segments: list[Segment] = []
    execute(Guest(name).program, Guest(name).given(), None, segments.append)
    return segments[0]


def test_round_trip():
    data = segment().to_bytes()
    again = Segment.from_bytes(data)
    assert again.to_bytes() == data
    assert again.claim.digest() == segment().claim.digest()
    assert np.array_equal(again.pages, segment().pages)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mutated_bytes_are_refused_or_another_segment(data):
    """Given changed bytes, then they are refused with VerificationError, or are the encoding of another segment."""
    whole = segment().to_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    mutated = data.draw(
        st.sampled_from(
            [
                whole[:at],
                whole + bytes([at % 256]),
                whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :],
            ]
        )
    )
    assert decoded(mutated) in (
        mutated, Reason.MALFORMED, Reason.WRONG_SHAPE, Reason.NOT_CANONICAL, Reason.VERSION
    )  # fmt: skip


def decoded(data):
    """The encoding of what these bytes decode to, or the reason why they do not."""
    try:
        return Segment.from_bytes(data).to_bytes()
    except VerificationError as error:
        return error.reason


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes(data):
    with pytest.raises(VerificationError):
        Segment.from_bytes(data)


def test_version():
    data = segment().to_bytes()
    at = data.index(b"localbento segment") + len(b"localbento segment")
    with pytest.raises(VerificationError) as caught:
        Segment.from_bytes(data[:at] + b"\x02" + data[at + 1 :])
    assert caught.value.reason is Reason.VERSION


def dropped_page(s):
    part = s.image
    kept = np.arange(len(part.indexes)) != 3
    return PartialImage(part.indexes[kept], part.words[kept], part.siblings)


def changed_code(s):
    words = s.image.words.copy()
    page = int(np.flatnonzero(s.image.indexes == 0x30_0000)[0])
    words[page] ^= 1
    return PartialImage(s.image.indexes, words, s.image.siblings)


LIES = {
    "a reply is missing": lambda s: {"replies": s.replies[:-1], "reply_kinds": s.reply_kinds[:-1]},
    "a reply is longer": lambda s: {"replies": (s.replies[0] + b"x" * 8, *s.replies[1:])},
    "a reply too many": lambda s: {"replies": (*s.replies, b""), "reply_kinds": (*s.reply_kinds, True)},
    "a row less": lambda s: {"rows": {**s.rows, "alu_imm": s.rows["alu_imm"] - 1}},
    "a row more": lambda s: {"rows": {**s.rows, "less": s.rows["less"] + 1}},
    "other pages": lambda s: {"rows": {**s.rows, "page": s.rows["page"] + 1}},
    "another end": lambda s: {"end": SegmentEnd(5 << 16, 0, s.end.output)},
    "a split that never was": lambda s: {"end": None, "cycles": s.cycles - 100},
    "cycles": lambda s: {"cycles": s.cycles + 1, "rows": {**s.rows, "cycles": s.rows["cycles"] + 1}},
    "a slow word": lambda s: {"slow": (0xC000_0000 >> 2,)},
    "an early word": lambda s: {"early": (int(s.image.indexes[0]) * 256,)},
    "a page left out": lambda s: {"image": dropped_page(s)},
    "other code": lambda s: {"image": changed_code(s)},
    "not provable": lambda s: {"unprovable": ("something",)},
}


@pytest.mark.parametrize("name", LIES)
def test_segments_that_do_not_repeat_are_refused(name):
    """Given a segment that says something else than its repetition, then no records are made of it."""
    original = segment()
    with pytest.raises(ProvingError):
        preflight(replace(original, **LIES[name](original)))


def test_another_reply_leads_to_another_root():
    """The bytes of an answer are free; what they do to memory shows in the root."""
    original = segment()
    at = next(i for i, reply in enumerate(original.replies) if len(reply) > 16)
    reply = bytes([original.replies[at][0] ^ 1]) + original.replies[at][1:]
    lying = replace(original, replies=(*original.replies[:at], reply, *original.replies[at + 1 :]))
    try:
        records = preflight(lying)
    except ProvingError:
        return
    assert original.image.root(words=records.pages.after) != original.post_root
