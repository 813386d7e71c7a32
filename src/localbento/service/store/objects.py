"""Content-addressed objects: a file for each, named by the SHA-256 of its bytes.

    root/ab/<64 hex>   an object, readable by its owner only, never changed once it has its name
    root/tmp/          what is being written
    root/lock          held by whoever renews (shared) or removes (alone) objects

Many processes use one store.  An object is whole under its name or absent: it is written under a temporary name,
synced, renamed, and the folder is synced.  Bytes are checked against the name whenever they are read.

**Removing.** An object is new to the database for a moment: its bytes are stored before a row refers to them.
`collect` therefore spares what is younger than a grace period, and storing the same bytes again makes an object
young again.  Renewal and removal exclude each other by a lock, so that nothing is removed that was just renewed.
"""

import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from localbento.errors import HostError
from localbento.service.files import refused
from localbento.service.store.disk import chunks, hold, listed, measure, readable_chunks, regular, remove, sync_folder

BATCH: Final = 200
"""Objects that are looked at under one hold of the lock: enough for one query, few enough to keep writers moving."""
ATTEMPTS: Final = 3
DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
TEMPORARY: Final = "tmp"
LOCK: Final = "lock"


class ObjectMissing(HostError):  # noqa: N818 - says what happened
    """No object of that name."""

    def __init__(self, digest: str, path: Path) -> None:
        super().__init__(
            f"object {digest} is missing: expected the file {str(path)!r}, found none; "
            "make it again with 'bento jobs retry JOB' or 'bento prove --fresh'"
        )
        self.digest = digest


class ObjectDamaged(HostError):  # noqa: N818
    """The bytes are not those that the name promises."""

    def __init__(self, digest: str, path: Path, found: str) -> None:
        super().__init__(
            f"object {digest} is damaged: the file {str(path)!r} holds {found}; "
            "check the disk, then make it again with 'bento jobs retry JOB' or 'bento prove --fresh'"
        )
        self.digest = digest


class Stored(NamedTuple):
    """The name and length of what was stored."""

    digest: str
    size: int


class StoredObject(NamedTuple):
    """An object as the folder shows it; `mtime` is the wall clock's second of its last storing."""

    digest: str
    size: int
    mtime: float


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, or would be: objects, and leftovers of writers that were killed."""

    count: int = 0
    bytes: int = 0
    leftovers: int = 0
    leftover_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What lies in the store."""

    count: int
    bytes: int
    temporary_count: int
    temporary_bytes: int


