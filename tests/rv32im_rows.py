"""Single honest rows of the rv32im chips, and what refuses them when cells are changed."""

import numpy as np
from rv32im_judge import judge
from rv32im_run import CHIPS, Run, recorded
from rv32im_search import Row, with_cells

from localbento.air.chip import assemble
from localbento.circuits.rv32im.records import USER_MODE
from localbento.riscv.decode import encode as encode_word
from localbento.riscv.isa import BY_MNEMONIC


def encode(mnemonic, rd=0, rs1=0, rs2=0, imm=0):
    return encode_word(BY_MNEMONIC[mnemonic], rd, rs1, rs2, imm)


def honest(name, word, a=None, b=None, user=False, pc=None, **step):
    """The one row of a chip after one instruction."""
    run = Run(7, user)
    if pc is not None:
        run.go(pc + USER_MODE * user)
    run.step(word, a, b, **step)
    row = [int(x) for x in run.matrices(spare=0)[name][:, 0]]
    assert not refusals(name, row)
    return row


def refusals(name, row, **cells):
    """Labels and lookups that refuse a row with some cells set."""
    return set(Row(recorded(name)).look(with_cells(row, recorded(name), **cells)))


def outside(name, row, **cells):
    """Whether other chips see another row."""
    changed = np.array([row, with_cells(row, recorded(name), **cells)], np.uint32).T
    return bool(judge(recorded(name), changed).differs(0)[1])


def decoded(word, user=False, pc=None):
    """The decode row of a word."""
    run = Run(7, user)
    if pc is not None:
        run.go(pc + USER_MODE * user)
    run.decode_rows.append([run.pc, word, 0, 1, 0])
    row = [int(x) for x in run.matrices(spare=0)["decode"][:, 0]]
    return row


def cell(name, row, column):
    return row[recorded(name).main.index(column)]


def unit_row(name, *record):
    """The row of a unit as its `fill` makes it of any record, right or wrong."""
    column = assemble(CHIPS[name], CHIPS[name].fill(np.array([record], np.uint32)), 1)[:, 0]
    return [int(x) for x in column]


def cells_of(chip, node):
    """Columns that an expression has."""
    found, stack = set(), [node]
    while stack:
        op, a, b = chip.graph.nodes[stack.pop()]
        if op.name == "MAIN":
            found.add(a)
        elif op.name != "CONSTANT":
            stack += [a, b]
    return found
