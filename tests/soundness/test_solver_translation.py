"""The translation says what the chips say: honest rows satisfy it, and on changed rows it agrees with the checker.

And what one side of a bus assumes, the other side sees to.
"""

import functools
import itertools
import random

import numpy as np
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st
from rv32im_judge import judge
from rv32im_run import Run
from solver_chips import KINDS, kinds, used
from solver_engine import LIMIT
from solver_forge import pinned
from solver_row import FACTS, LINKS, Forms, Row
from solver_space import Space, plus

from localbento.circuits.rv32im.buses import ACCESS, DECODE, FUNCT7, OPCODE, UNIT
from localbento.circuits.rv32im.machine import recorded
from localbento.field.babybear import P

NAMES = ("less", "shift", "mul", "div", "bitwise", "alu_reg", "alu_imm", "word", "part", "branch", "jalr", "decode")


@functools.cache
def honest_rows():
    run = Run(31, 0)
    for _ in range(400):
        run.random_step()
    return {name: m.T[(m != 0).any(axis=0)] for name, m in run.matrices(spare=0).items() if name in NAMES}


def agrees(name, row):
    """Solver and checker say the same of a row, for which the other sides of the buses are as they promise."""
    chip = recorded(name)
    verdict = judge(chip, np.array([row], np.uint32).T)
    problems = {label for label, bad in verdict.failing.items() if bad[0]}
    asked = {m.label for m in chip.messages if m.bus in (UNIT, OPCODE, FUNCT7) and m.sign < 0}
    return problems, asked


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4, deadline=None)
@given(pick=st.integers(0, 1 << 30))
def test_an_honest_row_satisfies_it(name, pick):
    rows = honest_rows()[name]
    row = [int(x) for x in rows[pick % len(rows)]]
    assert pinned(recorded(name), row, {})


@pytest.mark.parametrize("name", NAMES)
def test_of_a_changed_row_it_says_what_the_checker_says(name):
    chip, rng = recorded(name), random.Random(name)
    rows = honest_rows()[name]
    verdicts = set()
    for _ in range(8):
        row = [int(x) for x in rng.choice(rows)]
        if rng.random() < 0.8:
            cell = rng.randrange(len(row))
            row[cell] = (row[cell] + rng.choice((1, -1, 2, 256, 1 << 16, -(1 << 16), rng.randrange(P)))) % P
        problems, asked = agrees(name, row)
        if problems <= asked and problems:
            continue  # only the other side knows: units and opcodes are any functions here
        holds = pinned(chip, row, {})
        if holds != (not problems):
            # A word out of range, an operation that is none: the other side promised that there is no such message.
            assert not holds, (row, problems)
            assert breaks_a_promise(chip, row)
        verdicts.add(holds)
    assert False in verdicts or name == "branch"


def breaks_a_promise(chip, row):
    """A pulled component lies outside the interval that its bus promises."""
    space = Space()
    translated = Row(space, Forms(chip, dict(enumerate(row))), "")
    for m in chip.messages:
        if m.sign < 0 and translated.of(m.times):
            for i, (low, high) in translated.guaranteed(m):
                if not low <= translated.of(m.components[i]).get((), 0) <= high:
                    return True
    return False


PROMISING = [
    "less", "mul", "div", "bitwise", "alu_reg", "alu_imm", "word", "part", "branch", "const", "jalr", "peek",
    "slow_fetch", "access", "host_io", "read_data",
]  # fmt: skip


def keeps_its_promises(chip, more=None, links=False):
    """How many promises the chip keeps on rows with some more columns constant."""
    fixed, ones = used(chip)
    space = Space()
    row = Row(space, Forms(chip, {**fixed, **(more or {})}, ones), "")
    base = [*row.formulas, *[space.zero(plus(row.of(n), {(): 1}, -1)) for n in ones]]
    checked = 0
    for m in (m for m in chip.messages if m.sign > 0):
        promised = [x for bus in m.buses for x in FACTS.get(bus, {}).items()] + (
            list(LINKS.items()) if links and m.bus == DECODE else []
        )
        for i, (low, high) in promised:
            if m.bus == ACCESS and i in (2, 3):
                continue  # the old word is what is there
            term = space.value(row.of(m.components[i]))
            solver = z3.Solver()
            solver.set("rlimit", LIMIT)
            solver.add(*base, *space.facts, row.sent(m), z3.Or(term < low, term > high))
            assert solver.check() == z3.unsat, (m.label, m.bus.fields[i], more)
            checked += 1
    return checked


@pytest.mark.parametrize("name", PROMISING)
def test_what_a_chip_sends_is_as_promised(name):
    assert keeps_its_promises(recorded(name))


@pytest.mark.release
def test_what_system_sends_is_as_promised():
    for case in kinds(recorded("system")):
        assert keeps_its_promises(recorded("system"), case)


@pytest.mark.release
def test_what_shift_answers_is_as_promised():
    """By direction and amount (64 cases), since it is the bits of a byte's pieces that do not overlap."""
    chip = recorded("shift")
    names = ("right", "amount[0]", "amount[1]", "amount[2]", "amount[3]", "amount[4]")
    for right, *amount in itertools.product((0, 1), repeat=6):
        shift = amount[0] + 2 * amount[1] + 4 * amount[2]
        power = 1 << (8 - shift if right else shift)  # what "power of two" says; else no row would be left to look at
        values = dict(zip(names, (right, *amount), strict=True)) | {"power": power}
        assert keeps_its_promises(chip, {chip.main.index(n): v for n, v in values.items()})


@pytest.mark.release
def test_what_decode_answers_is_as_promised():
    chip = recorded("decode")
    for case, name in zip(kinds(chip), KINDS["decode"].split(), strict=True):
        assert keeps_its_promises(chip, case, links=name == "jalr")


@pytest.mark.parametrize(
    "name", [*PROMISING, "shift", "decode", "system", "page_block", "page", "node", "region", "poseidon2"]
)
def test_an_unused_row_sends_nothing(name):
    """Whatever is in it: with nothing real, every multiplicity is 0."""
    chip = recorded(name)
    fixed, zeros = used(chip, 0)
    space = Space()
    row = Row(space, Forms(chip, fixed), "")
    solver = z3.Solver()
    solver.set("rlimit", LIMIT)
    solver.add(*row.formulas, *[space.zero(row.of(n)) for n in zeros])
    solver.add(z3.Or([row.sent(m) for m in chip.messages]), *space.facts)
    assert solver.check() == z3.unsat
