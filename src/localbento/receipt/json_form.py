"""Receipts as JSON and back: the same content as in msgpack, for people and for programs without msgpack.

Both directions lose nothing: msgpack to JSON to msgpack gives the same bytes.  A verifier takes msgpack only.
"""

import json
from typing import Any, Final

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
from localbento.receipt.encoding import FORMAT, KIND, MAX_PUBLIC_VALUES, VERSION
from localbento.receipt.json_reader import JsonReader

MAX_JSON_BYTES: Final = 3 * MAX_RECEIPT_BYTES + (16 << 20)
"""What the JSON of the largest receipt takes: two digits for a byte, twelve characters for a public value of four."""

_RECEIPT: Final = frozenset({"format", "version", "kind", "journal", "segments", "assumptions", "receipts"})
_SEGMENT: Final = frozenset({"profile", "public_values", "seal"})
_ASSUMPTION: Final = frozenset({"claim", "control_root"})
_DIGEST: Final = 32


def to_json(receipt: CompositeReceipt) -> bytes:
    """The receipt as one line of JSON (docs/formats.md)."""
    return json.dumps(_plain(receipt)).encode("ascii") + b"\n"


def from_json(data: bytes) -> CompositeReceipt:
    """The receipt of a JSON text with these fields, in any order, with white space anywhere.

    Raises: VerificationError: LIMIT, VERSION, MALFORMED, NOT_CANONICAL; never anything else.
    """
    given: object = data
    if not isinstance(given, bytes):
        raise VerificationError(Reason.MALFORMED, f"expected bytes, found {type(given).__name__}")
    if len(data) > MAX_JSON_BYTES:
        detail = f"receipt in JSON: expected at most {MAX_JSON_BYTES} bytes, found {len(data)}"
        raise VerificationError(Reason.LIMIT, detail)
    decoder = _Decoder(JsonReader(data))
    receipt = decoder.receipt(MAX_DEPTH)
    decoder.reader.end()
    return receipt


def _plain(receipt: CompositeReceipt) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": KIND,
        "journal": None if receipt.journal is None else receipt.journal.hex(),
        "segments": [
            {"profile": s.profile, "public_values": s.public_values, "seal": s.seal.hex()} for s in receipt.segments
        ],
        "assumptions": [{"claim": a.claim.hex(), "control_root": a.control_root.hex()} for a in receipt.assumptions],
        "receipts": [_plain(r) for r in receipt.receipts],
    }


class _Decoder:
    """Reads a receipt field by field; limits hold for the whole of it, with what it carries."""

    def __init__(self, reader: JsonReader) -> None:
        self.reader = reader
        self._segments = MAX_SEGMENTS
        self._receipts = MAX_ASSUMPTIONS

    def receipt(self, depth: int) -> CompositeReceipt:
        """A receipt and those that it carries, `depth` deep."""
        if depth == 0:
            raise VerificationError(Reason.LIMIT, f"receipt: nested deeper than {MAX_DEPTH}")
        r = self.reader
        found: dict[str, Any] = {}
        for name in r.fields(_RECEIPT, "receipt"):
            match name:
                case "format":
                    self._constant(name, FORMAT)
                case "version":
                    self._version()
                case "kind":
                    self._constant(name, KIND)
                case "journal":
                    found[name] = None if r.nothing() else r.binary(MAX_JOURNAL_BYTES, "journal")
                case "segments":
                    found[name] = self._list_of_segments()
                case "assumptions":
                    found[name] = tuple(self._assumption() for _ in r.items(MAX_ASSUMPTIONS, "assumptions"))
                case _:
                    found[name] = self._list_of_receipts(depth)
        return CompositeReceipt(**found)

    def _constant(self, name: str, wanted: str) -> None:
        text = self.reader.text(name)
        if text != wanted:
            raise VerificationError(
                Reason.MALFORMED, f"receipt in JSON: expected the {name} {wanted!r}, found {text!r}"
            )

    def _version(self) -> None:
        version = self.reader.integer("version")
        if version != VERSION:
            raise VerificationError(Reason.VERSION, f"receipt: expected version {VERSION}, found {version}")

    def _list_of_segments(self) -> tuple[SegmentReceipt, ...]:
        segments = tuple(self._segment() for _ in self.reader.items(self._segments, "segments"))
        self._segments -= len(segments)
        return segments

    def _list_of_receipts(self, depth: int) -> tuple[CompositeReceipt, ...]:
        receipts = []
        for _ in self.reader.items(MAX_ASSUMPTIONS, "receipts"):
            if self._receipts == 0:
                raise VerificationError(Reason.LIMIT, f"receipts: expected at most {MAX_ASSUMPTIONS} in all")
            self._receipts -= 1
            receipts.append(self.receipt(depth - 1))
        return tuple(receipts)

    def _segment(self) -> SegmentReceipt:
        r = self.reader
        found: dict[str, Any] = {}
        for name in r.fields(_SEGMENT, "segment"):
            match name:
                case "profile":
                    found[name] = r.integer(name)
                    if found[name] >= 1 << 16:
                        raise VerificationError(Reason.MALFORMED, "segment: expected a profile number")
                case "public_values":
                    items = r.items(MAX_PUBLIC_VALUES, "public values")
                    found[name] = tuple(r.integer("public value") for _ in items)
                    if any(v >= P for v in found[name]):
                        raise VerificationError(Reason.NOT_CANONICAL, "segment: a public value is not smaller than p")
                case _:
                    found[name] = r.binary(MAX_SEAL_BYTES, name)
        return SegmentReceipt(**found)

    def _assumption(self) -> Assumption:
        found = {}
        for name in self.reader.fields(_ASSUMPTION, "assumption"):
            found[name] = self.reader.binary(_DIGEST, f"assumption, {name}")
            if len(found[name]) != _DIGEST:
                raise VerificationError(Reason.MALFORMED, "assumption: expected two digests of 32 bytes")
        return Assumption(**found)
