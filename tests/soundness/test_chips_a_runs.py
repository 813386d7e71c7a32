"""Attacks on whole small runs of instructions: buses that no single row can cheat on."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from rv32im_run import CHIPS, FIXED_ROWS, WITHOUT_TABLES, Run, fixed, recorded

from localbento.air.check import check
from localbento.air.chip import assemble
from localbento.air.system import PublicMessage, System
from localbento.circuits.rv32im.buses import ALIAS, CPU, FUNCT7, MEMORY, OPCODE, RANGE
from localbento.circuits.rv32im.lookups import count_lookups
from localbento.circuits.rv32im.records import STEP_CHIPS, USER_MODE, Slot, Step
from localbento.circuits.rv32im.tables import Counts
from localbento.field.babybear import P
from localbento.riscv.decode import encode
from localbento.riscv.isa import BY_MNEMONIC

LW = 0x0000_2003 | 5 << 15 | 6 << 7  # lw t1, 0(t0)
SW = 0x0062_A023  # sw t1, 0(t0)
ADD = encode(BY_MNEMONIC["addi"], 6, 6, imm=1)


def report(run):
    """Failures and imbalances; the tables' own buses are left out, since counting has looked at every lookup."""
    names = WITHOUT_TABLES
    filled = run.matrices(spare=1, with_tables=False)
    small = System("chips", tuple(without_tables(n) for n in names), (), tuple(run.public))
    found = check(small, [filled[n] for n in names], [fixed(n) for n in names])
    return found.failures, found.imbalances


@cache
def without_tables(name):
    chip = recorded(name)
    return replace(chip, messages=tuple(m for m in chip.messages if m.bus not in (RANGE, OPCODE, FUNCT7)))


def accepted(run):
    try:
        failures, imbalances = report(run)
    except ValueError:  # a lookup that no table answers
        return False
    return not failures and not imbalances


@pytest.fixture
def run():
    made = Run(31)
    for _ in range(20):
        made.random_step()
    return made


@pytest.mark.parametrize("user", [False, True])
def test_random_instructions_satisfy_every_chip_and_bus(user):
    run = Run(41 + user, user)
    for i in range(700):
        run.random_step(slow=i % 13 == 0)
        if i % 40 == 39:
            run.peek(run.rng.choice(list(run.code)))
            run.go(run.fresh_pc())
    run.odd_words()
    run.finish()
    matrices = run.matrices()
    found = check(run.system(), [matrices[n] for n in CHIPS], [fixed(n) for n in CHIPS])
    assert found.ok, str(found)


@pytest.mark.parametrize("name", STEP_CHIPS)
@pytest.mark.parametrize(
    "column", [Step.A, Step.B, Step.RD_NEW, Step.MEMORY_NEW, Step.CYCLE, Step.A_TIME, Step.RD_TIME]
)
def test_a_wrong_record_is_noticed(name, column, run):
    """Fault injection: result, operand, time, cycle; where the chip reads that column at all."""
    while not run.steps[name]:
        run.random_step()
    run.finish()
    assert accepted(run)
    before = run.filled()[name]
    run.steps[name][0][column] ^= 1
    if not _equal(before, run.filled()[name]):
        assert not accepted(run)


def _equal(x, y):
    if isinstance(x, dict):
        return all(_equal(x[k], y[k]) for k in x)
    if isinstance(x, tuple):
        return all(map(_equal, x, y))
    return bool(np.all(x == y))


def test_a_skipped_instruction_is_noticed(run):
    while len(run.steps["alu_reg"]) < 2:
        run.random_step()
    run.finish()
    del run.steps["alu_reg"][0]
    assert not accepted(run)


def test_a_wrong_next_pc_is_noticed(run):
    run.finish()
    run.public = [m if m.bus is not CPU or m.sign > 0 else _other_pc(m) for m in run.public]
    assert not accepted(run)


def _other_pc(message):
    cycle, pc = message.components
    return PublicMessage(CPU, -1, (cycle, pc + 1))


def test_a_code_word_has_no_data_access():
    run = Run(32)
    run.step(ADD, 1)
    word, _ = run.code[addr := next(iter(run.code))]
    run.words[addr], run.times[addr] = word, 0  # as if it were data, which no page pushes
    run.step(LW, addr << 2)
    del run.words[addr], run.times[addr]
    run.finish()
    failures, imbalances = report(run)
    assert {i.bus for i in imbalances} == {"memory"}
    assert not failures


