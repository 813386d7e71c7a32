"""The recorded races with two connections: what is wanted, whichever way the transactions overlap.

With one writer at a time the second transaction waits for the first; the tests hold the first open, see the second
wait, let go, and look at the outcome.
"""

import threading
import time
from contextlib import contextmanager

import pytest
from taskdb_tools import GOLDENS, FakeClock

from localbento.errors import HostError
from localbento.service.taskdb import JobState, Options, TaskDb, TaskState

WAIT = 0.05


class Held(TaskDb):
    """Stops before its next commit until it is let go."""

    hold = False

    def __init__(self, *args, **kwargs):
        self.arrived, self.let_go = threading.Event(), threading.Event()
        super().__init__(*args, **kwargs)

    def _run(self, name, **values):
        if name == "commit" and self.hold:
            self.arrived.set()
            assert self.let_go.wait(10)
        return super()._run(name, **values)


class Aside(threading.Thread):
    """Does something with a connection of its own; `result()` waits for it."""

    def __init__(self, path, what, *, hold=False, clock=None):
        super().__init__()
        self.path, self.what, self.hold, self.clock = path, what, hold, clock
        self.ready, self.outcome, self.error, self.db = threading.Event(), None, None, None
        self.start()
        assert self.ready.wait(10)

    def run(self):
        try:
            with Held(self.path, clock=self.clock) as self.db:
                self.db.hold = self.hold
                self.ready.set()
                self.outcome = self.what(self.db)
        except BaseException as error:
            self.error = error
        finally:
            self.ready.set()

    def result(self):
        self.join(10)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.outcome


