"""Determinism, chip by chip: no two rows agree on what they are given and differ in what they show.

Over the field itself and at full width.  What is assumed of the other sides of the buses stands in `solver_row`
(KEYS, FACTS), what is the prover's to choose in `solver_chips` (FREE); docs/security.md has both in words.
"""

import pytest
import z3
from solver_chips import ANSWERS, FREE, answer_question, kinds, lemmas, row_question, used
from solver_engine import LIMIT, Uniqueness
from solver_row import Forms, Row
from solver_space import Space, plus

from localbento.circuits.rv32im.machine import recorded

APART = ("decode", "system")


@pytest.mark.parametrize(("name", "label"), [(n, label) for n, labels in ANSWERS.items() for label in labels])
def test_a_unit_has_one_answer(name, label):
    answer = Uniqueness(answer_question(name, label)).answer()
    assert not answer.open, (answer.open, answer.unknown, answer.model)


@pytest.mark.parametrize("name", [n for n in FREE if n not in APART])
def test_a_row_shows_one_thing(name):
    answer = Uniqueness(row_question(name)).answer()
    assert not answer.open, (answer.open, answer.unknown, answer.model)


@pytest.mark.release
@pytest.mark.parametrize("name", APART)
def test_a_row_with_many_kinds_shows_one_thing(name):
    """Some 30 s of CPU time."""
    answer = Uniqueness(row_question(name)).answer()
    assert not answer.open, (answer.open, answer.unknown, answer.model)


@pytest.mark.parametrize("name", lemmas())
def test_what_is_said_of_products_is_true(name):
    solver = z3.Solver()
    solver.set("rlimit", LIMIT)
    solver.add(*lemmas()[name])
    assert solver.check() == z3.unsat


@pytest.mark.parametrize("name", [n for n in FREE if n not in ("poseidon2", "full_rounds", "partial_rounds")])
def test_there_are_rows_to_speak_of(name):
    """The constraints and the promises of the buses do not contradict each other: else everything would hold."""
    chip = recorded(name)
    fixed, ones = used(chip)
    for case in kinds(chip) or ({},):
        space = Space()
        row = Row(space, Forms(chip, {**fixed, **case}, ones), "")
        assert not row.skipped
        solver = z3.Solver()
        solver.set("rlimit", LIMIT)
        solver.add(*row.formulas, *[space.zero(plus(row.of(n), {(): 1}, -1)) for n in ones], *space.facts)
        assert solver.check() == z3.sat, case
