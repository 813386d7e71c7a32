"""Jobs: keys, finding, cancelling, resuming, deleting; streams; tasks that are made twice."""

import pytest

from localbento.errors import UsageError
from localbento.service.taskdb import (
    ConflictError,
    InvalidWeightError,
    JobMeta,
    JobState,
    NotFoundError,
    TaskState,
)


def test_a_job_keeps_what_it_is_about(made, db):
    meta = JobMeta(guest_name="fib.elf", image_id="ab" * 32, receipt_kind="composite", options={"po2": 20})
    job = made.job("a", key="cd" * 32, meta=meta)
    row = db.get_job(job)
    assert (row.guest_name, row.image_id, row.receipt_kind, row.options) == (
        "fib.elf", "ab" * 32, "composite", {"po2": 20},
    )  # fmt: skip
    assert (row.key, row.superseded, row.executed_cycles, row.result) == ("cd" * 32, False, None, None)
    assert (row.created_at, row.finished_at, row.reported) == (made.clock.now(), None, False)
    db.set_executed_cycles(job, 2**40)
    db.set_job_result(job, {"receipt": "x"})
    db.set_reported(job)
    row = db.get_job(job)
    assert (row.executed_cycles, row.result, row.reported) == (2**40, {"receipt": "x"}, True)


@pytest.mark.parametrize(
    "call",
    [
        lambda db: db.get_job("no"),
        lambda db: db.cancel_job("no"),
        lambda db: db.resume_job("no"),
        lambda db: db.supersede_job("no"),
        lambda db: db.set_executed_cycles("no", 1),
        lambda db: db.set_job_result("no", 1),
        lambda db: db.set_reported("no"),
        lambda db: db.resolve_job_id("no"),
        lambda db: db.log("no", "info", "text"),
        lambda db: db.add_refs("no", None, {}),
        lambda db: db.release_refs("no"),
    ],
)
def test_an_unknown_job_is_one_clear_line(db, call):
    with pytest.raises(NotFoundError) as caught:
        call(db)
    assert str(caught.value) == "job 'no': not found; `bento jobs list` shows what there is"
    assert caught.value.exit_code == 2


def test_a_key_belongs_to_one_job(made, db):
    job = made.job("a", key="k")
    assert db.find_job_by_key("k").id == job
    with pytest.raises(ConflictError, match=f"job key 'k': taken by job {job}"):
        made.job("a", key="k")
    assert [row.id for row in db.list_jobs()] == [job]
    assert db.find_job_by_key("other") is None


def test_jobs_without_a_key_do_not_collide(made, db):
    made.job("a")
    made.job("a")
    assert len(db.list_jobs()) == 2


@pytest.mark.parametrize("how", ["done", "failed", "cancelled"])
def test_an_ended_job_keeps_its_key(made, db, how):
    job = made.job("a", key="k")
    {"done": lambda: db.update_task_done(job, "a", None), "failed": lambda: db.update_task_failed(job, "a", "x"),
     "cancelled": lambda: db.cancel_job(job)}[how]()  # fmt: skip
    assert db.find_job_by_key("k").state == how


def test_superseding_frees_the_key(made, db):
    old = made.job("a", key="k")
    db.supersede_job(old)
    assert db.find_job_by_key("k") is None
    new = made.job("a", key="k")
    assert db.find_job_by_key("k").id == new
    assert (db.get_job(old).superseded, db.get_job(old).key, db.get_job(old).state) == (True, "k", JobState.RUNNING)


def test_deleting_frees_the_key(made, db):
    db.delete_job(made.job("a", key="k"))
    assert db.find_job_by_key("k") is None
    made.job("a", key="k")


def test_a_chosen_id_is_kept_and_unique(made, db):
    assert made.job("a", job_id="mine") == "mine"
    with pytest.raises(ConflictError, match="job 'mine': there is one already"):
        made.job("a", job_id="mine")


