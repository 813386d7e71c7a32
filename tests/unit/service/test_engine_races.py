"""What other processes, lost objects and bad moments do to an engine: each of these once lost a job, or hung."""

import hashlib
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from toy_job import RESOURCES, SECRET, receipt, request, run
from toy_tasks import TOY_KINDS

from localbento.errors import HostError, Interrupted, Reason, VerificationError
from localbento.service.engine import Engine, Resources
from localbento.service.home import Home, is_alive
from localbento.service.jobs import settle, submit
from localbento.service.planning import Planning
from localbento.service.taskdb.clock import boot_id
from localbento.service.taskdb.rows import JobState, PoolRow, TaskState
from localbento.service.worker.messages import Done, Failed, Task
from localbento.service.worker.pool import Pool

ONE = Resources(1, 1, 1 << 30)
SECONDS = 40.0


class StopError(Exception):
    """Raised by a test's progress callback, in place of a kill."""


@pytest.fixture
def home(tmp_path):
    with Home(tmp_path / "home") as opened:
        yield opened


def patient(watch=lambda state: None):
    """A progress callback that ends a hanging engine."""
    end = time.monotonic() + SECONDS

    def progress(state):
        if time.monotonic() > end:
            pytest.fail(f"the engine hangs: {state}")
        watch(state)

    return progress


def finish(home, job, resources=RESOURCES):
    run(home, job, resources, patient())
    return receipt(home, job)


def expected(segments):
    parts = []
    for index in range(segments):
        body = hashlib.sha256(b"input" + SECRET + index.to_bytes(4, "little")).digest() * 100
        parts.append(hashlib.sha256(b"seal" + body + SECRET).digest() * 50)
    return b"toy receipt" + b"".join(parts)


def tasks(home, job):
    return {t.task_id: t for t in home.db.get_tasks(job)}


def only_executed(home, monkeypatch, **program):
    """A job whose guest has run, and of which nothing was ever proved."""
    job = submit(home, request(**program)).job_id

    def stop(state):
        if state.executed:
            raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_may_prove", lambda self: False)
        with pytest.raises(StopError):
            run(home, job, progress=patient(stop))
    assert all(t.attempt == 0 for name, t in tasks(home, job).items() if name.isdigit())
    return job


def damage(home, digest, how="missing"):
    path = home.store.root / digest[:2] / digest
    data = bytearray(path.read_bytes())
    path.unlink()
    if how == "flipped":
        data[7] ^= 1
        path.write_bytes(data)


# -- objects that are lost


def test_a_lost_segment_of_a_task_that_never_ran_is_made_again(home, monkeypatch):
    """The new task 0 was taken for the forgotten one by the next heartbeat, and then nobody ran it: a hang."""
    monkeypatch.setattr("localbento.service.engine.HEARTBEAT_SECONDS", 0.6)
    job = only_executed(home, monkeypatch, segments=1, prove_seconds=1.5)
    damage(home, home.db.task_inputs(job, "0")["segment"])
    assert finish(home, job) == expected(1)


@pytest.mark.parametrize("how", ["missing", "flipped"])
def test_many_lost_objects_are_found_at_once(home, monkeypatch, how):
    job = only_executed(home, monkeypatch, segments=12)
    for index in range(12):
        damage(home, home.db.task_inputs(job, str(index))["segment"], how)
    assert finish(home, job) == expected(12)
    assert sum("made again" in event.text for event in home.db.events(job)) == 1


def test_a_lost_input_is_put_back_by_the_same_request(home):
    job = submit(home, request(segments=2)).job_id
    for role in ("program", "stdin", "secret"):
        digest = home.db.task_inputs(job, "init")[role]
        damage(home, digest)
        with pytest.raises(HostError, match=f"the job's {role} is missing or damaged.*{digest}.*same 'bento prove'"):
            run(home, job, progress=patient())
        again = submit(home, request(segments=2))
        assert (again.job_id, again.state, again.is_new) == (job, JobState.RUNNING, False)
    assert finish(home, job) == expected(2)


