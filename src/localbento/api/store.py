"""What the home keeps beside jobs: images by name, objects; and whether all of it is sound."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
    with opened(home) as place:
        if place is None:
            return "none yet", []
        usage = place.store.usage()
        wrong = list(_wrong(place))
        text = f"{usage.count} objects, {usage.bytes} bytes"
        if wrong:
            more = [f"and {len(wrong) - MOST_NAMED} more"] if len(wrong) > MOST_NAMED else []
            return f"{text}; {len(wrong)} wrong", [*wrong[:MOST_NAMED], *more]
        return f"{text}, all sound", []


def _wrong(place: "Home") -> Iterator[str]:
    """Every object is read: a disk that forgot something should be noticed before a proof needs it."""
    for found in place.store.all_objects():
        try:
            place.store.check(found.digest)
        except HostError as error:
            yield str(error)
    for job in place.db.list_jobs():
        for task in place.db.get_tasks(job.id):
            for outputs in (False, True):
                for role, ref in place.db.task_refs(job.id, task.task_id, outputs=outputs).items():
                    if not place.store.exists(ref.digest):
                        yield f"job {job.id[:8]}, task {task.task_id}: {role} is gone ({ref.digest[:16]}…)"
