"""Who may report on a task, and how a task comes back from a parent that is gone, silent, or told to stop."""

import pytest

from localbento.service.taskdb import JobState, Lease, NotFoundError, TaskState


def fields(row):
    return (row.state, row.attempt, row.pool_id, row.retries, row.crashes, row.progress, row.step)


def test_every_hand_out_has_a_new_attempt(made, db):
    job, pool = made.job("a"), made.pool()
    first = made.claim(pool)
    assert (first.job_id, first.task_id, first.attempt) == (job, "a", 1)
    assert db.task_given_back(job, "a", 1)
    assert made.claim(pool).attempt == 2


def test_a_claimed_task_says_what_it_is(made, db):
    settings = {"definition": {"kind": "prove", "n": [1]}, "max_retries": 3, "timeout": 60}
    made.job(tasks={"p": {**settings, "cores": 2, "memory_bytes": 7}})
    task = made.claim(made.pool())
    assert task.definition == {"kind": "prove", "n": [1]}
    assert (task.max_retries, task.timeout_secs, task.cores, task.memory_bytes) == (3, 60, 2, 7)
    assert (task.retries, task.crashes, task.prerequisites) == (0, 0, ())


@pytest.mark.parametrize(
    "report",
    [
        lambda db, job, attempt: db.task_done(job, "a", attempt, {"x": 1}, {"receipt": ("d" * 64, 5)}, job_result=1),
        lambda db, job, attempt: db.task_failed(job, "a", attempt, "E", "r", "text", "tail", retry=False),
        lambda db, job, attempt: db.task_failed(job, "a", attempt, "E", "r", "text", "tail", retry=True),
        lambda db, job, attempt: db.task_crashed(job, "a", attempt, "signal 9"),
        lambda db, job, attempt: db.task_progress(job, "a", attempt, 0.7, "fri"),
        lambda db, job, attempt: db.task_given_back(job, "a", attempt),
    ],
    ids=["done", "failed", "retry", "crashed", "progress", "given_back"],
)
@pytest.mark.parametrize("how", ["late", "future", "not_running", "over", "cancelled", "unknown"])
def test_a_report_about_another_run_is_refused_and_changes_nothing(made, db, report, how):
    """Given a task taken away from run 1 in some way, when run 1 reports, then nothing happens."""
    job, pool = made.job("a", "b"), made.pool()
    attempt = made.claim(pool).attempt
    match how:
        case "late":
            db.task_given_back(job, "a", attempt)
            assert made.claim(pool).attempt == attempt + 1
        case "future":
            attempt += 1
        case "not_running":
            db.task_given_back(job, "a", attempt)
        case "over":
            assert db.task_done(job, "a", attempt, "first")
        case "cancelled":
            db.cancel_job(job)
        case "unknown":
            db.delete_job(job)
    before = ([db.get_task(job, n) for n in "ab"], db.get_job(job)) if how != "unknown" else None
    assert report(db, job, attempt) in (False, 0)
    assert before == (([db.get_task(job, n) for n in "ab"], db.get_job(job)) if how != "unknown" else None)
    assert db.object_usage().objects == 0


def test_done_by_the_run_that_holds_it(made, db):
    job, pool = made.job("a"), made.pool()
    task = made.claim(pool)
    refs = {"receipt": ("d" * 64, 5)}
    assert db.task_done(job, "a", task.attempt, {"x": 1}, refs, private=["receipt"], job_result={"ok": True})
    row = db.get_task(job, "a")
    assert (row.state, row.output, row.progress, row.pool_id) == (TaskState.DONE, {"x": 1}, 1.0, None)
    assert db.task_outputs(job, "a") == {"receipt": "d" * 64}
    assert db.task_refs(job, "a", outputs=True)["receipt"].private
    found = db.get_job(job)
    assert (found.state, found.result, found.finished_at) == (JobState.DONE, {"ok": True}, made.clock.now())


def test_a_failure_keeps_class_reason_message_and_log(made, db):
    job, pool = made.job("a", "b"), made.pool()
    task = made.claim(pool)
    assert db.task_failed(job, "a", task.attempt, "ProvingError", "memory", "out of memory", "tail\n", retry=False)
    row = db.get_task(job, "a")
    assert (row.state, row.error_class, row.reason, row.error, row.log_tail) == (
        TaskState.FAILED, "ProvingError", "memory", "out of memory", "tail\n",
    )  # fmt: skip
    assert (db.get_job(job).state, db.get_job(job).error) == (JobState.FAILED, "out of memory")
    assert db.get_job_failure(job) == "out of memory"
    assert made.states(job) == {"init": "done", "a": "failed", "b": "cancelled"}


