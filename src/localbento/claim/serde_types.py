"""RISC Zero's word serialization: what guests read from stdin and commit to the journal.

A stream of u32 words, little-endian in bytes, that does not describe itself: both sides must know
the type.  A type is a `Schema`; `schema_from_json` reads the notation of docs and command line.

| schema | Python value |
|---|---|
| `Number` (u8 .. u128, i8 .. i128; usize and isize are 64 bits wide) | int |
| `Float` | float |
| `BOOL`, `CHAR`, `TEXT`, `BYTES`, `UNIT` | bool, str of one character, str, bytes, None |
| `Vec` (also sets), `Array`, `Tuple` | list, list, tuple |
| `Struct` | dict by field |
| `Map` | list of pairs, in the map's own order (a BTreeMap's is ascending) |
| `Option` | None, or `Some(value)` |
| `Enum` | `Variant(name, value)` |

Newtype structs, boxes and references are their inner type; `Vec` of u8 takes a word per byte,
unlike BYTES.

Source: RISC Zero, risc0-zkvm 3.0.6, serde.
"""

from dataclasses import dataclass
from enum import Enum as PythonEnum
from enum import StrEnum
from typing import Final, TypeAlias

from localbento.errors import UsageError

Value: TypeAlias = object


class SerdeRule(StrEnum):
    """Why words, or a value, are refused; the names of RISC Zero's errors where it has one."""

    UNEXPECTED_END = "DeserializeUnexpectedEnd"
    BAD_BOOL = "DeserializeBadBool"
    BAD_CHAR = "DeserializeBadChar"
    BAD_OPTION = "DeserializeBadOption"
    CUSTOM = "Custom"
    TRAILING = "trailing words"
    UNALIGNED = "not whole words"
    BAD_VALUE = "value does not fit its type"
    BAD_SCHEMA = "no such type"


class SerdeError(UsageError):
    """Words that are not a value of the type, or a value that is not of the type."""

    def __init__(self, rule: SerdeRule, detail: str = "") -> None:
        """The message is the rule's name, then the detail."""
        super().__init__(f"{rule.value}: {detail}" if detail else rule.value)
        self.rule = rule
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Number:
    """An integer of 8 to 128 bits."""

    name: str
    bits: int
    signed: bool

    @property
    def words(self) -> int:
        """Narrow integers take a whole word."""
        return max(self.bits // 32, 1)

    def holds(self, value: int) -> bool:
        """Whether the value is in range."""
        low = -(1 << self.bits - 1) if self.signed else 0
        return low <= value < low + (1 << self.bits)


@dataclass(frozen=True, slots=True)
class Float:
    """An IEEE number of 32 or 64 bits."""

    bits: int


class Basic(PythonEnum):
    """Types without parameters."""

    BOOL = "bool"
    CHAR = "char"
    TEXT = "str"
    BYTES = "bytes"
    UNIT = "unit"


BOOL: Final = Basic.BOOL
CHAR: Final = Basic.CHAR
TEXT: Final = Basic.TEXT
BYTES: Final = Basic.BYTES
UNIT: Final = Basic.UNIT


@dataclass(frozen=True, slots=True)
class Vec:
    """A sequence with its length in front."""

    item: "Schema"


@dataclass(frozen=True, slots=True)
class Array:
    """A sequence of known length."""

    item: "Schema"
    length: int


@dataclass(frozen=True, slots=True)
class Tuple:
    """A tuple or tuple struct."""

    items: "tuple[Schema, ...]"


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct: (name, type) of the fields in declaration order."""

    fields: "tuple[tuple[str, Schema], ...]"


@dataclass(frozen=True, slots=True)
class Map:
    """A map with its number of entries in front."""

    key: "Schema"
    value: "Schema"


@dataclass(frozen=True, slots=True)
class Option:
    """An optional value."""

    item: "Schema"


@dataclass(frozen=True, slots=True)
class Enum:
    """An enumeration: (name, type of the payload) of the variants in declaration order."""

    variants: "tuple[tuple[str, Schema], ...]"


Schema: TypeAlias = Number | Float | Basic | Vec | Array | Tuple | Struct | Map | Option | Enum


@dataclass(frozen=True, slots=True)
class Some:
    """A value that is there."""

    value: Value


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of an enumeration with its payload; None for a unit variant."""

    name: str
    value: Value = None


NUMBERS: Final[dict[str, Number]] = {
    **{f"u{bits}": Number(f"u{bits}", bits, signed=False) for bits in (8, 16, 32, 64, 128)},
    **{f"i{bits}": Number(f"i{bits}", bits, signed=True) for bits in (8, 16, 32, 64, 128)},
    "usize": Number("usize", 64, signed=False),
    "isize": Number("isize", 64, signed=True),
}
