"""Files that the caller names: read within a limit, written whole or, if they are no plain files, straight into."""

import os
from pathlib import Path
from typing import BinaryIO, Final

from localbento.errors import HostError, UsageError

MAX_FILE_BYTES: Final = 1 << 31
"""More than a guest's memory takes; `/dev/zero` and a wrong path end here instead of at the end of memory."""
_PIECE: Final = 1 << 20


def read_file(path: Path, what: str, limit: int = MAX_FILE_BYTES) -> bytes:
    """All bytes of a file, a pipe or a device.

    Raises: UsageError if it cannot be read or has more than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            # A device says 0: what it holds shows only as it is read.
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                msg = f"{what}: expected at most {limit} bytes, found {size} in {str(path)!r}"
                raise UsageError(msg)
            return read_stream(file, what, limit)
    except OSError as error:
        msg = f"{what}: cannot read {str(path)!r}: {error.strerror}"
        raise UsageError(msg) from error


def read_stream(stream: BinaryIO, what: str, limit: int = MAX_FILE_BYTES) -> bytes:
    """All bytes that are left of a stream.

    Raises: UsageError if there are more than `limit`; no more than that were kept until then.
    """
    data = bytearray()
    while piece := stream.read(_PIECE):
        data += piece
        if len(data) > limit:
            msg = f"{what}: expected at most {limit} bytes, found more"
            raise UsageError(msg)
    return bytes(data)


def write_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all.

    A link is followed.  Devices and pipes are written to as they are: a new file in place of `/dev/null` would take
    it from the whole machine.

    Raises: HostError if the file system refuses.
    """
    from localbento.service.files import refused, write_whole

    try:
        if _is_plain(path):
            write_whole(path.resolve(), data)
            return
        # Opened as it stands: no O_CREAT, no O_TRUNC.
        with os.fdopen(os.open(path, os.O_WRONLY), "wb") as file:
            file.write(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise HostError(refused("write", path, error)) from error


def check_writable(path: Path, option: str = "--output") -> None:
    """Refuse a place that cannot be written to before an hour of work is lost on it.

    Raises: UsageError.
    """
    if not _is_plain(path) and not path.is_dir():
        fits = os.access(path, os.W_OK)
    else:
        folder = path.resolve().parent if path.is_symlink() else path.parent
        # A folder that was removed is still one to whoever is in it, but there is no way to it any more.
        if not folder.is_dir() or not _reachable(folder):
            msg = f"{option}: no folder {str(folder)!r}"
            raise UsageError(msg)
        fits = not path.is_dir() and os.access(folder, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
    if not fits:
        msg = f"{option}: cannot write {str(path)!r}"
        raise UsageError(msg)


def _reachable(folder: Path) -> bool:
    try:
        return folder.resolve().is_dir()
    except OSError:
        return False


def _is_plain(path: Path) -> bool:
    """Whether this is a file as any other, or may become one."""
    return path.is_file() or not path.exists()
