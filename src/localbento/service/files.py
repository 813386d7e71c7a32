"""Files that are whole or absent: written to a temporary name, synced, renamed."""

import errno
import os
from pathlib import Path

from localbento.errors import HostError


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


def refused(verb: str, path: Path, error: OSError) -> str:
    """One line for a file that the system refuses: what was tried, where, why, what to do."""
    reason = os.strerror(error.errno or 0)
    hint = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "; free some space or choose another place"
    return f"cannot {verb} {str(path)!r}: {reason}{hint}"
