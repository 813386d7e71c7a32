"""Jobs: making, finding, cancelling, resuming and deleting them."""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from typing import Final

from localbento.errors import UsageError
from localbento.service.taskdb.creation import Creation
from localbento.service.taskdb.errors import ConflictError, NotFoundError
from localbento.service.taskdb.rows import ENDED, JobMeta, JobRow, JobState, Json, TaskState, dump

ALL_STATES: Final = tuple(JobState)
NAMED_CANDIDATES: Final = 6


class Jobs(Creation):
    """What concerns a job as a whole."""

    def create_job(
        self,
        stream: str,
        definition: Json,
        max_retries: int,
        timeout: float,
        user_id: str,
        *,
        job_id: str | None = None,
        key: str | None = None,
        meta: JobMeta | None = None,
        inputs: Mapping[str, tuple[str, int]] | None = None,
        private: Iterable[str] = (),
        cores: int = 1,
        memory_bytes: int = 0,
    ) -> str:
        """Add a running job with its first task `init`, ready at once; the job's id.

        key: what makes the same request the same job; inputs: role to (digest, size) for init, those in `private`
        readable by their owner only.
        Raises: NotFoundError for an unknown stream; ConflictError when the id or the key is taken (nothing is left).
        """
        job, meta = job_id or str(uuid.uuid4()), meta or JobMeta()
        with self._write():
            try:
                self._run(
                    "insert_job",
                    id=job,
                    user_id=user_id,
                    now=self._clock.now(),
                    job_key=key,
                    guest_name=meta.guest_name,
                    image_id=meta.image_id,
                    receipt_kind=meta.receipt_kind,
                    options=dump(meta.options),
                )
            except sqlite3.IntegrityError as error:
                other = self.find_job_by_key(key) if key is not None else None
                msg = f"job key {key!r}: taken by job {other.id}" if other else f"job {job!r}: there is one already"
                raise ConflictError(msg) from error
            self._insert_task(
                job, "init", stream, definition, (), max_retries, timeout, inputs, set(private), cores, memory_bytes
            )
        return job

    def get_job(self, job_id: str) -> JobRow:
        """A job.

        Raises: NotFoundError.
        """
        found = self._first("get_job_row", job=job_id)
        if found is None:
            raise no_job(job_id)
        return JobRow.of(found)

    def find_job_by_key(self, key: str) -> JobRow | None:
        """The one job that holds the key (not deleted, not superseded), in whatever state."""
        found = self._first("find_job_by_key", job_key=key)
        return JobRow.of(found) if found else None

    def list_jobs(self, *, states: Iterable[JobState] | None = None, limit: int | None = None) -> list[JobRow]:
        """Jobs in the given states (all), newest first, at most `limit`."""
        chosen = json.dumps(list(ALL_STATES if states is None else states))
        return [JobRow.of(row) for row in self._run("list_jobs", states=chosen, limit=-1 if limit is None else limit)]

    def resolve_job_id(self, prefix: str) -> str:
        """The id of the only job whose id starts with the prefix.

        Raises: NotFoundError when there is none; UsageError that names candidates when there are several.
        """
        wanted = prefix.strip()
        rows = self._run("jobs_by_prefix", prefix=wanted, limit=NAMED_CANDIDATES + 1) if wanted else []
        found = [row[0] for row in rows]
        if not found and wanted != wanted.lower():
            return self.resolve_job_id(wanted.lower())
        if wanted in found:
            return wanted
        if not found:
            raise no_job(prefix)
        if len(found) > 1:
            names = ", ".join(found[:NAMED_CANDIDATES]) + (", ..." if len(found) > NAMED_CANDIDATES else "")
            msg = f"job {prefix!r}: expected the start of one job id, found several: {names}; give more characters"
            raise UsageError(msg)
        return str(found[0])

    def get_job_state(self, job_id: str, user_id: str) -> JobState:
        """State of a user's job.

        Raises: NotFoundError when there is none, or it belongs to another user.
        """
        found = self._first("get_job_state", job=job_id, user_id=user_id)
        if found is None:
            raise no_job(job_id)
        return JobState(found[0])

    def get_concurrent_jobs(self, user_id: str) -> int:
        """How many jobs of the user run."""
        return int(self._run("count_running_jobs", user_id=user_id)[0][0])

    def get_job_unresolved(self, job_id: str) -> int:
        """How many tasks of the job are not done; failed and cancelled ones count."""
        return int(self._run("count_unresolved", job=job_id)[0][0])

    def get_job_time(self, job_id: str) -> float | None:
        """Wall seconds between the first start and the last report of its tasks; None before both happened."""
        found: float | None = self._run("get_job_time", job=job_id)[0][0]
        return found

    def get_job_failure(self, job_id: str) -> str:
        """Text of a failed task of the job.

        Raises: NotFoundError when no task has failed with a text.
        """
        found = self._first("get_job_failure", job=job_id)
        if found is None:
            msg = f"job {job_id!r}: expected a failed task with a text, found none"
            raise NotFoundError(msg)
        return str(found[0])

    def count_tasks(self, job_id: str, kind: str | None = None) -> dict[TaskState, int]:
        """How many tasks the job has in each state, all or those whose definition has this `kind`; 0 is left out."""
        if kind is None:
            rows = self._run("count_job_tasks", job=job_id)
        else:
            rows = self._run("count_job_tasks_of_kind", job=job_id, kind=kind)
        return {TaskState(state): n for state, n in rows}

    def cycles_done(self, job_id: str) -> int:
        """Sum of the member `cycles` over the definitions of the job's done tasks."""
        return int(self._run("cycles_done", job=job_id)[0][0])

    def cancel_job(self, job_id: str) -> bool:
        """Nothing of the job goes on: unfinished tasks are cancelled, a running job becomes cancelled.

        A failed job stays failed, its tasks that still run are cancelled; a done job is left alone.  Pools that ran
        something of it learn so by their next heartbeat.
        Returns: whether it was running or failed.
        Raises: NotFoundError.
        """
        with self._write():
            seq, state = self._job_seq(job_id)
            if state not in (JobState.RUNNING, JobState.FAILED):
                return False
            now = self._clock.now()
            self._run("note_lost_leases_of_job", job_seq=seq)
            self._run("cancel_tasks", job_seq=seq, now=now)
            self._run("cancel_job", job_seq=seq, now=now)
        return True

    def resume_job(self, job_id: str) -> bool:
        """A failed or cancelled job runs again: its failed and cancelled tasks start anew, done ones stay done.

        Returns: whether it was failed or cancelled.
        Raises: NotFoundError.
        """
        with self._write():
            seq, state = self._job_seq(job_id)
            if state not in (JobState.FAILED, JobState.CANCELLED):
                return False
            self._run("resume_job", job_seq=seq)
            self._run("resume_tasks", job_seq=seq, now=self._clock.now())
            self._run("finish_job", job_seq=seq, now=self._clock.now())
        return True

    def supersede_job(self, job_id: str) -> None:
        """The job gives up its key, so that the same request makes a new one (--fresh).

        Raises: NotFoundError.
        """
        self._change_job("supersede_job", job_id)

    def set_executed_cycles(self, job_id: str, cycles: int) -> None:
        """Keep how many cycles the guest took (so far).

        Raises: NotFoundError.
        """
        self._change_job("set_executed_cycles", job_id, cycles=cycles)

    def set_image_id(self, job_id: str, image_id: str) -> None:
        """Keep which program the job runs, once it was loaded; 64 hex digits.

        Raises: NotFoundError.
        """
        self._change_job("set_image_id", job_id, image_id=image_id)

    def set_job_result(self, job_id: str, result: Json) -> None:
        """Keep what the job came to; `task_done(..., job_result=...)` does it in the transaction that ends the job.

        Raises: NotFoundError.
        """
        self._change_job("set_job_result", job_id, result=dump(result))

    def set_reported(self, job_id: str, *, reported: bool = True) -> None:
        """Mark the job as reported outside.

        Raises: NotFoundError.
        """
        self._change_job("set_reported", job_id, reported=reported)

    def delete_job(self, job_id: str, *, keep_output_seconds: float = 0.0) -> list[str]:
        """Remove a job with its tasks, references and events; an unknown one is fine.

        Pools that ran something of it learn so by their next heartbeat.  The output of a done `init` can still be
        read for `keep_output_seconds` (wall).
        Returns: digests of objects that nobody refers to any more.
        """
        with self._write():
            found = self._first("get_job_seq", job=job_id)
            return self._delete_jobs([found[0]] if found else [], keep_output_seconds)

    def clear_completed_jobs(
        self,
        *,
        states: Iterable[JobState] = ENDED,
        older_than_seconds: float = 0.0,
        keep_output_seconds: float = 0.0,
        drop_streams: bool = False,
    ) -> tuple[int, list[str]]:
        """Delete all jobs in the given states (done, failed, cancelled) that ended so many wall seconds ago.

        drop_streams: also remove streams without tasks (as the original does; one that was just made goes too).
        Returns: how many jobs were deleted, and digests of objects that nobody refers to any more.
        """
        chosen = json.dumps(list(states))
        with self._write():
            rows = self._run("jobs_to_clear", states=chosen, before=self._clock.now() - older_than_seconds)
            freed = self._delete_jobs([row[0] for row in rows], keep_output_seconds)
            if drop_streams:
                self._run("delete_unused_streams")
        return len(rows), freed

    def _delete_jobs(self, numbers: list[int], keep_output_seconds: float) -> list[str]:
        """Inside a write transaction: remove jobs by number."""
        now = self._clock.now()
        self._run("drop_expired_outputs", now=now)
        counters = [] if self._options.delete_adjusts_counters else self._run("save_stream_counters")
        digests: set[str] = set()
        for seq in numbers:
            digests.update(row[0] for row in self._run("digests_of_job", job_seq=seq))
            self._run("note_lost_leases_of_job", job_seq=seq)
            if keep_output_seconds > 0:
                self._run("keep_init_output", job_seq=seq, expires_at=now + keep_output_seconds)
            for name in ("deps", "refs", "events", "tasks", "row"):
                self._run(f"delete_job_{name}", job_seq=seq)
        for seq, ready, running in counters:
            self._run("put_stream_counters", seq=seq, ready=ready, running=running)
        return self._unreferenced(digests)

    def _job_seq(self, job_id: str) -> tuple[int, JobState]:
        found = self._first("get_job_seq", job=job_id)
        if found is None:
            raise no_job(job_id)
        return found[0], JobState(found[1])

    def _change_job(self, name: str, job_id: str, **values: str | int | float | bool | None) -> None:
        with self._write():
            if not self._run(name, job=job_id, **values):
                raise no_job(job_id)


def no_job(job_id: str) -> NotFoundError:
    """There is no such job."""
    return NotFoundError(f"job {job_id!r}: not found; `bento jobs list` shows what there is")
