"""Types and values of the word serialization in JSON, for documents and the command line.

Types: "u8" .. "i128", "usize", "isize", "f32", "f64", "bool", "char", "str", "bytes", "unit";
{"vec": T}, {"array": [T, n]}, {"tuple": [T, ...]}, {"struct": [[name, T], ...]}, {"map": [K, V]},
{"option": T}, {"newtype": T}, {"enum": [[name, T or null], ...]}.

Values: JSON's own; integers also as decimal strings (JSON readers round large numbers), bytes in
hex, an option null or {"some": value}, a unit variant its name, another variant {name: payload}.
"""

from typing import Final

from localbento.claim.serde_types import (
    NUMBERS,
    UNIT,
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

_NAMED: Final[dict[str, Schema]] = {
    **NUMBERS,
    "f32": Float(32),
    "f64": Float(64),
    **{basic.value: basic for basic in Basic},
}
_MAX_DEPTH: Final = 64


def schema_from_json(plain: object, depth: int = 0) -> Schema:
    """The type that a JSON document describes.

    Raises:
        SerdeError: it describes none.
    """
    if depth > _MAX_DEPTH:
        raise SerdeError(SerdeRule.BAD_SCHEMA, f"nested deeper than {_MAX_DEPTH}")
    if isinstance(plain, str) and plain in _NAMED:
        return _NAMED[plain]
    if isinstance(plain, dict) and len(plain) == 1:
        [(kind, argument)] = plain.items()
        return _compound(kind, argument, plain, depth + 1)
    raise SerdeError(SerdeRule.BAD_SCHEMA, repr(plain)[:80])


def _compound(kind: object, argument: object, plain: object, depth: int) -> Schema:
    def inner(item: object) -> Schema:
        return schema_from_json(item, depth)

    match kind, argument:
        case "vec", _:
            return Vec(inner(argument))
        case "newtype", _:
            return inner(argument)
        case "option", _:
            return Option(inner(argument))
        case "array", [item, int() as length] if length >= 0 and not isinstance(length, bool):
            return Array(inner(item), length)
        case "map", [key, value]:
            return Map(inner(key), inner(value))
        case "tuple", [*items]:
            return Tuple(tuple(inner(item) for item in items))
        case "struct", [*fields]:
            return Struct(tuple((name, inner(item)) for name, item in _named(fields, plain)))
        case "enum", [_, *_] as variants:
            pairs = _named(list(variants), plain)
            return Enum(tuple((n, UNIT if item is None else inner(item)) for n, item in pairs))
        case _:
            raise SerdeError(SerdeRule.BAD_SCHEMA, repr(plain)[:80])


def _named(pairs: list[object], plain: object) -> list[tuple[str, object]]:
    named = []
    for pair in pairs:
        match pair:
            case [str() as name, item]:
                named.append((name, item))
            case _:
                raise SerdeError(SerdeRule.BAD_SCHEMA, repr(plain)[:80])
    if len({name for name, _ in named}) != len(named):
        raise SerdeError(SerdeRule.BAD_SCHEMA, f"a name stands twice in {plain!r}"[:80])
    return named


def value_from_json(schema: Schema, plain: object) -> Value:
    """The value that a JSON document describes; `serde.encode` checks that it is of the type.

    Raises:
        SerdeError: a text that should be a number or hex is none, or the shape is another.
    """
    match schema, plain:
        case Number(), str():
            try:
                return int(plain)
            except ValueError as error:
                raise _bad(schema, plain) from error
        case Basic.BYTES, str():
            try:
                return bytes.fromhex(plain)
            except ValueError as error:
                raise _bad(schema, plain) from error
        case ((Vec() | Array()), list()):
            return [value_from_json(schema.item, item) for item in plain]
        case Tuple(), list() if len(plain) == len(schema.items):
            pairs = zip(schema.items, plain, strict=True)
            return tuple(value_from_json(inner, item) for inner, item in pairs)
        case Struct(), dict() if set(plain) == {name for name, _ in schema.fields}:
            return {name: value_from_json(inner, plain[name]) for name, inner in schema.fields}
        case Map(), list():
            return [_entry(schema, entry) for entry in plain]
        case Option(), {"some": item}:
            return Some(value_from_json(schema.item, item))
        case Enum(), str():
            return Variant(plain)
        case Enum(), dict() if len(plain) == 1:
            [(name, payload)] = plain.items()
            if name in dict(schema.variants):
                return Variant(name, value_from_json(dict(schema.variants)[name], payload))
            raise _bad(schema, plain)
        case _:
            return plain


def value_to_json(schema: Schema, value: Value) -> object:
    """The JSON form of a decoded value: `value_from_json` of it is the value again."""
    match schema, value:
        case Number(), int():
            return value if abs(value) < 1 << 53 else str(value)
        case Basic.BYTES, bytes():
            return value.hex()
        case ((Vec() | Array()), list()):
            return [value_to_json(schema.item, item) for item in value]
        case Tuple(), tuple():
            pairs = zip(schema.items, value, strict=True)
            return [value_to_json(inner, item) for inner, item in pairs]
        case Struct(), dict():
            return {name: value_to_json(inner, value[name]) for name, inner in schema.fields}
        case Map(), list():
            return [[value_to_json(schema.key, key), value_to_json(schema.value, item)] for key, item in value]
        case Option(), Some():
            return {"some": value_to_json(schema.item, value.value)}
        case Enum(), Variant():
            inner = dict(schema.variants)[value.name]
            return value.name if inner is UNIT else {value.name: value_to_json(inner, value.value)}
        case _:
            return value


def _entry(schema: Map, entry: object) -> tuple[Value, Value]:
    match entry:
        case [key, item]:
            return value_from_json(schema.key, key), value_from_json(schema.value, item)
        case _:
            raise _bad(schema, entry)


def _bad(schema: Schema, plain: object) -> SerdeError:
    detail = f"expected {schema!r}, found {plain!r}"
    return SerdeError(SerdeRule.BAD_VALUE, detail if len(detail) <= 200 else detail[:197] + "...")