def test_a_lost_secret_that_nobody_knows_makes_a_new_job(home):
    asked = replace(request(segments=1), secret=None)
    job = submit(home, asked).job_id
    damage(home, home.db.task_inputs(job, "init")["secret"], "flipped")
    again = submit(home, asked)
    assert again.is_new
    assert again.job_id != job
    assert any("secret was lost" in event.text for event in home.db.events(job))
    finish(home, again.job_id)


@pytest.mark.parametrize("how", ["missing", "flipped"])
def test_a_lost_receipt_of_a_done_job_is_made_again_by_the_same_request(home, how):
    job = submit(home, request(segments=2)).job_id
    assert finish(home, job) == expected(2)
    assert submit(home, request(segments=2)).job_id == job
    damage(home, home.db.task_outputs(job, "finalize")["receipt"], how)
    again = submit(home, request(segments=2))
    assert again.is_new
    assert any("receipt is" in event.text for event in home.db.events(job))
    assert finish(home, again.job_id) == expected(2)
    assert submit(home, request(segments=2)).job_id == again.job_id
    home.store.check(home.db.task_outputs(job, "finalize")["receipt"])  # the old job has it back, too


def test_a_stale_worker_that_misses_what_a_done_job_let_go_of_destroys_nothing(home):
    """An engine that slept: meanwhile another one has finished the job, and its segments are gone."""
    job = submit(home, request(segments=2)).job_id
    sleeper = Engine(home, job, RESOURCES, TOY_KINDS)
    sleeper._register()
    with Pool(home.store.root) as pool:
        claimed = home.db.claim(sleeper._pool_id, ["exec"], job_id=job)
        sleeper._start(claimed, pool)
        digest = home.db.task_inputs(job, "init")["stdin"]
        home.db.unregister_pool(sleeper._pool_id)
        with Home(home.root) as other:
            assert finish(other, job) == expected(2)
        sleeper._note(Failed("init", HostError("object is missing"), damaged=digest), pool)
    assert home.db.get_job(job).state is JobState.DONE
    assert receipt(home, job) == expected(2)
    assert {t.state for t in tasks(home, job).values()} == {TaskState.DONE}


def test_a_worker_that_misses_something_does_not_reopen_a_cancelled_job(home, monkeypatch):
    job = only_executed(home, monkeypatch, segments=2)
    engine = Engine(home, job, RESOURCES, TOY_KINDS)
    engine._register()
    digest = home.db.task_inputs(job, "0")["segment"]
    with Pool(home.store.root) as pool:
        engine._start(home.db.claim(engine._pool_id, ["prove"], job_id=job), pool)
        damage(home, digest)
        home.db.cancel_job(job)
        engine._note(Failed("0", HostError("object is missing"), damaged=digest), pool)
    assert home.db.get_job(job).state is JobState.CANCELLED
    home.db.unregister_pool(engine._pool_id)
    home.db.resume_job(job)
    assert finish(home, job) == expected(2)


def test_what_somebody_else_has_made_again_is_simply_read_again(home, monkeypatch):
    job = only_executed(home, monkeypatch, segments=2)
    engine = Engine(home, job, RESOURCES, TOY_KINDS)
    engine._register()
    with Pool(home.store.root) as pool:
        engine._start(home.db.claim(engine._pool_id, ["prove"], job_id=job), pool)
        digest = home.db.task_inputs(job, "0")["segment"]
        engine._note(Failed("0", HostError("object was missing"), damaged=digest), pool)
    assert {name: t.state for name, t in tasks(home, job).items() if name in ("init", "0")} == {
        "init": TaskState.DONE, "0": TaskState.READY,
    }  # fmt: skip
    home.db.unregister_pool(engine._pool_id)
    assert finish(home, job) == expected(2)


