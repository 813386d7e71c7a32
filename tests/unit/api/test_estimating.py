"""What a proof will take: the arithmetic, on numbers that can be checked by hand, and the kept calibration."""

import time

import home_with_jobs as homes
import pytest

from localbento.api import calibration, estimating
from localbento.api.calibration import Speed
from localbento.api.estimating import (
    Accuracy,
    Segment,
    accuracies,
    correction,
    predict,
    schedule,
)
from localbento.circuits.rv32im.profiles import by_cost

GIB = 1 << 30


def speed(**changes):
    given = {"machine": calibration.machine_name(), "poseidon2_ns": 190.0, "lde_ns_per_cell": 1.9}
    return Speed(**{**given, "start_seconds": 1.4, "measured_at": time.time(), **changes})


def gain(threads):
    return 1 + estimating.THREAD_GAIN * (threads - 1)


@pytest.mark.parametrize(
    ("works", "workers", "cores", "seconds"),
    [
        ([], 2, 2, 0.0),
        ([10.0], 1, 1, 10.0),
        ([10.0], 2, 2, 10.0 / gain(2)),
        ([10.0, 10.0], 2, 2, 10.0),
        ([10.0, 10.0, 10.0], 2, 2, 20.0),
        ([10.0, 4.0, 4.0], 2, 2, 10.0),
        ([10.0, 10.0], 1, 2, 20.0 / gain(2)),
        ([6.0] * 4, 4, 8, 6.0 / gain(2)),
    ],
)
def test_a_pool_works_tasks_off_in_order(works, workers, cores, seconds):
    found, _ = schedule(works, [GIB] * len(works), workers, cores, 100 * GIB)
    assert found == pytest.approx(seconds)


def test_memory_holds_tasks_back():
    quick, most = schedule([5.0] * 4, [2 * GIB] * 4, 4, 4, 8 * GIB)
    slow, least = schedule([5.0] * 4, [2 * GIB] * 4, 4, 4, 5 * GIB)
    assert (quick, most) == (5.0, 8 * GIB)
    assert (slow, least) == (10.0, 4 * GIB)


def test_memory_is_that_of_tasks_at_the_same_time():
    _, most = schedule([5.0, 1.0, 1.0], [3, 2, 1], 2, 2, 100)
    assert most == 5


def test_a_prediction_grows_with_the_work_and_the_slowness():
    profile = by_cost()[0].name
    one = predict([Segment(profile, 1000, 10_000)], speed(), 2, 2, 8 * GIB)
    many = predict([Segment(profile, 1000, 10_000)] * 8, speed(), 2, 2, 8 * GIB)
    slower = predict([Segment(profile, 1000, 10_000)] * 8, speed(poseidon2_ns=380.0), 2, 2, 8 * GIB)
    assert one.seconds < many.seconds < slower.seconds
    assert one.memory_bytes < many.memory_bytes == slower.memory_bytes
    assert many.receipt_bytes == 8 * one.receipt_bytes
    assert many.disk_bytes >= 2 * many.receipt_bytes


def test_figures_of_the_machine_that_the_model_was_fitted_to():
    """`hello` of docs/benchmarks.md: 3.9 s on two cores."""
    found = predict([Segment(by_cost()[0].name, 1778, 11_939)], speed(), 2, 2, 16 * GIB)
    assert found.seconds == pytest.approx(3.9, rel=0.25)


def test_earlier_proofs_correct_the_time_and_nothing_else():
    segments = [Segment(by_cost()[0].name, 1000, 10_000)]
    plain = predict(segments, speed(), 2, 2, 8 * GIB)
    corrected = predict(segments, speed(), 2, 2, 8 * GIB, corrected_by=1.5)
    assert corrected.seconds == pytest.approx(1.5 * plain.seconds)
    assert corrected.model_seconds == plain.seconds == plain.model_seconds
    assert corrected.memory_bytes == plain.memory_bytes


def test_what_is_given_takes_disk():
    segments = [Segment(by_cost()[0].name, 1000, 10_000)]
    assert (
        predict(segments, speed(), 2, 2, GIB, 5_000).disk_bytes
        == predict(segments, speed(), 2, 2, GIB).disk_bytes + 5_000
    )


@pytest.mark.parametrize(
    ("pairs", "factor"),
    [
        ([], 1.0),
        ([(10.0, 12.0)], 1.2),
        ([(10.0, 12.0), (10.0, 30.0), (10.0, 11.0)], 1.2),
        ([(1.0, 1000.0)], estimating.MOST_CORRECTION),
        ([(1000.0, 1.0)], 1 / estimating.MOST_CORRECTION),
        ([(0.0, 1.0), (1.0, 0.0)], 1.0),
    ],
)
def test_the_correction_is_a_median_within_reason(pairs, factor):
    assert correction({estimating.MODEL: pairs}) == pytest.approx(factor)


def test_how_good_earlier_predictions_were():
    found = accuracies({"seconds": [(10.0, 12.0), (10.0, 8.0), (10.0, 10.0)], estimating.MODEL: [(1.0, 2.0)]})
    assert found == (Accuracy("seconds", 3, 1.0, 0.8, 1.2),)


def learnt(home):
    return estimating.learn(home, speed())


def test_a_home_without_jobs_teaches_nothing(tmp_path):
    assert learnt(tmp_path / "none") == {}
    assert not (tmp_path / "none").exists()


def test_a_damaged_database_teaches_nothing(tmp_path):
    (tmp_path / "taskdb.sqlite").write_bytes(b"damaged" * 1000)
    assert learnt(tmp_path) == {}


def test_jobs_that_are_done_teach_once(tmp_path):
    home = homes.make(tmp_path / "home")
    first = learnt(home)
    assert {what: len(pairs) for what, pairs in first.items()} == {"model_seconds": 1, "seconds": 1, "memory_bytes": 1}
    ((predicted, measured),) = first["memory_bytes"]
    assert (predicted, measured) == (700 * homes.MIB, 650 * homes.MIB)
    assert first["seconds"][0][1] < 5
    assert learnt(home) == first


def test_what_was_learnt_outlives_the_job(tmp_path):
    from localbento.api.jobs import delete_job

    home = homes.make(tmp_path / "home", [homes.DONE])
    first = learnt(home)
    delete_job("aaaa", home=home)
    assert learnt(home) == first


def test_an_interrupted_job_teaches_nothing(tmp_path):
    from localbento.service.home import Home

    home = tmp_path / "home"
    with Home(home) as place:
        homes.create(place, homes.DONE)
        homes.execute(place, homes.DONE)
        pool = homes.register(place)
        place.db.claim(pool, ["prove"], job_id=homes.DONE)
        place.db.unregister_pool(pool)
        homes.prove(place, homes.DONE)
        assert place.db.get_job(homes.DONE).state == "done"
    assert learnt(home) == {}
    assert learnt(home) == {}


class Ran:
    def __init__(self, started, ended):
        self.started_at, self.updated_at = started, ended


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 1),
        ([(0, 1)], 1),
        ([(0, 1), (1, 2)], 1),
        ([(0, 2), (1, 3)], 2),
        ([(0, 9), (1, 2), (3, 4)], 2),
        ([(None, 1)], 1),
    ],
)
def test_how_many_ran_at_once(times, most):
    assert estimating.at_once([Ran(*pair) for pair in times]) == most
