"""Faults in the records: an executor that lies, and a witness that is otherwise consistent."""

from dataclasses import replace

import numpy as np
import pytest
from rv32im_corpus import case

from localbento.air.check import check
from localbento.air.chip import assemble_fixed
from localbento.circuits.rv32im.public import public_values


def change(array, row, column, value):
    result = array.copy()
    result[row, column] = value
    return result


def steps(records, name, **columns):
    array = records.steps[name].copy()
    for key, f in columns.items():
        array[5, int(key[1:])] = f(array[5, int(key[1:])])
    return replace(records, steps=records.steps | {name: array})


def pages(records, **fields):
    return replace(records, pages=replace(records.pages, **fields))


def with_calls(records, kind, column, f):
    calls = records.calls.copy()
    at = np.flatnonzero(calls[:, 0] == kind)[0]
    calls[at, column] = f(calls[at, column])
    return replace(records, calls=calls)


def undirtied(records):
    dirty = records.pages.dirty.copy()
    changed = np.flatnonzero((records.pages.before != records.pages.after).any(axis=1))
    dirty[changed[0]] = False
    return pages(records, dirty=dirty)


def other_memory(records):
    after = records.pages.after.copy()
    row = np.flatnonzero(records.pages.dirty)[0]
    data = np.flatnonzero(~records.pages.is_code[row])[7]
    after[row, data] ^= 1
    return pages(records, after=after)


FAULTS = {
    "a result": lambda r: steps(r, "alu_imm", c14=lambda x: x ^ 1),
    "an operand": lambda r: steps(r, "alu_imm", c4=lambda x: x ^ 1),
    "an older time": lambda r: steps(r, "alu_imm", c5=lambda x: x - 5 if x > 5 else 0),
    "a later time": lambda r: steps(r, "alu_imm", c5=lambda x: x + 1),
    "a cycle": lambda r: steps(r, "alu_imm", c0=lambda x: x + 1),
    "a skipped instruction": lambda r: replace(
        r, steps=r.steps | {"alu_imm": np.delete(r.steps["alu_imm"], 4, axis=0)}
    ),
    "an instruction twice": lambda r: replace(
        r, steps=r.steps | {"alu_imm": np.insert(r.steps["alu_imm"], 4, r.steps["alu_imm"][4], axis=0)}
    ),
    "another instruction word": lambda r: replace(r, decode=change(r.decode, 3, 1, r.decode[3, 1] ^ (1 << 20))),
    "another pc": lambda r: replace(r, decode=change(r.decode, 3, 0, r.decode[3, 0] + 1)),
    "where it resumes": lambda r: with_calls(r, 0, 9, lambda x: x + 4),
    "the mode it resumes in": lambda r: with_calls(r, 0, 13, lambda x: 1 - x),
    "the input": lambda r: replace(r, input_words=r.input_words ^ 1),
    "the exit code": lambda r: with_calls(r, 3, 13, lambda x: x ^ (1 << 16)),
    "an output word": lambda r: with_calls(r, 3, 21, lambda x: x ^ 1),
    "the handler": lambda r: with_calls(r, 4, 9, lambda x: x + 4),
    "MEPC at mret": lambda r: with_calls(r, 6, 9, lambda x: x + 4),
    "a host reply's length": lambda r: with_calls(r, 7, 7, lambda x: x - 1),
    "a host reply's place": lambda r: replace(r, read_data=change(r.read_data, 2, 2, r.read_data[2, 2] + 1)),
    "a host reply's old word": lambda r: replace(r, read_data=change(r.read_data, 2, 6, r.read_data[2, 6] ^ 1)),
    "a byte beyond the reply": lambda r: replace(r, read_data=change(r.read_data, 0, 7, r.read_data[0, 7] ^ (1 << 24))),
    "a dropped page-out": undirtied,
    "other memory at the end": other_memory,
    "a page not touched": lambda r: pages(
        r, **{k: getattr(r.pages, k)[1:] for k in ("index", "before", "after", "times", "is_code", "dirty")}
    ),
    "code said to be data": lambda r: pages(r, is_code=np.zeros_like(r.pages.is_code)),
    "data said to be code": lambda r: pages(r, is_code=~r.pages.is_code),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lying_executor(fault):
    """The witness of changed records breaks a label, a table or a bus, or cannot be made."""
    from rv32im_segment import tight_profile

    from localbento.circuits.rv32im.witness import make_witness

    records = FAULTS[fault](case("modes").records)
    profile = tight_profile(records)
    try:
        witness = make_witness(records, profile)
    except (ValueError, KeyError, IndexError):
        return
    fixed = [assemble_fixed(c.chip, m.shape[1]) for c, m in zip(profile.system.chips, witness.mains, strict=True)]
    assert not check(profile.system, witness.mains, fixed, public_values(witness.statement), limit=1).ok
