"""A segment: everything that is needed to repeat a stretch of an execution, and what it should come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import msgpack
import numpy as np
from numpy.typing import NDArray

from localbento.claim.claim import ReceiptClaim, SegmentEnd, segment_claim
from localbento.errors import Reason, VerificationError
from localbento.riscv.memory_image import PartialImage

VERSION: Final = 1
MAGIC: Final = "localbento segment"
_U32: Final = 0xFFFF_FFFF
DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One segment of a session.

    `image` holds the touched pages as they are at the start.  `replies` are the bytes of each READ in order, and
    `writes` what the host took of each WRITE; `reply_kinds` has True for a READ, in the order of both.  `slow` and
    `early` are word addresses: those fetched as data, and code words that are loaded before they are fetched.
    `rows` counts the rows of each chip, `cycles` is the cycle of the suspend or close row.  `probe`: the segment
    was cut after the fetch of an instruction that is executed in the next one.  `unprovable` names what in it has
    no proof; such a segment can be repeated, not proved.
    """

    index: int
    image: PartialImage
    pre_root: bytes
    post_root: bytes
    input_digest: bytes
    replies: tuple[bytes, ...]
    writes: tuple[int, ...]
    reply_kinds: tuple[bool, ...]
    slow: tuple[int, ...]
    early: tuple[int, ...]
    end: SegmentEnd | None
    cycles: int
    user_cycles: int
    probe: bool
    rows: Mapping[str, int]
    profile: str
    unprovable: tuple[str, ...] = ()
    paging_cycles: int = field(default=0)
    """Of the released generation's rules; only where segments follow them."""

    @property
    def claim(self) -> ReceiptClaim:
        """What a proof of this segment states."""
        return segment_claim(self.pre_root, self.post_root, self.input_digest, self.end)

    @property
    def pages(self) -> NDArray[np.int64]:
        """Touched pages, ascending."""
        return self.image.indexes

    def to_bytes(self) -> bytes:
        """Canonical msgpack: an array with magic, version, then the fields in order."""
        end = None if self.end is None else [self.end.a0, self.end.a1, self.end.output]
        plain = self.image.to_plain()
        body: list[Any] = [
            MAGIC, VERSION, self.index, [plain["pages"], plain["words"], plain["siblings"]], self.pre_root,
            self.post_root, self.input_digest, list(self.replies), list(self.writes), list(self.reply_kinds),
            list(self.slow), list(self.early), end, self.cycles, self.user_cycles, self.probe,
            [[name, self.rows[name]] for name in sorted(self.rows)], self.profile, list(self.unprovable),
            self.paging_cycles,
        ]  # fmt: skip
        packed: bytes = msgpack.packb(body, use_bin_type=True)
        return packed

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of `to_bytes`.

        Raises:
            VerificationError: for any bytes that `to_bytes` does not write.
        """
        try:
            segment = cls._parse(msgpack.unpackb(data, strict_map_key=True, raw=False))
        except VerificationError:
            raise
        except (ValueError, TypeError, KeyError, msgpack.UnpackException, RecursionError) as error:
            raise VerificationError(Reason.MALFORMED, f"segment: {error}") from error
        if segment.to_bytes() != data:
            raise VerificationError(Reason.MALFORMED, "segment: not the canonical encoding")
        return segment

    @classmethod
    def _parse(cls, body: Any) -> Self:
        _require(isinstance(body, list) and len(body) == FIELDS and body[0] == MAGIC, "not a segment")
        if body[1] != VERSION:
            raise VerificationError(Reason.VERSION, f"segment version {body[1]!r}, known: {VERSION}")
        (index, image, pre, post, given, replies, writes, kinds, slow, early, end, cycles, user, probe, rows,
         profile, unprovable, paging) = body[2:]  # fmt: skip
        _require(all(isinstance(x, bytes) and len(x) == DIGEST_BYTES for x in (pre, post, given)), "digests")
        _require(_all(replies, bytes) and _all(kinds, bool) and _all(unprovable, str), "replies")
        _require(_counts(writes) and _counts(slow) and _counts(early), "numbers")
        _require(_counts([index, cycles, user, paging]) and isinstance(probe, bool), "numbers")
        _require(kinds.count(True) == len(replies) and kinds.count(False) == len(writes), "replies")
        _require(isinstance(profile, str) and isinstance(rows, list), "rows")
        _require(all(_all(row[:1], str) and _counts(row[1:]) for row in rows), "rows")
        _require(isinstance(image, list) and len(image) == 3, "image")  # pages, words, siblings
        parts = dict(zip(("pages", "words", "siblings"), image, strict=True))
        return cls(
            index, PartialImage.from_plain(parts), pre, post, given, tuple(replies), tuple(writes), tuple(kinds),
            tuple(slow), tuple(early), _parse_end(end), cycles, user, probe, dict(rows), profile,
            tuple(unprovable), paging,
        )  # fmt: skip


FIELDS: Final = 20


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise VerificationError(Reason.MALFORMED, f"segment: {what}")


def _all(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _counts(values: Any) -> bool:
    return _all(values, int) and all(0 <= value < 1 << 63 for value in values)


def _parse_end(end: Any) -> SegmentEnd | None:
    if end is None:
        return None
    _require(isinstance(end, list) and len(end) == 3, "end")  # a0, a1, output
    a0, a1, output = end
    _require(_counts([a0, a1]) and a0 <= _U32 and a1 <= _U32, "end")
    _require(isinstance(output, bytes) and len(output) == DIGEST_BYTES, "end")
    return SegmentEnd(a0, a1, output)
