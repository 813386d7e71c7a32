"""Machine-wide tokens in the claim, and which task is handed out."""

import pytest

from localbento.errors import UsageError
from localbento.service.taskdb import TaskState

GIB = 1 << 30


def proofs(*sizes, cores=1):
    return {str(i): {"memory_bytes": size, "cores": cores} for i, size in enumerate(sizes)}


def claim_all(made, pool, **limits):
    found = []
    while (task := made.claim(pool, **limits)) is not None:
        found.append(task.task_id)
    return found


def test_memory_of_all_running_tasks_stays_below_the_limit(made, db):
    made.job(tasks=proofs(4 * GIB, 4 * GIB, 4 * GIB))
    assert claim_all(made, made.pool(), memory_limit=8 * GIB) == ["0", "1"]
    assert db.used_resources() == (2, 2, 8 * GIB)


def test_one_byte_too_much_is_too_much(made):
    made.job(tasks=proofs(4 * GIB, 4 * GIB + 1))
    assert claim_all(made, made.pool(), memory_limit=8 * GIB) == ["0"]


def test_cores_of_all_running_tasks_stay_below_the_limit(made):
    made.job(tasks=proofs(0, 0, 0, cores=2))
    assert claim_all(made, made.pool(), cores_limit=5) == ["0", "1"]


def test_tokens_are_shared_by_all_pools_and_jobs(made):
    made.job(tasks=proofs(4 * GIB, 4 * GIB))
    second = made.job(tasks=proofs(4 * GIB, 4 * GIB))
    assert claim_all(made, made.pool(pid=1), memory_limit=12 * GIB, job_id=second) == ["0", "1"]
    assert claim_all(made, made.pool(pid=2), memory_limit=12 * GIB) == ["0"]


def test_what_ends_gives_its_tokens_back(made, db):
    job = made.job(tasks=proofs(4 * GIB, 4 * GIB, 4 * GIB))
    pool = made.pool()
    assert claim_all(made, pool, memory_limit=4 * GIB) == ["0"]
    assert db.task_done(job, "0", 1, None)
    assert claim_all(made, pool, memory_limit=4 * GIB) == ["1"]
    db.task_crashed(job, "1", 1, "signal 9")
    assert claim_all(made, pool, memory_limit=4 * GIB) == ["1"]
    db.reap(lambda row: False)
    assert db.used_resources() == (0, 0, 0)


def test_a_task_that_does_not_fit_is_passed_over_and_comes_first_when_it_does(made, db):
    job = made.job(tasks=proofs(2 * GIB, 4 * GIB, 1 * GIB, 1 * GIB))
    pool = made.pool()
    assert claim_all(made, pool, memory_limit=4 * GIB) == ["0", "2", "3"]
    assert db.task_state(job, "1") is TaskState.READY
    for name in "023":
        db.task_done(job, name, 1, None)
    assert claim_all(made, pool, memory_limit=4 * GIB) == ["1"]


def test_a_task_of_too_many_cores_is_passed_over(made):
    made.job(tasks={"0": {"cores": 3}, "1": {"cores": 2}, "2": {"cores": 1}})
    assert claim_all(made, made.pool(), cores_limit=4) == ["0", "2"]


def test_a_stream_without_a_task_of_few_cores_does_not_hide_another(made, db):
    made.job(tasks={"0": {"cores": 3}})
    other = db.create_stream("CPU", 0, 1.0, "user2")
    job = db.create_job(other, None, 0, 100, "user2", cores=1)
    assert made.claim(made.pool(), cores_limit=2).job_id == job


def test_a_stream_without_a_fitting_task_does_not_hide_another(made, db):
    """Given the best stream with a large task only, when a small pool asks, then it gets a task of the next stream."""
    made.job(tasks=proofs(9 * GIB))
    other = db.create_stream("CPU", 0, 1.0, "user2")
    job = db.create_job(other, None, 0, 100, "user2", memory_bytes=GIB)
    assert made.claim(made.pool(), memory_limit=2 * GIB).job_id == job


def test_without_limits_everything_is_handed_out(made):
    made.job(tasks=proofs(99 * GIB, 99 * GIB, cores=99))
    assert claim_all(made, made.pool()) == ["0", "1"]


def test_only_the_asked_job_is_served(made):
    first, second = made.job("a"), made.job("b")
    pool = made.pool()
    assert made.claim(pool, job_id=second).task_id == "b"
    assert made.claim(pool, job_id=second) is None
    assert made.claim(pool, job_id="unknown") is None
    assert made.claim(pool, job_id=first).task_id == "a"


def test_only_the_asked_task_is_handed_out(made, db):
    job = made.job(tasks=proofs(1 * GIB, 4 * GIB))
    pool = made.pool()
    assert made.claim(pool, job_id=job, task_id="1", memory_limit=2 * GIB) is None
    assert made.claim(pool, job_id=job, task_id="2") is None
    assert made.claim(pool, job_id=job, task_id="1", memory_limit=4 * GIB).task_id == "1"
    assert made.claim(pool, job_id=job, task_id="1") is None
    assert made.claim(pool, job_id=job).task_id == "0"


def test_the_asked_job_is_found_behind_a_stream_that_is_served_first(made, db):
    made.job("a")
    other = db.create_stream("CPU", 0, 1.0, "user2")
    job = db.create_job(other, None, 0, 100, "user2")
    assert made.claim(made.pool(), job_id=job).task_id == "init"


def test_several_worker_types_are_one_queue(made, db):
    gpu = db.create_stream("GPU", 5, 1.0, "user1")
    job = made.job("a")
    db.create_task(job, "b", gpu, None)
    pool = made.pool()
    assert db.claim(pool, ["AUX"]) is None
    assert db.claim(pool, []) is None
    assert db.claim(pool, ["CPU", "GPU"]).task_id == "b", "-1 for both: the larger reservation goes first"
    assert db.claim(pool, ["CPU", "GPU"]).task_id == "a"


@pytest.mark.parametrize(("cores", "memory"), [(-1, 0), (0, -1)])
def test_negative_resources_are_refused(made, db, cores, memory):
    job = made.job("a")
    with pytest.raises(UsageError, match="expected resources of 0 or more"):
        made.task(job, "b", cores=cores, memory_bytes=memory)
    assert made.states(job) == {"init": "done", "a": "ready"}


def test_claiming_is_one_statement(made, db):
    made.job("a")
    pool = made.pool()
    seen = []
    db._connection.set_trace_callback(seen.append)
    made.claim(pool)
    db._connection.set_trace_callback(None)
    changing = [sql for sql in dict.fromkeys(seen) if not sql.startswith(("--", "BEGIN", "COMMIT", "SELECT"))]
    assert len(changing) == 1
    assert "RETURNING" in changing[0]


def test_a_thousand_ready_tasks_are_not_sorted(made, db):
    """The plan of the claim: the partial index gives the order; running tasks are read from a covering index."""
    limits = ("cores_limit", "memory_limit", "any", "reserved_only")
    values = dict.fromkeys(("pool", "worker_types", "job", "task", *limits, "now", "tick"), "[]")
    plan = db._connection.execute(f"EXPLAIN QUERY PLAN {db._sql['claim_task']}", values).fetchall()
    lines = [row[3] for row in plan]
    assert "SEARCH t USING INDEX tasks_ready (stream_seq=?)" in lines
    assert "SEARCH tasks USING COVERING INDEX tasks_running (state=?)" in lines
    assert lines.count("USE TEMP B-TREE FOR ORDER BY") == 1, "of the few streams"
