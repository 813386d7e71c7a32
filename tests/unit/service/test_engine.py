"""The engine with toy tasks: what is planned, kept, released, retried, refused."""

import hashlib
import threading

import pytest
from toy_job import RESOURCES, SECRET, receipt, request, run

from localbento.errors import GuestError, HostError, Interrupted, ProvingError, UsageError
from localbento.service.engine import Resources
from localbento.service.home import Home
from localbento.service.jobs import submit
from localbento.service.kinds import KINDS, RECEIPT_KINDS, check_receipt_kind
from localbento.service.taskdb.rows import JobState, TaskState


@pytest.fixture
def home(tmp_path):
    with Home(tmp_path / "home") as opened:
        yield opened


def expected(segments):
    parts = []
    for index in range(segments):
        body = hashlib.sha256(b"input" + SECRET + index.to_bytes(4, "little")).digest() * 100
        parts.append(hashlib.sha256(b"seal" + body + SECRET).digest() * 50)
    return b"toy receipt" + b"".join(parts)


def prove(home, *, resources=RESOURCES, **program):
    job = submit(home, request(**program)).job_id
    run(home, job, resources)
    return job


def tasks(home, job):
    return {t.task_id: t for t in home.db.get_tasks(job)}


@pytest.mark.parametrize(("segments", "workers"), [(1, 1), (1, 2), (5, 1), (5, 2), (7, 3)])
def test_a_job_ends_with_the_receipt_of_its_request(home, segments, workers):
    job = prove(home, segments=segments, resources=Resources(workers, 2, 1 << 30))
    assert receipt(home, job) == expected(segments)
    assert home.db.get_job(job).state is JobState.DONE
    done = tasks(home, job)
    names = {"init", *map(str, range(segments)), "finalize", *(f"verify {i}" for i in range(min(2, segments)))}
    assert set(done) == names
    assert all(t.state is TaskState.DONE and t.attempt == 1 for t in done.values())


def test_what_was_only_needed_on_the_way_is_gone(home):
    job = prove(home, segments=3)
    outputs = {**home.db.task_outputs(job, "init"), **home.db.task_outputs(job, "finalize")}
    assert set(outputs) == {"session", "guest_log", "receipt"}
    assert {digest for digest, _, _ in home.store.all_objects()} == set(outputs.values())
    assert not home.store.exists(hashlib.sha256(SECRET).hexdigest())
    assert home.store.get(outputs["guest_log"]) == b"segment 0\nsegment 1\nsegment 2\n"


def test_the_same_request_is_the_same_job_and_is_not_done_again(home, tmp_path):
    count = tmp_path / "count"
    count.mkdir()
    program = {"segments": 2, "count_in": str(count)}
    job = prove(home, **program)
    again = submit(home, request(**program))
    assert (again.job_id, again.state, again.is_new) == (job, JobState.DONE, False)
    fresh = submit(home, request(**program), fresh=True)
    assert fresh.job_id != job
    run(home, fresh.job_id)
    assert receipt(home, fresh.job_id) == receipt(home, job)
    assert [len(p.read_text().split()) for p in sorted(count.iterdir())] == [2, 2]
    assert submit(home, request(**program)).job_id == fresh.job_id
    other = submit(home, request(segments=3, count_in=str(count)))
    assert other.is_new


def test_a_failing_guest_fails_the_job_with_its_message_and_cancels_the_rest(home):
    job = submit(home, request(segments=6, panic_at=2, prove_seconds=0.5)).job_id
    with pytest.raises(GuestError, match="guest panicked: at segment 2"):
        run(home, job)
    assert home.db.get_job(job).state is JobState.FAILED
    init = tasks(home, job)["init"]
    assert (init.state, init.error_class) == (TaskState.FAILED, "GuestError")
    assert init.log_tail == "segment 0\nsegment 1\nsegment 2\n"
    assert {t.state for t in tasks(home, job).values()} <= {TaskState.FAILED, TaskState.CANCELLED, TaskState.DONE}
    assert home.db.list_pools() == []


def test_an_error_of_a_proof_is_final_and_the_job_can_be_resumed(home):
    job = submit(home, request(segments=3, refuse_at=1)).job_id
    for _ in range(2):
        with pytest.raises(ProvingError, match="segment 1: cannot be proved"):
            run(home, job)
        home.db.resume_job(job)
    assert tasks(home, job)["1"].state is TaskState.READY


def test_three_crashes_fail_the_job_with_what_to_do(home):
    job = submit(home, request(segments=3, die_at=1)).job_id
    with pytest.raises(HostError, match=r"task 1: its worker died \(last: signal 9\), 3 times.*--jobs.*jobs resume"):
        run(home, job)
    assert tasks(home, job)["1"].crashes == 3
    assert any("signal 9" in event.text for event in home.db.events(job))


