"""The worker pool: tasks that succeed, fail, crash, and a parent that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localbento.errors import HostError, UsageError
from localbento.service.worker.loop import Done, Failed, Lost, Started, Step, Task
from localbento.service.worker.pool import Pool

MODULE = """
import os, signal, time
from pathlib import Path
from localbento.errors import UsageError

def run(data, *, behaviour, flag="", seconds=0.0, progress):
    progress("working")
    if behaviour == "refuse":
        raise UsageError("expected something, found nothing")
    if behaviour == "bug":
        raise ZeroDivisionError("oops")
    if behaviour == "die always" or (behaviour == "die once" and not Path(flag).exists()):
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    return data[::-1]
"""


@pytest.fixture
def sample(tmp_path, monkeypatch):
    (tmp_path / "sample_task.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)  # spawn hands the path on
    (tmp_path / "in").write_bytes(b"abc")

    def make(name, behaviour, memory=0, **options):
        return Task(
            name,
            "sample_task",
            (tmp_path / "in",),
            tmp_path / f"{name}.out",
            {"behaviour": behaviour, "flag": str(tmp_path / "flag"), **options},
            memory,
        )

    return make


def drain(pool):
    events = []
    while pool.pending:
        events += pool.events(timeout=10)
    return events


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z" if Path("/proc").exists() else True


def gone(pids, seconds=5.0):
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_tasks_write_whole_outputs_and_tell_their_steps(sample, tmp_path):
    with Pool(2, 1 << 30) as pool:
        pids = pool.pids
        for i in range(4):
            pool.submit(sample(f"t{i}", "ok"))
        events = drain(pool)
    assert [(tmp_path / f"t{i}.out").read_bytes() for i in range(4)] == [b"cba"] * 4
    assert [type(e) for e in events if e.task == "t0"] == [Started, Step, Done]
    assert list(tmp_path.glob(".*partial")) == []
    assert gone(pids)


def test_errors_keep_their_class_and_bugs_become_one_line(sample):
    with Pool(1, 1 << 30) as pool:
        pool.submit(sample("refused", "refuse"))
        pool.submit(sample("bug", "bug"))
        refused, bug = (e for e in drain(pool) if isinstance(e, Failed))
    assert isinstance(refused.error, UsageError)
    assert str(refused.error) == "expected something, found nothing"
    assert isinstance(bug.error, HostError)
    assert str(bug.error) == "bug: ZeroDivisionError: oops"
    assert "Traceback" in bug.detail


def test_a_killed_worker_is_replaced_and_its_task_tried_again(sample, tmp_path):
    with Pool(1, 1 << 30) as pool:
        pool.submit(sample("fragile", "die once"))
        events = drain(pool)
    assert [type(e) for e in events if not isinstance(e, Step)] == [Started, Lost, Started, Done]
    assert (tmp_path / "fragile.out").read_bytes() == b"cba"


def test_three_crashes_fail_with_what_to_do(sample, tmp_path):
    with Pool(1, 1 << 30) as pool:
        pool.submit(sample("hopeless", "die always"))
        with pytest.raises(HostError, match=r"hopeless: its worker died 3 times \(last: signal 9\).*--jobs"):
            drain(pool)
    assert not (tmp_path / "hopeless.out").exists()


def test_memory_is_never_promised_twice(sample):
    with Pool(2, 100) as pool:
        pool.submit(sample("a", "ok", memory=60, seconds=0.3))
        pool.submit(sample("b", "ok", memory=60))
        running = set()
        for event in drain(pool):
            if isinstance(event, Started):
                running.add(event.task)
            if isinstance(event, Done):
                running.remove(event.task)
            assert len(running) <= 1
        with pytest.raises(HostError, match="expected to need"):
            pool.submit(sample("c", "ok", memory=101))


def test_workers_end_when_the_parent_is_killed(sample, tmp_path):
    script = (
        "import sys, time, pathlib\n"
        "from localbento.service.worker.pool import Pool\n"
        "if __name__ == '__main__':\n"
        "    pool = Pool(2, 1)\n"
        "    print(*pool.pids, flush=True)\n"
        "    time.sleep(60)\n"
    )
    (tmp_path / "parent.py").write_text(script)
    with subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(x) for x in parent.stdout.readline().split()]
        assert all(map(alive, pids))
        parent.send_signal(signal.SIGKILL)
    assert gone(pids)
