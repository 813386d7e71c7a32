"""The word serialization against recorded values, its round trips and its refusals."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.claim.serde import MAX_EMPTY_ITEMS, Reader, decode, encode
from localbento.claim.serde_json import schema_from_json, value_from_json, value_to_json
from localbento.claim.serde_types import (
    BOOL,
    BYTES,
    CHAR,
    NUMBERS,
    TEXT,
    UNIT,
    Array,
    Enum,
    Float,
    Map,
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

VECTORS = json.loads((Path(__file__).parents[3] / "fixtures/vectors/claim-vectors.json").read_text())["serde"]
U8, U32, U64 = NUMBERS["u8"], NUMBERS["u32"], NUMBERS["u64"]
FOUR_VARIANTS = next(case["type"] for case in VECTORS["encode"] if case["name"] == "enum unit variant")


def words(hexes: list[str]) -> bytes:
    return b"".join(struct.pack("<I", int(word, 16)) for word in hexes)


def with_floats(plain: Any, value: Any) -> Any:
    """The vectors write floats as the hex of their bits; JSON has numbers."""
    if plain in ("f32", "f64"):
        return struct.unpack(">f" if plain == "f32" else ">d", bytes.fromhex(value))[0]
    if isinstance(plain, dict) and "struct" in plain:
        return {name: with_floats(item, value[name]) for name, item in plain["struct"]}
    return value


@pytest.mark.parametrize("case", VECTORS["encode"], ids=lambda case: case["name"])
def test_recorded_encoding(case: dict[str, Any]) -> None:
    plain = case["type"]
    if isinstance(plain, dict) and "array" in plain:
        # The vectors leave the length out, as the words do.
        plain = {"array": [plain["array"], len(case["value"])]}
    schema = schema_from_json(plain)
    value = value_from_json(schema, with_floats(case["type"], case["value"]))
    expected = words(case["words"])
    assert encode(schema, value) == expected
    decoded = decode(schema, expected)
    assert encode(schema, decoded) == expected
    assert decoded == value or (isinstance(decoded, float) and math.isnan(decoded))


@pytest.mark.parametrize("case", VECTORS["decode"], ids=lambda case: str(case)[:60])
def test_recorded_decoding(case: dict[str, Any]) -> None:
    plain = FOUR_VARIANTS if case["type"] == "enum of 4 variants" else case["type"]
    reader = Reader(words(case["words"]))
    schema = schema_from_json(plain)
    if "error" in case["result"]:
        with pytest.raises(SerdeError) as caught:
            reader.read(schema)
        name, _, text = case["result"]["error"].partition("(")
        assert caught.value.rule == name
        if text:
            assert caught.value.detail == text.removesuffix('")').removeprefix('"')
    else:
        value = reader.read(schema)
        shown = {"()": None, '"a"': "a"}.get(case["result"]["ok"], case["result"]["ok"])
        assert value == shown or str(value) == shown


def test_examples_of_the_attributes() -> None:
    duration = Struct((("secs", U64), ("nanos", U32)))
    assert encode(duration, {"secs": 3, "nanos": 4}) == words(["3", "0", "4"])
    address = Enum((("V4", Array(U8, 4)), ("V6", Array(U8, 16))))
    assert encode(address, Variant("V4", [127, 0, 0, 1])) == words(["0", "7f", "0", "0", "1"])


def test_reader_goes_on_where_it_stopped() -> None:
    reader = Reader(encode(TEXT, "abcde") + encode(U8, 7) + encode(Vec(U8), [1, 2]))
    assert reader.read(TEXT) == "abcde"
    assert reader.read(U8) == 7
    assert reader.remaining == 3
    assert reader.read(Vec(U8)) == [1, 2]
    with pytest.raises(SerdeError) as caught:
        reader.read(U8)
    assert caught.value.rule is SerdeRule.UNEXPECTED_END


def test_words_left_over() -> None:
    with pytest.raises(SerdeError) as caught:
        decode(U8, words(["1", "2"]))
    assert caught.value.rule is SerdeRule.TRAILING


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_bytes_that_are_no_words(length: int) -> None:
    with pytest.raises(SerdeError) as caught:
        decode(U8, bytes(length))
    assert caught.value.rule is SerdeRule.UNALIGNED


def test_a_count_of_empty_items_cannot_exhaust_memory() -> None:
    empty: list[Schema] = [UNIT, Tuple(()), Struct((("a", UNIT),)), Array(U8, 0), Array(UNIT, 5)]
    for item in empty:
        with pytest.raises(SerdeError, match="items without contents"):
            decode(Vec(item), words(["ffffffff"]))
    with pytest.raises(SerdeError, match="items without contents"):
        decode(Map(UNIT, UNIT), struct.pack("<I", MAX_EMPTY_ITEMS + 1))
    assert decode(Vec(UNIT), words(["3"])) == [None] * 3
    with pytest.raises(SerdeError) as caught:
        decode(Vec(U8), words(["ffffffff", "1"]))
    assert caught.value.rule is SerdeRule.UNEXPECTED_END


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (U8, 256),
        (U8, -1),
        (U8, True),
        (U8, "1"),
        (NUMBERS["i8"], 128),
        (NUMBERS["i128"], 1 << 127),
        (NUMBERS["usize"], 1 << 64),
        (BOOL, 1),
        (CHAR, "ab"),
        (CHAR, "\ud800"),
        (TEXT, b"a"),
        (TEXT, "\ud800"),
        (BYTES, "a"),
        (UNIT, 0),
        (Float(32), 1e39),
        (Float(64), "1"),
        (Float(64), 1 << 2000),
        (Vec(U8), 5),
        (Vec(U8), [1, 256]),
        (Array(U8, 2), [1]),
        (Tuple((U8, U8)), [1, 2, 3]),
        (Struct((("a", U8),)), {}),
        (Struct((("a", U8),)), {"a": 1, "b": 2}),
        (Map(U8, U8), [[1]]),
        (Map(U8, U8), [7]),
        (Option(U8), 5),
        (Enum((("A", UNIT),)), Variant("B")),
        (Enum((("A", UNIT),)), "A"),
        (Enum((("A", U8),)), Variant("A")),
    ],
)
def test_values_that_are_not_of_the_type(schema: Schema, value: Value) -> None:
    with pytest.raises(SerdeError) as caught:
        encode(schema, value)
    assert caught.value.rule is SerdeRule.BAD_VALUE


@pytest.mark.parametrize(
    "plain",
    [
        "u7",
        "",
        None,
        5,
        {},
        {"vec": "u8", "option": "u8"},
        {"vec": "no"},
        {"array": "u8"},
        {"array": ["u8", -1]},
        {"array": ["u8", True]},
        {"map": ["u8"]},
        {"tuple": "u8"},
        {"struct": [["a"]]},
        {"struct": [["a", "u8"], ["a", "u8"]]},
        {"enum": []},
        {"enum": [[1, "u8"]]},
        {"set": "u8"},
    ],
)
def test_what_describes_no_type(plain: object) -> None:
    with pytest.raises(SerdeError) as caught:
        schema_from_json(plain)
    assert caught.value.rule is SerdeRule.BAD_SCHEMA


def test_a_type_nested_too_deeply() -> None:
    plain: object = "u8"
    for _ in range(100):
        plain = {"vec": plain}
    with pytest.raises(SerdeError, match="nested deeper"):
        schema_from_json(plain)


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        (U8, "x"),
        (BYTES, "0g"),
        (Map(U8, U8), [5]),
        (Enum((("A", U8),)), {"B": 1}),
    ],
)
def test_json_that_is_no_value(schema: Schema, plain: object) -> None:
    with pytest.raises(SerdeError) as caught:
        value_from_json(schema, plain)
    assert caught.value.rule is SerdeRule.BAD_VALUE


def leaf() -> st.SearchStrategy[Schema]:
    numbers: list[Schema] = list(NUMBERS.values())
    return st.sampled_from([*numbers, Float(32), Float(64), BOOL, CHAR, TEXT, BYTES, UNIT])


def compound(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    some = st.lists(inner, min_size=1, max_size=3)
    names = "abc"
    return st.one_of(
        inner.map(Vec),
        inner.map(Option),
        st.builds(Array, inner, st.integers(0, 3)),
        st.builds(Map, inner, inner),
        some.map(lambda items: Tuple(tuple(items))),
        some.map(lambda items: Struct(tuple(zip(names, items, strict=False)))),
        some.map(lambda items: Enum(tuple(zip(names, items, strict=False)))),
    )


schemas = st.recursive(leaf(), compound, max_leaves=5)


def values(schema: Schema) -> st.SearchStrategy[Value]:
    def many(item: Schema) -> st.SearchStrategy[Value]:
        return st.lists(values(item), max_size=3)

    match schema:
        case Float():
            return st.floats(width=32 if schema.bits == 32 else 64, allow_nan=False)
        case Vec():
            return many(schema.item)
        case Array():
            size = schema.length
            return st.lists(values(schema.item), min_size=size, max_size=size)
        case Tuple():
            return st.tuples(*map(values, schema.items))
        case Struct():
            return st.fixed_dictionaries({name: values(item) for name, item in schema.fields})
        case Map():
            return st.lists(st.tuples(values(schema.key), values(schema.value)), max_size=3)
        case Option():
            return st.one_of(st.none(), values(schema.item).map(Some))
        case Enum():
            return st.sampled_from(schema.variants).flatmap(
                lambda pair: values(pair[1]).map(lambda value: Variant(pair[0], value))
            )
    if schema is UNIT:
        return st.none()
    if schema is BOOL:
        return st.booleans()
    if schema is CHAR:
        return st.characters(exclude_categories=["Cs"])
    if schema is TEXT:
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    if schema is BYTES:
        return st.binary(max_size=9)
    number = schema
    low = -(1 << number.bits - 1) if number.signed else 0
    return st.integers(low, low + (1 << number.bits) - 1)


@given(schemas.flatmap(lambda schema: st.tuples(st.just(schema), values(schema))))
def test_round_trips(pair: tuple[Schema, Value]) -> None:
    schema, value = pair
    data = encode(schema, value)
    assert decode(schema, data) == value
    as_json = json.loads(json.dumps(value_to_json(schema, value)))
    assert encode(schema, value_from_json(schema, as_json)) == data


@given(schemas, st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), max_size=8))
def test_any_words_give_a_value_or_a_named_error(schema: Schema, stream: list[int]) -> None:
    reader = Reader(struct.pack(f"<{len(stream)}I", *stream))
    try:
        value = reader.read(schema)
    except SerdeError:
        return
    assert encode(schema, value) is not None
