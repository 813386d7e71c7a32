"""Deaths at a chosen moment, once: `"trouble": {"kind": "prove", "at": 1, "who": "worker", "flag": PATH}`.

`who` is killed when a task of that kind (an execution after `at` segments, the proof of segment `at`) has begun.
"""

import os
import signal
import time
from pathlib import Path


def strike(options, kind, at=0):
    wanted = options.get("trouble")
    if wanted is None or wanted["kind"] != kind or wanted.get("at", 0) != at:
        return
    flag = Path(wanted["flag"])
    if flag.exists():
        return
    flag.touch()
    os.kill(os.getppid() if wanted["who"] == "parent" else os.getpid(), signal.SIGKILL)
    time.sleep(60)  # who kills the parent goes with it
