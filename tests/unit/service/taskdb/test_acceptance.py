"""The original's own tests as Given, When, Then: those that have no recording (test_goldens.py has the others)."""

import random

import pytest
from taskdb_tools import GOLDENS

from localbento.service.taskdb import JobState, NotFoundError, TaskState


def counts(db):
    return {str(state): n for (kind, state), n in db.get_task_state_counts().items() if kind == "CPU"}


def test_the_recordings_hold_the_other_acceptance_tests():
    recorded = {s["name"] for s in GOLDENS["scenarios"]}
    assert recorded >= {
        "create_stream_test", "create_stream_invalid", "create_job_test", "create_job_invalid", "create_task_test",
        "request_work_test", "update_task", "update_task_retry_test", "update_task_invalid", "update_task_prog_failed",
        "prereqs", "prereq_waiting_on", "stream_reservations", "stream_multiplier", "stream_reserved_priority",
        "stream_peak_resv", "requeue_timeout_test", "get_job_state_test", "job_count_test", "get_stream_id_test",
        "get_job_failure_test", "get_task_output_test", "delete_job_test", "e2e",
    }  # fmt: skip


def test_get_invalid_job_state(db):
    """When an unknown job's state is asked, then there is no such row."""
    with pytest.raises(NotFoundError):
        db.get_job_state("unknown", "user1")


def test_get_job_state_of_another_user(made, db):
    """Given a job of user1, when user2 asks, then there is no such row."""
    job = made.job("a")
    assert db.get_job_state(job, "user1") is JobState.RUNNING
    with pytest.raises(NotFoundError):
        db.get_job_state(job, "user2")


def test_get_job_time_test(made, db):
    """Given init handed out and done at once, then the job took less than a second."""
    job = made.job(init_done=False)
    assert db.get_job_time(job) is None
    db.request_work("CPU")
    made.clock.advance(0.25)
    db.update_task_done(job, "init", None)
    assert db.get_job_time(job) == 0.25


def test_request_work_and_dependency_unblock(made, db):
    """Given a join of a and b, when both are done, then it is handed out, and the job ends with it."""
    job = made.job("a", "b", tasks={"join": {"after": ["a", "b"]}})
    assert {db.request_work("CPU").task_id, db.request_work("CPU").task_id} == {"a", "b"}
    db.update_task_done(job, "b", None)
    assert db.request_work("CPU") is None
    db.update_task_done(job, "a", None)
    assert db.request_work("CPU").prerequisites == ("a", "b")
    db.update_task_done(job, "join", None)
    assert db.get_job(job).state is JobState.DONE


def test_timeout_requeue_and_retry_cap(made, db):
    """Given one retry and a timeout, when it was used up, then the next retry fails the job."""
    job = db.create_job(made.stream, None, 1, 1, "user1")
    db.request_work("CPU")
    made.clock.advance(1.2)
    assert db.requeue_tasks(100) == 1
    assert db.request_work("CPU").task_id == "init"
    assert not db.update_task_retry(job, "init")
    assert (db.get_job(job).state, db.get_job(job).error) == (JobState.FAILED, "retry max hit")


def test_task_state_counts_bootstrap_and_follow_transitions(made, db):
    """Given a job step by step, then the counts follow."""
    job = db.create_job(made.stream, None, 0, 100, "user1")
    assert counts(db) == {"ready": 1}
    db.request_work("CPU")
    assert counts(db) == {"running": 1}
    made.task(job, "keep")
    db.update_task_done(job, "init", None)
    made.task(job, "a", max_retries=1)
    made.task(job, "join", after=["a"])
    db.update_task_done(job, "keep", None)
    assert counts(db) == {"ready": 1, "pending": 1}
    db.request_work("CPU")
    assert counts(db) == {"running": 1, "pending": 1}
    db.update_task_retry(job, "a")
    assert counts(db) == {"ready": 1, "pending": 1}
    db.request_work("CPU")
    db.update_task_done(job, "a", None)
    assert counts(db) == {"ready": 1}
    db.request_work("CPU")
    db.update_task_done(job, "join", None)
    assert counts(db) == {}


def test_task_state_counts_drop_when_failure_cancels_siblings(made, db):
    job = made.job("a", "b")
    assert counts(db) == {"ready": 2}
    db.update_task_failed(job, "a", "boom")
    assert counts(db) == {}


