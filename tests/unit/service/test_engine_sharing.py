"""Threads, ageing and standing still, as an engine does them with toy tasks."""

import threading
import time

import pytest
from toy_job import receipt, request, run
from toy_tasks import TOY_KINDS

from localbento.errors import HostError, Interrupted
from localbento.service.engine import Engine, Resources
from localbento.service.home import Home
from localbento.service.jobs import submit
from localbento.service.planner.ageing import MOST_PASSED
from localbento.service.taskdb.rows import JobState, TaskState
from localbento.service.worker.pool import Pool

GIB = 1 << 30
MIB = 1 << 20
LONG, SHORT = 90_000_000, 20_000_000


@pytest.fixture
def home(tmp_path):
    with Home(tmp_path / "home") as opened:
        yield opened


def prove(home, resources, **program):
    job = submit(home, request(**program)).job_id
    run(home, job, resources, lambda state: within(home, resources))
    return job


def within(home, resources):
    """Tokens of the machine, with what is lent early."""
    _, cores, memory = home.db.used_resources()
    assert memory <= resources.memory_bytes
    assert cores <= 2 * resources.cores


def outputs(home, job):
    found = {t.task_id: t.output for t in home.db.get_tasks(job) if t.definition["kind"] == "prove"}
    return {name: found[name] for name in sorted(found, key=int)}


def threads(home, job):
    return [output["threads"] for output in outputs(home, job).values()]


def order(home, job):
    """Numbers of the segments in the order in which their proofs started."""
    found = [t for t in home.db.get_tasks(job) if t.definition["kind"] == "prove"]
    return [int(t.task_id) for t in sorted(found, key=lambda t: t.started_at)]


TWO = Resources(2, 2, 4 * GIB)


def test_a_long_and_a_short_segment_are_proved_one_after_the_other(home):
    job = prove(home, TWO, segments=2, cells=[LONG, SHORT], prove_seconds=0.1)
    assert threads(home, job) == [2, 2]
    even = prove(home, TWO, segments=2, cells=LONG, prove_seconds=0.1)
    assert threads(home, even) == [1, 1]
    assert receipt(home, job) == receipt(home, even)


def test_the_bytes_do_not_depend_on_it(home, tmp_path):
    wide = prove(home, TWO, segments=2, cells=[LONG, SHORT])
    with Home(tmp_path / "other") as other:
        alone = submit(other, request(segments=2, cells=[LONG, SHORT])).job_id
        run(other, alone, Resources(1, 1, 4 * GIB))
        assert threads(other, alone) == [1, 1]
        assert receipt(other, alone) == receipt(home, wide)


def test_a_worker_that_dies_on_borrowed_cores_gives_them_back(home, tmp_path):
    trouble = {"kind": "prove", "at": 0, "who": "worker", "flag": str(tmp_path / "flag")}
    job = prove(home, TWO, segments=2, cells=[LONG, SHORT], trouble=trouble)
    tasks = {t.task_id: t for t in home.db.get_tasks(job)}
    assert (tasks["0"].crashes, tasks["0"].attempt) == (1, 2)
    assert threads(home, job) == [2, 2]
    assert home.db.used_resources() == (0, 0, 0)


def test_a_job_that_is_cancelled_in_between_gives_its_cores_back(home):
    job = submit(home, request(segments=2, cells=[LONG, SHORT], prove_seconds=0.4)).job_id

    def cancel(state):
        if state.segments_running:
            home.db.cancel_job(job)

    with pytest.raises(Interrupted, match="cancelled"):
        run(home, job, TWO, cancel)
    assert home.db.used_resources() == (0, 0, 0)
    home.db.resume_job(job)
    run(home, job, TWO)
    assert home.db.get_job(job).state is JobState.DONE


def test_two_jobs_in_one_home_share_the_cores(home):
    """The second job gets its turn when the first gives cores back; neither waits for ever, none takes too much."""
    jobs = [
        submit(home, request(segments=3, cells=[LONG, SHORT, SHORT], prove_seconds=0.1, number=n)).job_id
        for n in range(2)
    ]
    errors = []

    def second():
        try:
            with Home(home.root) as other:
                run(other, jobs[1], TWO, lambda state: within(other, TWO))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    run(home, jobs[0], TWO, lambda state: within(home, TWO))
    thread.join(60)
    assert errors == []
    assert [home.db.get_job(job).state for job in jobs] == [JobState.DONE] * 2
    assert home.db.used_resources() == (0, 0, 0)