def test_retries_are_counted_and_the_last_one_keeps_the_cause(made, db):
    job, pool = made.job(tasks={"a": {"max_retries": 2}}), made.pool()
    for retries in (1, 2):
        task = made.claim(pool)
        assert db.task_failed(job, "a", task.attempt, "HostError", "disk", f"full {retries}", "log", retry=True)
        row = db.get_task(job, "a")
        assert fields(row) == (TaskState.READY, retries, None, retries, 0, 0.0, None)
        assert (row.error, row.error_class, row.reason, row.log_tail) == (f"full {retries}", "HostError", "disk", "log")
    task = made.claim(pool)
    assert task.retries == 2
    assert db.task_failed(job, "a", task.attempt, "HostError", "disk", "full 3", "log 3", retry=True)
    row = db.get_task(job, "a")
    assert (row.state, row.error, row.log_tail) == (TaskState.FAILED, "retry max hit: full 3", "log 3")
    assert db.get_job(job).error == "retry max hit: full 3"
    assert made.claim(pool) is None


def test_a_crash_counts_no_retry(made, db):
    job, pool = made.job("a"), made.pool()
    for crashes in (1, 2):
        task = made.claim(pool)
        assert task.crashes == crashes - 1
        assert db.task_crashed(job, "a", task.attempt, "signal 9") == crashes
        assert fields(db.get_task(job, "a")) == (TaskState.READY, crashes, None, 0, crashes, 0.0, None)
    assert db.get_task(job, "a").error == "signal 9"
    assert db.get_job(job).state is JobState.RUNNING


def test_so_many_crashes_fail_the_job_at_once(made, db):
    job, pool = made.job("a", "b"), made.pool()
    for crashes in (1, 2, 3):
        task = made.claim(pool)
        assert db.task_crashed(job, "a", task.attempt, f"crash {crashes}: lower --segment-size", limit=3) == crashes
    assert made.states(job) == {"init": "done", "a": "failed", "b": "cancelled"}
    assert db.get_job(job).error == "crash 3: lower --segment-size"
    assert (db.get_task(job, "a").error_class, db.get_task(job, "a").crashes) == ("WorkerCrash", 3)


def test_progress_never_falls_and_the_step_stays(made, db):
    job, pool = made.job("a"), made.pool()
    attempt = made.claim(pool).attempt
    assert db.task_progress(job, "a", attempt, 0.5, "fri")
    assert db.task_progress(job, "a", attempt, 0.2)
    row = db.get_task(job, "a")
    assert (row.progress, row.step, row.updated_at) == (0.5, "fri", made.clock.now())


def test_a_heartbeat_keeps_the_tasks(made, db):
    job, pool = made.job("a"), made.pool()
    made.claim(pool)
    for _ in range(5):
        made.clock.advance(20)
        assert db.heartbeat(pool, 30) == []
        assert db.reap(lambda row: True) == []
    assert db.task_state(job, "a") is TaskState.RUNNING
    assert db.get_task(job, "a").lease_tick == made.clock.tick() + 30


def test_a_silent_pool_loses_its_tasks_and_learns_so(made, db):
    """Given a laptop that slept, when another parent looks, then its tasks are ready, and it is told once."""
    job, pool = made.job("a", "b"), made.pool()
    for name in "ab":
        assert made.claim(pool).task_id == name
    db.task_progress(job, "a", 1, 0.5, "fri")
    made.clock.advance(31)
    other = made.pool(pid=2)
    assert sorted(db.reap(lambda row: True)) == [Lease(job, "a", 1), Lease(job, "b", 1)]
    assert fields(db.get_task(job, "a")) == (TaskState.READY, 1, None, 0, 0, 0.0, None)
    assert made.claim(other).attempt == 2
    assert not db.task_done(job, "a", 1, None)
    assert [tuple(lease) for lease in db.heartbeat(pool)] == [(job, "a", 1), (job, "b", 1)]
    assert db.heartbeat(pool) == []
    assert db.reap(lambda row: True) == []
    assert made.claim(pool).task_id == "b"


def test_a_pool_that_is_not_silent_loses_nothing(made, db):
    job, silent, live = made.job("a", "b"), made.pool(lease=10), made.pool(pid=2, lease=1000)
    assert (made.claim(silent).task_id, made.claim(live).task_id) == ("a", "b")
    made.clock.advance(11)
    assert db.reap(lambda row: True) == [(job, "a", 1)]
    assert db.heartbeat(live) == []
    assert made.states(job) == {"init": "done", "a": "ready", "b": "running"}


def test_silence_as_long_as_the_timeout_is_not_too_long(made, db):
    job, pool = made.job("a"), made.pool(lease=1000)
    made.claim(pool)
    made.clock.advance(10)
    assert db.requeue_tasks(100) == 0
    made.clock.advance(0.001)
    assert db.requeue_tasks(100) == 1
    assert db.task_state(job, "a") is TaskState.FAILED


def test_a_lease_that_ends_just_now_is_still_good(made, db):
    made.job("a")
    made.claim(made.pool(lease=30))
    made.clock.advance(30)
    assert db.reap(lambda row: True) == []


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_jump_of_the_wall_clock_does_nothing(made, db, jump):
    job, pool = made.job("a"), made.pool()
    made.claim(pool)
    made.clock.wall += jump
    assert db.reap(lambda row: True) == []
    assert db.requeue_tasks(100) == 0
    assert db.task_state(job, "a") is TaskState.RUNNING


