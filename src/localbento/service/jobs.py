"""Submitting a job: what is asked for becomes objects, a key, and the first task.

The same request again is the same job: it is continued, or its result handed out.  What of it was lost and comes with
the request is put back; if something else was lost, the request makes a new job.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from localbento import errors
from localbento.errors import HostError, LocalBentoError, Reason, UsageError, VerificationError
from localbento.service.home import Home
from localbento.service.kinds import KINDS, STREAMS, check_receipt_kind
from localbento.service.store.objects import ObjectDamaged, ObjectMissing
from localbento.service.taskdb.errors import ConflictError, NotFoundError
from localbento.service.taskdb.rows import JobMeta, JobRow, JobState, TaskState

USER: Final = "local"
INIT: Final = "init"
FINALIZE: Final = "finalize"
RESULTS: Final = (INIT, FINALIZE)
"""Tasks whose outputs outlive the job: what the guest did and printed, and the receipt."""
SECRET: Final = "secret"
SECRET_BYTES: Final = 32
ATTEMPTS: Final = 5
"""At finding or making a job, while others delete it or make the same."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to prove.

    `secret` makes the receipt reproducible; None draws one for the job, so that tasks can be tried again.
    `memory_bytes` is what proving one segment, with `threads`, may take: segments are cut for it.
    """

    program: bytes
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    assumptions: tuple[bytes, ...] = ()
    segment_size: int | None = None
    max_cycles: int | None = None
    allow_exit: bool = False
    secret: bytes | None = None
    receipt: str = "composite"
    guest_name: str = "guest"
    memory_bytes: int = 8 << 30
    threads: int = 1
    version: str = ""
    """Of the package: another one may prove otherwise."""

    @property
    def key(self) -> str:
        """64 hex digits that two requests share exactly if they ask for the same.

        How much memory and how many workers there are is not part of it.  A secret enters as its digest.
        """
        parts: dict[str, Any] = {
            "localbento": self.version,
            "program": _sha256(self.program),
            "stdin": _sha256(self.stdin),
            "env": dict(self.env),
            "args": list(self.args),
            "assumptions": [_sha256(a) for a in self.assumptions],
            "segment_size": self.segment_size,
            "max_cycles": self.max_cycles,
            "allow_exit": self.allow_exit,
            "secret": None if self.secret is None else _sha256(b"localbento-job-key" + self.secret),
            "receipt": self.receipt,
        }
        return _sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job, and whether it was there before."""

    job_id: str
    state: JobState
    is_new: bool


def submit(home: Home, request: Request, *, fresh: bool = False) -> Submitted:
    """Create the job of a request, or find it.  With `fresh` an older one gives up its key.

    A job that failed or was cancelled is set going again.  One whose receipt was lost is left to itself, and a new one
    made.

    Raises: UsageError for a receipt that cannot be made; HostError if the disk refuses.
    """
    check_receipt_kind(request.receipt)
    key = request.key
    attempt = 0
    while True:
        attempt += 1
        try:
            found = home.db.find_job_by_key(key)
            if found is not None and (fresh or not _can_go_on(home, found, request)):
                home.db.supersede_job(found.id)
                found = None
            if found is None:
                return Submitted(_create(home, request, key), JobState.RUNNING, is_new=True)
            if found.state in (JobState.FAILED, JobState.CANCELLED):
                home.db.resume_job(found.id)
                return Submitted(found.id, JobState.RUNNING, is_new=False)
            return Submitted(found.id, found.state, is_new=False)
        except (ConflictError, NotFoundError):
            # Somebody asked for the same at the same moment (then that job is as fresh as ours), or deleted it.
            fresh = False
            if attempt == ATTEMPTS:
                raise


def settle(home: Home, job_id: str) -> None:
    """A job that is done keeps its results only; inputs, the secret, segments and their proofs go.

    Raises: HostError if the disk or the database refuses.
    """
    # At once: the secret is among them.  Who was just about to refer to one of these bytes stores them again.
    home.store.collect(home.db.referenced, 0.0, only=home.db.settle_job(job_id, RESULTS))


def settle_all(home: Home) -> None:
    """Settle jobs whose process was killed at the last moment.

    Raises: HostError if the disk or the database refuses.
    """
    for job_id in home.db.unsettled_jobs(RESULTS):
        settle(home, job_id)