class ObjectStore:
    """The objects below one folder.  Nothing is created before the first `put`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # Writing

    def put(self, data: bytes | bytearray | memoryview) -> Stored:
        """Store bytes.  If they are stored already, and undamaged, they become young again and are not rewritten.

        Raises: HostError if the disk is full, read-only or otherwise refuses; nothing is left behind.
        """
        return self._put(lambda: iter((memoryview(data).cast("B"),)), self.root)

    def put_file(self, path: Path) -> Stored:
        """Store the bytes of a file, without holding them all in memory.

        Raises: HostError if the file cannot be read or changes meanwhile, or as `put`.
        """
        return self._put(lambda: readable_chunks(path), path)

    def renew(self, digest: str) -> bool:
        """Make an object young again; False if there is none.

        Whoever is about to refer to an object that it did not store itself renews it first: then no `collect`
        removes it before the reference is recorded.
        """
        path = self._path(digest)
        if not path.exists():
            return False
        try:
            with self._lock(fcntl.LOCK_SH):
                os.utime(path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise HostError(refused("renew", path, error)) from error
        return True

    # Reading

    def get(self, digest: str) -> bytes:
        """The bytes of an object, checked.

        Raises: ObjectMissing, ObjectDamaged; HostError if the file cannot be read.
        """
        path = self._path(digest)
        data = b"".join(self._read(digest))
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise ObjectDamaged(digest, path, f"{len(data)} bytes whose SHA-256 is {found}")
        return data

    def check(self, digest: str) -> int:
        """Read and check an object without keeping it; its length.

        Raises: as `get`.
        """
        found, size = measure(self._read(digest))
        if found != digest:
            raise ObjectDamaged(digest, self._path(digest), f"{size} bytes whose SHA-256 is {found}")
        return size

    def exists(self, digest: str) -> bool:
        """Whether there is such an object; its bytes are not looked at."""
        return self._path(digest).is_file()

    def size(self, digest: str) -> int:
        """The length of an object; its bytes are not looked at.

        Raises: ObjectMissing.
        """
        path = self._path(digest)
        try:
            return path.stat().st_size
        except FileNotFoundError as error:
            raise ObjectMissing(digest, path) from error
        except OSError as error:
            raise HostError(refused("look at", path, error)) from error

    # All of them

    def all_objects(self) -> Iterator[StoredObject]:
        """Every object, in no order that means anything.  Files that are no objects are passed over."""
        for folder in listed(self.root):
            if not re.fullmatch(r"[0-9a-f]{2}", folder.name) or not folder.is_dir(follow_symlinks=False):
                continue
            for entry in listed(Path(folder.path)):
                if DIGEST.fullmatch(entry.name) and entry.name.startswith(folder.name):
                    status = regular(entry)
                    if status is not None:
                        yield StoredObject(entry.name, status.st_size, status.st_mtime)

    def usage(self) -> Usage:
        """Count and bytes of all objects, and of what is being written."""
        count = size = 0
        for found in self.all_objects():
            count, size = count + 1, size + found.size
        temporary = [status.st_size for _, status in self._temporaries()]
        return Usage(count, size, len(temporary), sum(temporary))

    # Removing

    def delete(self, digest: str) -> bool:
        """Remove an object, whoever refers to it: for what is damaged and will be made again.  False if there is none.

        To remove what nothing needs any longer use `collect`.
        """
        path = self._path(digest)
        if not path.exists():
            return False
        try:
            with self._lock(fcntl.LOCK_EX):
                path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise HostError(refused("delete", path, error)) from error
        return True

    def collect(
        self,
        referenced: Callable[[list[str]], Collection[str]],
        grace_seconds: float,
        *,
        only: Iterable[str] | None = None,
        dry_run: bool = False,
    ) -> Collected:
        """Remove objects that nothing refers to, and temporary files, if older than `grace_seconds`.

        Args:
            referenced: which of the given digests are referred to; asked while nothing can be renewed.
            grace_seconds: how long an object may be stored before a reference to it is recorded.
            only: look at these objects alone, and at no temporary files.
            dry_run: count only.

        Raises: HostError if the folder refuses; what was removed until then stays removed.
        """
        if not self.root.is_dir():
            return Collected()
        objects = self.all_objects() if only is None else self._named(only)
        count = size = 0
        old = (found for found in objects if self._is_old(found, grace_seconds, dry_run))
        while batch := tuple(islice(old, BATCH)):
            removed = self._collect_batch(batch, referenced, grace_seconds, dry_run)
            count, size = count + len(removed), size + sum(removed)
        if only is not None:
            return Collected(count, size)
        leftovers = []
        for path, status in self._temporaries():
            if time.time() - status.st_mtime >= grace_seconds:
                leftovers.append(status.st_size)
                if not dry_run:
                    remove(path)
        return Collected(count, size, len(leftovers), sum(leftovers))

    # Below

    def _path(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            msg = f"expected the 64 lower-case hex digits of an object's SHA-256, found {digest!r:.80}"
            raise ValueError(msg)
        return self.root / digest[:2] / digest

    def _put(self, source: Callable[[], Iterator[bytes | memoryview]], origin: Path) -> Stored:
        digest, size = measure(source())
        path = self._path(digest)
        try:
            if self.renew(digest) and self._is_intact(digest):
                sync_folder(path.parent)  # whoever stored it may not have come so far
                return Stored(digest, size)
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._make_folders(path)
                    self._write(path, source(), origin)
                except FileNotFoundError:  # the temporary file is gone: the machine slept past the grace period
                    if attempt == ATTEMPTS:
                        raise
                else:
                    break
        except OSError as error:
            raise HostError(refused("write", path, error)) from error
        return Stored(digest, size)

    def _write(self, path: Path, parts: Iterator[bytes | memoryview], origin: Path) -> None:
        temporary = self.root / TEMPORARY / f"{os.getpid()}-{secrets.token_hex(8)}"
        written = hashlib.sha256()
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for part in parts:
                    written.update(part)
                    file.write(part)
                file.flush()
                os.fchmod(file.fileno(), 0o400)
                os.fsync(file.fileno())
            _require_unchanged(written.hexdigest(), path.name, origin)
            with self._lock(fcntl.LOCK_SH):
                os.utime(temporary)  # young from now on, however long writing took
                temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise

    def _make_folders(self, path: Path) -> None:
        for folder in (self.root, self.root / TEMPORARY, path.parent):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_folder(folder.parent)

    def _lock(self, how: int) -> AbstractContextManager[None]:
        """Hold the store's lock: shared to renew, alone to remove."""
        return hold(self.root / LOCK, how)

    def _read(self, digest: str) -> Iterator[bytes]:
        path = self._path(digest)
        try:
            yield from chunks(path)
        except FileNotFoundError as error:
            raise ObjectMissing(digest, path) from error
        except IsADirectoryError as error:
            raise ObjectDamaged(digest, path, "a folder") from error
        except OSError as error:
            raise HostError(refused("read", path, error)) from error

    def _is_intact(self, digest: str) -> bool:
        try:
            self.check(digest)
        except HostError:
            return False
        return True

    def _named(self, digests: Iterable[str]) -> Iterator[StoredObject]:
        for digest in digests:
            with suppress(FileNotFoundError):
                status = self._path(digest).lstat()
                if stat.S_ISREG(status.st_mode):
                    yield StoredObject(digest, status.st_size, status.st_mtime)

    def _temporaries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for entry in listed(self.root / TEMPORARY):
            status = regular(entry)
            if status is not None:
                yield Path(entry.path), status

    def _is_old(self, found: StoredObject, grace_seconds: float, dry_run: bool) -> bool:
        age = time.time() - found.mtime
        if age < -1 and not dry_run:  # stored before the clock was set back: it would stay young for ever
            self.renew(found.digest)
        return age >= grace_seconds

    def _collect_batch(
        self,
        batch: tuple[StoredObject, ...],
        referenced: Callable[[list[str]], Collection[str]],
        grace_seconds: float,
        dry_run: bool,
    ) -> list[int]:
        """Remove what is old and not referenced, now that nobody can renew it; the lengths."""
        removed = []
        with nullcontext() if dry_run else self._lock(fcntl.LOCK_EX):
            keep = set(referenced([found.digest for found in batch]))
            for found in self._named(o.digest for o in batch if o.digest not in keep):
                if time.time() - found.mtime < grace_seconds:
                    continue
                if not dry_run:
                    remove(self._path(found.digest))
                removed.append(found.size)
        return removed


def _require_unchanged(found: str, expected: str, origin: Path) -> None:
    if found != expected:
        msg = f"{str(origin)!r} changed while it was being stored; try again when it is complete"
        raise HostError(msg)