def test_two_engines_that_miss_the_same_objects(home, monkeypatch):
    job = only_executed(home, monkeypatch, segments=8, prove_seconds=0.05)
    for index in (1, 2, 3, 6):
        damage(home, home.db.task_inputs(job, str(index))["segment"])
    errors = []

    def second():
        try:
            with Home(home.root) as other:
                run(other, job, ONE, patient())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    assert finish(home, job, ONE) == expected(8)
    thread.join(SECONDS)
    assert errors == []


def test_a_stale_execution_plans_nothing_that_is_not_there(home, monkeypatch):
    """Somebody else has rewound the job: what the last task waits for is forgotten, and must not end our work."""
    job = only_executed(home, monkeypatch, segments=2)
    engine = Engine(home, job, RESOURCES, TOY_KINDS)
    engine._register()
    session = home.db.task_refs(job, "init", outputs=True)["session"]
    other = home.db.register_pool(1, 0.0, "boot", "host")
    with Pool(home.store.root) as pool:
        theirs = home.db.claim(other, ["prove"], job_id=job)
        home.db.rewind_job(job, ["0", "finalize", "verify 0", "verify 1"], task_id="0", attempt=theirs.attempt)
        engine._start(home.db.claim(engine._pool_id, ["exec"], job_id=job), pool)
        held = engine._held["init"]
        engine._planning = Planning(home, job, "composite", 2)
        for _ in range(2):
            engine._planning._plan.segment()
        list(engine._planning._plan.new_tasks())
        pool.kill(["init"])
        home.db.task_given_back(job, "init", held.claimed.attempt)
        facts = {"image_id": "00", "cycles": 2000, "segments": 2}
        engine._note(Done("init", {"session": (session.digest, session.size)}, facts, 0.1, 1, {}), pool)
    assert home.db.task_state(job, "init") is TaskState.READY
    home.db.unregister_pool(engine._pool_id)
    home.db.unregister_pool(other)
    assert finish(home, job) == expected(2)


# -- jobs that end, are deleted, resumed, while an engine works


@pytest.mark.parametrize("moment", ["executing", "proving"])
def test_a_job_that_is_deleted_while_it_is_worked_on(home, moment):
    seconds = {"execute_seconds" if moment == "executing" else "prove_seconds": 0.4}
    job = submit(home, request(segments=4, **seconds)).job_id

    def delete(state):
        if state.executed == (moment == "proving") and state.running:
            with Home(home.root) as other:
                other.db.delete_job(job)

    with pytest.raises(Interrupted, match=f"job {job[:8]} was deleted while.*bento prove makes it anew"):
        run(home, job, progress=patient(delete))
    assert home.db.list_jobs() == []
    assert home.db.list_pools() == []
    assert home.db.used_resources() == (0, 0, 0)


@pytest.mark.parametrize("moment", ["executing", "proving"])
def test_a_task_that_was_taken_away_and_is_ours_again_is_run_once(home, monkeypatch, moment):
    """Cancelled and resumed between two heartbeats: the old worker's words were taken for the new one's."""
    monkeypatch.setattr("localbento.service.engine.HEARTBEAT_SECONDS", 5.0)
    seconds = {"execute_seconds" if moment == "executing" else "prove_seconds": 0.3}
    job = submit(home, request(segments=4, **seconds)).job_id
    times = 0

    def disturb(state):
        nonlocal times
        if times < 2 and state.executed == (moment == "proving") and state.cycles >= 2000 and state.running:
            times += 1
            with Home(home.root) as other:
                other.db.cancel_job(job)
                other.db.resume_job(job)

    run(home, job, progress=patient(disturb))
    assert times == 2
    assert receipt(home, job) == expected(4)


