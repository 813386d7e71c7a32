"""References to objects of the store, and named guest images."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from localbento.errors import UsageError
from localbento.service.taskdb.creation import Creation, Refs
from localbento.service.taskdb.errors import NotFoundError
from localbento.service.taskdb.jobs import no_job
from localbento.service.taskdb.rows import ImageRow, ObjectRef, ObjectUsage
from localbento.service.taskdb.tasks import no_task


class Reference(NamedTuple):
    """Who refers to an object, under which role: a task, a job as a whole, or an image (no job; its name)."""

    digest: str
    size: int
    role: str
    job_id: str | None
    task_id: str | None


class Objects(Creation):
    """Who needs which object; an object's reference count is the number of its rows."""

    def add_refs(
        self, job_id: str, task_id: str | None, refs: Refs, *, private: Iterable[str] = (), outputs: bool = False
    ) -> None:
        """Let a task (None: the job as a whole) refer to objects: role to (digest, size).

        A repeated role refers to the new object.  outputs: as what the task made, not as what it needs.
        Raises: NotFoundError.
        """
        with self._write():
            job_seq, seq = self._numbers(job_id, task_id)
            self._put_refs(job_seq, seq, refs, set(private), is_output=outputs)

    def task_inputs(self, job_id: str, task_id: str) -> dict[str, str]:
        """Role to digest of what a task needs."""
        return {role: ref.digest for role, ref in self.task_refs(job_id, task_id).items()}

    def task_outputs(self, job_id: str, task_id: str) -> dict[str, str]:
        """Name to digest of what a task made."""
        return {role: ref.digest for role, ref in self.task_refs(job_id, task_id, outputs=True).items()}

    def task_refs(self, job_id: str, task_id: str, *, outputs: bool = False) -> dict[str, ObjectRef]:
        """Role to reference: what a task needs, or what it made."""
        rows = self._run("task_refs", job=job_id, task=task_id, is_output=outputs)
        return {role: ObjectRef(digest, size, bool(private)) for role, digest, size, private in rows}

    def job_refs(self, job_id: str) -> dict[str, ObjectRef]:
        """Role to reference of what a job refers to as a whole."""
        rows = self._run("job_refs", job=job_id)
        return {role: ObjectRef(digest, size, bool(private)) for role, digest, size, private in rows}

    def outputs_of(self, job_id: str, role: str) -> dict[str, str]:
        """Task name to digest of what the tasks of a job made under one name, in the order of the tasks."""
        return dict(self._run("outputs_of_job", job=job_id, role=role))

    def release_refs(
        self, job_id: str, task_id: str | None = None, roles: Iterable[str] | None = None, *, outputs: bool = False
    ) -> list[str]:
        """Let objects go, all roles or the named ones: a task's inputs (and what it made, with `outputs`).

        Without a task: everything that the job and all its tasks refer to.
        Returns: digests that nobody refers to any more.
        Raises: NotFoundError.
        """
        chosen = None if roles is None else json.dumps(list(roles))
        with self._write():
            job_seq, seq = self._numbers(job_id, task_id)
            if seq is None:
                rows = self._run("release_job_refs", job_seq=job_seq, roles=chosen)
            else:
                rows = self._run("release_task_refs", seq=seq, roles=chosen, outputs=outputs)
            return self._unreferenced(row[0] for row in rows)

    def referenced(self, digests: Iterable[str]) -> set[str]:
        """Those of the digests that somebody refers to."""
        return {row[0] for row in self._run("referenced", digests=json.dumps(list(digests)))}

    def object_usage(self) -> ObjectUsage:
        """All objects that are referred to, each counted once."""
        return ObjectUsage(*self._run("object_usage")[0])

    def all_refs(self) -> list[Reference]:
        """Every reference to an object."""
        return [Reference(*row) for row in self._run("all_refs")]

    def job_usage(self, job_id: str) -> tuple[int, int]:
        """Objects that a job refers to, each counted once: how many, and their bytes."""
        number, size = self._run("job_usage", job=job_id)[0]
        return number, size

    def add_image(self, image_id: str, digest: str, size: int, name: str) -> None:
        """Add a guest image, or give it another name; its object is referred to from now on."""
        with self._write():
            self._run("put_image", image_id=image_id, digest=digest, size=size, image_name=name, now=self._clock.now())

    def list_images(self) -> list[ImageRow]:
        """All images, oldest first."""
        return [ImageRow(*row) for row in self._run("list_images")]

    def get_image(self, text: str) -> ImageRow:
        """The image of that name, or the only one whose id starts so.

        Raises: NotFoundError; UsageError that names candidates when there are several.
        """
        found = [ImageRow(*row) for row in self._run("find_images", text=text, prefix=text.lower())]
        named = [image for image in found if image.name == text] or found
        if not named:
            msg = f"image {text!r}: not found; `bento image list` shows what there is"
            raise NotFoundError(msg)
        if len(named) > 1:
            names = ", ".join(f"{image.image_id} ({image.name})" for image in named)
            msg = f"image {text!r}: expected one image, found several: {names}; give more of the id"
            raise UsageError(msg)
        return named[0]

    def remove_image(self, image_id: str) -> list[str]:
        """Forget an image; its object's digest if nobody refers to it any more.

        Raises: NotFoundError.
        """
        with self._write():
            rows = self._run("delete_image", image_id=image_id)
            if not rows:
                msg = f"image {image_id!r}: not found"
                raise NotFoundError(msg)
            return self._unreferenced(row[0] for row in rows)

    def _numbers(self, job_id: str, task_id: str | None) -> tuple[int, int | None]:
        if task_id is None:
            job = self._first("get_job_seq", job=job_id)
            if job is None:
                raise no_job(job_id)
            return job[0], None
        found = self._first("get_task_seq", job=job_id, task=task_id)
        if found is None:
            raise no_task(job_id, task_id)
        return found[1], found[0]
