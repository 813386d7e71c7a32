"""Which ops of DECODE a chip can take, and which of UNIT a unit can answer: by enumeration of flags.

Single-cell mutation does not see this: a `word` row with load = 1 and mode = 2 would take a store's decode row.
"""

from itertools import product

import pytest
from rv32im_run import recorded

from localbento.air.evaluate import evaluate
from localbento.air.expr import Op
from localbento.air.rules import check_chip, check_padding
from localbento.circuits.rv32im.buses import DECODE, UNIT, OpChip
from localbento.circuits.rv32im.opcodes import full_op
from localbento.circuits.rv32im.records import Unit
from localbento.field.babybear import P
from localbento.riscv.isa import INSTRUCTIONS

VALUES = (0, 1, 2, P - 1)
CHIP = {
    "alu_reg": OpChip.ALU_REG, "alu_imm": OpChip.ALU_IMM, "word": OpChip.WORD, "part": OpChip.PART,
    "branch": OpChip.BRANCH, "const": OpChip.CONST, "jalr": OpChip.JALR,
}  # fmt: skip
ALL_OPS = {full_op(i, user): i for i in INSTRUCTIONS for user in (False, True)}


def cells_of(chip, node):
    found, stack = set(), [node]
    while stack:
        op, a, b = chip.graph.nodes[stack.pop()]
        if op is Op.MAIN:
            found.add(a)
        elif op is not Op.CONSTANT:
            stack += [a, b]
    return found


def possible_ops(name):
    """Values of the op that this chip can pull, over all flags and variants."""
    chip = recorded(name)
    message = next(m for m in chip.messages if m.bus == DECODE)
    wanted = cells_of(chip, message.components[1])
    variant = [c for c in wanted if chip.main[c] == "variant"]
    real = chip.main.index("is_real")
    flags = wanted | {c for c, n in enumerate(chip.main) if n in ("add", "sub")} - set(variant)
    units = [m for m in chip.messages if m.bus == UNIT]
    inside = [k for k in chip.constraints if cells_of(chip, k.node) <= flags | set(variant) | {real}]
    found = set()
    flags = sorted(flags - set(variant))
    for values in product(VALUES, repeat=len(flags)):
        for v in range(64) if variant else (0,):
            row = [0] * len(chip.main)
            row[real] = 1
            for cell, value in zip(flags, values, strict=True):
                row[cell] = value
            for cell in variant:
                row[cell] = v
            at = evaluate(chip, [], row, int)
            if any(at[k.node] % P for k in inside):
                continue
            if any(at[m.times] % P and at[m.components[0]] % P not in tuple(Unit) for m in units):
                continue
            found.add(at[message.components[1]] % P)
    return found


@pytest.mark.parametrize("name", CHIP)
def test_a_chip_takes_the_ops_of_its_own_instructions_only(name):
    own = {op for op, i in ALL_OPS.items() if i.chip == name}
    taken = possible_ops(name)
    assert own <= taken
    assert {op for op in taken if op in ALL_OPS} == own
    assert all(op // 64 == CHIP[name] for op in taken)


@pytest.mark.parametrize("name", ["word", "part", "jalr"])
def test_without_boolean_flags_a_chip_would_take_foreign_ops(name):
    """The enumeration can fail: a mode of 2 reaches other ops."""
    chip = recorded(name)
    message = next(m for m in chip.messages if m.bus == DECODE)
    row = [0] * len(chip.main)
    row[chip.main.index("user")] = 2
    assert evaluate(chip, [], row, int)[message.components[1]] not in possible_ops(name)


def test_ops_are_distinct():
    plain = [i for i in INSTRUCTIONS if i.chip != "const"]
    assert len({full_op(i, user) for i in plain for user in (False, True)}) == len(
        {(full_op(i, user), i.chip) for i in plain for user in (False, True)}
    )


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("bitwise", (Unit.AND, Unit.OR, Unit.XOR)),
        ("less", (Unit.EQ, Unit.NE, Unit.LT, Unit.GE, Unit.LTU, Unit.GEU)),
        ("shift", (Unit.SLL, Unit.SRL, Unit.SRA)),
        ("mul", (Unit.MUL, Unit.MULH, Unit.MULHSU, Unit.MULHU)),
        ("div", (Unit.DIV, Unit.DIVU, Unit.REM, Unit.REMU)),
    ],
)
def test_units_answer_their_own_operations(name, ops):
    chip = recorded(name)
    assert {op for m in chip.messages if m.rank is not None for op in m.ops} == set(ops)
    assert {m.rank for m in chip.messages if m.rank is not None} == {2 if name == "div" else 1}


@pytest.mark.parametrize("name", [*CHIP, "bitwise", "less", "shift", "mul", "div", "decode", "peek", "slow_fetch"])
def test_key_generation_accepts_the_chip(name):
    check_chip(recorded(name), 4)
    check_padding(recorded(name), 1024)


BUDGET = {  # columns and cells of rv32im-machine.md, section 2
    "alu_reg": (24, 54), "alu_imm": (19, 44), "word": (24, 54), "part": (39, 74), "branch": (17, 37),
    "const": (11, 26), "jalr": (21, 41), "bitwise": (18, 28), "less": (19, 29), "shift": (38, 58), "mul": (28, 58),
    "div": (39, 69), "decode": (59, 89), "peek": (7, 17), "slow_fetch": (11, 26),
}  # fmt: skip


@pytest.mark.parametrize("name", BUDGET)
def test_width_stays_in_the_budget(name):
    from localbento.air.describe import cells_per_row

    chip = recorded(name)
    columns, cells = BUDGET[name]
    assert chip.width <= columns
    assert cells_per_row(chip, 4) <= cells
