"""Scenarios D, E and G: deaths at every kind of task, several processes, time and garbage.  Toy tasks."""

import os
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from toy_job import RESOURCES, receipt, request, run
from toy_processes import bento, end, jobs, program
from toy_tasks import TOY_KINDS

from localbento.api.jobs import cancel_job, show_job
from localbento.api.proving import job_result
from localbento.api.store import collect_garbage
from localbento.errors import HostError, Interrupted, UsageError
from localbento.service.engine import Engine, Resources
from localbento.service.home import Home, process_start
from localbento.service.jobs import submit
from localbento.service.taskdb.rows import JobState, TaskState

KINDS = [("execute", 1), ("prove", 1), ("finalize", 0), ("verify", 1)]
SEGMENTS = 3


@pytest.fixture
def home(tmp_path):
    with Home(tmp_path / "home") as opened:
        yield opened


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """The receipt of an undisturbed run."""
    with Home(tmp_path_factory.mktemp("calm") / "home") as home:
        job = submit(home, request(segments=SEGMENTS)).job_id
        run(home, job)
        return receipt(home, job)


def trouble(tmp_path, kind, at, who):
    return {"kind": kind, "at": at, "who": who, "flag": str(tmp_path / "struck")}


@pytest.mark.parametrize(("kind", "at"), KINDS)
def test_e1_e2_e6_a_worker_dies_at_any_kind_of_task(home, tmp_path, wanted, kind, at):
    job = submit(home, request(segments=SEGMENTS, trouble=trouble(tmp_path, kind, at, "worker"))).job_id
    started = time.monotonic()
    run(home, job)
    assert time.monotonic() - started < 20
    assert receipt(home, job) == wanted
    crashed = [t for t in home.db.get_tasks(job) if t.crashes]
    assert [t.definition["kind"] for t in crashed] == [kind]
    assert all(t.attempt == 1 + t.crashes for t in home.db.get_tasks(job))
    assert any("signal 9" in event.text for event in home.db.events(job))


@pytest.mark.parametrize(("kind", "at"), KINDS)
def test_e8_the_parent_dies_at_any_kind_of_task(tmp_path, kind, at):
    """The same command again goes on; no task that was done is done again."""
    place = tmp_path / "home"
    guest = program(tmp_path, segments=SEGMENTS, trouble=trouble(tmp_path, kind, at, "parent"))
    end(bento(place, "prove", guest, "--output", tmp_path / "receipt"), -9)
    with Home(place) as home:
        (job,) = home.db.list_jobs()
        done = {t.task_id: t.attempt for t in home.db.get_tasks(job.id) if t.state is TaskState.DONE}
    end(bento(place, "prove", guest, "--output", tmp_path / "receipt"))
    with Home(place) as home:
        assert home.db.get_job(job.id).state is JobState.DONE
        assert {name: home.db.get_task(job.id, name).attempt for name in done} == done
        assert (tmp_path / "receipt").read_bytes() == receipt(home, job.id)
        assert home.db.list_pools() == []


def test_e9_after_a_restart_of_the_machine_tasks_are_taken_over_at_once(home, wanted):
    """The lease of a pool of another boot is void, even if a process has its number and its lease seems good."""
    job = submit(home, request(segments=SEGMENTS)).job_id
    pid = os.getpid()
    gone = home.db.register_pool(pid, process_start(pid), "another boot", "host", lease_seconds=1e9)
    assert home.db.claim(gone, ["exec"], job_id=job)
    started = time.monotonic()
    run(home, job)
    assert time.monotonic() - started < 15
    assert receipt(home, job) == wanted
    assert home.db.list_pools() == []


def test_e12_what_does_not_fit_the_memory_says_what_to_do(home):
    job = submit(home, request(segments=1, memory_bytes=8 << 30)).job_id
    with pytest.raises(HostError, match=r"raise --memory, or use --fresh with a lower --segment-size"):
        run(home, job)
    assert home.db.get_job(job).state is JobState.RUNNING  # with more memory it goes on