@contextmanager
def overlapping(path, first, second, clock=None):
    """First stays open while second starts; yields their results, in a list that is filled at the end."""
    one = Aside(path, first, hold=True, clock=clock)
    assert one.db.arrived.wait(10)
    two = Aside(path, second, clock=clock)
    two.join(WAIT)
    assert two.is_alive(), "the second transaction must wait for the first"
    one.db.let_go.set()
    yield [one.result(), two.result()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "taskdb.sqlite"


@pytest.fixture
def db(path):
    with TaskDb(path) as db:
        yield db


def job_with(db, *names, streams=None):
    """A job whose init is done and that has these tasks, ready."""
    stream = db.get_or_create_stream("CPU", 1, 1.0, "user1")
    job = db.create_job(stream, None, 0, 100, "user1")
    for i, name in enumerate(names):
        db.create_task(job, name, streams[i] if streams else stream, None)
    db.update_task_done(job, "init", None)
    return job, stream


def test_every_recorded_race_has_a_test():
    here = set(globals())
    missing = {f"test_{race['name']}" for race in GOLDENS["races"]} - here
    assert missing == {"test_refresh_skips_locked_streams"}, "live counters need no refresh"


def test_create_task_while_prerequisite_finishes(db, path):
    job, stream = job_with(db, "p")
    with overlapping(
        path,
        lambda a: a.create_task(job, "c", stream, None, ["p"]),
        lambda b: b.update_task_done(job, "p", None),
    ) as results:
        assert results == [TaskState.PENDING, True]
    assert (db.get_task(job, "c").state, db.get_task(job, "c").waiting_on) == (TaskState.READY, 0)


def test_prerequisite_finishing_while_task_is_created(db, path):
    job, stream = job_with(db, "p")
    with overlapping(
        path,
        lambda a: a.update_task_done(job, "p", None),
        lambda b: b.create_task(job, "c", stream, None, ["p"]),
    ) as results:
        assert results == [True, TaskState.READY]
    assert (db.get_task(job, "c").state, db.get_task(job, "c").waiting_on) == (TaskState.READY, 0)


def test_last_two_tasks_finish_together_same_stream(db, path):
    job, _ = job_with(db, "a", "b")
    done = [lambda x, name=name: x.update_task_done(job, name, None) for name in "ab"]
    with overlapping(path, *done) as results:
        assert results == [True, True]
    assert (db.get_job(job).state, db.get_job_unresolved(job)) == (JobState.DONE, 0)


def test_last_two_tasks_finish_together_different_streams(db, path):
    streams = [db.create_stream(kind, 1, 1.0, "user1") for kind in ("CPU", "GPU")]
    job, _ = job_with(db, "a", "b", streams=streams)
    done = [lambda x, name=name: x.update_task_done(job, name, None) for name in "ab"]
    with overlapping(path, *done) as results:
        assert results == [True, True]
    assert (db.get_job(job).state, db.get_job_unresolved(job)) == (JobState.DONE, 0)


def test_two_prerequisites_finish_together(db, path):
    streams = [db.create_stream(kind, 1, 1.0, "user1") for kind in ("CPU", "GPU")]
    job, stream = job_with(db, "a", "b", streams=streams)
    db.create_task(job, "c", stream, None, ["a", "b"])
    done = [lambda x, name=name: x.update_task_done(job, name, None) for name in "ab"]
    with overlapping(path, *done) as results:
        assert results == [True, True]
    assert (db.get_task(job, "c").state, db.get_task(job, "c").waiting_on) == (TaskState.READY, 0)


def test_second_worker_while_stream_row_is_locked(db, path):
    job_with(db, "a", "b")
    ask = [lambda x: x.request_work("CPU").task_id] * 2
    with overlapping(path, *ask) as results:
        assert results == ["a", "b"]


def test_fall_through_to_other_stream(db, path):
    reserved = db.create_stream("CPU", 2, 1.0, "user1")
    other = db.create_stream("CPU", 0, 1.0, "user2")
    best_effort = db.create_job(other, None, 0, 100, "user2")
    job = db.create_job(reserved, None, 0, 100, "user1")
    db.create_task(job, "t", reserved, None)
    ask = [lambda x: x.request_work("CPU")] * 2
    with overlapping(path, *ask) as results:
        assert [(r.job_id, r.task_id) for r in results] == [(job, "init"), (job, "t")]
    assert db.task_state(best_effort, "init") is TaskState.READY


def test_stale_timeout_sweep(path):
    """The first sweep lists and retries in one transaction; the second finds nothing, the worker a fresh task."""
    clock = FakeClock()
    with TaskDb(path, clock=clock) as db:
        stream = db.create_stream("CPU", 1, 1.0, "user1")
        job = db.create_job(stream, None, 3, 10, "user1")
        db.request_work("CPU")
        clock.advance(11)
        sweep = [lambda x: x.requeue_tasks(100)] * 2
        with overlapping(path, *sweep, clock=clock) as results:
            assert results == [1, 0]
        assert db.request_work("CPU").task_id == "init"
        assert db.requeue_tasks(100) == 0
        assert db.get_task(job, "init").retries == 1


def test_get_or_create_stream_is_idempotent_under_contention(db, path):
    """Given 16 connections, when all want the stream of one user and type, then there is one."""
    threads = [Aside(path, lambda x: x.get_or_create_stream("CPU", 1, 1.0, "user1")) for _ in range(16)]
    assert len({thread.result() for thread in threads}) == 1
    assert len(db.list_streams()) == 1


def test_async_req_work(db, path):
    """Given a job, when two workers loop while tasks are added, then each gets one, and not the same."""
    stream = db.create_stream("CPU", 1, 1.0, "user1")
    job = db.create_job(stream, None, 0, 100, "user1")

    def loop(x):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if (found := x.request_work("CPU")) is not None:
                return found.task_id
            time.sleep(0.01)
        return None

    workers = [Aside(path, loop) for _ in range(2)]
    for name in ("0", "1"):
        db.create_task(job, name, stream, None)
    names = [worker.result() for worker in workers]
    assert None not in names
    assert len(set(names)) == 2


def test_two_reports_on_one_run_overlap(db, path):
    """Given a running task, when it is cancelled while its worker reports, then the first decides."""
    job, _ = job_with(db, "a")
    pool = db.register_pool(1, 0.0, "boot", "host")
    task = db.claim(pool, ["CPU"])
    with overlapping(
        path,
        lambda a: a.cancel_job(job),
        lambda b: b.task_done(job, "a", task.attempt, None),
    ) as results:
        assert results == [True, False]
    assert db.get_job(job).state is JobState.CANCELLED


def test_a_lock_that_is_never_let_go_is_one_clear_line(db, path):
    with db._write():
        began = time.monotonic()
        other = Aside(path, lambda x: None)
        assert other.result() is None  # opening and reading do not wait
        with TaskDb(path, options=Options(busy_seconds=0.2)) as waiting:
            with pytest.raises(HostError) as caught:
                waiting.create_stream("CPU", 1, 1.0, "user1")
            assert waiting.list_jobs() == []
        assert 0.2 <= time.monotonic() - began < 5
    assert str(caught.value) == (
        f"task database locked by another process for 0.2 s: {path}; look for a stopped or hanging bento process"
    )
    assert db.list_streams() == []
