"""Submitting a job: what is asked for becomes objects, a key, and the first task.

The same request again is the same job: it is continued, or its result handed out.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from localbento.service.home import Home
from localbento.service.kinds import KINDS, STREAMS, check_receipt_kind
from localbento.service.taskdb.errors import ConflictError
from localbento.service.taskdb.rows import JobMeta, JobState

USER: Final = "local"
INIT: Final = "init"
SECRET_BYTES: Final = 32


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

    A job that failed or was cancelled is set going again.

    Raises: UsageError for a receipt that cannot be made; HostError if the disk refuses.
    """
    check_receipt_kind(request.receipt)
    key = request.key
    found = home.db.find_job_by_key(key)
    if found is not None and fresh:
        home.db.supersede_job(found.id)
        found = None
    if found is None:
        try:
            return Submitted(_create(home, request, key), JobState.RUNNING, is_new=True)
        except ConflictError:
            found = home.db.find_job_by_key(key)  # somebody asked for the same at the same moment
            if found is None:
                raise
    if found.state in (JobState.FAILED, JobState.CANCELLED):
        home.db.resume_job(found.id)
        return Submitted(found.id, JobState.RUNNING, is_new=False)
    return Submitted(found.id, found.state, is_new=False)


def _create(home: Home, request: Request, key: str) -> str:
    given = {
        "program": request.program,
        "stdin": request.stdin,
        "secret": request.secret or os.urandom(SECRET_BYTES),
        **{f"assumption.{i:06}": data for i, data in enumerate(request.assumptions)},
    }
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