def test_a_job_that_is_resumed_at_the_moment_it_fails_keeps_its_inputs(home, monkeypatch):
    """The engine saw it fail; before it looked again somebody set it going: that is no end to tidy up after."""
    job = submit(home, request(segments=3, refuse_at=1)).job_id
    end = Engine._end

    def resumed(self, seen):
        home.db.resume_job(job)
        end(self, seen)

    monkeypatch.setattr(Engine, "_end", resumed)
    with pytest.raises(Exception, match="segment 1: cannot be proved"):
        run(home, job, progress=patient())
    assert home.db.get_job(job).state is JobState.RUNNING
    for digest in home.db.task_inputs(job, "init").values():
        home.store.check(digest)


def test_a_job_whose_process_was_killed_at_its_last_moment_lets_its_secret_go(home, monkeypatch):
    job = submit(home, request(segments=2)).job_id
    monkeypatch.setattr(Engine, "_end", lambda self, seen: None)
    run(home, job, progress=patient())
    secret = hashlib.sha256(SECRET).hexdigest()
    assert home.store.exists(secret)
    from localbento.api import store

    store.collect_garbage(home=home.root)
    assert not home.store.exists(secret)
    assert receipt(home, job) == expected(2)
    assert not home.store.exists(hashlib.sha256(b"input").hexdigest())
    settle(home, job)  # again is harmless
    assert receipt(home, job) == expected(2)


def test_a_slow_task_is_not_late_while_its_worker_tells_of_it(home):
    """A limit holds between two signs of life, not for the whole: proofs may take hours."""
    kinds = {**TOY_KINDS, "execute": replace(TOY_KINDS["execute"], timeout_seconds=1)}
    job = submit(home, request(segments=5, execute_seconds=0.5)).job_id
    Engine(home, job, RESOURCES, kinds).run(patient())
    assert receipt(home, job) == expected(5)
    assert tasks(home, job)["init"].attempt == 1


# -- processes


def test_a_stopped_worker_does_not_hold_up_the_end(home):
    """SIGSTOP holds SIGTERM back: only SIGKILL ends such a process."""
    job = submit(home, request(segments=2, prove_seconds=30)).job_id
    stopped = []
    started = 0.0

    def stop(state):
        nonlocal started
        if state.segments_running == 2 and not stopped:
            for child in Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children").read_text().split():
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGSTOP)
                    stopped.append(int(child))
            started = time.monotonic()
            raise StopError

    with pytest.raises(StopError):
        run(home, job, progress=patient(stop))
    assert time.monotonic() - started < 15.0  # the tasks take 30
    assert stopped
    assert not any(Path(f"/proc/{pid}").exists() for pid in stopped)


def test_a_refused_receipt_travels_from_a_worker_with_its_reason(tmp_path, monkeypatch, home):
    (tmp_path / "refusing_task.py").write_text(
        "from localbento.errors import Reason, VerificationError\n"
        "def run(*, progress):\n"
        "    raise VerificationError(Reason.MERKLE_ROOT, 'query 3: of a receipt')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with Pool(home.store.root) as pool:
        pool.start(Task("t", "refusing_task", {}))
        (failed,) = pool.events(30)
    assert isinstance(failed.error, VerificationError)
    assert (failed.error.reason, failed.error.detail) == (Reason.MERKLE_ROOT, "query 3: of a receipt")


def test_a_pool_under_another_host_name_is_judged_by_its_lease():
    """A container that shares the home sees our processes under no number, or another's."""
    import socket

    ours = PoolRow(1, os.getpid(), 0.0, boot_id(), socket.gethostname(), 0.0, 0.0, 0)
    assert not is_alive(ours)  # the number was given to another process
    assert is_alive(replace(ours, host="a container"))
    assert not is_alive(replace(ours, host="a container", boot_id="another boot"))


def test_a_failing_good_bye_does_not_hide_what_went_wrong(home, monkeypatch):
    job = submit(home, request(segments=1)).job_id

    def locked(self, pool_id):
        msg = "task database locked"
        raise HostError(msg)

    monkeypatch.setattr(type(home.db), "unregister_pool", locked)

    def stop(state):
        raise StopError

    with pytest.raises(StopError):
        run(home, job, progress=stop)
