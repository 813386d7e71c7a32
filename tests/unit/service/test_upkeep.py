"""What lies in the home, what can go, and whether what is needed is whole."""

import os
import time

import pytest

from localbento.errors import HostError
from localbento.service.store.objects import Collected, ObjectStore
from localbento.service.taskdb.database import TaskDb
from localbento.service.upkeep import Checked, Share, check_store, collect_garbage, disk_use

LONG_AGO = 1_000_000


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def store(home):
    return ObjectStore(home / "objects")


@pytest.fixture
def db(home):
    with TaskDb(home / "taskdb.sqlite") as db:
        yield db


def put(store, data, age=LONG_AGO):
    """Store bytes that are as old as that; digest and size."""
    stored = store.put(data)
    os.utime(store.root / stored.digest[:2] / stored.digest, (time.time() - age,) * 2)
    return tuple(stored)


@pytest.fixture
def job(db, store):
    """A job with an object of every sort."""
    stream = db.get_or_create_stream("exec", 0, 1.0, "local")
    inputs = {"program": put(store, b"p" * 10), "stdin": put(store, b"i" * 20), "secret": put(store, b"s" * 30)}
    job = db.create_job(stream, {"kind": "execute"}, 0, 60, "local", inputs=inputs, private=("stdin", "secret"))
    db.create_task(job, "0", stream, {"kind": "prove"}, [], 0, 60, inputs={"segment": put(store, b"g" * 100)})
    db.add_refs(job, "0", {"receipt": put(store, b"r" * 1000)}, outputs=True)
    db.add_refs(job, "init", {"session": put(store, b"e" * 7)}, outputs=True)
    db.add_refs(job, None, {"assumption.000000": put(store, b"a" * 40), "receipt": put(store, b"R" * 2000)})
    db.add_image("ab" * 32, *put(store, b"m" * 5), "fibonacci")
    return job


def sizes(use):
    names = ("receipts", "segments", "inputs", "images", "other", "unreferenced", "temporary")
    return {name: tuple(vars_of(getattr(use, name))) for name in names if getattr(use, name) != Share()}


def vars_of(share):
    return share.count, share.bytes


def path_of(store, digest):
    return store.root / digest[:2] / digest


# Garbage


def test_what_nothing_refers_to_goes_and_all_else_stays(db, store, job):
    digest, size = put(store, b"garbage")
    (store.root / "tmp" / "leftover").write_bytes(b"12")
    os.utime(store.root / "tmp" / "leftover", (0, 0))
    expected = Collected(1, size, 1, 2)
    before = {found.digest for found in store.all_objects()}
    assert collect_garbage(db, store, dry_run=True) == expected
    assert {found.digest for found in store.all_objects()} == before
    assert collect_garbage(db, store) == expected
    assert {found.digest for found in store.all_objects()} == before - {digest}
    assert collect_garbage(db, store) == Collected()


def test_the_young_stay(db, store):
    digest, size = put(store, b"young", age=100)
    assert collect_garbage(db, store) == Collected()
    assert collect_garbage(db, store, 200) == Collected()
    assert collect_garbage(db, store, 50) == Collected(1, size)
    assert not store.exists(digest)


def test_while_somebody_works_the_last_minute_stays_whatever_is_asked(db, store):
    put(store, b"just stored", age=1)
    put(store, b"older", age=100)
    pool = db.register_pool(1, 1.0, "boot", "host")
    assert collect_garbage(db, store, 0).count == 1
    assert [found.size for found in store.all_objects()] == [len(b"just stored")]
    db.unregister_pool(pool)
    assert collect_garbage(db, store, 0).count == 1


def test_what_a_deleted_job_needed_goes_but_not_what_others_need(db, store, job):
    shared = put(store, b"shared")
    other = db.create_job(
        db.get_or_create_stream("exec", 0, 1.0, "local"), {}, 0, 60, "local", inputs={"stdin": shared}
    )
    db.add_refs(job, "0", {"stdin": shared})
    db.cancel_job(job)
    assert collect_garbage(db, store) == Collected()
    db.delete_job(job)
    assert collect_garbage(db, store).count == 8
    assert {found.digest for found in store.all_objects()} == {shared[0], db.list_images()[0].digest}
    db.cancel_job(other)
    db.delete_job(other)
    db.remove_image("ab" * 32)
    assert collect_garbage(db, store).count == 2


