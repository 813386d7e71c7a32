"""What commands print: JSON on stdout, a few aligned lines, or a table."""

import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

GAP: Final = "  "
NARROWEST: Final = 20


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object, on one line, on stdout."""
    print(json.dumps(value, separators=(", ", ": "), allow_nan=False))
    sys.stdout.flush()


def print_lines(rows: Sequence[tuple[str, str]], *, to_stderr: bool = True) -> None:
    """Name and value in two columns."""
    stream = sys.stderr if to_stderr else sys.stdout
    for line in aligned(rows):
        print(line, file=stream)


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Name and value in two columns; a name that repeats is said once."""
    width = max((cells(name) for name, _ in rows), default=0)
    lines, last = [], None
    for name, value in rows:
        lines.append(f"{_padded('' if name == last else name, width)}{GAP}{value}")
        last = name
    return lines


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns on stdout; on a terminal no line is longer than it is wide, in a pipe nothing is cut."""
    for line in table(head, rows):
        print(line)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with a head, cut to the terminal that stdout may be."""
    whole = [tuple(head), *map(tuple, rows)]
    widths = [max(cells(row[i]) for row in whole) for i in range(len(head))]
    limit = stdout_width()
    lines = [GAP.join(_padded(t, w) for t, w in zip(row, widths, strict=True)).rstrip() for row in whole]
    return lines if limit is None else [cut(line, limit) for line in lines]


def stdout_width() -> int | None:
    """Columns of the terminal that stdout is; None in a pipe."""
    if not sys.stdout.isatty():
        return None
    try:
        return max(NARROWEST, os.get_terminal_size(sys.stdout.fileno()).columns or NARROWEST)
    except OSError:
        return None


def cells(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(_cell(c) for c in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """The text, or as much of it as fits into so many columns, with an ellipsis."""
    if cells(text) <= width:
        return text
    kept, used = [], 1
    for character in text:
        used += _cell(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…"


def printable(text: str) -> str:
    """The text with what would move the cursor or colour the terminal made visible: names come from other people."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def write_bytes(target: str, data: bytes) -> None:
    """Bytes to a file, whole or not at all; `-` is stdout."""
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    from localbento import api

    api.write_file(Path(target), data)


def terminal() -> bool:
    """Whether stderr is a terminal that may be coloured and redrawn (https://no-color.org)."""
    return sys.stderr.isatty() and _may_draw()


def stdout_terminal() -> bool:
    """The same of stdout."""
    return sys.stdout.isatty() and _may_draw()


def _may_draw() -> bool:
    return os.environ.get("TERM", "") != "dumb" and not os.environ.get("NO_COLOR")


def journal_text(journal: bytes | None) -> str:
    """The journal as hex, cut for a person."""
    if journal is None:
        return "none"
    text = journal[:64].hex()
    return f"{len(journal)} bytes {text}{'…' if len(journal) > 64 else ''}"


def size(count: float) -> str:
    """Bytes for a person: `3 B`, `1.5 KiB`, `2.4 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def clock(seconds: float) -> str:
    """A duration for a person: `4.2 s`, `12:05`, `3:00:12`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def plural(count: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
