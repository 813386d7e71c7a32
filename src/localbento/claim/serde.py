"""RISC Zero's word serialization: what guests read from stdin and commit to the journal.

A stream of u32 words, little-endian in bytes, that does not describe itself: both sides must know
the type; see `serde_types`.

Source: RISC Zero, risc0-zkvm 3.0.6, serde/{serializer,deserializer}.rs.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from localbento.claim.serde_types import (
    TEXT,
    Array,
    Basic,
    Enum,
    Float,
    Map,
    Number,
    Option,
    Schema,
    SerdeError,
    SerdeRule,
    Some,
    Struct,
    Tuple,
    Value,
    Variant,
    Vec,
)

_WORD: Final = 0xFFFF_FFFF
MAX_EMPTY_ITEMS: Final = 1 << 20
"""Items of a Vec or Map whose items take no words; without a limit a count alone could exhaust memory."""


def encode(schema: Schema, value: Value) -> bytes:
    """The words of a value, as bytes.

    Raises:
        SerdeError: the value is not of the type.
    """
    words: list[int] = []
    _write(schema, value, words)
    return struct.pack(f"<{len(words)}I", *words)


def decode(schema: Schema, data: bytes) -> Value:
    """The value of bytes that hold it and nothing else.

    Raises:
        SerdeError: the bytes are no value of the type, or more follows.
    """
    reader = Reader(data)
    value = reader.read(schema)
    if reader.remaining:
        raise SerdeError(SerdeRule.TRAILING, f"{reader.remaining} words are left over")
    return value


class Reader:
    """Reads values one after the other from the front of a stream, as a guest does."""

    def __init__(self, data: bytes) -> None:
        """Raises SerdeError if the bytes are not whole words."""
        if len(data) % 4:
            raise SerdeError(SerdeRule.UNALIGNED, f"{len(data)} bytes")
        self._words: Sequence[int] = struct.unpack(f"<{len(data) // 4}I", data)
        self._position = 0

    @property
    def remaining(self) -> int:
        """Words not yet read."""
        return len(self._words) - self._position

    def read(self, schema: Schema) -> Value:
        """The next value; words after it stay.

        Raises:
            SerdeError: the words are no value of the type.
        """
        match schema:
            case Number():
                return self._number(schema)
            case Float():
                pattern = self._take(schema.bits // 32)
                return struct.unpack("<f" if schema.bits == 32 else "<d", _bytes(pattern))[0]
            case Basic():
                return self._basic(schema)
            case Vec():
                return [self.read(schema.item) for _ in range(self._count(schema.item))]
            case Array():
                return [self.read(schema.item) for _ in range(schema.length)]
            case Tuple():
                return tuple(self.read(item) for item in schema.items)
            case Struct():
                return {name: self.read(item) for name, item in schema.fields}
            case Map():
                count = self._count(schema.key, schema.value)
                return [(self.read(schema.key), self.read(schema.value)) for _ in range(count)]
            case Option():
                tag = self._word()
                if tag > 1:
                    raise SerdeError(SerdeRule.BAD_OPTION, f"tag {tag}")
                return Some(self.read(schema.item)) if tag else None
            case Enum():
                return self._variant(schema)

    def _take(self, count: int) -> Sequence[int]:
        if count > self.remaining:
            detail = f"{count} words are needed, {self.remaining} are left"
            raise SerdeError(SerdeRule.UNEXPECTED_END, detail)
        self._position += count
        return self._words[self._position - count : self._position]

    def _word(self) -> int:
        return self._take(1)[0]

    def _number(self, schema: Number) -> int:
        words = self._take(schema.words)
        value = int.from_bytes(_bytes(words), "little", signed=schema.signed)
        if not schema.holds(value):
            detail = f"invalid value: integer `{value}`, expected {schema.name}"
            raise SerdeError(SerdeRule.CUSTOM, detail)
        return value

    def _basic(self, schema: Basic) -> Value:
        match schema:
            case Basic.UNIT:
                return None
            case Basic.BOOL:
                word = self._word()
                if word > 1:
                    raise SerdeError(SerdeRule.BAD_BOOL, f"{word}")
                return word == 1
            case Basic.CHAR:
                word = self._word()
                if word > 0x10FFFF or 0xD800 <= word < 0xE000:
                    raise SerdeError(SerdeRule.BAD_CHAR, f"code point {word:#x}")
                return chr(word)
            case Basic.BYTES:
                return self._packed()
            case Basic.TEXT:
                try:
                    return self._packed().decode()
                except UnicodeDecodeError as error:
                    raise SerdeError(SerdeRule.BAD_CHAR, "not UTF-8") from error

    def _packed(self) -> bytes:
        """Bytes with their length in front, four to a word.  COMPAT: padding is not looked at."""
        length = self._word()
        return _bytes(self._take(-(-length // 4)))[:length]

    def _count(self, *items: Schema) -> int:
        count = self._word()
        if count > MAX_EMPTY_ITEMS and not any(map(_takes_words, items)):
            raise SerdeError(SerdeRule.CUSTOM, f"{count} items without contents")
        return count

    def _variant(self, schema: Enum) -> Variant:
        index = self._word()
        if index >= len(schema.variants):
            expected = f"expected variant index 0 <= i < {len(schema.variants)}"
            detail = f"invalid value: integer `{index}`, {expected}"
            raise SerdeError(SerdeRule.CUSTOM, detail)
        name, payload = schema.variants[index]
        return Variant(name, self.read(payload))


def _takes_words(schema: Schema) -> bool:
    """Whether every value of the type takes at least one word."""
    match schema:
        case Tuple():
            return any(map(_takes_words, schema.items))
        case Struct():
            return any(_takes_words(item) for _, item in schema.fields)
        case Array():
            return schema.length > 0 and _takes_words(schema.item)
        case _:
            return schema is not Basic.UNIT


def _bytes(words: Iterable[int]) -> bytes:
    words = list(words)
    return struct.pack(f"<{len(words)}I", *words)


def _bad(schema: Schema, value: Value) -> SerdeError:
    text = repr(value)
    shown = text if len(text) <= 80 else text[:77] + "..."
    return SerdeError(SerdeRule.BAD_VALUE, f"expected {schema!r}, found {shown}")


def _write(schema: Schema, value: Value, out: list[int]) -> None:
    match schema, value:
        case Number(), int() if not isinstance(value, bool) and schema.holds(value):
            width = schema.words * 32
            _put(out, (value & ((1 << width) - 1)).to_bytes(width // 8, "little"))
        case Float(), float() | int() if not isinstance(value, bool):
            _write_float(schema, value, out)
        case Basic.UNIT, None:
            pass
        case Basic.BOOL, bool():
            out.append(int(value))
        case Basic.CHAR, str() if len(value) == 1 and not 0xD800 <= ord(value) < 0xE000:
            out.append(ord(value))
        case Basic.TEXT, str():
            _write_text(value, out)
        case Basic.BYTES, bytes():
            _packed(out, value)
        case Vec(), list() | tuple():
            out.append(_length(value))
            for item in value:
                _write(schema.item, item, out)
        case Array(), list() | tuple() if len(value) == schema.length:
            for item in value:
                _write(schema.item, item, out)
        case Tuple(), list() | tuple() if len(value) == len(schema.items):
            for inner, item in zip(schema.items, value, strict=True):
                _write(inner, item, out)
        case Struct(), dict() if set(value) == {name for name, _ in schema.fields}:
            for name, inner in schema.fields:
                _write(inner, value[name], out)
        case Map(), list() | tuple():
            out.append(_length(value))
            _write_entries(schema, value, out)
        case Option(), None:
            out.append(0)
        case Option(), Some():
            out.append(1)
            _write(schema.item, value.value, out)
        case Enum(), Variant() if value.name in dict(schema.variants):
            names = [name for name, _ in schema.variants]
            index = names.index(value.name)
            out.append(index)
            _write(schema.variants[index][1], value.value, out)
        case _:
            raise _bad(schema, value)


def _write_float(schema: Float, value: float, out: list[int]) -> None:
    try:
        _put(out, struct.pack("<f" if schema.bits == 32 else "<d", value))
    except (OverflowError, struct.error) as error:
        raise _bad(schema, value) from error


def _write_text(value: str, out: list[int]) -> None:
    try:
        _packed(out, value.encode())
    except UnicodeEncodeError as error:
        raise _bad(TEXT, value) from error


def _write_entries(schema: Map, entries: Sequence[Value], out: list[int]) -> None:
    for entry in entries:
        if not isinstance(entry, tuple | list) or len(entry) != 2:
            raise _bad(schema, entry)
        _write(schema.key, entry[0], out)
        _write(schema.value, entry[1], out)


def _length(value: Sequence[Value] | bytes) -> int:
    if len(value) > _WORD:
        raise SerdeError(SerdeRule.BAD_VALUE, f"{len(value)} items do not fit a count")
    return len(value)


def _put(out: list[int], data: bytes) -> None:
    out.extend(struct.unpack(f"<{len(data) // 4}I", data))


def _packed(out: list[int], data: bytes) -> None:
    out.append(_length(data))
    _put(out, data + bytes(-len(data) % 4))
