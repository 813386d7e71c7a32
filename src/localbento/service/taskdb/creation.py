"""Making tasks, and the references to objects that come with them."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from localbento.errors import UsageError
from localbento.service.taskdb.connection import Connected
from localbento.service.taskdb.errors import ConflictError, NotFoundError
from localbento.service.taskdb.rows import Json, TaskState, dump

Refs = Mapping[str, tuple[str, int]]
"""Role to (digest, size)."""


class Creation(Connected):
    """Making tasks."""

    def create_task(
        self,
        job_id: str,
        task_id: str,
        stream: str,
        definition: Json,
        prerequisites: Sequence[str | int] = (),
        max_retries: int = 0,
        timeout: float = 10.0,
        *,
        inputs: Refs | None = None,
        private: Iterable[str] = (),
        cores: int = 1,
        memory_bytes: int = 0,
    ) -> TaskState:
        """Add a task to a job: ready when all prerequisites (tasks of the job, by name) are done, else pending.

        A task that is added to a failed or cancelled job is cancelled, until the job is resumed.
        inputs: role to (digest, size), those in `private` readable by their owner only.
        Returns: its state.
        Raises: ConflictError when the job has a task of that name; NotFoundError for an unknown job, stream or
            prerequisite; UsageError for prerequisites that are not names.  Nothing is left then.
        """
        with self._write():
            return self._insert_task(
                job_id,
                task_id,
                stream,
                definition,
                prerequisites,
                max_retries,
                timeout,
                inputs,
                set(private),
                cores,
                memory_bytes,
            )

    def ensure_task(
        self,
        job_id: str,
        task_id: str,
        stream: str,
        definition: Json,
        prerequisites: Sequence[str | int] = (),
        max_retries: int = 0,
        timeout: float = 10.0,
        *,
        inputs: Refs | None = None,
        private: Iterable[str] = (),
        cores: int = 1,
        memory_bytes: int = 0,
    ) -> TaskState:
        """`create_task`, but a task of the same name, definition and prerequisites is left as it is.

        Returns: its state.
        Raises: ConflictError when the task of that name is another one; else as create_task.
        """
        wanted = (dump(definition), _names(prerequisites))
        with self._write():
            found = self._first("find_task", job=job_id, task=task_id)
            if found is None:
                return self._insert_task(
                    job_id,
                    task_id,
                    stream,
                    definition,
                    prerequisites,
                    max_retries,
                    timeout,
                    inputs,
                    set(private),
                    cores,
                    memory_bytes,
                )
        there = (found[1], _names(json.loads(found[2])))
        if there != wanted:
            msg = (
                f"task {task_id!r} of job {job_id}: expected definition {wanted[0]} after {wanted[1]}, "
                f"found {there[0]} after {there[1]}; this job was made by another version: start it again with --fresh"
            )
            raise ConflictError(msg)
        return TaskState(found[0])

    def _insert_task(
        self,
        job_id: str,
        task_id: str,
        stream: str,
        definition: Json,
        prerequisites: Sequence[str | int],
        max_retries: int,
        timeout: float,
        inputs: Refs | None,
        private: set[str],
        cores: int,
        memory_bytes: int,
    ) -> TaskState:
        """Inside a write transaction: the task, what it waits for, and its inputs."""
        names = _names(prerequisites)
        if self._options.dedupe_prerequisites:
            names = list(dict.fromkeys(names))
        try:
            seq, job_seq = self._run(
                "insert_task",
                job=job_id,
                task=task_id,
                stream=stream,
                task_def=dump(definition),
                prerequisites=json.dumps(list(prerequisites)),
                state=TaskState.PENDING,
                now=self._clock.now(),
                max_retries=max_retries,
                timeout=max(1.0, timeout) if self._options.minimum_timeout else timeout,
                cores=cores,
                memory_bytes=memory_bytes,
            )[0]
        except sqlite3.IntegrityError as error:
            raise self._why_not(job_id, task_id, stream, cores, memory_bytes) from error
        for name in names:
            try:
                self._run("insert_dep", job_seq=job_seq, prerequisite=str(name), seq=seq)
            except sqlite3.IntegrityError as error:
                msg = f"task {task_id!r}: prerequisite {name!r} not found in job {job_id}"
                raise NotFoundError(msg) from error
        self._put_refs(job_seq, seq, inputs or {}, private, is_output=False)
        return TaskState(self._run("start_waiting", seq=seq, skip=self._options.skip_failed_jobs)[0][0])

    def _why_not(self, job_id: str, task_id: str, stream: str, cores: int, memory_bytes: int) -> UsageError:
        if self._first("get_job_seq", job=job_id) is None:
            return NotFoundError(f"job {job_id!r}: not found")
        if self._first("get_stream_row", id=stream) is None:
            return NotFoundError(f"stream {stream!r}: not found")
        if cores < 0 or memory_bytes < 0:
            return UsageError(f"task {task_id!r}: expected resources of 0 or more, found {cores}, {memory_bytes}")
        return ConflictError(f"task {task_id!r}: job {job_id} has one already")

    def _put_refs(self, job_seq: int, task_seq: int | None, refs: Refs, private: set[str], *, is_output: bool) -> None:
        """Inside a write transaction: references of a task, or of the job as a whole."""
        for role, (digest, size) in refs.items():
            self._run(
                "put_ref",
                digest=digest,
                size=size,
                job_seq=job_seq,
                task_seq=task_seq,
                is_output=is_output,
                role=role,
                private=role in private,
            )

    def _unreferenced(self, digests: Iterable[str]) -> list[str]:
        """Those that nobody refers to, sorted."""
        asked = set(digests)
        needed = self._run("referenced", digests=json.dumps(sorted(asked))) if asked else []
        return sorted(asked - {row[0] for row in needed})


def _names(prerequisites: Sequence[str | int]) -> list[str]:
    """Names of tasks; a number means the task of that name.

    Raises: UsageError for anything else: JSON's true has different texts in different databases.
    """
    given: object = prerequisites  # may come from a file
    is_list = isinstance(given, list | tuple)
    if not is_list or any(isinstance(p, bool) or not isinstance(p, str | int) for p in prerequisites):
        msg = f"prerequisites: expected a list of names or numbers, found {prerequisites!r}"
        raise UsageError(msg)
    return [str(p) for p in prerequisites]
