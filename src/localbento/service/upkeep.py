"""Looking after the home: what lies there, what can go, and whether all that is needed is whole."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from localbento.errors import HostError
from localbento.service.store.objects import Collected, ObjectDamaged, ObjectMissing, ObjectStore
from localbento.service.taskdb.database import TaskDb
from localbento.service.taskdb.objects import Reference

GRACE_SECONDS: Final = 3600.0
"""How long an object that nothing refers to is kept: whoever stored it may be about to refer to it."""
LEAST_GRACE_SECONDS: Final = 60.0
"""The same while anybody works: less would take objects from under running tasks."""


@dataclass(frozen=True, slots=True)
class Share:
    """Files of one sort."""

    count: int = 0
    bytes: int = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(self.count + other.count, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What the home takes on disk, each file counted once."""

    receipts: Share
    """Proofs of segments and whole receipts."""
    segments: Share
    inputs: Share
    """What jobs were given: programs, stdin, secrets, receipts assumed."""
    images: Share
    """Programs that were added by name."""
    other: Share
    """What else jobs refer to: sessions, guest logs."""
    unreferenced: Share
    """What `collect_garbage` may remove."""
    temporary: Share
    """What is being written, or was when its writer was killed."""
    database: Share
    logs: Share
    free_bytes: int
    """What is left on that disk."""

    @property
    def total(self) -> Share:
        """All of it."""
        shares = (getattr(self, field.name) for field in fields(self))
        return sum((share for share in shares if isinstance(share, Share)), Share())


@dataclass(frozen=True, slots=True)
class Problem:
    """An object that is referred to and not as it should be."""

    digest: str
    text: str
    """One line: what is wrong, and who needs it."""
    job_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check_store` looked at, and found."""

    count: int
    bytes: int
    problems: tuple[Problem, ...]


def collect_garbage(
    db: TaskDb, store: ObjectStore, grace_seconds: float = GRACE_SECONDS, dry_run: bool = False
) -> Collected:
    """Remove objects that nothing refers to, and leftovers of writers that were killed.

    What is younger than `grace_seconds` stays; while any process works on jobs, what is younger than a minute stays
    whatever is asked.

    Raises: HostError if the disk or the database refuses.
    """
    if db.list_pools():
        grace_seconds = max(grace_seconds, LEAST_GRACE_SECONDS)
    return store.collect(db.referenced, grace_seconds, dry_run=dry_run)


def disk_use(db: TaskDb, store: ObjectStore, home: Path) -> DiskUse:
    """What lies in the home, by sort; an object of several sorts counts for the first in the order of `DiskUse`.

    Raises: HostError if the disk or the database refuses.
    """
    sorts: dict[str, set[str]] = {}
    for ref in db.all_refs():
        sorts.setdefault(ref.digest, set()).add(_sort(ref))
    shares = dict.fromkeys(("receipts", "segments", "inputs", "images", "other", "unreferenced"), Share())
    for found in store.all_objects():
        mine = sorts.get(found.digest, {"unreferenced"})
        first = next(name for name in shares if name in mine)
        shares[first] += Share(1, found.size)
    usage = store.usage()
    return DiskUse(
        **shares,
        temporary=Share(usage.temporary_count, usage.temporary_bytes),
        database=_files(home.glob("taskdb.sqlite*")),
        logs=_files(home.glob("logs/*")),
        free_bytes=shutil.disk_usage(home).free,
    )


def check_store(db: TaskDb, store: ObjectStore) -> Checked:
    """Read every object that is referred to, and hold it against its name.

    Raises: HostError if the database refuses; what is wrong with objects is in the result.
    """
    refs: dict[str, list[Reference]] = {}
    for ref in db.all_refs():
        refs.setdefault(ref.digest, []).append(ref)
    size, problems = 0, []
    for digest in sorted(refs):
        try:
            size += store.check(digest)
        except (ObjectMissing, ObjectDamaged, HostError) as error:
            if not db.referenced([digest]):
                continue  # it was let go of, and removed, while we looked
            jobs = tuple(dict.fromkeys(ref.job_id for ref in refs[digest] if ref.job_id is not None))
            problems.append(Problem(digest, f"{error} (needed by {_needed_by(refs[digest])})", jobs))
    return Checked(len(refs), size, tuple(problems))


def _sort(ref: Reference) -> str:
    if ref.job_id is None:
        return "images"
    match ref.role.partition(".")[0]:
        case "receipt":
            return "receipts"
        case "segment":
            return "segments"
        case "program" | "stdin" | "secret" | "assumption":
            return "inputs"
        case _:
            return "other"


def _needed_by(refs: list[Reference]) -> str:
    first, others = refs[0], len(refs) - 1
    if first.job_id is None:
        text = f"image {first.task_id!r}"
    else:
        task = "" if first.task_id is None else f", task {first.task_id}"
        text = f"job {first.job_id[:8]}{task}, as {first.role}"
    return f"{text}, and {others} more" if others else text


def _files(paths: Iterable[Path]) -> Share:
    total = Share()
    for path in paths:
        try:
            if path.is_file():
                total += Share(1, path.stat().st_size)
        except FileNotFoundError:
            continue  # it is gone: a log of a deleted job, the database's journal
    return total
