"""An engine whose pool or task is taken away between two of its steps."""

import pytest
from toy_job import RESOURCES, receipt, request, run
from toy_tasks import TOY_KINDS

from localbento.service.engine import Engine
from localbento.service.home import Home
from localbento.service.jobs import submit
from localbento.service.planning import inputs_of
from localbento.service.taskdb import NotFoundError
from localbento.service.taskdb.rows import JobState
from localbento.service.worker.messages import Failed
from localbento.service.worker.pool import Pool


@pytest.fixture
def home(tmp_path):
    with Home(tmp_path / "home") as opened:
        yield opened


def until(home, job, monkeypatch, wanted):
    """Work until only tasks of the wanted kind are left; then one of them, claimed, and its pool."""

    class StopError(Exception):
        pass

    start = Engine._start

    def refuse(self, claimed, pool):
        if claimed.definition["kind"] == wanted:
            raise StopError
        start(self, claimed, pool)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_start", refuse)
        with pytest.raises(StopError):
            run(home, job)


@pytest.mark.parametrize("times", [1, 3])
def test_an_engine_that_is_taken_for_dead_registers_again(home, times):
    """As when /proc could not be read for a moment: its pool is removed, its tasks are given back."""
    job = submit(home, request(segments=6, prove_seconds=0.15)).job_id
    removed = 0

    def bury(state):
        nonlocal removed
        if removed < times and state.executed and state.segments_running:
            removed += 1
            with Home(home.root) as other:
                for pool in other.db.list_pools():
                    other.db.unregister_pool(pool.id)

    run(home, job, progress=bury)
    assert removed == times
    calm = submit(home, request(segments=6)).job_id
    run(home, calm)
    assert receipt(home, job) == receipt(home, calm)
    assert home.db.list_pools() == []


@pytest.mark.parametrize("kind", ["finalize", "verify"])
def test_a_task_that_is_forgotten_between_claim_and_start_is_let_go(home, monkeypatch, kind):
    """Another engine has found something lost, and rewound the job."""
    job = submit(home, request(segments=2)).job_id
    until(home, job, monkeypatch, kind)
    engine = Engine(home, job, RESOURCES, TOY_KINDS)
    engine._register()
    claimed = home.db.claim(engine._pool_id, ["aux"], job_id=job)
    assert claimed.definition["kind"] == kind
    home.db.rewind_job(job, ["0", "finalize", "verify 0", "verify 1"], task_id=claimed.task_id, attempt=claimed.attempt)
    with pytest.raises(NotFoundError):
        inputs_of(home, claimed)
    with Pool(home.store.root) as pool:
        engine._start(claimed, pool)
        assert pool.running == ()
    assert engine._held == {}
    home.db.unregister_pool(engine._pool_id)
    run(home, job)
    assert home.db.get_job(job).state is JobState.DONE


def test_the_failure_of_a_run_that_was_taken_away_is_not_told_as_the_jobs(home, monkeypatch):
    job = submit(home, request(segments=1)).job_id
    engine = Engine(home, job, RESOURCES, TOY_KINDS)
    engine._register()
    with Pool(home.store.root) as pool:
        engine._start(home.db.claim(engine._pool_id, ["exec"], job_id=job), pool)
        home.db.unregister_pool(engine._pool_id)
        engine._note(Failed("init", RuntimeError("nobody should read this")), pool)
    assert not any("nobody" in event.text for event in home.db.events(job))
    run(home, job)
    assert home.db.get_job(job).state is JobState.DONE
