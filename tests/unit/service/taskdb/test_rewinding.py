"""Going back to where something can be made again, and closing a job; both in the face of others who do the same."""

import pytest

from localbento.service.taskdb import JobState, NotFoundError, TaskState

A, B, C, D = (letter * 64 for letter in "abcd")


def started(made, names=("0", "1"), **kwargs):
    """A job whose execution is done, with tasks; one pool that has claimed the first of them."""
    job = made.job(tasks={name: {"inputs": {"segment": (A, 10)}} for name in names}, **kwargs)
    pool = made.pool()
    return job, pool, made.claim(pool, job_id=job)


def rewind(db, job, names, claimed):
    return db.rewind_job(job, names, task_id=claimed.task_id, attempt=claimed.attempt)


def test_some_tasks_are_forgotten_and_init_runs_again(made, db):
    job, _, claimed = started(made)
    made.task(job, "finalize", after=["0", "1"], inputs={"session": (B, 10)})
    assert rewind(db, job, ["0", "finalize"], claimed) == [B]  # task 1 has the segment, too
    assert made.states(job) == {"init": "ready", "1": "ready"}
    assert db.list_dependencies(job) == []
    assert db.get_job(job).state is JobState.RUNNING


def test_a_forgotten_task_that_is_made_anew_is_not_taken_for_the_one_that_was_lost(made, db):
    """Both are the first run of task 0 by the same pool; the heartbeat takes away the forgotten one only."""
    job, pool, claimed = started(made)
    rewind(db, job, ["0"], claimed)
    made.task(job, "0")
    again = made.claim(pool, job_id=job)
    while again.task_id != "0":
        again = made.claim(pool, job_id=job)
    assert again.attempt > claimed.attempt
    told = [(lease.task_id, lease.attempt) for lease in db.heartbeat(pool)]
    assert told == [("0", claimed.attempt)]
    assert not db.task_done(job, "0", claimed.attempt, None)
    assert db.is_current_run(job, "0", again.attempt)
    assert db.task_done(job, "0", again.attempt, None)


def test_every_pool_that_runs_something_of_it_is_told(made, db):
    job, _, claimed = started(made)
    other = made.pool(pid=2)
    theirs = made.claim(other, job_id=job)
    rewind(db, job, ["0", "1"], claimed)
    assert [(lease.task_id, lease.attempt) for lease in db.heartbeat(other)] == [("1", theirs.attempt)]
    assert not db.task_done(job, "1", theirs.attempt, None)


@pytest.mark.parametrize("meanwhile", ["taken over", "done", "cancelled", "failed", "finished"])
def test_a_stale_run_has_no_say(made, db, meanwhile):
    job, pool, claimed = started(made, ["0"])
    match meanwhile:
        case "taken over":
            db.unregister_pool(pool)
            made.claim(made.pool(pid=2), job_id=job)
        case "done" | "finished":
            db.task_done(job, "0", claimed.attempt, None, {"receipt": (C, 5)})
        case "cancelled":
            db.cancel_job(job)
        case "failed":
            made.task(job, "x")
            db.update_task_failed(job, "x", "why")
    before = (made.states(job), db.get_job(job).state, db.all_refs())
    assert rewind(db, job, ["0"], claimed) is None
    assert (made.states(job), db.get_job(job).state, db.all_refs()) == before


def test_a_job_that_is_gone(made, db):
    job, _, claimed = started(made)
    assert db.is_current_run(job, "0", claimed.attempt)
    db.delete_job(job)
    assert not db.is_current_run(job, "0", claimed.attempt)
    with pytest.raises(NotFoundError):
        rewind(db, job, ["0"], claimed)


def finished(made, **kwargs):
    job, _, claimed = started(made, ["0"], inputs={"secret": (B, 32)}, **kwargs)
    made.db.add_refs(job, "init", {"session": (C, 5)}, outputs=True)
    made.db.task_done(job, "0", claimed.attempt, None, {"receipt": (D, 5)})
    return job


def test_a_done_job_keeps_its_results_only(made, db):
    job = finished(made)
    assert db.get_job(job).state is JobState.DONE
    assert db.unsettled_jobs(["init"]) == [job]
    assert db.settle_job(job, ["init"]) == [A, B, D]
    assert db.task_outputs(job, "init") == {"session": C}
    assert db.settle_job(job, ["init"]) == []
    assert db.unsettled_jobs(["init"]) == []


def test_only_a_done_job_is_settled(made, db):
    """It may have been set going again since somebody saw that it had ended."""
    running, *_ = started(made, ["0"], inputs={"secret": (B, 32)})
    cancelled = made.job("x", inputs={"secret": (B, 32)})
    db.cancel_job(cancelled)
    before = db.all_refs()
    assert db.settle_job(running, ["init"]) == db.settle_job(cancelled, ["init"]) == db.settle_job("none", []) == []
    assert db.all_refs() == before
    assert db.unsettled_jobs(["init"]) == []


def test_what_others_need_is_not_given_up(made, db):
    job = finished(made)
    made.job(tasks={"a": {"inputs": {"x": (A, 10)}}})
    assert db.settle_job(job, ["init"]) == [B, D]


def test_tasks_count_from_nought_otherwise(made, db):
    job, *_ = started(made)
    assert {t.task_id: t.attempt for t in db.get_tasks(job)} == {"init": 0, "0": 1, "1": 0}
    assert db.task_state(job, "0") is TaskState.RUNNING


def test_that_a_job_is_done_is_on_the_disk_before_its_inputs_go(made, db, monkeypatch):
    """A power cut takes back what was not synced; all else is synced at leisure."""
    job = finished(made)
    synced = []
    run = type(db)._run

    def watch(self, name, **values):
        if name == "commit":
            synced.append(self._connection.execute("PRAGMA synchronous").fetchone()[0])
        return run(self, name, **values)

    monkeypatch.setattr(type(db), "_run", watch)
    db.settle_job(job, ["init"])
    made.job()
    assert synced[0] == 2
    assert set(synced[1:]) == {1}
