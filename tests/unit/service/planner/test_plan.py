"""The planner against plans recorded from Bento's, and against what must hold for every plan."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.errors import LocalBentoError, ProvingError
from localbento.service.planner.plan import (
    ChainPlan,
    Command,
    NoKeccakInChainError,
    Plan,
    PlanFinalized,
    PlanNotStarted,
)

GOLDENS = json.loads((Path(__file__).parents[4] / "fixtures/vectors/planner-goldens.json").read_text())
PLANS = GOLDENS["plans"]
ERRORS = {"PlanNotStartedString": PlanNotStarted, "PlanFinalized": PlanFinalized}
CALLS = {"enqueue_segment": "segment", "enqueue_keccak": "keccak", "finish": "finish"}

scripts = st.text("SK", min_size=1, max_size=90)


def call(plan, letter):
    return plan.segment() if letter == "S" else plan.keccak()


def finished(script, kind=Plan):
    plan = kind()
    for letter in script:
        call(plan, letter)
    plan.finish()
    return plan


def row(task):
    return [task.number, task.command.value, task.height, list(task.depends_on), list(task.keccak_depends_on)]


def numbers(plan):
    return [task.number for task in plan.new_tasks()]


def segments_below(plan, number):
    """Ordinals of the segments under a task, left to right."""
    ordinals = {t.number: i for i, t in enumerate(t for t in plan.tasks if t.command is Command.SEGMENT)}
    found, stack = [], [number]
    while stack:
        task = plan.task(stack.pop())
        if task.command is Command.SEGMENT:
            found.append(ordinals[task.number])
        stack.extend(reversed(task.depends_on))
    return found


# The recorded plans


def test_all_recorded_plans_are_here():
    assert len(PLANS) == 211
    assert len({plan["script"] for plan in PLANS}) == 211


@pytest.mark.parametrize("golden", PLANS, ids=lambda g: f"{g['segments']}S{g['keccaks']}K-{g['script'][:12]}")
def test_recorded_plan(golden):
    plan = Plan()
    steps = []
    for name, _, _ in golden["steps"]:
        returned = getattr(plan, CALLS[name])()
        steps.append([name, returned, numbers(plan)])
    assert steps == golden["steps"]
    assert [row(task) for task in plan.tasks] == golden["tasks"]
    assert len(plan) == golden["task_count"]
    assert plan.last == golden["last_task"]
    assert plan.render() == golden["debug_text"]
    assert plan.finish() == golden["last_task"]
    assert len(plan) == golden["task_count"]


@pytest.mark.parametrize("golden", [e for e in GOLDENS["errors"] if "error" in e], ids=lambda g: "-".join(g["calls"]))
def test_recorded_error(golden):
    plan = Plan()
    *before, last = (CALLS[name] for name in golden["calls"])
    for name in before:
        getattr(plan, name)()
    tasks = plan.tasks
    with pytest.raises(ERRORS[golden["error"]]) as caught:
        getattr(plan, last)()
    assert str(caught.value) == golden["message"]
    assert isinstance(caught.value, LocalBentoError)
    assert plan.tasks == tasks


@pytest.mark.parametrize("number", [100, -1, 0])
def test_a_number_that_is_not_planned(number):
    with pytest.raises(IndexError, match=rf"^Invalid task number {number}$"):
        Plan().task(number)


def test_a_failed_finish_changes_nothing():
    plan, other = Plan(), Plan()
    for letter in "KKK":
        call(plan, letter)
        call(other, letter)
    with pytest.raises(PlanNotStarted):
        plan.finish()
    assert plan == other
    for letter in "KS":
        assert call(plan, letter) == call(other, letter)
    assert plan.finish() == other.finish() == len(plan) - 1
    assert plan == other


def test_what_comes_after_the_end_is_refused_and_leaves_the_plan_as_it_was():
    plan, other = finished("SKS"), finished("SKS")
    for letter in "SK":
        with pytest.raises(PlanFinalized):
            call(plan, letter)
    assert plan == other


def test_next_task_is_no_end_marker():
    plan = Plan()
    assert plan.next_task() is None
    plan.segment()
    assert plan.next_task() == plan.task(0)
    assert plan.next_task() is None
    plan.segment()
    assert numbers(plan) == [1, 2]


def test_an_open_plan_says_so():
    plan = Plan()
    plan.segment()
    assert plan.render() == "Still in planning phases ...\n"


def test_plans_are_values():
    assert Plan() == Plan()
    assert finished("SSK") == finished("SSK")
    assert finished("SSK") != finished("SKS")
    assert Plan() != ChainPlan()


# Every plan


@given(scripts)
def test_counts(script):
    n, k = script.count("S"), script.count("K")
    if n == 0:
        with pytest.raises(PlanNotStarted):
            finished(script)
        return
    plan = finished(script)
    assert len(plan) == (2 * n + 2 * k - 1 if k else 2 * n)
    assert plan.last == len(plan) - 1
    assert [t.number for t in plan.tasks] == list(range(len(plan)))
    assert sum(t.command is Command.SEGMENT for t in plan.tasks) == n
    assert sum(t.command is Command.KECCAK for t in plan.tasks) == k


@given(scripts.filter(lambda s: "S" in s))
def test_each_task_is_consumed_once_and_planned_before_its_consumer(script):
    plan = finished(script)
    consumed = []
    for task in plan.tasks:
        below = task.depends_on + task.keccak_depends_on
        assert all(i < task.number for i in below)
        assert task.height == (1 + max(plan.task(i).height for i in below) if below else 0)
        consumed.extend(below)
    assert sorted(consumed) == list(range(len(plan) - 1))


@given(scripts.filter(lambda s: "S" in s))
def test_which_inputs_each_command_has(script):
    sizes = {
        Command.SEGMENT: (0, 0),
        Command.KECCAK: (0, 0),
        Command.JOIN: (2, 0),
        Command.UNION: (0, 2),
        Command.FINALIZE: (1, int("K" in script)),
    }
    for task in finished(script).tasks:
        assert (len(task.depends_on), len(task.keccak_depends_on)) == sizes[task.command]


@given(scripts.filter(lambda s: "S" in s))
def test_joins_keep_the_order_of_the_segments(script):
    plan = finished(script)
    n = script.count("S")
    for task in plan.tasks:
        if task.command is Command.JOIN:
            left, right = (segments_below(plan, i) for i in task.depends_on)
            assert left + right == list(range(left[0], right[-1] + 1))
            assert plan.task(task.depends_on[0]).height >= plan.task(task.depends_on[1]).height
    root = plan.task(plan.last).depends_on[0]
    assert segments_below(plan, root) == list(range(n))
    assert plan.task(root).height == (n - 1).bit_length()


@given(scripts.filter(lambda s: "S" in s and "K" in s))
def test_height_of_the_keccak_root(script):
    plan = finished(script)
    k = script.count("K")
    root = plan.task(plan.task(plan.last).keccak_depends_on[0])
    assert root.height == k.bit_length() - 1 + k.bit_count() - 1


@given(st.integers(1, 300))
def test_a_segment_publishes_its_carries(n):
    plan = Plan()
    for i in range(1, n + 1):
        plan.segment()
        assert len(numbers(plan)) == 1 + (i & -i).bit_length() - 1


@given(scripts.filter(lambda s: "S" in s))
def test_interleaving_changes_numbers_not_shapes(script):
    def shapes(plan):
        text = []
        for task in plan.tasks:
            below = task.depends_on + task.keccak_depends_on
            text.append(f"{task.command.value}({','.join(text[i] for i in below)})" if below else task.command.value)
        return sorted(text)

    assert shapes(finished(script)) == shapes(finished("".join(sorted(script))))


# The chain of a composite receipt


@given(st.integers(1, 200))
def test_a_chain_has_its_segments_and_one_end_that_needs_them_all(n):
    plan = ChainPlan()
    for i in range(n):
        assert plan.segment() == i
        assert numbers(plan) == [i]
    assert plan.finish() == plan.finish() == n == plan.last
    assert numbers(plan) == [n]
    assert [t.command for t in plan.tasks] == [Command.SEGMENT] * n + [Command.FINALIZE]
    assert row(plan.task(n)) == [n, "finalize", 1, list(range(n)), []]


def test_a_chain_refuses_what_it_has_no_place_for():
    plan = ChainPlan()
    with pytest.raises(PlanNotStarted):
        plan.finish()
    plan.segment()
    with pytest.raises(NoKeccakInChainError, match="succinct") as caught:
        plan.keccak()
    assert isinstance(caught.value, ProvingError)
    assert len(plan) == 1
    plan.finish()
    for late in (plan.segment, plan.keccak):
        with pytest.raises(PlanFinalized):
            late()
    assert len(plan) == 2


def test_a_chain_is_rendered_last_segment_first():
    assert finished("SS", ChainPlan).render() == "2 Finalize\n  1 Segment\n  0 Segment"
