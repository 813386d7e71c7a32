"""Receipts in other forms: the JSON of a receipt, reading what may be either."""

from typing import BinaryIO, Final

from localbento.errors import Reason, VerificationError

_PIECE: Final = 1 << 20
_JSON_BEGINS: Final = b"{ \t\n\r"


def receipt_to_json(data: bytes) -> bytes:
    """A receipt's bytes as one line of JSON (docs/formats.md).  Nothing in it is verified.

    Raises: VerificationError if it is no receipt.
    """
    from localbento.receipt.encoding import decode
    from localbento.receipt.json_form import to_json

    return to_json(decode(data))


def receipt_from_json(data: bytes) -> bytes:
    """The bytes of a receipt from its JSON: those that `receipt_to_json` was given.  Nothing in it is verified.

    Raises: VerificationError: MALFORMED, NOT_CANONICAL, VERSION, LIMIT.
    """
    from localbento.receipt.composite import MAX_RECEIPT_BYTES
    from localbento.receipt.encoding import encode
    from localbento.receipt.json_form import from_json

    packed = encode(from_json(data))
    if len(packed) > MAX_RECEIPT_BYTES:
        detail = f"receipt: expected at most {MAX_RECEIPT_BYTES} bytes, found {len(packed)}"
        raise VerificationError(Reason.LIMIT, detail)
    return packed


def convert_receipt(data: bytes, to: str | None = None) -> bytes:
    """A receipt in the other form, or in the one that `to` names (`json`, `msgpack`), whichever it is in now.

    Raises: VerificationError if it is no receipt in either form.
    """
    is_json = data[:1] in _JSON_BEGINS and data != b""
    packed = receipt_from_json(data) if is_json else data
    if (to or ("msgpack" if is_json else "json")) == "json":
        return receipt_to_json(packed)
    if not is_json:
        from localbento.receipt.encoding import decode

        decode(data)  # it has one encoding: what is accepted is written as it is
    return packed


def read_receipt(stream: BinaryIO, *, json: bool = False) -> bytes:
    """All bytes of a stream, unless there are more than a receipt can have (in JSON, if `json`).

    Raises: VerificationError(LIMIT); what was read until then is all that was kept.
    """
    from localbento.receipt.composite import MAX_RECEIPT_BYTES
    from localbento.receipt.json_form import MAX_JSON_BYTES

    limit = MAX_JSON_BYTES if json else MAX_RECEIPT_BYTES
    pieces, size = [], 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        if size > limit:
            raise VerificationError(Reason.LIMIT, f"receipt: expected at most {limit} bytes, found more")
        pieces.append(piece)
    return b"".join(pieces)
