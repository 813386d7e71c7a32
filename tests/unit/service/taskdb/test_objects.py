"""References to objects, images, predictions, events."""

import pytest

from localbento.errors import UsageError
from localbento.service.taskdb import ConflictError, EventRow, NotFoundError, ObjectRef, ObjectUsage

A, B, C = "a" * 64, "b" * 64, "c" * 64


def test_inputs_come_with_the_task(made, db):
    job = made.job(inputs={"elf": (A, 10), "secret": (B, 32)}, private=["secret"])
    assert db.task_inputs(job, "init") == {"elf": A, "secret": B}
    assert db.task_refs(job, "init") == {"elf": ObjectRef(A, 10, False), "secret": ObjectRef(B, 32, True)}
    assert db.task_outputs(job, "init") == {}
    assert db.task_inputs(job, "unknown") == {}


def test_inputs_of_a_refused_task_are_not_kept(made, db):
    job = made.job("a")
    with pytest.raises(ConflictError):
        made.task(job, "a", inputs={"segment": (A, 10)})
    with pytest.raises(NotFoundError):
        made.task(job, "b", after=["unknown"], inputs={"segment": (A, 10)})
    assert db.referenced([A]) == set()


def test_an_object_is_needed_as_long_as_somebody_refers_to_it(made, db):
    job = made.job(tasks={"a": {"inputs": {"x": (A, 10), "y": (B, 20)}}, "b": {"inputs": {"x": (A, 10)}}})
    assert db.release_refs(job, "a") == [B]
    assert db.referenced([A, B, C]) == {A}
    assert db.release_refs(job, "a") == []
    assert db.release_refs(job, "b") == [A]
    assert db.referenced([A, B, C]) == set()


def test_a_task_lets_go_of_named_roles_and_keeps_what_it_made(made, db):
    job = made.job(tasks={"a": {"inputs": {"x": (A, 10), "y": (B, 20)}}})
    db.claim(made.pool(), ["CPU"])
    db.task_done(job, "a", 1, None, {"receipt": (C, 30)})
    assert db.release_refs(job, "a", ["x", "unknown"]) == [A]
    assert db.task_inputs(job, "a") == {"y": B}
    assert db.release_refs(job, "a") == [B]
    assert db.task_outputs(job, "a") == {"receipt": C}
    assert db.release_refs(job, "a", outputs=True) == [C]


def test_without_a_task_the_whole_job_lets_go(made, db):
    job = made.job(tasks={"a": {"inputs": {"x": (A, 10)}}})
    db.add_refs(job, None, {"result": (B, 20)})
    db.add_refs(job, "a", {"y": (C, 30)}, outputs=True)
    assert db.job_refs(job) == {"result": ObjectRef(B, 20, False)}
    assert db.release_refs(job, roles=["result"]) == [B]
    assert db.release_refs(job) == [A, C]


def test_roles_are_unique_and_the_last_one_counts(made, db):
    job = made.job("a")
    for digest in (A, B):
        db.add_refs(job, "a", {"x": (digest, 10)}, private=["x"])
        db.add_refs(job, None, {"x": (digest, 10)})
    assert db.task_refs(job, "a") == {"x": ObjectRef(B, 10, True)}
    assert db.job_refs(job) == {"x": ObjectRef(B, 10, False)}
    assert db.referenced([A, B]) == {B}


def test_the_same_role_in_and_out(made, db):
    job = made.job("a")
    db.add_refs(job, "a", {"x": (A, 1)})
    db.add_refs(job, "a", {"x": (B, 1)}, outputs=True)
    assert (db.task_inputs(job, "a"), db.task_outputs(job, "a")) == ({"x": A}, {"x": B})


def test_what_all_tasks_made_under_one_name(made, db):
    job = made.job("0", "1", "2")
    for name, digest in (("2", C), ("0", A)):
        db.add_refs(job, name, {"receipt": (digest, 1), "log": (B, 1)}, outputs=True)
    db.add_refs(job, "1", {"receipt": (B, 1)})
    assert db.outputs_of(job, "receipt") == {"0": A, "2": C}


def test_usage_counts_an_object_once(made, db):
    job = made.job(inputs={"x": (A, 10), "s": (B, 5)}, private=["s"])
    made.job(inputs={"x": (A, 10)})
    db.add_image("1" * 64, C, 7, "fib")
    assert db.object_usage() == ObjectUsage(objects=3, size=22, references=4, private=1)
    assert db.job_usage(job) == (2, 15)


def test_an_empty_database_uses_nothing(db):
    assert db.object_usage() == ObjectUsage(0, 0, 0, 0)
    assert db.referenced([]) == set()
    assert db.referenced([A]) == set()


