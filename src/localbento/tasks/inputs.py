"""The guest's stdin from what a user gives."""

import struct
from collections.abc import Callable, Mapping
from typing import Final

from localbento.errors import UsageError

U32_MAX: Final = 0xFFFF_FFFF


def encode(data: bytes, encoding: str) -> bytes:
    """Encode input bytes by name.

    Raises: UsageError for an unknown name, or data that the encoding cannot carry.
    """
    encoder = ENCODINGS.get(encoding)
    if encoder is None:
        msg = f"--input-encoding: expected one of {', '.join(ENCODINGS)}, found {encoding!r}"
        raise UsageError(msg)
    return encoder(data)


def _raw(data: bytes) -> bytes:
    return data


def _words(data: bytes) -> bytes:
    """Integers in decimal or 0x form, separated by blanks or commas, as little-endian u32 words."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        msg = "--input-encoding words: expected integers in text, found bytes that are no UTF-8"
        raise UsageError(msg) from error
    words = []
    for item in text.replace(",", " ").split():
        try:
            value = int(item, 0)
        except ValueError:
            value = -1
        if not 0 <= value <= U32_MAX:
            msg = f"--input-encoding words: expected integers from 0 to {U32_MAX}, found {item!r}"
            raise UsageError(msg)
        words.append(value)
    return struct.pack(f"<{len(words)}I", *words)


def _frame(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _bytes(data: bytes) -> bytes:
    """A `Vec<u8>`: the count, then a word for each byte."""
    return struct.pack(f"<{1 + len(data)}I", len(data), *data)


def _string(data: bytes) -> bytes:
    """A `String`: the length in bytes, then the bytes, filled with zeros to whole words."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        msg = "--input-encoding string: expected UTF-8 text"
        raise UsageError(msg) from error
    return struct.pack("<I", len(data)) + data + bytes(-len(data) % 4)


ENCODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "raw": _raw,
    "words": _words,
    "frame": _frame,
    "bytes": _bytes,
    "string": _string,
}
