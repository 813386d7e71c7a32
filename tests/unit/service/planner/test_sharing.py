"""Side by side or one after the other: the arithmetic, and what it must never do."""

import itertools
import random

import pytest

from localbento.service.planner.sharing import (
    SOON,
    Going,
    Machine,
    Share,
    Waiting,
    finishing_time,
    proof_time,
    share,
    work_off,
)

MIB = 1 << 20
LONG, SHORT = 90_312_704, 22_609_920
"""The two segments of `chess`."""
EVEN = 82_206_720


def proofs(*cells, memory=MIB):
    return [Waiting(c, memory) for c in cells]


def machine(cores=2, workers=None, memory=1 << 40):
    return Machine(workers or cores, cores, memory)


def run_all(tasks, given):
    """Threads of each, and when the last one ended."""
    runs = work_off(tasks, given)
    return [run.threads for run in runs], max(run.end for run in runs)


@pytest.mark.parametrize(
    ("cells", "one", "two"),
    # seconds measured, of proofs alone on one and on two threads
    [(4_136_960, 0.79, 0.65), (19_951_616, 2.37, 1.53), (58_695_680, 6.22, 3.46), (90_312_704, 8.31, 4.71)],
)
def test_the_constants_say_what_was_measured(cells, one, two):
    assert proof_time(cells, 1) / proof_time(cells, 2) == pytest.approx(one / two, rel=0.08)
    assert proof_time(cells, 1) * 88e-9 == pytest.approx(one, rel=0.12)


def test_a_long_and_a_short_proof_come_one_after_the_other():
    assert share(proofs(LONG, SHORT), [], machine()) == Share(2)
    threads, end = run_all(proofs(LONG, SHORT), machine())
    assert threads == [2, 2]
    assert end < 0.8 * proof_time(LONG, 1)
    assert run_all(proofs(SHORT, LONG), machine())[0] == [2, 2]


def test_two_even_proofs_stay_side_by_side():
    assert share(proofs(EVEN, EVEN), [], machine()) == Share(1)