def test_f1_f2_stopping_a_job_and_one_that_has_ended(home):
    job = submit(home, request(segments=4, prove_seconds=0.4)).job_id

    def cancel(state):
        if state.segments_running == 2 and state.done == 0:
            cancel_job(job[:8], home=home.root)

    with pytest.raises(Interrupted, match="was cancelled"):
        run(home, job, progress=cancel)
    states = {t.state for t in home.db.get_tasks(job)}
    assert states <= {TaskState.CANCELLED, TaskState.DONE}
    assert home.db.used_resources() == (0, 0, 0)
    home.db.resume_job(job)
    run(home, job)
    made = receipt(home, job)
    with pytest.raises(UsageError, match="expected one that has not ended, found it done"):
        cancel_job(job, home=home.root)
    assert receipt(home, job) == made


def test_d5_f1_cancelled_and_resumed_all_the_time_by_somebody_else(home):
    """Reports of runs that were taken away change nothing; in the end the bytes are the same."""
    job = submit(home, request(segments=8, prove_seconds=0.1)).job_id
    ended = threading.Event()

    def disturb():
        with Home(home.root) as other:
            for _ in range(6):
                if ended.wait(0.25):
                    return
                other.db.cancel_job(job)
                other.db.resume_job(job)

    thread = threading.Thread(target=disturb)
    thread.start()
    limit = time.monotonic() + 60
    while home.db.get_job(job).state is JobState.RUNNING and time.monotonic() < limit:
        try:
            run(home, job, Resources(2, 2, 1 << 30))
        except Interrupted:
            thread.join(0.05)
            home.db.resume_job(job)
    ended.set()
    thread.join()
    calm = submit(home, request(segments=8)).job_id
    run(home, calm)
    assert receipt(home, job) == receipt(home, calm)


def test_g1_g7_a_slow_proof_is_nobody_elses_while_its_worker_lives(home, monkeypatch, tmp_path):
    """Proofs of five times the lease, and another engine that would take what is free."""
    count = tmp_path / "count"
    count.mkdir()
    monkeypatch.setattr("localbento.service.engine.LEASE_SECONDS", 0.6)
    monkeypatch.setattr("localbento.service.engine.HEARTBEAT_SECONDS", 0.15)
    job = submit(home, request(segments=3, prove_seconds=1.5, count_in=str(count))).job_id
    failed = []

    def second():
        try:
            with Home(home.root) as other:
                run(other, job, Resources(1, 3, 1 << 30))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    run(home, job, Resources(1, 3, 1 << 30))
    thread.join(60)
    assert failed == []
    assert [len(p.read_text().split()) for p in count.iterdir()] == [1, 1, 1]


def test_g2_g5_garbage_is_collected_all_the_time(home, wanted):
    """Nothing that a live job needs goes, whether it is worked on or only waits."""
    job = submit(home, request(segments=SEGMENTS, execute_seconds=0.1, prove_seconds=0.2)).job_id
    old = time.time() - 7 * 24 * 3600
    for digest, _, _ in home.store.all_objects():
        os.utime(home.store.root / digest[:2] / digest, (old, old))
    collect_garbage(everything=True, home=home.root)
    ended = threading.Event()
    rounds = 0

    def collect():
        nonlocal rounds
        while not ended.wait(0.01):
            collect_garbage(everything=True, home=home.root)
            rounds += 1

    thread = threading.Thread(target=collect)
    thread.start()
    run(home, job)
    ended.set()
    thread.join()
    assert rounds > 20
    assert receipt(home, job) == wanted
    assert all(t.attempt == 1 for t in home.db.get_tasks(job))