def test_a_pool_whose_process_is_gone_is_removed(made, db):
    job, pool = made.job("a", "b"), made.pool(pid=1)
    other = made.pool(pid=2)
    assert made.claim(pool).task_id == "a"
    assert made.claim(other).task_id == "b"
    assert db.reap(lambda row: row.pid != 1) == [Lease(job, "a", 1)]
    assert [row.id for row in db.list_pools()] == [other]
    assert made.states(job) == {"init": "done", "a": "ready", "b": "running"}
    for call in (lambda: db.heartbeat(pool), lambda: made.claim(pool)):
        with pytest.raises(NotFoundError, match=f"pool {pool}: not registered"):
            call()
    assert db.task_state(job, "a") is TaskState.READY


def test_a_pool_of_another_boot_is_removed_even_if_its_lease_seems_good(made, db):
    """Ticks start anew with a boot: an old lease can lie in the future."""
    job, pool = made.job("a"), made.pool(boot="yesterday", lease=1e6)
    made.claim(pool)
    made.clock.boot = 5.0
    assert db.reap(lambda row: row.boot_id == "today") == [Lease(job, "a", 1)]
    assert db.list_pools() == []


def test_a_task_of_another_boot_that_no_pool_holds_times_out(made, db):
    job = made.job("a")
    db.request_work("CPU")
    made.clock.boot = 5.0
    assert db.requeue_tasks(100) == 1
    assert db.task_state(job, "a") is TaskState.FAILED


def test_a_new_pool_never_has_an_old_number(made, db):
    pool = made.pool()
    db.unregister_pool(pool)
    assert made.pool() > pool


def test_unregistering_gives_tasks_back_without_a_retry(made, db):
    job, pool = made.job("a", "b"), made.pool()
    made.claim(pool)
    assert db.unregister_pool(pool) == [Lease(job, "a", 1)]
    assert fields(db.get_task(job, "a")) == (TaskState.READY, 1, None, 0, 0, 0.0, None)
    assert db.list_pools() == []
    assert db.unregister_pool(pool) == []


def test_a_pool_says_how_much_it_runs(made, db):
    made.job("a", "b")
    pool = made.pool(pid=77)
    made.claim(pool)
    (row,) = db.list_pools()
    assert (row.id, row.pid, row.process_start, row.boot_id, row.host, row.running) == (
        pool,
        77,
        0.0,
        "boot",
        "host",
        1,
    )
    assert (row.registered_at, row.lease_tick) == (made.clock.now(), made.clock.tick() + 30)


@pytest.mark.parametrize("how", ["cancel", "delete", "timeout", "failed", "done", "retry"])
def test_whoever_takes_a_task_away_its_pool_is_told(made, db, how):
    job, pool = made.job(tasks={"a": {"max_retries": 3, "timeout": 50}}), made.pool(lease=1000)
    made.claim(pool)
    match how:
        case "cancel":
            db.cancel_job(job)
        case "delete":
            db.delete_job(job)
        case "timeout":
            made.clock.advance(51)
            assert db.requeue_tasks(100) == 1
        case "failed":
            db.update_task_failed(job, "a", "from outside")
        case "done":
            db.update_task_done(job, "a", None)
        case "retry":
            db.update_task_retry(job, "a")
    assert db.heartbeat(pool) == [(job, "a", 1)]
    assert db.heartbeat(pool) == []


def test_its_own_reports_are_no_news_to_a_pool(made, db):
    job, pool = made.job(tasks={name: {"max_retries": 3} for name in "abcd"}), made.pool()
    attempts = {name: made.claim(pool).attempt for name in "abcd"}
    db.task_done(job, "a", attempts["a"], None)
    db.task_failed(job, "b", attempts["b"], "E", "r", "m", "", retry=True)
    db.task_crashed(job, "c", attempts["c"], "how")
    db.task_given_back(job, "d", attempts["d"])
    assert db.heartbeat(pool) == []


@pytest.mark.parametrize("how", ["retry", "crash", "given_back", "reap", "timeout"])
def test_a_task_that_comes_back_to_a_failed_job_is_not_handed_out(made, db, how):
    """Given a running sibling of a failed task, when it comes back, then it waits for a resume."""
    job, pool = made.job(tasks={name: {"max_retries": 9, "timeout": 5} for name in "ab"}), made.pool()
    first, second = made.claim(pool), made.claim(pool)
    db.task_failed(job, "a", first.attempt, "E", "r", "boom", "", retry=False)
    assert db.task_state(job, "b") is TaskState.RUNNING
    match how:
        case "retry":
            assert db.task_failed(job, "b", second.attempt, "E", "r", "again", "", retry=True)
        case "crash":
            assert db.task_crashed(job, "b", second.attempt, "how", limit=1) == 1
        case "given_back":
            assert db.task_given_back(job, "b", second.attempt)
        case "reap":
            db.reap(lambda row: False)
        case "timeout":
            made.clock.advance(6)
            assert db.requeue_tasks(100) == 1
    assert db.task_state(job, "b") is TaskState.CANCELLED
    assert db.request_work("CPU") is None
    assert db.get_job(job).error == "boom"
    db.resume_job(job)
    assert db.request_work("CPU").task_id == "a"
    assert db.request_work("CPU").task_id == "b"
