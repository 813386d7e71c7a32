"""Receipts as bytes and back: msgpack, one encoding for each receipt, limits before allocation."""

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

FORMAT: Final = "localbento-receipt"
VERSION: Final = 1
KIND: Final = "composite"
MAX_PUBLIC_VALUES: Final = 256
_FIELDS: Final = ["format", "version", "kind", "journal", "segments", "assumptions", "receipts"]
_WORD: Final = 4


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
    raw = bytes(given)
    if len(raw) > MAX_RECEIPT_BYTES:
        raise VerificationError(Reason.LIMIT, f"receipt: expected at most {MAX_RECEIPT_BYTES} bytes, found {len(raw)}")
    try:
        plain = msgpack.unpackb(
            raw,
            raw=False,
            strict_map_key=True,
            max_str_len=64,
            max_map_len=len(_FIELDS),
            max_array_len=MAX_SEGMENTS,
            max_bin_len=max(MAX_JOURNAL_BYTES, MAX_SEAL_BYTES),
            max_ext_len=0,
        )
    except Exception as error:
        raise VerificationError(Reason.MALFORMED, f"receipt: not msgpack ({type(error).__name__})") from None
    receipt = _receipt(plain, MAX_DEPTH)
    if encode(receipt) != raw:
        raise VerificationError(Reason.MALFORMED, "receipt: not the canonical encoding")
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


def _malformed(what: str) -> VerificationError:
    return VerificationError(Reason.MALFORMED, f"receipt: {what}")


def _receipt(plain: object, depth: int) -> CompositeReceipt:
    if depth == 0:
        raise VerificationError(Reason.LIMIT, f"receipt: nested deeper than {MAX_DEPTH}")
    if type(plain) is not dict or list(plain) != _FIELDS:
        msg = f"expected the fields {', '.join(_FIELDS)}"
        raise _malformed(msg)
    if plain["format"] != FORMAT or plain["kind"] != KIND or type(plain["version"]) is not int:
        msg = f"expected a {FORMAT} of kind {KIND}"
        raise _malformed(msg)
    if plain["version"] != VERSION:
        raise VerificationError(Reason.VERSION, f"receipt: expected version {VERSION}, found {plain['version']}")
    journal = plain["journal"]
    if journal is not None and type(journal) is not bytes:
        msg = "journal: expected bytes"
        raise _malformed(msg)
    if journal is not None and len(journal) > MAX_JOURNAL_BYTES:
        raise VerificationError(Reason.LIMIT, f"journal: expected at most {MAX_JOURNAL_BYTES} bytes")
    return CompositeReceipt(
        tuple(_segment(s) for s in _list(plain["segments"], MAX_SEGMENTS, "segments")),
        journal,
        tuple(_assumption(a) for a in _list(plain["assumptions"], MAX_ASSUMPTIONS, "assumptions")),
        tuple(_receipt(r, depth - 1) for r in _list(plain["receipts"], MAX_ASSUMPTIONS, "receipts")),
    )


def _list(plain: object, limit: int, what: str) -> list[Any]:
    if type(plain) is not list:
        msg = f"{what}: expected a list"
        raise _malformed(msg)
    if len(plain) > limit:
        raise VerificationError(Reason.LIMIT, f"{what}: expected at most {limit}, found {len(plain)}")
    return plain


def _segment(plain: object) -> SegmentReceipt:
    items = _list(plain, 3, "segment")
    if len(items) != 3:
        msg = "segment: expected profile, public values, seal"
        raise _malformed(msg)
    profile, public, seal = items
    if type(profile) is not int or not 0 <= profile < 1 << 16:
        msg = "segment: expected a profile number"
        raise _malformed(msg)
    if type(public) is not bytes or len(public) % _WORD or type(seal) is not bytes:
        msg = "segment: expected public values and seal as bytes"
        raise _malformed(msg)
    if len(public) > _WORD * MAX_PUBLIC_VALUES or len(seal) > MAX_SEAL_BYTES:
        raise VerificationError(Reason.LIMIT, "segment: public values or seal too long")
    values = tuple(int.from_bytes(public[i : i + _WORD], "little") for i in range(0, len(public), _WORD))
    if any(v >= P for v in values):
        raise VerificationError(Reason.NOT_CANONICAL, "segment: a public value is not smaller than p")
    return SegmentReceipt(profile, values, seal)


def _assumption(plain: object) -> Assumption:
    items = _list(plain, 2, "assumption")
    if len(items) != 2 or any(type(x) is not bytes or len(x) != 32 for x in items):
        msg = "assumption: expected two digests of 32 bytes"
        raise _malformed(msg)
    return Assumption(*items)
