"""Files that are whole or absent: written to a temporary name, synced, renamed."""

import errno
import os
from pathlib import Path

from localbento.errors import HostError, UsageError


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write all bytes under `path`, or leave nothing new behind.

    Raises: HostError if the disk is full, read-only or otherwise refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        mode = 0o600 if private else 0o666
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise HostError(refused("write", path, error)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_whole(path: Path, limit: int, what: str) -> bytes:
    """All bytes of a file that the user named.

    Raises: UsageError if it cannot be read or is larger than `limit` bytes.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            msg = f"{what}: expected at most {limit} bytes, found {size} ({str(path)!r})"
            raise UsageError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{what}: cannot read {str(path)!r}: {os.strerror(error.errno or 0)}"
        raise UsageError(msg) from error


def refused(verb: str, path: Path, error: OSError) -> str:
    """One line for a file that the system refuses: what was tried, where, why, what to do."""
    reason = os.strerror(error.errno or 0)
    hint = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "; free some space or choose another place"
    return f"cannot {verb} {str(path)!r}: {reason}{hint}"