def test_thousands_of_digests_in_one_question(made, db):
    db.add_image("1" * 64, A, 7, "fib")
    assert db.referenced([f"{i:064x}" for i in range(50_000)] + [A]) == {A}


def test_a_size_is_not_negative(made):
    with pytest.raises(UsageError, match="CHECK"):
        made.job(inputs={"x": (A, -1)})


def test_references_of_an_unknown_task_are_refused(made, db):
    job = made.job("a")
    for call in (lambda: db.add_refs(job, "zz", {"x": (A, 1)}), lambda: db.release_refs(job, "zz")):
        with pytest.raises(NotFoundError, match="task 'zz'"):
            call()


# Images.


def test_images_are_found_by_name_and_by_the_start_of_their_id(made, db):
    ids = ["ab" + "0" * 62, "ab" + "1" * 62, "cd" + "2" * 62]
    for i, (image_id, name) in enumerate(zip(ids, ("fib", "chess", "abacus"), strict=True)):
        db.add_image(image_id, f"{i:064x}", 100 + i, name)
        made.clock.advance(1)
    assert [(image.image_id, image.name, image.size) for image in db.list_images()] == [
        (ids[0], "fib", 100), (ids[1], "chess", 101), (ids[2], "abacus", 102),
    ]  # fmt: skip
    for text, image_id in (("fib", ids[0]), ("ab1", ids[1]), ("CD", ids[2]), (ids[1], ids[1]), ("abacus", ids[2])):
        assert db.get_image(text).image_id == image_id
    with pytest.raises(UsageError, match=r"image 'ab': expected one image, found several: ab0.* \(fib\), ab1"):
        db.get_image("ab")
    for text in ("zz", "", "%"):
        with pytest.raises(NotFoundError, match="not found; `bento image list`"):
            db.get_image(text)


def test_a_name_goes_before_an_id_that_starts_so(db):
    db.add_image("cafe" + "0" * 60, A, 1, "fib")
    db.add_image("1" * 64, B, 1, "cafe")
    assert db.get_image("cafe").digest == B


def test_adding_an_image_again_renames_it(made, db):
    db.add_image("1" * 64, A, 1, "old")
    db.add_image("1" * 64, A, 1, "new")
    assert [image.name for image in db.list_images()] == ["new"]


def test_an_image_keeps_its_object(made, db):
    db.add_image("1" * 64, A, 1, "fib")
    job = made.job(inputs={"elf": (A, 1)})
    assert db.delete_job(job) == []
    assert db.remove_image("1" * 64) == [A]
    assert db.list_images() == []
    with pytest.raises(NotFoundError, match="image"):
        db.remove_image("1" * 64)


# Predictions.


def test_predictions_are_completed_by_measurements_and_outlive_the_job(made, db):
    job = made.job("a")
    db.record_prediction(job, "seconds", predicted=10.0)
    db.record_prediction(job, "memory", predicted=5e9)
    assert db.prediction_history(10) == []
    made.clock.advance(5)
    db.record_prediction(job, "seconds", measured=12.0)
    db.delete_job(job)
    (row,) = db.prediction_history(10)
    assert (row.job_id, row.what, row.predicted, row.measured, row.at) == (job, "seconds", 10.0, 12.0, made.clock.now())
    assert [(r.what, r.measured) for r in db.predictions_of_job(job)] == [("seconds", 12.0), ("memory", None)]


def test_the_newest_predictions_first(made, db):
    for i in range(5):
        db.record_prediction(f"job{i}", "seconds", predicted=i, measured=i)
        made.clock.advance(1)
    assert [r.job_id for r in db.prediction_history(3)] == ["job4", "job3", "job2"]


# Events.


def test_events_are_read_on_from_where_one_stopped(made, db):
    job, other = made.job("a"), made.job("a")
    first = db.log(job, "info", "executing")
    db.log(other, "info", "not mine")
    made.clock.advance(2)
    second = db.log(job, "error", "zäh\nund lang")
    assert db.events(job) == [
        EventRow(first, made.clock.now() - 2, "info", "executing"),
        EventRow(second, made.clock.now(), "error", "zäh\nund lang"),
    ]
    assert [event.seq for event in db.events(job, after=first)] == [second]
    assert db.events(job, after=second) == []
    assert [event.seq for event in db.events(job, limit=1)] == [first]
    assert db.events("unknown") == []


def test_an_unknown_level_is_refused(made, db):
    job = made.job("a")
    with pytest.raises(UsageError, match="CHECK"):
        db.log(job, "shout", "text")
    assert db.events(job) == []
