"""What commands print: JSON on stdout, or a few aligned lines."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object, on one line, on stdout."""
    print(json.dumps(value, separators=(", ", ": "), allow_nan=False))
    sys.stdout.flush()


def print_lines(rows: Sequence[tuple[str, str]], *, to_stderr: bool = True) -> None:
    """Name and value in two columns."""
    width = max((len(name) for name, _ in rows), default=0)
    stream = sys.stderr if to_stderr else sys.stdout
    for name, value in rows:
        print(f"{name.ljust(width)}  {value}", file=stream)


def write_bytes(target: str, data: bytes) -> None:
    """Bytes to a file, whole or not at all; `-` is stdout."""
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    from localbento import api

    api.write_file(Path(target), data)


def terminal() -> bool:
    """Whether stderr is a terminal that may be redrawn."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"


def journal_text(journal: bytes | None) -> str:
    """The journal as hex, cut for a person."""
    if journal is None:
        return "none"
    text = journal[:64].hex()
    return f"{len(journal)} bytes {text}{'…' if len(journal) > 64 else ''}"