@pytest.mark.parametrize("count", [2, 4, 20, 21, 40])
def test_many_even_proofs_stay_side_by_side(count):
    threads, end = run_all(proofs(*[EVEN] * count), machine())
    odd = count % 2
    assert threads == [1] * (count - odd) + [2] * odd
    assert end <= (count // 2) * proof_time(EVEN, 1) + odd * proof_time(EVEN, 2) + 1e-6


def test_a_long_queue_is_not_worked_out(monkeypatch):
    monkeypatch.setattr("localbento.service.planner.sharing.finishing_time", lambda *_: pytest.fail("asked"))
    assert share(proofs(LONG, *[SHORT] * 4), [], machine()) == Share(1)


def test_while_more_may_come_nothing_is_assumed_of_it():
    assert share(proofs(LONG, SHORT), [], machine(), all_known=False) == Share(1)
    assert share(proofs(LONG), [], machine(), all_known=False) == Share(1)
    assert share(proofs(LONG), [], machine(8, 2), all_known=False) == Share(4)


def test_a_proof_that_runs_keeps_its_threads_and_its_core():
    """The long one began alone on one thread: the short one gets the core that is left, and no more."""
    runs = Going(proof_time(LONG, 1), 1, MIB)
    assert share(proofs(SHORT), [runs], machine()) == Share(1)
    assert share(proofs(LONG, SHORT), [runs], machine()) == Share(1)


def test_the_last_proof_gets_the_core_of_one_that_ends_soon():
    alone = proof_time(EVEN, 1)
    assert share(proofs(EVEN), [Going(0.3 * alone, 1, MIB)], machine()) == Share(2, early=1)
    assert share(proofs(EVEN), [Going(0.5 * alone, 1, MIB)], machine()) == Share(1)
    assert share(proofs(EVEN, EVEN), [Going(0.3 * alone, 1, MIB)], machine()) == Share(1, early=1)


def test_what_does_not_fit_beside_each_other_gets_all_cores():
    tight = machine(memory=3 * MIB)
    two = proofs(EVEN, EVEN, memory=2 * MIB)
    assert share(two, [], tight) == Share(2)
    assert share(two, [], machine(memory=4 * MIB)) == Share(1)


def test_one_worker_gets_all_cores():
    assert share(proofs(EVEN, EVEN), [], machine(4, 1)) == Share(4)


def test_more_workers_than_cores_get_one_thread_each():
    assert share(proofs(EVEN, EVEN, EVEN), [], machine(2, 4)) == Share(1)


def test_one_core_is_one_thread():
    assert run_all(proofs(LONG, SHORT, EVEN), machine(1))[0] == [1, 1, 1]


def test_eight_cores_and_five_even_proofs():
    """Two waves, of four on two threads and one on eight, beat one wave that leaves three cores idle."""
    threads, end = run_all(proofs(*[EVEN] * 5), machine(8))
    assert threads == [2, 2, 2, 2, 8]
    assert end < proof_time(EVEN, 1)


def test_cores_that_do_not_divide_leave_none_idle():
    assert share(proofs(EVEN), [], machine(3, 2), all_known=False) == Share(2)
    assert share(proofs(EVEN), [Going(proof_time(EVEN, 2), 2, MIB)], machine(3, 2), all_known=False) == Share(1)
    assert run_all(proofs(EVEN, EVEN), machine(3))[0] == [3, 3]


@pytest.mark.parametrize("seed", range(40))
def test_never_more_cores_than_there_are_and_never_much_slower_than_side_by_side(seed):
    dice = random.Random(seed)
    cores = dice.choice([1, 2, 3, 4, 8, 16])
    given = Machine(dice.randint(1, cores), cores, dice.choice([2, 5, 100]) * MIB)
    tasks = [Waiting(dice.choice([4, 20, 60, 90]) * 1_000_000, dice.choice([1, 2]) * MIB) for _ in range(9)]
    _, end = run_all(tasks, given)
    assert end <= 1.02 * finishing_time(tasks, [], given, given.workers)
    for split in range(1, len(tasks)):
        going, free = [], cores
        for task in tasks[:split]:
            if free:
                going.append(Going(dice.random() * proof_time(task.cells, 1), 1, MIB))
                free -= 1
        for known in (True, False):
            found = share(tasks[split:], going, given, all_known=known)
            held = sum(g.cores for g in going)
            assert 1 <= found.threads <= max(1, cores - held + found.early)
            assert found.early <= held


@pytest.mark.parametrize("cells", list(itertools.permutations([LONG, EVEN, SHORT])))
def test_three_uneven_proofs_end_no_later_than_either_plain_way(cells):
    tasks = proofs(*cells)
    _, end = run_all(tasks, machine())
    assert end <= 1.05 * min(finishing_time(tasks, [], machine(), lanes) for lanes in (1, 2))


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_keeps_to_the_machine(seed):
    dice = random.Random(seed)
    cores = dice.choice([1, 2, 3, 4, 8])
    given = Machine(dice.randint(1, cores), cores, dice.choice([2, 5, 100]) * MIB)
    tasks = [Waiting(dice.choice([4, 20, 60, 90]) * 1_000_000, dice.choice([1, 2]) * MIB) for _ in range(12)]
    runs = work_off(tasks, given)
    assert [run.start for run in runs] == sorted(run.start for run in runs)
    for i, run in enumerate(runs):
        before = [k for k in range(i) if runs[k].end > run.start]
        assert len(before) < given.workers
        assert sum(tasks[k].memory_bytes for k in [*before, i]) <= given.memory_bytes
        soon = SOON * proof_time(tasks[i].cells, 1)
        assert sum(runs[k].threads for k in before if runs[k].end - run.start > soon) + run.threads <= cores


def test_many_cores_are_decided_about_in_few_steps(monkeypatch):
    """So that an engine on a large machine does not think longer than it proves."""
    asked = []

    def count(waiting, going, given, lanes):
        asked.append(lanes)
        return finishing_time(waiting, going, given, lanes)

    monkeypatch.setattr("localbento.service.planner.sharing.finishing_time", count)
    share(proofs(*[EVEN] * 100), [], machine(128))
    assert len(asked) <= 2 * 128**0.5
    assert {100, 64, 43, 32, 2, 1} <= set(asked)
