"""Jobs that survive anything: processes are killed at random moments, and in the end the bytes are the same.

With toy tasks (no mathematics), so that it can be done often; the processes, the task database and the store are the
real ones.  `LOCALBENTO_CHAOS_SEED` repeats a run.  At full parameters: test_prove.py.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_job import receipt

from localbento.service.home import Home, is_alive
from localbento.service.taskdb.rows import JobState

TESTS = Path(__file__).parents[1]
SEED = int(os.environ.get("LOCALBENTO_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
PROGRAM = {"segments": 5, "prove_seconds": 0.08, "execute_seconds": 0.03}
SECONDS = 60.0


def start(home, program=PROGRAM, workers=2, **options):
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen(
        [sys.executable, str(TESTS / "toy_job.py"), str(home), json.dumps(program), str(workers)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True, **options,
    )  # fmt: skip


def finish(process):
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err.decode()
    return out


def descendants(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(x) for x in out.stdout.split()]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def gone(pids):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}").exists() and b"spawn_main" in cmdline(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def cmdline(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    return finish(start(tmp_path_factory.mktemp("calm") / "home"))


def tortured(home, dice, kills):
    """Run the job, killing its parent or a worker now and then, until it has ended; its bytes."""
    for _ in range(kills):
        process = start(home, workers=dice.choice([1, 2, 3]))
        end = time.monotonic() + dice.uniform(0.05, 1.2)
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.01)
        workers = descendants(process.pid)
        if workers and dice.random() < 0.5:
            kill(dice.choice(workers))  # a prover or the executor; its parent goes on
            time.sleep(dice.uniform(0.0, 0.4))
        kill(process.pid)
        process.communicate()
        assert gone(workers), "orphans"
    return finish(start(home))


def check_end(home, wanted, out):
    assert out == wanted
    with Home(home) as place:
        (job,) = place.db.list_jobs()
        assert job.state is JobState.DONE
        assert receipt(place, job.id) == wanted
        # A parent that was killed just after the job was done left its row; who comes next takes it away.
        place.db.reap(is_alive)
        assert place.db.list_pools() == []
        place.store.collect(place.db.referenced, 0.0)
        for digest, _, _ in place.store.all_objects():
            place.store.check(digest)
        assert len(list(place.store.all_objects())) == 3


def test_killed_again_and_again(tmp_path, wanted):
    sys.stderr.write(f"LOCALBENTO_CHAOS_SEED={SEED}\n")
    for i in range(3):
        home = tmp_path / f"home{i}"
        check_end(home, wanted, tortured(home, random.Random(SEED + i), kills=5))


@pytest.mark.release
def test_killed_hundreds_of_times(tmp_path, wanted):
    sys.stderr.write(f"LOCALBENTO_CHAOS_SEED={SEED}\n")
    for i in range(60):
        home = tmp_path / f"home{i}"
        check_end(home, wanted, tortured(home, random.Random(SEED + 1000 + i), kills=6))


def test_a_resumed_job_proves_again_only_what_was_running(tmp_path):
    count = tmp_path / "count"
    count.mkdir()
    program = {"segments": 8, "prove_seconds": 0.4, "count_in": str(count)}
    home = tmp_path / "home"
    process = start(home, program)
    end = time.monotonic() + SECONDS
    while len(list(count.iterdir())) < 5 and time.monotonic() < end:
        time.sleep(0.02)
    kill(process.pid)
    process.communicate()
    with Home(home) as place:
        (job,) = place.db.list_jobs()
        tasks = place.db.get_tasks(job.id)
        running = {t.task_id for t in tasks if t.state == "running"}
        done = {t.task_id for t in tasks if t.state == "done"}
    assert 1 <= len(running) <= 2
    assert {"init", "0", "1"} <= done
    finish(start(home, program))
    again = {p.name for p in count.iterdir() if len(p.read_text().split()) > 1}
    assert again <= running


def test_two_parents_on_one_home(tmp_path, wanted):
    home = tmp_path / "home"
    both = [start(home), start(home)]
    assert [finish(p) for p in both] == [wanted, wanted]
    check_end(home, wanted, wanted)


def test_two_parents_of_which_one_is_killed(tmp_path, wanted):
    home = tmp_path / "home"
    first, second = start(home), start(home)
    time.sleep(0.6)
    kill(first.pid)
    first.communicate()
    assert finish(second) == wanted


def test_two_jobs_share_the_machine(tmp_path):
    home = tmp_path / "home"
    programs = [{**PROGRAM, "name": str(i)} for i in range(2)]
    outs = [finish(p) for p in [start(home, program) for program in programs]]
    assert outs[0] == outs[1]  # the program is no part of a toy proof
    with Home(home) as place:
        assert [job.state for job in place.db.list_jobs()] == [JobState.DONE] * 2


def test_a_stopped_parent_is_taken_over_and_learns_of_it(tmp_path, wanted, monkeypatch):
    """As a laptop that slept: its lease has run out, somebody else has done the work."""
    home = tmp_path / "home"
    program = {**PROGRAM, "prove_seconds": 1.0}
    env = {**os.environ, "PYTHONPATH": str(TESTS), "TOY_LEASE_SECONDS": "1.5"}

    def begin():
        return subprocess.Popen(
            [sys.executable, str(TESTS / "toy_job.py"), str(home), json.dumps(program), "2"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
        )  # fmt: skip

    sleeper = begin()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.1)
        with Home(home) as place:
            jobs = place.db.list_jobs()
            if jobs and any(t.state == "running" and t.task_id == "0" for t in place.db.get_tasks(jobs[0].id)):
                break
    sleeper.send_signal(signal.SIGSTOP)
    try:
        assert finish(begin()) == wanted
    finally:
        sleeper.send_signal(signal.SIGCONT)
    assert finish(sleeper) == wanted
    with Home(home) as place:
        assert max(t.attempt for t in place.db.get_tasks(jobs[0].id)) == 2


def test_a_locked_database_is_waited_for(tmp_path, wanted):
    import sqlite3

    home = tmp_path / "home"
    process = start(home)
    time.sleep(0.5)
    other = sqlite3.connect(home / "taskdb.sqlite", timeout=10, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(1.5)
    other.execute("ROLLBACK")
    other.close()
    assert finish(process) == wanted


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_is_an_error_and_nothing_is_lost(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    program = {**PROGRAM, "segments": 40}
    try:
        filler = disk / "filler"
        process = start(disk / "home", program)
        time.sleep(0.7)
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        _, err = process.communicate(timeout=SECONDS)
        assert process.returncode != 0
        assert b"No space left" in err or b"disk is full" in err or b"full" in err, err.decode()
        filler.unlink()
        assert finish(start(disk / "home", program)) == finish(start(tmp_path / "other", program))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
