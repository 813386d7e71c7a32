"""A home with a job in every state, made by hand: what looking at jobs is tested on."""

import os
import socket

from localbento.service.home import Home, process_start
from localbento.service.taskdb.clock import boot_id
from localbento.service.taskdb.rows import JobMeta

DONE = "aaaa0001-0000-4000-8000-000000000000"
FAILED = "aaaa0002-0000-4000-8000-000000000000"
CANCELLED = "bbbb0003-0000-4000-8000-000000000000"
STOPPED = "cccc0004-0000-4000-8000-000000000000"
WORKING = "dddd0005-0000-4000-8000-000000000000"
ALL = (DONE, FAILED, CANCELLED, STOPPED, WORKING)
GUEST = "gäst 家"
IMAGE_ID = "12" * 32
MIB = 1 << 20


def make(root, jobs=ALL):
    """The home at `root`, with these jobs; the working one is worked on by this process."""
    with Home(root) as home:
        for job in jobs:
            _MAKERS[job](home)
    return root


def create(home, job, **meta):
    db = home.db
    given = {"guest_name": GUEST, "image_id": IMAGE_ID, "receipt_kind": "composite", "options": {}}
    stored = home.store.put(b"program of " + job.encode())
    stream = db.get_or_create_stream("exec", 0, 1.0, "local")
    db.create_job(
        stream, {"kind": "execute"}, 2, 60.0, "local", job_id=job, key=job, meta=JobMeta(**{**given, **meta}),
        inputs={"program": (stored.digest, stored.size)}, cores=0,
    )  # fmt: skip
    db.log(job, "info", "submitted")


def execute(home, job, segments=3):
    """The guest has run: there are segments to prove."""
    pool = register(home)
    claimed = home.db.claim(pool, ["exec"], job_id=job)
    stream = home.db.get_or_create_stream("prove", 0, 1.0, "local")
    for index in range(segments):
        definition = {"kind": "prove", "index": index, "cycles": 1000, "profile": "p01"}
        home.db.ensure_task(job, str(index), stream, definition, [], 2, 60.0, cores=1, memory_bytes=700 * MIB)
    home.db.set_executed_cycles(job, 1000 * segments)
    log = home.store.put(b"hello from the guest\n")
    home.db.task_done(job, "init", claimed.attempt, {"seconds": 0.5}, {"guest_log": (log.digest, log.size)})
    home.db.unregister_pool(pool)


def prove(home, job, how_many=3):
    pool = register(home)
    for _ in range(how_many):
        claimed = home.db.claim(pool, ["prove"], job_id=job)
        receipt = home.store.put(f"receipt {job} {claimed.task_id}".encode())
        facts = {"seconds": 2.5, "peak_bytes": 650 * MIB, "cycles": 1000}
        home.db.task_done(job, claimed.task_id, claimed.attempt, facts, {"receipt": (receipt.digest, receipt.size)})
    home.db.unregister_pool(pool)


def register(home, pid=None):
    pid = pid or os.getpid()
    return home.db.register_pool(pid, process_start(pid) or 0.0, boot_id(), socket.gethostname())


def _done(home):
    create(home, DONE)
    execute(home, DONE)
    prove(home, DONE)


def _failed(home):
    create(home, FAILED)
    execute(home, FAILED)
    prove(home, FAILED, 1)
    pool = register(home)
    claimed = home.db.claim(pool, ["prove"], job_id=FAILED)
    why = ("ProvingError", "queries", "it cannot be proved\x1b[31m", "tail\n\x1b[31mred\n")
    home.db.task_failed(FAILED, claimed.task_id, claimed.attempt, *why, retry=False)
    home.db.log(FAILED, "error", "task 1: it cannot be proved")
    home.db.unregister_pool(pool)


def _cancelled(home):
    create(home, CANCELLED)
    home.db.cancel_job(CANCELLED)


def _stopped(home):
    create(home, STOPPED)
    execute(home, STOPPED)
    prove(home, STOPPED, 2)


def _working(home):
    create(home, WORKING)
    execute(home, WORKING)
    prove(home, WORKING, 1)
    pool = register(home)
    claimed = home.db.claim(pool, ["prove"], job_id=WORKING)
    home.db.task_progress(WORKING, claimed.task_id, claimed.attempt, 0.5, "queries")


_MAKERS = {DONE: _done, FAILED: _failed, CANCELLED: _cancelled, STOPPED: _stopped, WORKING: _working}