def test_g3_g4_ended_jobs_keep_their_numbers_and_their_error(home):
    good = submit(home, request(segments=2)).job_id
    run(home, good)
    bad = submit(home, request(segments=2, panic_at=1)).job_id
    with pytest.raises(Exception, match="guest panicked"):
        run(home, bad)
    collect_garbage(everything=True, home=home.root)
    seen = show_job(good, home=home.root)
    assert (seen.state, seen.cycles, seen.segments) == ("done", 2000, {"done": 2})
    seen = show_job(bad, home=home.root)
    assert (seen.state, seen.error, seen.error_class) == ("failed", "guest panicked: at segment 1", "GuestError")


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_g6_a_clock_that_jumps(home, monkeypatch, wanted, jump):
    """All wall clocks of the parent, by a day, while the job runs; leases and limits do not notice."""
    from localbento.service.store import objects
    from localbento.service.taskdb import clock

    offset = 0.0
    jumping = SimpleNamespace(**{**vars(time), "time": lambda: time.time() + offset})
    monkeypatch.setattr(objects, "time", jumping)
    monkeypatch.setattr(clock, "time", jumping)
    job = submit(home, request(segments=SEGMENTS, prove_seconds=0.3)).job_id

    def progress(state):
        nonlocal offset
        if state.executed:
            offset = jump

    run(home, job, progress=progress)
    assert receipt(home, job) == wanted
    assert all(t.attempt == 1 for t in home.db.get_tasks(job))
    monkeypatch.setattr(
        "localbento.api.results.Receipt.from_bytes", lambda data: SimpleNamespace(to_bytes=lambda: data)
    )
    assert job_result(home, job, 1.0).proving_seconds >= 0
    assert show_job(job, home=home.root).seconds >= 0


def test_d1_d2_jobs_beside_each_other_all_end(home):
    """Each process works on its own job; what it may take beside others is a share of the machine."""
    one = Resources(1, 1, 1 << 30)
    ids = [submit(home, request(segments=3, name=name, prove_seconds=0.1)).job_id for name in "ab"]
    failed = []

    def work(job):
        try:
            with Home(home.root) as other:
                run(other, job, one)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(job,)) for job in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert [home.db.get_job(job).state for job in ids] == [JobState.DONE] * 2


def test_d8_the_bound_is_the_executors_and_the_disks(home, monkeypatch):
    monkeypatch.setattr("localbento.service.engine.MOST_WAITING_SEGMENTS", 2)
    most = 0

    def watch(state):
        nonlocal most
        most = max(most, state.waiting)

    job = submit(home, request(segments=8, prove_seconds=0.05)).job_id
    run(home, job, RESOURCES, watch)
    assert most <= 2


def test_f3_nothing_of_a_failed_job_is_started(home):
    job = submit(home, request(segments=8, refuse_at=0, prove_seconds=0.2)).job_id
    with pytest.raises(Exception, match="cannot be proved"):
        run(home, job, Resources(1, 1, 1 << 30))
    assert {t.state for t in home.db.get_tasks(job)} <= {TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED}
    assert home.db.claim(home.db.register_pool(1, 0.0, "boot", "host"), ["prove", "exec", "aux"]) is None


def test_twins_of_a_fresh_job_share_every_byte_and_both_end(home, wanted):
    """Two jobs of the same seed, in step: what one lets go of the other may just have stored."""
    ids = [submit(home, request(segments=SEGMENTS, prove_seconds=0.05), fresh=True).job_id for _ in range(2)]
    failed = []

    def work(job):
        try:
            with Home(home.root) as other:
                Engine(other, job, replace(RESOURCES, cores=4), TOY_KINDS).run(lambda state: None)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(job,)) for job in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    calm = submit(home, request(segments=SEGMENTS, prove_seconds=0.0)).job_id
    run(home, calm)
    assert receipt(home, ids[0]) == receipt(home, ids[1]) == receipt(home, calm) == wanted


def test_a_job_that_is_asked_for_twice_at_once_is_one_job(tmp_path):
    guest = program(tmp_path, segments=3, prove_seconds=0.2)
    both = [bento(tmp_path / "home", "prove", guest, "--output", tmp_path / f"receipt{i}") for i in range(2)]
    for process in both:
        end(process)
    assert len(jobs(tmp_path / "home")) == 1
    assert (tmp_path / "receipt0").read_bytes() == (tmp_path / "receipt1").read_bytes()
