"""Doing part of a job again: for objects that were lost after their tasks were done."""

import json
from collections.abc import Iterable

from localbento.service.taskdb.creation import Creation
from localbento.service.taskdb.jobs import no_job
from localbento.service.taskdb.rows import JobState


class Rewinding(Creation):
    """What takes a job back to where something can be made again."""

    def rewind_job(self, job_id: str, task_ids: Iterable[str]) -> list[str]:
        """Forget some tasks of a job and let `init` run again, which makes them anew; the job runs.

        Pools that run one of them learn so by their next heartbeat.  Tasks that wait for one of them must be among
        them.
        Returns: digests of objects that nobody refers to any more.
        Raises: NotFoundError.
        """
        names = json.dumps(list(task_ids))
        with self._write():
            found = self._first("get_job_seq", job=job_id)
            if found is None:
                raise no_job(job_id)
            seq, now = found[0], self._clock.now()
            self._run("note_lost_leases_of_tasks", job_seq=seq, tasks=names)
            self._run("delete_deps_of_tasks", job_seq=seq, tasks=names)
            digests = {row[0] for row in self._run("delete_refs_of_tasks", job_seq=seq, tasks=names)}
            self._run("delete_tasks", job_seq=seq, tasks=names)
            self._run("rerun_init", job_seq=seq, now=now)
            if JobState(found[1]) is not JobState.RUNNING:
                self._run("reopen_job", job_seq=seq)
            return self._unreferenced(digests)