def test_list_jobs_newest_first_by_state_with_a_limit(made, db):
    jobs = [made.job("a") for _ in range(4)]
    db.cancel_job(jobs[1])
    db.update_task_done(jobs[2], "a", None)
    assert [row.id for row in db.list_jobs()] == jobs[::-1]
    assert [row.id for row in db.list_jobs(limit=2)] == [jobs[3], jobs[2]]
    assert [row.id for row in db.list_jobs(states=[JobState.CANCELLED, JobState.DONE])] == [jobs[2], jobs[1]]
    assert db.list_jobs(states=[]) == []


@pytest.mark.parametrize(
    ("prefix", "found"), [("abc1", "abc1"), ("abc12", "abc12"), ("x", "xyz"), ("XYZ", "xyz"), (" xy ", "xyz")]
)
def test_the_start_of_an_id_is_enough(made, db, prefix, found):
    for job in ("abc1", "abc12", "xyz"):
        made.job(job_id=job)
    assert db.resolve_job_id(prefix) == found


def test_an_ambiguous_start_names_the_candidates(made, db):
    for i in range(9):
        made.job(job_id=f"abc{i}")
    with pytest.raises(UsageError) as caught:
        db.resolve_job_id("abc")
    assert str(caught.value) == (
        "job 'abc': expected the start of one job id, found several: abc0, abc1, abc2, abc3, abc4, abc5, ...; "
        "give more characters"
    )


@pytest.mark.parametrize("text", ["", "  ", "zzz", "%", "_bc1", "abc'--"])
def test_what_starts_no_id_is_not_found(made, db, text):
    made.job(job_id="abc1")
    with pytest.raises(NotFoundError):
        db.resolve_job_id(text)


def test_cancelling_stops_everything_that_is_not_over(made, db):
    job, pool = made.job("a", "b", "c"), made.pool()
    made.task(job, "d", after=["b"])
    db.task_done(job, "a", made.claim(pool).attempt, None)
    made.claim(pool)
    assert db.cancel_job(job)
    assert made.states(job) == {
        "init": "done", "a": "done", "b": "cancelled", "c": "cancelled", "d": "cancelled",
    }  # fmt: skip
    row = db.get_job(job)
    assert (row.state, row.finished_at, row.error) == (JobState.CANCELLED, made.clock.now(), None)
    assert made.claim(pool) is None
    assert not db.cancel_job(job)


def test_a_done_job_cannot_be_cancelled(made, db):
    job = made.job()
    before = db.get_job(job)
    assert not db.cancel_job(job)
    assert db.get_job(job) == before


def test_cancelling_a_failed_job_stops_what_still_runs(made, db):
    job, pool = made.job("a", "b"), made.pool()
    made.claim(pool), made.claim(pool)
    db.task_failed(job, "a", 1, "E", "r", "boom", "", retry=False)
    assert db.cancel_job(job)
    assert made.states(job) == {"init": "done", "a": "failed", "b": "cancelled"}
    assert (db.get_job(job).state, db.get_job(job).error) == (JobState.FAILED, "boom")
    assert db.heartbeat(pool) == [(job, "b", 1)]


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_a_task_added_to_a_stopped_job_is_cancelled_until_it_is_resumed(made, db, how):
    job = made.job("a")
    db.cancel_job(job) if how == "cancelled" else db.update_task_failed(job, "a", "x")
    assert made.task(job, "b") is TaskState.CANCELLED
    assert made.task(job, "c", after=["b"]) is TaskState.CANCELLED
    assert db.resume_job(job)
    assert made.states(job) == {"init": "done", "a": "ready", "b": "ready", "c": "pending"}