def test_what_was_taken_away_from_an_engine_gives_it_no_more_cores_than_there_are(home, monkeypatch):
    """Its leases are gone, and it has not been told: to the database those cores are free."""
    job = executed(home, monkeypatch, segments=3, cells=LONG, prove_seconds=0.2)
    engine = Engine(home, job, TWO, TOY_KINDS)
    engine._register()
    with Pool(home.store.root) as pool:
        for _ in range(2):
            engine._start(engine._claims.claim(engine._pool_id, ["prove"]), pool)
        for name in ("0", "1"):
            home.db.task_given_back(job, name, engine._held[name].claimed.attempt)
        engine._start(home.db.claim(engine._pool_id, ["prove"], job_id=job, task_id="2", cores_limit=2), pool)
        assert {name: held.threads for name, held in engine._held.items()} == {"0": 1, "1": 1, "2": 1}
        assert home.db.used_resources()[1] == 1
    home.db.unregister_pool(engine._pool_id)


# -- ageing


def executed(home, monkeypatch, **program):
    """A job whose guest has run, and of which nothing was proved."""
    job = submit(home, request(**program)).job_id

    class StopError(Exception):
        pass

    def stop(state):
        if state.executed:
            raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_may_prove", lambda self: False)
        with pytest.raises(StopError):
            run(home, job, TWO, stop)
    return job


def test_a_large_task_is_not_passed_over_for_ever(home, monkeypatch):
    """Two small ones run at any time; the large one needs both their places."""
    small, large = 400 * MIB, 900 * MIB
    memory = [small, large, *[small] * 30]
    job = executed(home, monkeypatch, segments=32, memory_bytes=memory, prove_seconds=0.03)
    limit = Resources(2, 2, 1000 * MIB)
    run(home, job, limit, lambda state: within(home, limit))
    place = order(home, job).index(1)
    assert 2 <= place <= MOST_PASSED + 1
    assert order(home, job)[:2] == [0, 2]


def test_a_task_that_can_never_fit_holds_nothing_up_and_is_an_error_in_the_end(home, monkeypatch):
    memory = [9 * GIB, *[1 * MIB] * 14]
    job = executed(home, monkeypatch, segments=15, memory_bytes=memory)
    with pytest.raises(HostError, match=r"task 0: .*at most 1.0 GiB \(--memory\), found that it needs 9.0 GiB"):
        run(home, job, Resources(2, 2, GIB))
    states = {t.task_id: t.state for t in home.db.get_tasks(job) if t.task_id.isdigit()}
    assert states.pop("0") is TaskState.READY
    assert set(states.values()) == {TaskState.DONE}


def test_what_others_hold_is_not_waited_for(home, monkeypatch):
    """The memory that is missing belongs to another job: small tasks go on meanwhile."""
    memory = [900 * MIB, *[1 * MIB] * 14]
    job = executed(home, monkeypatch, segments=15, memory_bytes=memory)
    other = executed(home, monkeypatch, segments=1, memory_bytes=500 * MIB)
    pool = home.db.register_pool(1, 0.0, "boot", "host")
    limit = Resources(2, 2, 1000 * MIB)
    engine = Engine(home, job, limit, TOY_KINDS)
    engine._register()
    assert home.db.claim(pool, ["prove"], job_id=other).task_id == "0"
    found = []
    for _ in range(14):
        claimed = engine._claims.claim(engine._pool_id, ["prove"])
        found.append(claimed.task_id)
        home.db.task_done(job, claimed.task_id, claimed.attempt, None)
    assert found == [str(i) for i in range(1, 15)]
    assert engine._claims.claim(engine._pool_id, ["prove"]) is None
    home.db.unregister_pool(pool)
    assert engine._claims.claim(engine._pool_id, ["prove"]).task_id == "0"


def test_a_task_that_is_due_waits_for_its_place(home, monkeypatch):
    """Once due, nothing smaller starts, though it would fit; when its place is free it starts."""
    memory = [900 * MIB, *[200 * MIB] * 20]
    job = executed(home, monkeypatch, segments=21, memory_bytes=memory)
    engine = Engine(home, job, Resources(2, 2, 1000 * MIB), TOY_KINDS)
    engine._register()
    claims, pool = engine._claims, engine._pool_id
    first = home.db.claim(pool, ["prove"], job_id=job, task_id="20")
    for _ in range(MOST_PASSED):
        claimed = claims.claim(pool, ["prove"])
        assert claimed.task_id != "0"
        home.db.task_done(job, claimed.task_id, claimed.attempt, None)
    assert claims.claim(pool, ["prove", "aux"]) is None
    assert home.db.task_crashed(job, "20", first.attempt, "died") == 1
    assert claims.claim(pool, ["prove", "aux"]).task_id == "0"


def test_an_execution_that_leaves_no_room_goes_on_to_its_end(home, monkeypatch):
    """It stands still while many segments wait; if they wait for its memory, that was for ever."""
    monkeypatch.setattr("localbento.service.engine.MOST_WAITING_SEGMENTS", 3)
    job = submit(home, request(segments=8, memory_bytes=600 * MIB)).job_id
    end = time.monotonic() + 60.0

    def patient(state):
        if time.monotonic() > end:
            pytest.fail(f"the engine hangs: {state}")

    run(home, job, Resources(2, 2, GIB), patient)
    assert home.db.get_job(job).state is JobState.DONE
