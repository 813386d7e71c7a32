"""Starting `bento` with toy tasks in a process of its own, and looking at what it leaves running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent
SECONDS = 60.0


def bento(home, *args, before=None, **options):
    """A `bento` whose jobs are toys; `before` runs in the child, as preexec_fn."""

    def prepare():
        # A test run in the background has these ignored, and would hand that on.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if before is not None:
            before()

    env = {**os.environ, "PYTHONPATH": str(TESTS), "BENTO_HOME": str(home), **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, str(TESTS / "toy_bento.py"), *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True, preexec_fn=prepare, **options,
    )  # fmt: skip


def end(process, code=0):
    """Wait for its end; what it wrote to stdout and stderr."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == code, err.decode()
    assert b"Traceback" not in err, err.decode()
    return out, err.decode()


def program(folder, **wanted):
    """A program file for toy tasks."""
    path = folder / "toy.json"
    path.write_text("R0BF" + json.dumps(wanted, sort_keys=True))
    return path


def jobs(home):
    """The jobs of a home, as `bento jobs list --json` tells them."""
    return json.loads(end(bento(home, "jobs", "list", "--json"))[0])["jobs"]


def workers(process, least=1):
    """Worker processes of a running `bento`, once there are so many."""
    limit = time.monotonic() + SECONDS
    while time.monotonic() < limit and process.poll() is None:
        found = [pid for pid in _children(process.pid) if b"spawn_main" in _cmdline(pid)]
        if len(found) >= least:
            return found
        time.sleep(0.02)
    return []


def wait_for(condition):
    """Wait until something is so."""
    limit = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < limit, "it never was"
        time.sleep(0.02)


def gone(pids, seconds=5.0):
    """Whether these processes have ended, soon."""
    limit = time.monotonic() + seconds
    while any(b"spawn_main" in _cmdline(pid) for pid in pids):
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def _children(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(x) for x in out.stdout.split()]


def _cmdline(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
