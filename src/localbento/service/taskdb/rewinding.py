"""Doing part of a job again, for objects that were lost; and letting go of what a finished job needs no longer."""

import json
from collections.abc import Iterable

from localbento.service.taskdb.creation import Creation
from localbento.service.taskdb.jobs import no_job
from localbento.service.taskdb.rows import JobState


class Rewinding(Creation):
    """What takes a job back to where something can be made again, and what closes it."""

    def rewind_job(self, job_id: str, task_ids: Iterable[str], *, task_id: str, attempt: int) -> list[str] | None:
        """Forget some tasks of a running job and let `init` run again, which makes them anew.

        Pools that run one of them learn so by their next heartbeat.  Tasks that wait for one of them must be among
        them.
        task_id, attempt: the run that found something lost.  If it has been taken away meanwhile, or the job has
            ended, its word counts for nothing: somebody else may have finished the job, and let its inputs go.
        Returns: digests of objects that nobody refers to any more; None, and nothing has changed, for a stale run.
        Raises: NotFoundError.
        """
        names = json.dumps(list(task_ids))
        with self._write():
            found = self._first("get_job_seq", job=job_id)
            if found is None:
                raise no_job(job_id)
            seq, now = found[0], self._clock.now()
            if JobState(found[1]) is not JobState.RUNNING:
                return None
            if self._first("find_run", job_seq=seq, task=task_id, attempt=attempt) is None:
                return None
            self._run("note_lost_leases_of_tasks", job_seq=seq, tasks=names)
            self._run("delete_deps_of_tasks", job_seq=seq, tasks=names)
            digests = {row[0] for row in self._run("delete_refs_of_tasks", job_seq=seq, tasks=names)}
            self._run("delete_tasks", job_seq=seq, tasks=names)
            self._run("rerun_init", job_seq=seq, now=now)
            return self._unreferenced(digests)

    def is_current_run(self, job_id: str, task_id: str, attempt: int) -> bool:
        """Whether a task still runs as this attempt: neither taken away, nor forgotten, nor its job deleted."""
        found = self._first("get_job_seq", job=job_id)
        return found is not None and bool(self._run("find_run", job_seq=found[0], task=task_id, attempt=attempt))

    def settle_job(self, job_id: str, keep: Iterable[str]) -> list[str]:
        """A job that is done lets go of all its inputs, and of what its tasks made, those in `keep` excepted.

        A job in any other state is left alone: somebody may have set it going again.  That it is done is on the disk
        before this returns: otherwise a power cut could leave it undone, and what it is made of removed.
        Returns: digests that nobody refers to any more.
        """
        self._run("use_full_sync")
        try:
            with self._write():
                rows = self._run("settle_refs", job=job_id, keep=json.dumps(list(keep)))
                return self._unreferenced(row[0] for row in rows)
        finally:
            self._run("use_normal_sync")

    def unsettled_jobs(self, keep: Iterable[str]) -> list[str]:
        """Jobs that are done and hold on to more than `settle_job` leaves them: their process was killed then."""
        return [row[0] for row in self._run("unsettled_jobs", keep=json.dumps(list(keep)))]