def test_resuming_starts_anew_what_did_not_end_well_and_keeps_the_rest(made, db):
    """Given a diamond that failed in the middle, when it is resumed, then only what is missing is done again."""
    job, pool = made.job("a", "b"), made.pool()
    made.task(job, "c", after=["a"], max_retries=1)
    made.task(job, "d", after=["b", "c"])
    db.task_done(job, "a", made.claim(pool).attempt, "kept")
    db.task_done(job, "b", made.claim(pool).attempt, None)
    for _ in range(2):
        task = made.claim(pool)
        assert task.task_id == "c"
        db.task_failed(job, "c", task.attempt, "E", "r", "boom", "log", retry=True)
    assert db.get_job(job).state is JobState.FAILED
    assert db.resume_job(job)
    row = db.get_job(job)
    assert (row.state, row.error, row.finished_at) == (JobState.RUNNING, None, None)
    task = db.get_task(job, "c")
    assert (task.state, task.retries, task.crashes, task.progress) == (TaskState.READY, 0, 0, 0.0)
    assert (task.error, task.error_class, task.reason, task.log_tail) == (None, None, None, None)
    assert task.attempt == 2, "the token goes on counting: reports of old runs stay void"
    assert (db.task_state(job, "d"), db.get_task(job, "d").waiting_on) == (TaskState.PENDING, 1)
    assert db.get_task_output(job, "a") == "kept"
    db.task_done(job, "c", made.claim(pool).attempt, None)
    db.task_done(job, "d", made.claim(pool).attempt, None)
    assert db.get_job(job).state is JobState.DONE


def test_a_prerequisite_that_ended_while_the_job_stood_still_counts(made, db):
    """Given a cancelled child, when its prerequisite still ends and the job is resumed, then the child is ready."""
    job, pool = made.job("a", "b"), made.pool()
    made.task(job, "c", after=["a"])
    made.claim(pool), made.claim(pool)
    db.task_failed(job, "b", 1, "E", "r", "boom", "", retry=False)
    assert db.task_done(job, "a", 1, None)
    assert db.task_state(job, "c") is TaskState.CANCELLED
    db.resume_job(job)
    assert db.task_state(job, "c") is TaskState.READY


@pytest.mark.parametrize("how", ["running", "done"])
def test_only_stopped_jobs_are_resumed(made, db, how):
    job = made.job("a") if how == "running" else made.job()
    before = db.get_job(job)
    assert not db.resume_job(job)
    assert db.get_job(job) == before


def test_deleting_leaves_nothing(made, db):
    job = made.job("a", inputs={"elf": ("d" * 64, 5)}, tasks={"b": {"after": ["a"], "inputs": {"s": ("e" * 64, 6)}}})
    db.log(job, "info", "text")
    other = made.job("a", inputs={"elf": ("e" * 64, 6)})
    assert db.delete_job(job) == ["d" * 64], "the other object is still needed"
    for table in ("tasks", "task_deps", "object_refs", "events"):
        rows = db._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        assert rows == {"tasks": 2, "object_refs": 1}.get(table, 0)
    assert [row.id for row in db.list_jobs()] == [other]
    assert db.delete_job(job) == []


def test_the_output_of_init_outlives_its_job_for_a_while(made, db):
    job = db.create_job(made.stream, None, 0, 100, "user1")
    db.update_task_done(job, "init", {"cycles": 9})
    db.delete_job(job, keep_output_seconds=3600)
    made.clock.advance(3599)
    assert db.get_task_output(job, "init") == {"cycles": 9}
    made.clock.advance(1)
    with pytest.raises(NotFoundError):
        db.get_task_output(job, "init")
    db.delete_job("any")
    assert db._connection.execute("SELECT count(*) FROM kept_outputs").fetchone() == (0,)


def test_without_a_time_to_keep_it_the_output_goes_too(made, db):
    job = made.job()
    db.delete_job(job)
    with pytest.raises(NotFoundError):
        db.get_task_output(job, "init")


def test_clearing_takes_ended_jobs_of_some_age(made, db):
    jobs = {name: made.job("a", key=name) for name in ("done", "failed", "cancelled", "running", "young")}
    db.update_task_done(jobs["done"], "a", None)
    db.update_task_failed(jobs["failed"], "a", "x")
    db.cancel_job(jobs["cancelled"])
    made.clock.advance(10)
    db.update_task_done(jobs["young"], "a", None)
    assert db.clear_completed_jobs(older_than_seconds=5, states=[JobState.DONE])[0] == 1
    assert db.clear_completed_jobs(older_than_seconds=5)[0] == 2
    assert {row.key for row in db.list_jobs()} == {"running", "young"}
    assert len(db.list_streams()) == 1


