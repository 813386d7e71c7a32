"""A hash of the segment and the secret."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

from localbento.errors import ProvingError
from localbento.tasks.outcome import Outcome
from toy_tasks.trouble import strike


def run(segment, secret, *, threads, progress):
    progress("prove")
    options = json.loads(segment[3200:])
    index = options["index"]
    count = options.get("count_in")
    if count:
        with (Path(count) / str(index)).open("a") as file:
            file.write(f"{os.getpid()}\n")
    strike(options, "prove", index)
    if index == options.get("refuse_at"):
        msg = f"segment {index}: cannot be proved"
        raise ProvingError(msg)
    if index == options.get("die_at"):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(options.get("prove_seconds", 0.0))
    seal = hashlib.sha256(b"seal" + segment[:3200] + secret).digest() * 50
    return Outcome({"receipt": seal}, {"index": index, "cycles": 1000, "profile": 1, "seal_bytes": len(seal)})
