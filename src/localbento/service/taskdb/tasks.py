"""Tasks: handing them out, and what is reported about them."""

import json
import time
from collections.abc import Iterable
from typing import Any, Final

from localbento.service.taskdb.creation import Creation, Refs
from localbento.service.taskdb.errors import NotFoundError
from localbento.service.taskdb.rows import ClaimedTask, Json, StuckTask, TaskRow, TaskState, dump, load

RETRIES_USED_UP: Final = "retry max hit"
"""COMPAT: the original's text."""
POLL_SECONDS: Final = 0.02
"""How often a waiting request asks whether somebody has written; the question costs 2 microseconds."""


class Tasks(Creation):
    """What concerns single tasks.

    The original's reports (`update_...`) do not say which run they are about; `task_...` carry the attempt that
    `claim` gave, and change nothing when the task has been taken away meanwhile.
    """

    def claim(
        self,
        pool_id: int | None,
        worker_types: Iterable[str],
        *,
        job_id: str | None = None,
        task_id: str | None = None,
        cores_limit: int | None = None,
        memory_limit: int | None = None,
    ) -> ClaimedTask | None:
        """Hand out one task, now running for the pool; None when there is none (that fits).

        The best stream of the worker types is served (docs/service/taskdb.md), in it the oldest job's oldest task.
        job_id: from this job only.  task_id: no task of another name.  cores_limit, memory_limit: what all running
        tasks of the machine together may have; a task that does not fit beside them is passed over.
        Raises: NotFoundError when the pool is not registered (any more).
        """
        values = {
            "pool": pool_id,
            "worker_types": json.dumps(list(worker_types)),
            "job": job_id,
            "task": task_id,
            "cores_limit": cores_limit,
            "memory_limit": memory_limit,
            "any": job_id is None and task_id is None and cores_limit is None and memory_limit is None,
            "reserved_only": self._options.order == "m9",
            "now": self._clock.now(),
            "tick": self._clock.tick(),
        }
        with self._write():
            if pool_id is not None and self._first("get_pool", pool=pool_id) is None:
                msg = f"pool {pool_id}: not registered (any more); register it again"
                raise NotFoundError(msg)
            found = self._first("claim_task", **values)
        return ClaimedTask.of(found) if found else None

    def lend_cores(self, job_id: str, task_id: str, attempt: int, cores: int, cores_limit: int) -> int:
        """Let this run have up to `cores` cores, as far as `cores_limit` for the whole machine allows.

        They are given back when the run ends, however it ends.
        Returns: how many it has; 0 when the task was taken away from this run.
        """
        with self._write():
            found = self._first(
                "lend_cores", job=job_id, task=task_id, attempt=attempt, cores=cores, cores_limit=cores_limit
            )
        return int(found[0]) if found else 0

    def request_work(self, worker_type: str) -> ClaimedTask | None:
        """Hand out one task to nobody in particular, now running; it comes back by its timeout only."""
        return self.claim(None, (worker_type,))

    def request_work_blocking(self, worker_type: str, timeout: float) -> ClaimedTask | None:
        """`request_work`, waiting up to `timeout` seconds for somebody to make a task ready."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self._run("read_data_version")[0][0]
            if (found := self.request_work(worker_type)) is not None:
                return found
            while self._run("read_data_version")[0][0] == seen:
                if time.monotonic() >= deadline:
                    return None
                time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))

    # What the original knows.

    def update_task_done(self, job_id: str, task_id: str, output: Json) -> bool:
        """A task that is ready or running is done; False (and no change) for any other."""
        return self._finish(job_id, task_id, None, output, {}, None)

    def update_task_failed(self, job_id: str, task_id: str, error: str) -> bool:
        """A task that is not over fails, and its job with it; False (and no change) for any other."""
        with self._write():
            return self._lose_and_fail(job_id, task_id, error)

    def update_task_retry(self, job_id: str, task_id: str) -> bool:
        """A running task is ready again, if its retries allow, else it fails; True if it is ready again."""
        with self._write():
            self._run("note_lost_lease", job=job_id, task=task_id)
            return self._retry(job_id, task_id, None, "") is TaskState.READY

    def update_task_progress(self, job_id: str, task_id: str, progress: float) -> bool:
        """A task that is ready or running has come this far (0 to 1); its timeout starts again."""
        return self._progress(job_id, task_id, None, progress, None)

    def requeue_tasks(self, limit: int) -> int:
        """Put up to `limit` running tasks back that were silent for longer than their timeout, counting a retry.

        Returns: how many were found, those included that have failed by it.
        """
        with self._write():
            found = self._run("timed_out_tasks", tick=self._clock.tick(), limit=limit)
            for job, task, *_ in found:
                self._run("note_lost_lease", job=job, task=task)
                self._retry(job, task, None, "")
        return len(found)

    # Reports that carry the attempt.

    def task_done(
        self,
        job_id: str,
        task_id: str,
        attempt: int,
        output: Json,
        outputs: Refs | None = None,
        *,
        private: Iterable[str] = (),
        job_result: Json = None,
    ) -> bool:
        """This run has finished the task: dependants are released, and the job is done when all its tasks are.

        outputs: name to (digest, size) of the objects it made.  job_result: what the job came to, if it is known now.
        Returns: False, and nothing has changed, when the task was taken away from this run.
        """
        return self._finish(job_id, task_id, attempt, output, outputs or {}, set(private), job_result)

    def task_failed(
        self,
        job_id: str,
        task_id: str,
        attempt: int,
        error_class: str,
        reason: str,
        message: str,
        log_tail: str,
        *,
        retry: bool,
    ) -> bool:
        """This run has failed.  With `retry` the task is ready again as long as its retries last, else it fails.

        A task that fails for good fails its job.  What happened stays with the task.
        Returns: False, and nothing has changed, when the task was taken away from this run.
        """
        why = {"error_class": error_class, "reason": reason, "log_tail": log_tail}
        with self._write():
            if retry:
                return self._retry(job_id, task_id, attempt, message, **why) is not None
            return self._fail(job_id, task_id, attempt, message, **why)

    def task_crashed(self, job_id: str, task_id: str, attempt: int, how: str, *, limit: int | None = None) -> int:
        """The worker of this run has died (not by its own report): the task is ready again, and counts the crash.

        limit: so many crashes fail the task and its job, with the text `how`.
        Returns: crashes so far; 0, and nothing has changed, when the task was taken away from this run.
        """
        with self._write():
            found = self._first(
                "crash_task",
                job=job_id,
                task=task_id,
                attempt=attempt,
                error=how,
                error_class="WorkerCrash",
                now=self._clock.now(),
                skip=self._options.skip_failed_jobs,
            )
            if found is None:
                return 0
            if limit is not None and found[1] >= limit and found[0] == TaskState.READY:
                self._fail(job_id, task_id, None, how, error_class="WorkerCrash")
        return int(found[1])

    def task_progress(self, job_id: str, task_id: str, attempt: int, progress: float, step: str | None = None) -> bool:
        """This run has come this far (0 to 1) and is at this step; its timeout starts again.

        Returns: False, and nothing has changed, when the task was taken away from this run.
        """
        return self._progress(job_id, task_id, attempt, progress, step)

    def task_given_back(self, job_id: str, task_id: str, attempt: int) -> bool:
        """This run was stopped on purpose: the task is ready again, with no retry counted.

        Returns: False, and nothing has changed, when the task was taken away from this run.
        """
        with self._write():
            return bool(
                self._run(
                    "give_back_task",
                    job=job_id,
                    task=task_id,
                    attempt=attempt,
                    now=self._clock.now(),
                    skip=self._options.skip_failed_jobs,
                )
            )

    # Looking.

    def get_task(self, job_id: str, task_id: str) -> TaskRow:
        """A task.

        Raises: NotFoundError.
        """
        found = self._first("get_task_row", job=job_id, task=task_id)
        if found is None:
            raise no_task(job_id, task_id)
        return TaskRow.of(found)

    def task_state(self, job_id: str, task_id: str) -> TaskState:
        """State of a task.

        Raises: NotFoundError.
        """
        found = self._first("get_task_state", job=job_id, task=task_id)
        if found is None:
            raise no_task(job_id, task_id)
        return TaskState(found[0])

    def get_tasks(self, job_id: str, *, states: Iterable[TaskState] | None = None) -> list[TaskRow]:
        """Tasks of a job in the given states (all), in the order of creation."""
        chosen = json.dumps(list(TaskState if states is None else states))
        return [TaskRow.of(row) for row in self._run("list_tasks", job=job_id, states=chosen)]

    def list_dependencies(self, job_id: str) -> list[tuple[str, str, int]]:
        """(prerequisite, task, times listed) of a job."""
        return [(pre, post, times) for pre, post, times in self._run("list_deps", job=job_id)]

    def get_task_output(self, job_id: str, task_id: str) -> Any:
        """Output of a done task, or of `init` of a deleted job whose output was kept.

        Raises: NotFoundError.
        """
        found = self._first("get_task_output", job=job_id, task=task_id)
        if found is None and task_id == "init":
            found = self._first("get_kept_output", job=job_id, now=self._clock.now())
        if found is None:
            raise no_task(job_id, task_id, "a done task")
        return load(found[0])

    def get_task_retries_running(self, job_id: str, task_id: str) -> int | None:
        """Retries of a task while it runs."""
        found = self._first("get_retries_running", job=job_id, task=task_id)
        return found[0] if found else None

    def check_stuck_pending_tasks(self) -> list[StuckTask]:
        """Pending tasks that wait for nothing: none, unless somebody wrote into the tables by hand."""
        return [StuckTask(*row) for row in self._run("stuck_tasks", skip=self._options.skip_failed_jobs)]

    def fix_stuck_pending_tasks(self) -> int:
        """Make those ready; how many there were."""
        with self._write():
            found = self.check_stuck_pending_tasks()
            for task in found:
                self._run("release_stuck_task", job=task.job_id, task=task.task_id, now=self._clock.now())
        return len(found)

    # Inside write transactions.

    def _finish(
        self,
        job_id: str,
        task_id: str,
        attempt: int | None,
        output: Json,
        outputs: Refs,
        private: set[str] | None,
        job_result: Json = None,
    ) -> bool:
        text, now = dump(output), self._clock.now()
        with self._write():
            if attempt is None:
                self._run("note_lost_lease", job=job_id, task=task_id)
            found = self._first("finish_task", job=job_id, task=task_id, attempt=attempt, output=text, now=now)
            if found is None:
                return False
            seq, job_seq = found
            if outputs:
                self._put_refs(job_seq, seq, outputs, private or set(), is_output=True)
            self._run("release_dependants", seq=seq, any_state=not self._options.release_pending_only)
            self._run("finish_job", job_seq=job_seq, now=now)
            if job_result is not None:
                self._run("set_job_result_by_seq", job_seq=job_seq, result=dump(job_result))
        return True

    def _lose_and_fail(self, job_id: str, task_id: str, error: str) -> bool:
        self._run("note_lost_lease", job=job_id, task=task_id)
        return self._fail(job_id, task_id, None, error)

    def _fail(
        self,
        job_id: str,
        task_id: str,
        attempt: int | None,
        error: str,
        *,
        error_class: str | None = None,
        reason: str | None = None,
        log_tail: str | None = None,
    ) -> bool:
        now = self._clock.now()
        found = self._first(
            "fail_task",
            job=job_id,
            task=task_id,
            attempt=attempt,
            error=error,
            error_class=error_class,
            reason=reason,
            log_tail=log_tail,
            now=now,
        )
        if found is None:
            return False
        self._run("fail_job", job_seq=found[1], error=error, now=now)
        if self._options.skip_failed_jobs:
            self._run("cancel_waiting_siblings", job_seq=found[1], now=now)
        return True

    def _retry(
        self,
        job_id: str,
        task_id: str,
        attempt: int | None,
        error: str,
        *,
        error_class: str | None = None,
        reason: str | None = None,
        log_tail: str | None = None,
    ) -> TaskState | None:
        """The state that the task has now; None (and no change) when it does not run."""
        found = self._first(
            "retry_task",
            job=job_id,
            task=task_id,
            attempt=attempt,
            error=error,
            error_class=error_class,
            reason=reason,
            log_tail=log_tail,
            now=self._clock.now(),
            skip=self._options.skip_failed_jobs,
        )
        if found is None:
            return None
        state, retries, most = TaskState(found[0]), found[1], found[2]
        if retries <= most or state is not TaskState.READY:
            return state
        # The cause stays visible: the original says only that retries ran out.
        self._fail(job_id, task_id, None, f"{RETRIES_USED_UP}: {error}" if error else RETRIES_USED_UP)
        return TaskState.FAILED

    def _progress(self, job_id: str, task_id: str, attempt: int | None, progress: float, step: str | None) -> bool:
        with self._write():
            return bool(
                self._run(
                    "report_progress",
                    job=job_id,
                    task=task_id,
                    attempt=attempt,
                    progress=progress,
                    step=step,
                    now=self._clock.now(),
                    tick=self._clock.tick(),
                )
            )


def no_task(job_id: str, task_id: str, what: str = "a task") -> NotFoundError:
    """There is no such task."""
    return NotFoundError(f"task {task_id!r} of job {job_id!r}: expected {what}, found none")