def test_memory_of_all_running_tasks_stays_below_the_limit(home):
    most = 0

    def watch(state):
        nonlocal most
        most = max(most, state.segments_running)

    job = submit(home, request(segments=4, memory_bytes=400 << 20, prove_seconds=0.2)).job_id
    run(home, job, Resources(2, 2, 700 << 20), watch)
    assert most == 1
    job = submit(home, request(segments=4, memory_bytes=300 << 20, prove_seconds=0.2)).job_id
    run(home, job, Resources(2, 2, 1400 << 20), watch)
    assert most == 2


def test_a_task_that_never_fits_is_an_error_not_a_wait(home):
    job = submit(home, request(segments=1, memory_bytes=8 << 30)).job_id
    with pytest.raises(HostError, match=r"task 0: .*at most 1.0 GiB \(--memory\), found that it needs 8.0 GiB; raise"):
        run(home, job)


def test_a_cancelled_job_stops_and_can_be_resumed(home, tmp_path):
    job = submit(home, request(segments=4, prove_seconds=0.5)).job_id

    def cancel(state):
        if 1 <= state.done <= 2 and state.segments_running:
            with Home(home.root) as other:
                other.db.cancel_job(job)

    with pytest.raises(Interrupted, match=f"bento jobs resume {job[:8]}"):
        run(home, job, progress=cancel)
    done = {name for name, t in tasks(home, job).items() if t.state is TaskState.DONE}
    assert len(done & {"0", "1", "2", "3"}) >= 1
    home.db.resume_job(job)
    run(home, job)
    assert receipt(home, job) == expected(4)
    assert all(tasks(home, job)[name].attempt == 1 for name in done)


def test_the_executor_stands_still_while_too_many_segments_wait(home, monkeypatch):
    monkeypatch.setattr("localbento.service.engine.MOST_WAITING_SEGMENTS", 3)
    most = 0

    def watch(state):
        nonlocal most
        most = max(most, state.waiting)

    job = submit(home, request(segments=12, prove_seconds=0.05)).job_id
    run(home, job, progress=watch)
    assert 2 <= most <= 3
    assert receipt(home, job) == expected(12)


def test_two_engines_work_on_one_job(home, tmp_path):
    count = tmp_path / "count"
    count.mkdir()
    job = submit(home, request(segments=10, prove_seconds=0.2, count_in=str(count))).job_id
    errors = []

    def second():
        try:
            with Home(home.root) as other:
                run(other, job, Resources(1, 4, 1 << 30))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    run(home, job, Resources(1, 4, 1 << 30))
    thread.join(60)
    assert errors == []
    assert receipt(home, job) == expected(10)
    assert [len(p.read_text().split()) for p in count.iterdir()] == [1] * 10


@pytest.mark.parametrize("damage", ["missing", "flipped", "cut"])
@pytest.mark.parametrize("role", ["segment", "receipt"])
def test_a_damaged_object_is_made_again(home, damage, role):
    """Damage happens while the job rests; afterwards the bytes are the same."""
    job = submit(home, request(segments=4, prove_seconds=0.1)).job_id

    class StopError(Exception):
        pass

    def stop(state):
        if state.done >= 1 and state.executed and state.waiting:
            raise StopError

    with pytest.raises(StopError):
        run(home, job, progress=stop)
    found = tasks(home, job)
    if role == "segment":
        name = next(n for n, t in found.items() if n.isdigit() and t.state is TaskState.READY)
        digest = home.db.task_inputs(job, name)["segment"]
    else:
        name = next(n for n, t in found.items() if n.isdigit() and t.state is TaskState.DONE)
        digest = home.db.task_outputs(job, name)["receipt"]
    path = home.store.root / digest[:2] / digest
    data = bytearray(path.read_bytes())
    path.unlink()
    if damage == "flipped":
        data[7] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(data[:-1])
    run(home, job)
    assert receipt(home, job) == expected(4)


def test_a_lost_input_cannot_be_made_again_and_is_named(home):
    job = submit(home, request(segments=2)).job_id
    digest = home.db.task_inputs(job, "init")["program"]
    home.store.delete(digest)
    with pytest.raises(HostError, match=f"program is missing.*{digest}.*once more with the same 'bento prove'"):
        run(home, job)


@pytest.mark.parametrize("receipt_kind", ["succinct", "groth16"])
def test_receipts_that_cannot_be_made_are_refused_before_anything_is_done(home, receipt_kind):
    from dataclasses import replace

    with pytest.raises(UsageError, match=f"--receipt {receipt_kind}: not possible yet.*--receipt composite"):
        submit(home, replace(request(segments=1), receipt=receipt_kind))
    assert home.db.list_jobs() == []
    assert list(home.store.all_objects()) == []
    with pytest.raises(UsageError, match="expected one of composite, succinct, groth16, found 'nonsense'"):
        check_receipt_kind("nonsense")


def test_every_kind_that_a_receipt_needs_is_in_the_table():
    assert {name for names in RECEIPT_KINDS.values() for name in names} <= set(KINDS)
    assert {name for name, kind in KINDS.items() if kind.exists} == {"execute", "prove", "finalize", "verify"}