def test_a_stale_word_is_not_fetched_after_a_store():
    """A word with both flags: stored to as data, fetched as code with its old value."""
    run = Run(33)
    run.step(ADD, 1)
    addr, (word, _) = next(iter(run.code.items()))
    run.poke(addr, word)
    run.step(SW, addr << 2, 0x1234_5678)
    run.go(addr)
    run.step(ADD)
    run.finish()
    run.public = [m for m in run.public if m.bus is not MEMORY or m.components[0] != addr]  # a page pushes one of both
    failures, imbalances = report(run)
    assert not failures
    assert any(i.message[0] == addr for i in imbalances)


def test_a_peek_row_lends_for_one_access():
    run = Run(34)
    run.step(ADD, 1)
    addr = next(iter(run.code))
    run.peek(addr)
    assert accepted_after_finish(run)

    run = Run(34)
    run.step(ADD, 1)
    addr = next(iter(run.code))
    run.peek(addr)
    word = run.code[addr][0]
    run.words[addr], run.times[addr] = word, 5 * (run.cycle - 1) + Slot.MEMORY
    run.step(LW, addr << 2)  # a second access with the same loan
    del run.words[addr], run.times[addr]
    assert not accepted_after_finish(run)


def test_a_store_under_a_peek_row_stores_the_same_word():
    run = Run(35)
    run.step(ADD, 1)
    addr = next(iter(run.code))
    run.peeks.append([addr, run.code[addr][1], run.code[addr][0], run.cycle])
    run.code[addr][1] += 1
    run.words[addr], run.times[addr] = run.code[addr][0], 5 * run.cycle + 2
    run.step(SW, addr << 2, 0xDEAD_BEEF)
    del run.words[addr], run.times[addr]
    assert not accepted_after_finish(run)


def accepted_after_finish(run):
    run.finish()
    return accepted(run)


def test_an_alias_serves_one_fetch():
    run = Run(36)
    run.step(ADD, 1, slow=True)
    assert accepted_after_finish(run)
    run = Run(36)
    run.step(ADD, 1, slow=True)
    run.decode_rows[-1][3] = 2
    first = run.steps["alu_imm"][0]
    again = list(first)
    again[Step.CYCLE] = run.cycle
    again[Step.A], again[Step.A_TIME] = run.access(0x3FFF_C000 + 6, Slot.RS1)
    again[Step.RD_NEW] = again[Step.A] + 1
    again[Step.RD_OLD], again[Step.RD_TIME] = run.access(0x3FFF_C000 + 6, Slot.RD, again[Step.RD_NEW])
    run.steps["alu_imm"].append(again)
    run.cycle += 1
    assert not accepted_after_finish(run)


def test_aliases_lie_above_every_pc_and_below_p():
    highest = (0xBFFF_FFFC >> 2) + USER_MODE
    assert highest < ALIAS
    assert ALIAS + 2 * ((1 << 26) - 1) + 1 < P - 1


def test_a_slow_fetch_sees_the_word_that_was_stored():
    run = Run(37)
    target = run.fresh_pc()
    run.poke(target, 0)
    run.step(SW, target << 2, ADD)
    run.go(target)
    run.step(ADD, slow=True)
    assert accepted_after_finish(run)
    run = Run(37)
    target = run.fresh_pc()
    run.poke(target, 0x13)
    run.step(SW, target << 2, ADD)
    run.go(target)
    run.step(ADD, slow=True)
    run.slow[0][2] = run.decode_rows[-1][1] = 0x13  # the word before the store
    assert not accepted_after_finish(run)


def test_a_closed_loop_of_accesses_needs_times_of_its_own():
    """Accesses that feed each other round p: their times would have to leave the chain."""
    run = Run(38)
    run.step(ADD, 1)
    run.steps["alu_imm"][0][Step.A_TIME] = 5 * run.cycle  # a later access of the same word
    run.finish()
    assert not accepted(run)


def test_tables_answer_every_lookup_of_an_honest_run(run):
    counts = Counts()
    matrices = run.matrices()
    for name in WITHOUT_TABLES:
        count_lookups(recorded(name), matrices[name], counts)
    for name, rows in FIXED_ROWS.items():
        again = assemble(CHIPS[name], CHIPS[name].fill(counts), rows)
        assert (again == matrices[name]).all()
        assert again.sum() > 10
    assert int(np.count_nonzero(counts.regions)) == (matrices["region"][:3].sum())
