"""When an object of a running job is lost or damaged: going back to where it can be made again."""

from collections.abc import Callable
from dataclasses import dataclass

from localbento.errors import HostError
from localbento.service.home import Home
from localbento.service.jobs import FINALIZE, INIT
from localbento.service.planning import VERIFY
from localbento.service.store.objects import ObjectDamaged, ObjectMissing


class InputLost(HostError):  # noqa: N818 - says what happened
    """What the user gave is gone, and cannot be made again by us."""

    def __init__(self, role: str, digest: str) -> None:
        super().__init__(
            f"the job's {role} is missing or damaged (object {digest}) and cannot be made again here: "
            "give it once more with the same 'bento prove'"
        )


@dataclass(frozen=True, slots=True)
class Healed:
    """What a job went back to."""

    lost: frozenset[str]
    """Digests; none if somebody else has made everything again meanwhile."""
    tasks: frozenset[str]
    """Tasks that are forgotten, and will be planned anew."""
    unneeded: tuple[str, ...]
    """Digests that nobody refers to any more."""


def heal(home: Home, job_id: str, task_id: str, attempt: int, meanwhile: Callable[[], None]) -> Healed | None:
    """Find everything that a job has lost, and take it back to where that can be made again.

    What is damaged stays where it is: storing the right bytes replaces it.

    Args:
        home: where the job is.
        job_id: the job.
        task_id: the task whose run found that something is lost.
        attempt: that run.
        meanwhile: called between two objects; reading all of them may outlast a lease.

    Returns: None if that run is stale: the task was taken away from it, or the job has ended.
    Raises: InputLost if it is something that the user gave.
    """
    refs = [ref for ref in home.db.all_refs() if ref.job_id == job_id]
    lost = set()
    for digest in dict.fromkeys(ref.digest for ref in refs):
        meanwhile()
        try:
            home.store.check(digest)
        except (ObjectMissing, ObjectDamaged):
            lost.add(digest)
    if not home.db.is_current_run(job_id, task_id, attempt):
        return None
    if not lost:
        home.db.task_given_back(job_id, task_id, attempt)
        return Healed(frozenset(), frozenset(), ())
    for role, digest in home.db.task_inputs(job_id, INIT).items():
        if digest in lost:
            raise InputLost(role.partition(".")[0], digest)
    names = {ref.task_id for ref in refs if ref.digest in lost and ref.task_id is not None} - {INIT}
    # What comes after all of them waits for those that are forgotten.
    names |= {FINALIZE, *(t.task_id for t in home.db.get_tasks(job_id) if t.definition.get("kind") == VERIFY)}
    unneeded = home.db.rewind_job(job_id, names, task_id=task_id, attempt=attempt)
    if unneeded is None:
        return None
    return Healed(frozenset(lost), frozenset(names), tuple(unneeded))
