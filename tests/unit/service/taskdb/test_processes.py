"""Several processes on one file: each task exactly once, and a killed process gives back what it held."""

import itertools
import multiprocessing
import os
import random
import signal
import time
from collections import Counter

import pytest
from taskdb_tools import work

from localbento.service.taskdb import JobState, TaskDb

TASKS = 500
PROCESSES = 4


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "taskdb.sqlite"
    with TaskDb(path) as db:
        stream = db.create_stream("CPU", 1, 1.0, "user1")
        job = db.create_job(stream, None, 0, 1000, "user1", job_id="job")
        for i in range(TASKS):
            after = [str(i // 2 - 1)] if i % 2 and i > 2 else []
            db.create_task(job, str(i), stream, {"i": i}, after, 0, 1000)
        db.create_task(job, "finalize", stream, None, [str(i) for i in range(TASKS)], 0, 1000)
        db.update_task_done(job, "init", None)
    return path


def test_each_task_exactly_once_though_one_process_is_killed(path, tmp_path):
    """Given 4 processes on 500 tasks, when one is killed with a task in its hands, then that one alone runs again."""
    context = multiprocessing.get_context("spawn")
    start, logs = context.Barrier(PROCESSES), [tmp_path / f"{n}.log" for n in range(PROCESSES)]
    workers = [
        context.Process(target=work, args=(path, log, start, 5 if n == 0 else None)) for n, log in enumerate(logs)
    ]
    for process in workers:
        process.start()
    workers[0].join(30)
    assert workers[0].exitcode == -signal.SIGKILL
    with TaskDb(path) as db:
        freed = db.reap(lambda row: exists(row.pid))
        assert len(freed) == 1
        deadline = time.monotonic() + 30
        while db.get_job("job").state is JobState.RUNNING and time.monotonic() < deadline:
            time.sleep(0.02)
        for process in workers[1:]:
            process.join(30)
            assert process.exitcode == 0
        assert db.get_job("job").state is JobState.DONE
        assert db.check() == []
        assert db.used_resources() == (0, 0, 0)
        assert db.list_pools() == []
        attempts = {task.task_id: task.attempt for task in db.get_tasks("job")}
    reports = Counter(line for log in logs for line in log.read_text().splitlines() if line.startswith("done"))
    claims = Counter(line for log in logs for line in log.read_text().splitlines() if line.startswith("claimed"))
    lost = freed[0].task_id
    assert attempts == {"init": 0, **{str(i): 1 for i in range(TASKS)}, "finalize": 1, lost: 2}
    assert set(reports) == {f"done {name} {n}" for name, n in attempts.items() if n}
    assert set(reports.values()) == {1}
    assert set(claims) == {line.replace("done", "claimed") for line in reports} | {f"claimed {lost} 1"}
    assert set(claims.values()) == {1}
    assert all(log.read_text() for log in logs), "every process took part"


def test_several_processes_make_the_database_at_once(tmp_path):
    path = tmp_path / "new.sqlite"
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    workers = [context.Process(target=work, args=(path, tmp_path / f"{n}.log", start, None)) for n in range(3)]
    for process in workers:
        process.start()
    for process in workers:
        process.join(30)
        assert process.exitcode == 0
    with TaskDb(path) as db:
        assert db.check() == []


def write_for_ever(path, number):
    with TaskDb(path) as db:
        pool = db.register_pool(os.getpid(), 0.0, "boot", "host", lease_seconds=1000)
        stream = db.get_or_create_stream("CPU", 1, 1.0, "user1")
        for i in itertools.count():
            job = db.create_job(stream, None, 0, 100, "user1", key=f"{number}-{i}", inputs={"x": (f"{i:064x}", 1)})
            db.create_task(job, "a", stream, None, ["init"])
            for _ in range(2):
                task = db.claim(pool, ["CPU"], cores_limit=4)
                if task is not None and i % 3:
                    db.task_done(task.job_id, task.task_id, task.attempt, None, {"y": (f"{i:064x}", 1)})
            if i % 5 == 4:
                db.delete_job(job)


def test_a_kill_at_any_moment_leaves_a_sound_database(tmp_path):
    """Given a process that writes without pause, when it is killed at once, then what it had begun never happened."""
    path, chance = tmp_path / "taskdb.sqlite", random.Random(11)
    TaskDb(path).close()
    written = 0
    for number in range(20):
        pid = os.fork()
        if pid == 0:
            try:
                write_for_ever(path, number)
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0.02, 0.08))
        os.kill(pid, signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
        with TaskDb(path) as db:
            assert db.check() == []
            assert db.check_stuck_pending_tasks() == []
            db.reap(lambda _: False)
            assert db.used_resources() == (0, 0, 0)
            for job in db.list_jobs():
                names = {task.task_id for task in db.get_tasks(job.id)}
                assert names in ({"init"}, {"init", "a"}), "a job always comes with its first task"
            written = len(db.list_jobs())
    assert written > 20
