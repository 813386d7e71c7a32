"""What a shell offers after TAB: jobs, images, states.  Whatever goes wrong: no candidates, and no noise."""

from typing import Final

MOST: Final = 50
ENCODINGS: Final = ("raw", "words", "frame", "bytes", "string")
"""As `localbento.tasks.inputs` has them, which is too heavy to ask between two keys; a test compares."""


def jobs(incomplete: str) -> list[tuple[str, str]]:
    """Short ids of jobs with their guests, newest first."""
    from localbento.api.jobs import job_ids
    from localbento.api.views import SHORT_ID

    try:
        found = job_ids()
    except Exception:  # a damaged home is no reason to fill somebody's command line with a trace
        return []
    return [(job[: max(SHORT_ID, len(incomplete))], guest) for job, guest in found if job.startswith(incomplete)][:MOST]


def images(incomplete: str) -> list[tuple[str, str]]:
    """Names of images with the beginning of their ids."""
    from localbento.api.store import list_images

    try:
        found = list_images()
    except Exception:  # as above
        return []
    return [(image.name, image.image_id[:16]) for image in found if image.name.startswith(incomplete)][:MOST]


def guests(incomplete: str) -> list[tuple[str, str]]:
    """Images, as long as no file begins so: then the shell's own completion of files is wanted."""
    import os

    try:
        files = os.listdir()  # noqa: PTH208 - the shell's question is about names
    except OSError:
        files = []
    if "/" in incomplete or any(name.startswith(incomplete) for name in files):
        return []
    return images(incomplete)


def states(incomplete: str) -> list[str]:
    """States of jobs."""
    from localbento.api.views import STATES

    return [state for state in STATES if state.startswith(incomplete)]


def encodings(incomplete: str) -> list[str]:
    """Names of input encodings."""
    return [name for name in ENCODINGS if name.startswith(incomplete)]
