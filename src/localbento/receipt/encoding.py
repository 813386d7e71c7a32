"""Receipts as bytes and back: msgpack, one encoding for each receipt, limits before allocation.

Decoding takes the shortest form of every item and the fields in order only, so what it accepts encodes to itself.
"""

from typing import Any, Final

import msgpack

from localbento.claim.assumption import Assumption
from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.receipt.composite import (
    MAX_ASSUMPTIONS,
    MAX_DEPTH,
    MAX_JOURNAL_BYTES,
    MAX_RECEIPT_BYTES,
    MAX_SEAL_BYTES,
    MAX_SEGMENTS,
    CompositeReceipt,
    SegmentReceipt,
)
from localbento.receipt.packed import PackedReader

FORMAT: Final = "localbento-receipt"
VERSION: Final = 1
KIND: Final = "composite"
MAX_PUBLIC_VALUES: Final = 256
_FIELDS: Final = ["format", "version", "kind", "journal", "segments", "assumptions", "receipts"]
_WORD: Final = 4
_DIGEST: Final = 32


def encode(receipt: CompositeReceipt) -> bytes:
    """The receipt's one encoding."""
    packed: bytes = msgpack.packb(_plain(receipt), use_bin_type=True)
    return packed


def decode(data: bytes) -> CompositeReceipt:
    """The receipt that `encode` gave.

    Raises: VerificationError: LIMIT, VERSION, MALFORMED, NOT_CANONICAL; never anything else.
    """
    given: object = data
    if not isinstance(given, bytes | bytearray | memoryview):
        raise VerificationError(Reason.MALFORMED, f"expected bytes, found {type(given).__name__}")
    try:
        raw = bytes(given)
    except ValueError as error:
        raise VerificationError(Reason.MALFORMED, "the memory view was released") from error
    if len(raw) > MAX_RECEIPT_BYTES:
        raise VerificationError(Reason.LIMIT, f"receipt: expected at most {MAX_RECEIPT_BYTES} bytes, found {len(raw)}")
    decoder = _Decoder(PackedReader(raw))
    receipt = decoder.receipt(MAX_DEPTH)
    decoder.reader.end()
    return receipt


def _plain(receipt: CompositeReceipt) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": KIND,
        "journal": receipt.journal,
        "segments": [[s.profile, _pack(s.public_values), s.seal] for s in receipt.segments],
        "assumptions": [[a.claim, a.control_root] for a in receipt.assumptions],
        "receipts": [_plain(r) for r in receipt.receipts],
    }


def _pack(values: tuple[int, ...]) -> bytes:
    return b"".join(v.to_bytes(_WORD, "little") for v in values)


class _Decoder:
    """Reads a receipt field by field; limits hold for the whole of it, with what it carries."""

    def __init__(self, reader: PackedReader) -> None:
        self.reader = reader
        self._segments = MAX_SEGMENTS
        self._receipts = MAX_ASSUMPTIONS

    def receipt(self, depth: int) -> CompositeReceipt:
        """A receipt and those that it carries, `depth` deep."""
        if depth == 0:
            raise VerificationError(Reason.LIMIT, f"receipt: nested deeper than {MAX_DEPTH}")
        r = self.reader
        r.fields(_FIELDS)
        r.text("format")
        r.text(FORMAT)
        r.text("version")
        version = r.integer("version")
        if version != VERSION:
            raise VerificationError(Reason.VERSION, f"receipt: expected version {VERSION}, found {version}")
        r.text("kind")
        r.text(KIND)
        r.text("journal")
        journal = None if r.nothing() else r.binary(MAX_JOURNAL_BYTES, "journal")
        r.text("segments")
        count = r.items(self._segments, "segments")
        self._segments -= count
        segments = tuple(self._segment() for _ in range(count))
        r.text("assumptions")
        assumptions = tuple(self._assumption() for _ in range(r.items(MAX_ASSUMPTIONS, "assumptions")))
        r.text("receipts")
        count = r.items(self._receipts, "receipts")
        self._receipts -= count
        return CompositeReceipt(segments, journal, assumptions, tuple(self.receipt(depth - 1) for _ in range(count)))

    def _segment(self) -> SegmentReceipt:
        r = self.reader
        self._pieces(3, "segment: profile, public values, seal")
        profile = r.integer("profile")
        if profile >= 1 << 16:
            raise VerificationError(Reason.MALFORMED, "segment: expected a profile number")
        public = r.binary(_WORD * MAX_PUBLIC_VALUES, "public values")
        if len(public) % _WORD:
            raise VerificationError(Reason.MALFORMED, "segment: expected public values of four bytes")
        seal = r.binary(MAX_SEAL_BYTES, "seal")
        values = tuple(int.from_bytes(public[i : i + _WORD], "little") for i in range(0, len(public), _WORD))
        if any(v >= P for v in values):
            raise VerificationError(Reason.NOT_CANONICAL, "segment: a public value is not smaller than p")
        return SegmentReceipt(profile, values, seal)

    def _assumption(self) -> Assumption:
        self._pieces(2, "assumption: claim, control root")
        claim, control_root = (self.reader.binary(_DIGEST, "digest") for _ in range(2))
        if len(claim) != _DIGEST or len(control_root) != _DIGEST:
            raise VerificationError(Reason.MALFORMED, "assumption: expected two digests of 32 bytes")
        return Assumption(claim, control_root)

    def _pieces(self, count: int, what: str) -> None:
        if self.reader.items(count, what) != count:
            raise VerificationError(Reason.MALFORMED, f"expected {what}")