def lost_result(home: Home, job_id: str) -> str | None:
    """What is wrong with the receipt of a job that is done, in words; None if it is whole.

    Raises: HostError if the disk or the database refuses.
    """
    digest = home.db.task_outputs(job_id, FINALIZE).get("receipt")
    if digest is None:
        return "its receipt is not there"
    try:
        home.store.check(digest)
    except ObjectMissing:
        return f"its receipt is missing (object {digest})"
    except ObjectDamaged:
        return f"its receipt is damaged (object {digest})"
    return None


def forget_refused(home: Home, job_id: str) -> None:
    """Remove a job whose very request was refused: there is nothing in it to resume.  Any other stays.

    Raises: HostError if the disk or the database refuses.
    """
    refused = (UsageError.__name__, VerificationError.__name__)
    failed = {t.task_id: t.error_class for t in home.db.get_tasks(job_id, states=[TaskState.FAILED])}
    if failed.get(INIT) in refused:
        home.store.collect(home.db.referenced, 0.0, only=home.db.delete_job(job_id))


def failure_of(home: Home, job: JobRow) -> LocalBentoError:
    """What a failed job raises: the error of the task that failed first, with its class."""
    failed = home.db.get_tasks(job.id, states=[TaskState.FAILED])
    task = min(failed, key=lambda t: t.updated_at or 0.0, default=None)
    message = job.error or "the job failed"
    kind = getattr(errors, (task and task.error_class) or "", HostError)
    if kind is VerificationError:
        reason, _, detail = message.partition(": ")
        return VerificationError(Reason(reason), detail) if reason in list(Reason) else HostError(message)
    if not (isinstance(kind, type) and issubclass(kind, LocalBentoError)):
        kind = HostError
    raised: LocalBentoError = kind(message)
    return raised


def _can_go_on(home: Home, job: JobRow, request: Request) -> bool:
    """Whether a job can be continued or handed out, now that the request puts back what is given with it."""
    if job.state is JobState.DONE:
        settle(home, job.id)
        lost = lost_result(home, job.id)
    else:
        lost = _restore(home, job.id, request)
    if lost is not None:
        home.db.log(job.id, "warning", f"{lost}; the same request has made a new job")
    return lost is None


def _restore(home: Home, job_id: str, request: Request) -> str | None:
    """Put back the inputs of an unfinished job; what is lost and not given, in words."""
    given = _given(request)
    for role, digest in home.db.task_inputs(job_id, INIT).items():
        if (data := given.get(role)) is not None:
            home.store.put(data)
        try:
            home.store.check(digest)
        except (ObjectMissing, ObjectDamaged) as error:
            return f"its {role} was lost: {error}"
    return None


def _given(request: Request) -> dict[str, bytes]:
    """The objects that come with a request, by role."""
    secret = {} if request.secret is None else {SECRET: request.secret}
    receipts = {f"assumption.{i:06}": data for i, data in enumerate(request.assumptions)}
    return {"program": request.program, "stdin": request.stdin, **secret, **receipts}


def _create(home: Home, request: Request, key: str) -> str:
    given = _given(request)
    given.setdefault(SECRET, os.urandom(SECRET_BYTES))
    inputs = {}
    for role, data in given.items():
        stored = home.store.put(data)
        inputs[role] = (stored.digest, stored.size)
    kind = KINDS["execute"]
    definition: dict[str, Any] = {
        "kind": kind.name,
        "options": {
            "env": dict(request.env),
            "args": list(request.args),
            "segment_size": request.segment_size,
            "max_cycles": request.max_cycles,
            "allow_exit": request.allow_exit,
            "memory_bytes": request.memory_bytes,
            "threads": request.threads,
        },
    }
    streams = {name: home.db.get_or_create_stream(name, 0, 1.0, USER) for name in STREAMS}
    meta = JobMeta(
        guest_name=request.guest_name,
        receipt_kind=request.receipt,
        options={"verifiers": request.threads, "segment_size": request.segment_size},
    )
    job_id = home.db.create_job(
        streams[kind.stream],
        definition,
        kind.max_retries,
        kind.timeout_seconds,
        USER,
        key=key,
        meta=meta,
        inputs=inputs,
        private=tuple(role for role in inputs if role != "program"),
        cores=kind.cores,
        memory_bytes=kind.memory_bytes,
    )
    for data in given.values():
        # Another job that ended just now may have removed the same bytes before this job referred to them.
        home.store.put(data)
    home.db.log(job_id, "info", f"submitted: {request.guest_name}, a {request.receipt} receipt")
    return job_id


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
