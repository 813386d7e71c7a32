"""Cores that a run gets beyond what its task needs: counted as the machine's, given back when it ends."""

import pytest

from localbento.service.taskdb import TaskDb

LIMIT = 4


@pytest.fixture
def db():
    with TaskDb(None) as opened:
        yield opened


@pytest.fixture
def job(db):
    stream = db.get_or_create_stream("prove", 0, 1.0, "user")
    made = db.create_job(stream, {}, 3, 100, "user")
    for name in ("a", "b"):
        db.create_task(made, name, stream, {}, (), 3, 100)
    return made


@pytest.fixture
def pool(db):
    return db.register_pool(1, 0.0, "boot", "host")


def claim(db, pool, limit=LIMIT):
    return db.claim(pool, ["prove"], cores_limit=limit)


def test_a_run_gets_what_the_machine_has_left(db, job, pool):
    first, second = claim(db, pool), claim(db, pool)
    assert db.lend_cores(job, first.task_id, first.attempt, 9, LIMIT) == 3
    assert db.lend_cores(job, second.task_id, second.attempt, 9, LIMIT) == 1
    assert claim(db, pool) is None
    assert claim(db, pool, LIMIT + 1).task_id == "b"


def test_asking_for_less_gives_the_rest_back(db, job, pool):
    first = claim(db, pool)
    assert db.lend_cores(job, first.task_id, first.attempt, 4, LIMIT) == 4
    assert claim(db, pool) is None
    assert db.lend_cores(job, first.task_id, first.attempt, 2, LIMIT) == 2
    assert claim(db, pool) is not None


@pytest.mark.parametrize("ending", ["done", "failed", "crashed", "given back", "pool gone"])
def test_lent_cores_come_back_however_the_run_ends(db, job, pool, ending):
    first = claim(db, pool)
    db.lend_cores(job, first.task_id, first.attempt, 4, LIMIT)
    assert claim(db, pool) is None
    run = (job, first.task_id, first.attempt)
    match ending:
        case "done":
            db.task_done(*run, None)
        case "failed":
            db.task_failed(*run, "E", "", "", "", retry=True)
        case "crashed":
            db.task_crashed(*run, "died")
        case "given back":
            db.task_given_back(*run)
        case "pool gone":
            db.unregister_pool(pool)
            pool = db.register_pool(1, 0.0, "boot", "host")
    again = [claim(db, pool), claim(db, pool)]
    assert None not in again
    assert db.lend_cores(again[1].job_id, again[1].task_id, again[1].attempt, 9, LIMIT) == 3


def test_a_run_that_was_taken_away_gets_nothing(db, job, pool):
    first = claim(db, pool)
    db.task_given_back(job, first.task_id, first.attempt)
    again = claim(db, pool)
    assert db.lend_cores(job, first.task_id, first.attempt, 4, LIMIT) == 0
    assert db.lend_cores(job, again.task_id, again.attempt, 4, LIMIT) == 4
