"""Holds an object to its schema in docs/schemas."""

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parents[1] / "docs/schemas"


@cache
def schemas():
    return {path.stem: json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))}


@cache
def validator(name):
    registry = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in schemas().values())
    return Draft202012Validator(schemas()[name], registry=registry)


def check(name, value):
    """Every way in which `value` is not as docs/schemas/<name>.json says."""
    errors = [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(value)]
    assert errors == []
