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
from localbento.service.planner.sharing import Machine, Waiting, proof_time

GIB = 1 << 30


def speed(**changes):
    given = {"machine": calibration.machine_name(), "poseidon2_ns": 190.0, "lde_ns_per_cell": 1.9}
    return Speed(**{**given, "start_seconds": 1.4, "measured_at": time.time(), **changes})


CELLS = 50_000_000


@pytest.mark.parametrize(
    ("cells", "workers", "cores", "ends"),
    [
        ([], 2, 2, 0.0),
        ([CELLS], 1, 1, proof_time(CELLS, 1)),
        ([CELLS], 2, 2, proof_time(CELLS, 2)),
        ([CELLS, CELLS], 2, 2, proof_time(CELLS, 1)),
        ([CELLS] * 3, 2, 2, proof_time(CELLS, 1) + proof_time(CELLS, 2)),
        ([CELLS, CELLS], 1, 2, 2 * proof_time(CELLS, 2)),
        ([CELLS] * 4, 4, 8, proof_time(CELLS, 2)),
        ([4 * CELLS, CELLS], 2, 2, proof_time(4 * CELLS, 2) + proof_time(CELLS, 2)),
    ],
)
def test_a_pool_works_proofs_off_as_an_engine_does(cells, workers, cores, ends):
    found, _ = schedule([Waiting(c, GIB) for c in cells], Machine(workers, cores, 100 * GIB))
    assert found == pytest.approx(ends)


def test_memory_holds_proofs_back():
    four = [Waiting(CELLS, 2 * GIB)] * 4
    quick, most = schedule(four, Machine(4, 4, 8 * GIB))
    slow, least = schedule(four, Machine(4, 4, 5 * GIB))
    assert (quick, most) == (proof_time(CELLS, 1), 8 * GIB)
    assert (slow, least) == (2 * proof_time(CELLS, 2), 4 * GIB)


def test_memory_is_that_of_proofs_at_the_same_time():
    works = [Waiting(CELLS, 3), Waiting(CELLS, 2), Waiting(CELLS, 1)]
    _, most = schedule(works, Machine(2, 2, 100))
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


@pytest.mark.parametrize(
    ("guest", "cells", "seconds"),
    [
        ("hello", [4_136_960], 1.7),
        ("fibonacci", [16_472_576], 2.7),
        ("pages", [19_951_616], 3.2),
        ("branch", [32_584_704], 4.0),
        ("sort", [58_695_680], 4.9),
        ("keccak", [73_351_168], 5.9),
    ],
)
def test_figures_of_the_machine_that_the_model_was_fitted_to(guest, cells, seconds):
    """docs/benchmarks.md, on two cores; cells of the profiles of that time."""
    then = speed(poseidon2_ns=198.0, lde_ns_per_cell=1.86, start_seconds=1.2)
    end, _ = schedule([Waiting(c, GIB) for c in cells], Machine(2, 2, 16 * GIB))
    assert estimating.model_seconds(end, then) == pytest.approx(seconds, rel=0.13), guest


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
