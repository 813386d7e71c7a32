"""What the task database refuses, and the one border where sqlite3's errors become ours."""

import sqlite3
from pathlib import Path

from localbento.errors import HostError, UsageError


class NotFoundError(UsageError):
    """There is no such job, task, stream, pool or image (or it belongs to another user)."""


class ConflictError(UsageError):
    """The name is taken: a second task of the same name, a second job of the same id or key."""


class InvalidWeightError(UsageError):
    """The best-effort weight of a stream must be a positive number."""


def host_error(error: sqlite3.Error, path: Path | None) -> HostError:
    """One line for what the file or the machine did wrong: what was found, where, what to do."""
    where = "in memory" if path is None else str(path)
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    match code:
        case sqlite3.SQLITE_READONLY:
            text = f"task database: expected a writable file, found a read-only one: {where}; check owner and mode"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            text = (
                f"task database: expected a sound SQLite file, found a damaged one ({error}): {where}; "
                "move it away (finished receipts and objects stay) and run the jobs again"
            )
        case sqlite3.SQLITE_FULL:
            text = f"task database: expected room to write, found the disk full: {where}; free some space, then resume"
        case sqlite3.SQLITE_CANTOPEN:
            text = f"task database: expected a file that can be opened, found none ({error}): {where}; check the folder"
        case sqlite3.SQLITE_IOERR:
            text = f"task database: expected to read and write, found an I/O error ({error}): {where}; check the disk"
        case _:
            text = f"task database: {error}: {where}"
    return HostError(text)


def locked_error(path: Path | None, seconds: float) -> HostError:
    """Somebody else has held the write lock for too long."""
    return HostError(
        f"task database locked by another process for {seconds:g} s: {path}; "
        "look for a stopped or hanging bento process"
    )
