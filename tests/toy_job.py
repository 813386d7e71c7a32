"""Submit and run a job of toy tasks; as a script, the parent process that chaos tests kill.

python toy_job.py HOME PROGRAM_JSON WORKERS     writes the receipt to stdout
"""

import json
import os
import sys
from pathlib import Path

from toy_tasks import TOY_KINDS

from localbento.service.engine import Engine, Resources
from localbento.service.home import Home
from localbento.service.jobs import Request, settle, submit
from localbento.service.taskdb.rows import JobState

SECRET = bytes(range(32))
RESOURCES = Resources(workers=2, cores=2, memory_bytes=1 << 30)


def request(**program):
    return Request(
        json.dumps(program, sort_keys=True).encode(),
        b"input",
        secret=SECRET,
        guest_name="toy",
        threads=2,
    )


def run(home, job_id, resources=RESOURCES, progress=lambda state: None):
    Engine(home, job_id, resources, TOY_KINDS).run(progress)


def receipt(home, job_id):
    return home.store.get(home.db.task_outputs(job_id, "finalize")["receipt"])


def lease():
    """Shorter leases, for tests that outlast one."""
    import localbento.service.engine as engine

    engine.LEASE_SECONDS = float(os.environ.get("TOY_LEASE_SECONDS", engine.LEASE_SECONDS))


def main(folder, program, workers):
    lease()
    with Home(Path(folder)) as home:
        job = submit(home, request(**json.loads(program)))
        if job.state is JobState.DONE:
            settle(home, job.job_id)  # as the command does: it may have been killed before it could
        else:
            run(home, job.job_id, Resources(int(workers), 2, 1 << 30))
        sys.stdout.buffer.write(receipt(home, job.job_id))


if __name__ == "__main__":
    main(*sys.argv[1:])
