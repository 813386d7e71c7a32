"""Loads queries.sql and splits scripts: SQL stands in .sql files only."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

NAME: Final = "\n-- name: "


@dataclass(frozen=True, slots=True)
class Statement:
    """A named statement and the sentence that says what it does."""

    name: str
    about: str
    sql: str


def read(path: str) -> str:
    """A text file of this package."""
    return files("localbento.service.taskdb").joinpath(path).read_text(encoding="utf-8")


def parse(text: str) -> dict[str, Statement]:
    """Statements by name: each is a line "-- name: x", comment lines with one sentence, and the SQL.

    Raises: ValueError for a name used twice, a missing sentence, or text that is not exactly one statement.
    """
    found: dict[str, Statement] = {}
    for block in text.split(NAME)[1:]:
        name, *lines = block.splitlines()
        about: list[str] = []
        while lines and lines[0].startswith("--"):
            about.append(lines.pop(0).removeprefix("--").strip())
        # What follows a blank line after the statement is the heading of the next group.
        sql = "\n".join(lines).split(";\n\n")[0].strip().removesuffix(";") + ";"
        if name in found or not about or sql == ";" or sql.count(";") != 1:
            msg = f"statement {name!r}: expected a new name, a sentence and one statement"
            raise ValueError(msg)
        found[name] = Statement(name, " ".join(about), sql)
    return found


@cache
def statements() -> dict[str, Statement]:
    """The statements of queries.sql."""
    return parse(read("queries.sql"))


def split(script: str) -> Iterator[str]:
    """The statements of a script one by one, so that they can run inside one transaction (triggers hold semicolons)."""
    part = ""
    for line in script.splitlines(keepends=True):
        part += line
        if part.strip() and sqlite3.complete_statement(part):
            yield part.strip()
            part = ""
    if any(line.strip() and not line.strip().startswith("--") for line in part.splitlines()):
        msg = f"expected a script that ends with a whole statement, found {part.strip()[:60]!r}"
        raise ValueError(msg)
