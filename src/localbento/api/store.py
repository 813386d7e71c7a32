"""What the home keeps beside jobs: images by name, objects; and whether all of it is sound."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localbento.api.jobs import opened
from localbento.api.views import ImageView
from localbento.errors import HostError, UsageError

if TYPE_CHECKING:
    from localbento.service.home import Home
    from localbento.service.taskdb.rows import ImageRow

MOST_NAMED: Final = 3
SHORTEST_ID: Final = 8
"""Fewer hex digits than this are rather a word."""


def add_image(program: bytes, name: str, *, home: Path | None = None) -> ImageView:
    """Keep a guest in the store, by its image ID and a name.  Another guest of that name keeps it, too.

    Raises: UsageError if it is no guest or the name is empty or taken by another guest; HostError.
    """
    from localbento.riscv.elf import load_guest
    from localbento.service.home import Home, home_path

    if not name.strip() or "/" in name or not name.isprintable():
        msg = f"--name: expected printable characters and no slash, found {name!r}"
        raise UsageError(msg)
    image_id = load_guest(program).image.image_id().hex()
    with Home(home or home_path()) as place:
        same = [image for image in place.db.list_images() if image.name == name and image.image_id != image_id]
        if same:
            msg = f"--name: {name!r} is the name of image {same[0].image_id[:16]}; choose another"
            raise UsageError(msg)
        stored = place.store.put(program)
        place.db.add_image(image_id, stored.digest, stored.size, name)
        place.store.put(program)  # a collection may have come between the two
        return next(_view(row) for row in place.db.list_images() if row.image_id == image_id)


def list_images(*, home: Path | None = None) -> list[ImageView]:
    """Guests that were added, oldest first.

    Raises: HostError.
    """
    with opened(home) as place:
        return [] if place is None else [_view(row) for row in place.db.list_images()]


def load_image(text: str, *, home: Path | None = None) -> bytes | None:
    """The program of an image of this name, or whose id starts so; None if there is none.

    Raises: UsageError if there are several; HostError if its object is damaged.
    """
    with opened(home) as place:
        if place is None or not any(_means(row, text) for row in place.db.list_images()):
            return None
        return place.store.get(place.db.get_image(text).digest)


def _means(row: "ImageRow", text: str) -> bool:
    return row.name == text or (len(text) >= SHORTEST_ID and row.image_id.startswith(text.lower()))


def _view(row: "ImageRow") -> ImageView:
    return ImageView(row.image_id, row.name, row.size, row.added_at)


def check_database(home: Path) -> str:
    """What is said of a sound task database.

    Raises: HostError if it cannot be opened, is damaged, or of a newer version.
    """
    with opened(home) as place:
        if place is None:
            return "none yet"
        wrong = place.db.check()
        if wrong:
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            msg = f"task database: expected a sound one, found: {wrong[0]}{more}"
            raise HostError(msg)
        return f"sound, {len(place.db.list_jobs())} jobs"


def check_store(home: Path) -> tuple[str, list[str]]:
    """What is said of the store, and what is wrong with it: objects that are needed and missing or damaged.

    Raises: HostError if it cannot be read.
    """
    from localbento.service.upkeep import check_store as check

    with opened(home) as place:
        if place is None:
            return "none yet", []
        found = check(place.db, place.store)
    text = f"{found.count} objects that are needed, {found.bytes} bytes"
    if not found.problems:
        return f"{text}, all sound", []
    named = [problem.text for problem in found.problems[:MOST_NAMED]]
    more = len(found.problems) - MOST_NAMED
    return f"{text}, {len(found.problems)} wrong", named + ([f"and {more} more"] if more > 0 else [])


@dataclass(frozen=True, slots=True)
class Collection:
    """What `gc` removed, or would remove."""

    dry_run: bool
    objects: int
    bytes: int
    leftovers: int
    leftover_bytes: int

    def to_json(self) -> dict[str, Any]:
        """The fields of `bento gc --json`."""
        return asdict(self)


def collect_garbage(*, dry_run: bool = False, everything: bool = False, home: Path | None = None) -> Collection:
    """Remove objects that nothing refers to, leftovers of killed writers, and logs of jobs that are gone.

    With `everything` also what is younger than an hour; while any process works, a minute stays in any case.

    Raises: HostError.
    """
    from localbento.service.home import is_alive
    from localbento.service.jobs import settle_all
    from localbento.service.upkeep import GRACE_SECONDS
    from localbento.service.upkeep import collect_garbage as collect

    with opened(home) as place:
        if place is None:
            return Collection(dry_run, 0, 0, 0, 0)
        if not dry_run:
            # A parent that was killed would keep young garbage from going for as long as nobody else comes by, and
            # a job that it had just finished from letting go of its secret.
            place.db.reap(is_alive)
            settle_all(place)
        found = collect(place.db, place.store, 0.0 if everything else GRACE_SECONDS, dry_run)
        logs = list(_orphaned_logs(place))
        size = sum(path.stat().st_size for path in logs)
        for path in () if dry_run else logs:
            path.unlink(missing_ok=True)
        return Collection(dry_run, found.count, found.bytes, found.leftovers + len(logs), found.leftover_bytes + size)


def _orphaned_logs(place: "Home") -> Iterator[Path]:
    known = {job.id for job in place.db.list_jobs()}
    folder = place.root / "logs"
    yield from (path for path in folder.glob("*.log") if path.stem not in known)


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What the home takes on disk: count and bytes by sort."""

    home: Path
    sorts: Mapping[str, tuple[int, int]]
    total: tuple[int, int]
    free_bytes: int

    def to_json(self) -> dict[str, Any]:
        """The fields of `bento df --json`."""
        return {
            "home": str(self.home),
            "sorts": {name: {"count": count, "bytes": size} for name, (count, size) in self.sorts.items()},
            "total": {"count": self.total[0], "bytes": self.total[1]},
            "free_bytes": self.free_bytes,
        }


def disk_use(*, home: Path | None = None) -> DiskUse:
    """What lies in the home, by sort; an object of several sorts counts once.

    Raises: HostError.
    """
    from localbento.service.home import home_path
    from localbento.service.upkeep import Share
    from localbento.service.upkeep import disk_use as measure

    root = home or home_path()
    with opened(home) as place:
        if place is None:
            existing = next(path for path in (root, *root.parents) if path.exists())
            return DiskUse(root, {}, (0, 0), shutil.disk_usage(existing).free)
        found = measure(place.db, place.store, place.root)
    shares = {field.name: getattr(found, field.name) for field in fields(found)}
    sorts = {name: (share.count, share.bytes) for name, share in shares.items() if isinstance(share, Share)}
    return DiskUse(root, sorts, (found.total.count, found.total.bytes), found.free_bytes)
