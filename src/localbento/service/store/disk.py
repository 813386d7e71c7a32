"""Reading, listing, locking and removing files, for the object store."""

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from localbento.errors import HostError
from localbento.service.files import refused

CHUNK_BYTES: Final = 1 << 20
LOCK_SECONDS: Final = 30.0
"""The lock is held for milliseconds; who waits longer waits for a process that was stopped while it held it."""
LOCK_NAP: Final = 0.002


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, piece by piece."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def readable_chunks(path: Path) -> Iterator[bytes]:
    """The chunks of a file that a caller names.

    Raises: HostError if it cannot be read.
    """
    try:
        yield from chunks(path)
    except OSError as error:
        raise HostError(refused("read", path, error)) from error


def measure(parts: Iterable[bytes | memoryview]) -> tuple[str, int]:
    """SHA-256 in hex, and length."""
    digest, size = hashlib.sha256(), 0
    for chunk in parts:
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def listed(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing if there is none.

    Raises: HostError if it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise HostError(refused("list", folder, error)) from error


def regular(entry: os.DirEntry[str]) -> os.stat_result | None:
    """The status of a regular file; None for anything else, and for what is gone."""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def remove(path: Path) -> None:
    """Remove a file; harmless if it is gone.

    Raises: HostError if the folder refuses.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise HostError(refused("delete", path, error)) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def hold(path: Path, how: int) -> Iterator[None]:
    """Hold a lock file, LOCK_SH or LOCK_EX of fcntl.  The system lets go of it if a process dies.

    Raises: HostError if it cannot be opened, or others hold it for too long.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(refused("lock", path, error)) from error
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _taken(descriptor, how):
            if time.monotonic() > deadline:
                msg = (
                    f"object store locked by another process for {LOCK_SECONDS:g} s: {str(path)!r}; "
                    "look for a stopped or hanging bento process"
                )
                raise HostError(msg)
            time.sleep(LOCK_NAP)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