def test_ensuring_a_task_twice_is_making_it_once(made, db):
    job = made.job("a")
    args = (job, "b", made.stream, {"kind": "prove", "index": 1}, ["a", 3], 2, 60)
    db.create_task(job, "3", made.stream, None)
    assert db.ensure_task(*args, inputs={"segment": ("d" * 64, 5)}) is TaskState.PENDING
    db.update_task_done(job, "a", None)
    db.update_task_done(job, "3", None)
    assert db.ensure_task(*args, inputs={"segment": ("d" * 64, 5)}) is TaskState.READY
    assert db.ensure_task(job, "b", made.stream, {"index": 1, "kind": "prove"}, ["a", "3"]) is TaskState.READY
    db.request_work("CPU")
    assert db.ensure_task(*args) is TaskState.RUNNING
    assert len(db.get_tasks(job)) == 4
    assert db.task_inputs(job, "b") == {"segment": "d" * 64}


@pytest.mark.parametrize(("definition", "after"), [({"n": 2}, ["a"]), ({"n": 1}, []), (None, ["a"])])
def test_ensuring_another_task_of_that_name_is_refused(made, db, definition, after):
    job = made.job("a")
    made.task(job, "b", after=["a"], definition={"n": 1})
    before = db.get_tasks(job)
    with pytest.raises(ConflictError, match=r"task 'b' of job .*: expected definition .* start it again with --fresh"):
        db.ensure_task(job, "b", made.stream, definition, after)
    assert db.get_tasks(job) == before


@pytest.mark.parametrize("after", ["init", [None], [True], [1.5], [["a"]], {"a": 1}, None])
def test_prerequisites_that_are_not_names_are_refused(made, db, after):
    job = made.job("a")
    with pytest.raises(UsageError, match="prerequisites: expected a list of names or numbers"):
        made.task(job, "b", after=after)
    assert made.states(job) == {"init": "done", "a": "ready"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1, 2}, object()])
def test_what_json_cannot_say_is_refused(made, db, value):
    with pytest.raises(UsageError, match="expected a JSON value"):
        db.create_job(made.stream, value, 0, 100, "user1")
    assert db.list_jobs() == []


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_is_a_number_above_zero(made, db, weight):
    for make in (db.create_stream, db.get_or_create_stream):
        with pytest.raises(InvalidWeightError, match="weight of a stream: expected a number above 0"):
            make("GPU", 1, weight, "user1")
    assert len(db.list_streams()) == 1


def test_counts_of_a_job(made, db):
    job = made.job(tasks={str(i): {"definition": {"kind": "prove", "cycles": 10**i}} for i in range(3)})
    for name in ("0", "2"):
        db.update_task_done(job, name, None)
    assert db.count_tasks(job) == {TaskState.DONE: 3, TaskState.READY: 1}
    assert db.count_tasks(job, "prove") == {TaskState.DONE: 2, TaskState.READY: 1}
    assert db.count_tasks(job, "join") == {}
    assert db.cycles_done(job) == 101
    assert db.get_tasks(job, states=[TaskState.READY])[0].task_id == "1"


@pytest.mark.parametrize("name", ["get_task", "task_state", "get_task_output"])
def test_an_unknown_task_is_one_clear_line(made, db, name):
    job = made.job("a")
    with pytest.raises(NotFoundError, match=rf"task 'zz' of job '{job}': expected a (done )?task, found none"):
        getattr(db, name)(job, "zz")


def test_an_unfinished_task_has_no_output(made, db):
    with pytest.raises(NotFoundError, match="expected a done task"):
        db.get_task_output(made.job("a"), "a")
