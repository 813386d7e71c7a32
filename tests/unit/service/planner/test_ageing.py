"""How often a waiting task may be passed over."""

from localbento.service.planner.ageing import MOST_PASSED, Ageing, is_worth_waiting

GIB = 1 << 30


def passed(ageing, task, times):
    for _ in range(times):
        ageing.started(task, passed_over=True)


def test_a_task_is_due_after_so_many_others():
    ageing = Ageing()
    assert ageing.due is None
    passed(ageing, "3", MOST_PASSED - 1)
    assert ageing.due is None
    passed(ageing, "3", 1)
    assert ageing.due == "3"


def test_one_that_waits_in_its_turn_is_not_passed_over():
    ageing = Ageing()
    for _ in range(3 * MOST_PASSED):
        ageing.started("9", passed_over=False)
    assert ageing.due is None


def test_each_is_counted_for_itself():
    ageing = Ageing()
    passed(ageing, "3", MOST_PASSED)
    passed(ageing, "4", 1)
    assert ageing.due is None
    passed(ageing, "4", MOST_PASSED - 1)
    assert ageing.due == "4"


def test_when_nothing_waits_nothing_is_due():
    ageing = Ageing()
    passed(ageing, "3", MOST_PASSED)
    ageing.started(None, passed_over=False)
    assert ageing.due is None


def test_waiting_helps_only_if_the_task_fits_in_the_end():
    assert is_worth_waiting(6 * GIB, 8 * GIB, taken=7 * GIB, comes_back=5 * GIB)
    assert not is_worth_waiting(6 * GIB, 8 * GIB, taken=7 * GIB, comes_back=4 * GIB)
    assert not is_worth_waiting(9 * GIB, 8 * GIB, taken=0, comes_back=0)