def test_task_state_counts_drop_to_zero_after_delete_job(made, db):
    job = made.job("a", tasks={"b": {"after": ["a"]}})
    db.request_work("CPU")
    assert counts(db) == {"running": 1, "pending": 1}
    db.delete_job(job)
    assert counts(db) == {}


def test_counts_are_told_apart_by_worker_type(made, db):
    gpu = db.create_stream("GPU", 1, 1.0, "user1")
    job = made.job("a")
    db.create_task(job, "b", gpu, None)
    assert db.get_task_state_counts() == {("CPU", TaskState.READY): 1, ("GPU", TaskState.READY): 1}


def test_delete_job_preserves_init_task_output_and_removes_the_others(made, db):
    job = made.job(init_done=False)
    made.task(job, "a")
    for name in ("init", "a"):
        db.update_task_done(job, name, {"of": name})
    db.delete_job(job, keep_output_seconds=3600)
    assert db.get_task_output(job, "init") == {"of": "init"}
    for call in (lambda: db.get_task_output(job, "a"), lambda: db.get_job_state(job, "user1")):
        with pytest.raises(NotFoundError):
            call()


def test_clear_completed_jobs_preserves_init_task_output(made, db):
    job = made.job(init_done=False)
    db.update_task_done(job, "init", {"cycles": 1})
    assert db.clear_completed_jobs(keep_output_seconds=3600) == (1, [])
    assert db.list_jobs() == []
    assert db.get_task_output(job, "init") == {"cycles": 1}


def test_redis_e2e(made, db):
    """Given segments and a join made while init is ready, when one is retried on the way, then all end."""
    job = db.create_job(made.stream, None, 1, 100, "user1")
    for name, after in (("segment_1", []), ("segment_2", []), ("join_3", ["segment_1", "segment_2"])):
        made.task(job, name, after=after, max_retries=1)
    completed, retried = 0, False
    while (task := db.request_work("CPU")) is not None:
        if task.task_id == "segment_2" and not retried:
            retried = db.update_task_retry(job, "segment_2")
            continue
        completed += db.update_task_done(job, task.task_id, {"task": task.task_id})
    assert (completed, retried) == (4, True)
    assert db.get_job(job).state is JobState.DONE
    assert db.get_job_unresolved(job) == 0
    assert db.get_task_output(job, "join_3") == {"task": "join_3"}
    assert db.get_concurrent_jobs("user1") == 0
    db.delete_job(job)


def test_stress(made, db):
    """Given customers with random jobs, when tasks fail, retry and time out by chance, then every job ends."""
    chance = random.Random(5)
    streams = [(db.create_stream("CPU", 0, 1.0, f"u{i}"), db.create_stream("GPU", 0, 1.0, f"u{i}")) for i in range(3)]
    jobs = [db.create_job(streams[i % 3][0], None, 0, 100, f"u{i % 3}", key=str(i)) for i in range(12)]
    gpu = {job: streams[i % 3][1] for i, job in enumerate(jobs)}
    while any(db.get_job(job).state is JobState.RUNNING for job in jobs):
        made.clock.advance(chance.choice([0.1, 1.0, 12.0]))
        db.requeue_tasks(100)
        if (task := db.request_work("CPU")) is not None and task.task_id == "init":
            names = [str(n) for n in range(chance.randint(1, 31))]
            for name in names:
                db.create_task(task.job_id, name, gpu[task.job_id], None, (), 3, 10)
            made.task(task.job_id, "finalize", after=names)
            db.update_task_done(task.job_id, "init", None)
        elif task is not None:
            db.update_task_done(task.job_id, task.task_id, None)
        for _ in range(8):
            if (task := db.request_work("GPU")) is None:
                break
            match chance.randrange(200):
                case 0 | 1:
                    db.update_task_failed(task.job_id, task.task_id, "by chance")
                case 2 | 3:
                    db.update_task_retry(task.job_id, task.task_id)
                case 4 | 5 | 6:
                    pass  # forgotten: it times out
                case _:
                    db.update_task_done(task.job_id, task.task_id, None)
        assert db.check() == []
    ended = {db.get_job(job).state for job in jobs}
    assert ended == {JobState.DONE, JobState.FAILED}
    assert counts(db).get("ready", 0) == 0
