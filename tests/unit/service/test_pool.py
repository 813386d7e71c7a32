"""The worker pool: tasks that succeed, fail, crash, stream, and a parent that is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from localbento.errors import HostError, UsageError
from localbento.service.store.objects import ObjectStore
from localbento.service.worker import pool as pool_module
from localbento.service.worker.messages import Done, Emitted, Failed, Lost, Step, Task
from localbento.service.worker.pool import Pool

MODULE = """
import os, signal, time
from pathlib import Path
from localbento.errors import UsageError
from localbento.tasks.outcome import Outcome

def run(data, more=(), *, behaviour, flag="", seconds=0.0, progress, emit=None, log=None):
    progress("working")
    if behaviour == "refuse":
        raise UsageError("expected something, found nothing")
    if behaviour == "bug":
        raise ZeroDivisionError("oops")
    if behaviour == "out of memory":
        raise MemoryError
    if behaviour == "die always" or (behaviour == "die once" and not Path(flag).exists()):
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "stream":
        log(b"hello ")
        for i in range(3):
            emit(bytes([i]), {"index": i})
        log(b"guest")
    time.sleep(seconds)
    return Outcome({"result": data[::-1] + b"".join(more)}, {"length": len(data)})
"""


@pytest.fixture
def store(tmp_path):
    return ObjectStore(tmp_path / "objects")


@pytest.fixture
def sample(tmp_path, monkeypatch, store):
    (tmp_path / "sample_task.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)  # spawn hands the path on
    given = store.put(b"abc").digest

    def make(name, behaviour, inputs=None, **options):
        return Task(
            name,
            "sample_task",
            inputs or {"data": given},
            {"behaviour": behaviour, "flag": str(tmp_path / "flag"), **options},
            behaviour == "stream",
        )

    return make


def drain(pool):
    events = []
    end = time.monotonic() + 60
    while pool.running and time.monotonic() < end:
        for event in pool.events(timeout=10):
            events.append(event)
            if isinstance(event, Emitted):
                pool.proceed(event.task)
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


def test_tasks_store_their_outputs_and_tell_their_steps(sample, store):
    with Pool(store.root) as pool:
        for i in range(3):
            pool.start(sample(f"t{i}", "ok"))
        pids = pool.pids
        events = drain(pool)
        assert len(pids) == 3
    done = {e.task: e for e in events if isinstance(e, Done)}
    assert set(done) == {"t0", "t1", "t2"}
    digest, size = done["t0"].outputs["result"]
    assert store.get(digest) == b"cba"
    assert (size, done["t0"].facts) == (3, {"length": 3})
    assert [type(e) for e in events if e.task == "t0"] == [Step, Done]
    assert gone(pids)


def test_roles_with_a_dot_are_one_list_in_order(sample, store):
    inputs = {"data": store.put(b"x").digest, **{f"more.{i:06}": store.put(b"%d" % i).digest for i in (10, 2, 1)}}
    with Pool(store.root) as pool:
        pool.start(sample("lists", "ok", inputs))
        (done,) = (e for e in drain(pool) if isinstance(e, Done))
    assert store.get(done.outputs["result"][0]) == b"x1210"


def test_a_streaming_task_waits_for_room(sample, store):
    with Pool(store.root) as pool:
        pool.start(sample("source", "stream"))
        seen = []
        end = time.monotonic() + 30
        while not seen and time.monotonic() < end:
            seen += [e for e in pool.events(1.0) if isinstance(e, Emitted)]
        assert [e.facts for e in seen] == [{"index": 0}]
        assert list(pool.events(0.3)) == []  # nothing more before the answer
        pool.proceed("source")
        events = drain(pool)
    assert [e.facts["index"] for e in events if isinstance(e, Emitted)] == [1, 2]
    done = events[-1]
    assert store.get(done.outputs["guest_log"][0]) == b"hello guest"
    assert done.log_tail == "hello guest"


def test_errors_keep_their_class_and_bugs_become_one_line(sample, store):
    with Pool(store.root) as pool:
        for name, behaviour in [("refused", "refuse"), ("bug", "bug"), ("memory", "out of memory")]:
            pool.start(sample(name, behaviour))
        found = {e.task: e for e in drain(pool) if isinstance(e, Failed)}
    assert isinstance(found["refused"].error, UsageError)
    assert str(found["refused"].error) == "expected something, found nothing"
    assert isinstance(found["bug"].error, HostError)
    assert str(found["bug"].error) == "ZeroDivisionError: oops; this is a bug"
    assert "Traceback" in found["bug"].detail
    assert "--jobs" in str(found["memory"].error)


def test_an_input_that_is_gone_is_an_error_that_names_it(sample, store):
    with Pool(store.root) as pool:
        pool.start(sample("blind", "ok", {"data": "ab" * 32}))
        (failed,) = (e for e in drain(pool) if isinstance(e, Failed))
    assert "ab" * 32 in str(failed.error)
    assert failed.damaged == "ab" * 32


def test_a_killed_worker_is_noticed_within_a_second(sample, store):
    taken = []
    with Pool(store.root) as pool:
        while len(taken) < 3 and min(taken, default=1.0) >= 1.0:  # a busy machine may stand still itself
            pool.start(sample("long", "ok", seconds=60))
            while not list(pool.events(10)):
                pass
            started = time.monotonic()
            os.kill(pool.pids[0], signal.SIGKILL)
            (lost,) = pool.events(10)
            taken.append(time.monotonic() - started)
            assert (lost, lost.how) == (Lost("long", -9), "signal 9")
            assert pool.pids == ()
        assert min(taken) < 1.0
        pool.start(sample("again", "ok"))
        assert isinstance(drain(pool)[-1], Done)


def test_killing_a_task_ends_its_worker_without_a_word(sample, store):
    with Pool(store.root) as pool:
        pool.start(sample("long", "ok", seconds=60))
        pids = pool.pids
        pool.kill(["long", "unknown"])
        assert gone(pids)
        assert pool.running == ()
        assert list(pool.events(0.2)) == []


def test_idle_workers_are_retired_busy_ones_are_not(sample, store):
    with Pool(store.root) as pool:
        for i in range(3):
            pool.start(sample(f"t{i}", "ok", seconds=30 if i == 1 else 0))
        end = time.monotonic() + 30
        while len(pool.running) > 1 and time.monotonic() < end:
            list(pool.events(1.0))
        busy = pool.pids[1]
        pool.retire(1)
        assert pool.pids == (busy,)
        assert pool.running == ("t1",)


def test_a_task_goes_to_a_worker_that_knows_its_kind(sample, store):
    with Pool(store.root) as pool:
        pool.spawn(("json",))
        pool.spawn(("sample_task",))
        first, second = pool.pids
        pool.start(sample("t", "die always"))
        (lost,) = (e for e in drain(pool) if isinstance(e, Lost))
        assert lost.task == "t"
        assert pool.pids == (first,)
        assert gone([second])


def test_workers_end_when_the_parent_is_killed(sample, tmp_path):
    script = (
        "import sys, time, pathlib\n"
        "from localbento.service.worker.pool import Pool\n"
        "if __name__ == '__main__':\n"
        f"    pool = Pool(pathlib.Path({str(tmp_path)!r}))\n"
        "    pool.spawn(()); pool.spawn(())\n"
        "    print(*pool.pids, flush=True)\n"
        "    time.sleep(60)\n"
    )
    (tmp_path / "parent.py").write_text(script)
    with subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(x) for x in parent.stdout.readline().split()]
        assert all(map(alive, pids))
        parent.send_signal(signal.SIGKILL)
    assert gone(pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_start_of_a_worker_is_not_interrupted_half_way(number):
    """With a second thread in the process, a mask of the first holds nothing back."""
    heard, end = [], threading.Event()
    before = signal.signal(number, lambda *_: heard.append("handled"))
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with pool_module._interrupts_held_back():
            os.kill(os.getpid(), number)
            time.sleep(0.2)
            heard.append("started")
        assert heard == ["started", "handled"]
        assert signal.getsignal(number) is not signal.SIG_DFL
        os.kill(os.getpid(), number)
        assert heard == ["started", "handled", "handled"]
    finally:
        end.set()
        thread.join()
        signal.signal(number, before)
