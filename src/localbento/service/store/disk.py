"""Reading, listing and removing files, for the object store."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from localbento.errors import HostError
from localbento.service.files import refused

CHUNK_BYTES: Final = 1 << 20


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