# What lies there


def test_each_sort_is_counted(db, store, home, job):
    put(store, b"garbage")
    (store.root / "tmp" / "1-1").write_bytes(b"123")
    (home / "logs").mkdir()
    (home / "logs" / "a.log").write_bytes(b"1234")
    (home / "logs" / "b.log").write_bytes(b"1")
    use = disk_use(db, store, home)
    assert sizes(use) == {
        "receipts": (2, 3000),
        "segments": (1, 100),
        "inputs": (4, 100),
        "images": (1, 5),
        "other": (1, 7),
        "unreferenced": (1, 7),
        "temporary": (1, 3),
    }
    assert use.logs == Share(2, 5)
    assert use.database.bytes == sum(p.stat().st_size for p in home.glob("taskdb.sqlite*")) > 0
    files = [p for p in home.rglob("*") if p.is_file() and p.name != "lock"]
    assert use.total == Share(len(files), sum(p.stat().st_size for p in files))
    assert use.free_bytes > 0


def test_an_object_of_two_sorts_counts_once(db, store, home, job):
    digest, size = put(store, b"m" * 5)  # the image
    db.add_refs(job, None, {"program": (digest, size)})
    use = disk_use(db, store, home)
    assert (use.images, use.inputs) == (Share(), Share(5, 105))


def test_an_empty_home_takes_nothing_but_its_database(db, store, home):
    use = disk_use(db, store, home)
    assert sizes(use) == {}
    assert use.logs == Share()
    assert not store.root.exists()


# Whether it is whole


def test_a_whole_store_has_no_problems(db, store, job):
    put(store, b"garbage")
    assert check_store(db, store) == Checked(9, 3212, ())


@pytest.mark.parametrize("how", ["missing", "truncated", "flipped"])
def test_a_bad_object_is_named_with_who_needs_it(db, store, job, how):
    digest = db.task_outputs(job, "0")["receipt"]
    path = path_of(store, digest)
    path.chmod(0o600)
    match how:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(b"r" * 999)
        case _:
            path.write_bytes(b"r" * 999 + b"R")
    (problem,) = check_store(db, store).problems
    assert (problem.digest, problem.job_ids) == (digest, (job,))
    assert digest in problem.text
    assert ("missing" if how == "missing" else "damaged") in problem.text
    assert f"needed by job {job[:8]}, task 0, as receipt" in problem.text
    assert "\n" not in problem.text


def test_who_needs_a_bad_object_may_be_an_image_or_many(db, store, job):
    path_of(store, db.list_images()[0].digest).unlink()
    shared = put(store, b"shared")
    db.add_refs(job, None, {"x": shared, "y": shared})
    path_of(store, shared[0]).unlink()
    texts = {problem.digest: problem.text for problem in check_store(db, store).problems}
    assert "needed by image 'fibonacci'" in texts[db.list_images()[0].digest]
    assert "and 1 more" in texts[shared[0]]
    assert len(texts) == 2


def test_bad_garbage_is_no_problem(db, store, job):
    digest, _ = put(store, b"garbage")
    path_of(store, digest).chmod(0o600)
    path_of(store, digest).write_bytes(b"g")
    assert check_store(db, store).problems == ()


def test_what_was_let_go_of_meanwhile_is_no_problem(db, store, job, monkeypatch):
    digest = db.task_inputs(job, "0")["segment"]
    check = ObjectStore.check

    def release_first(self, name):
        if name == digest:
            db.release_refs(job, "0", ["segment"])
            store.delete(name)
        return check(self, name)

    monkeypatch.setattr(ObjectStore, "check", release_first)
    assert check_store(db, store).problems == ()


def test_a_disk_that_refuses_to_read_is_a_problem_of_each_object(db, store, job, monkeypatch):
    def refuse(self, name):
        msg = "cannot read 'x': Input/output error"
        raise HostError(msg)

    monkeypatch.setattr(ObjectStore, "check", refuse)
    found = check_store(db, store)
    assert len(found.problems) == found.count == 9
    assert all("Input/output error" in problem.text for problem in found.problems)
