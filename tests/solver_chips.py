"""What each chip is asked, and under which assumptions about the other side of its buses."""

from collections.abc import Sequence
from fnmatch import fnmatch

import z3
from solver_engine import Output, Question, shown
from solver_row import Row
from solver_space import Space, plus

from localbento.air.chip import RecordedChip
from localbento.air.expr import Op
from localbento.circuits.rv32im.buses import UNIT
from localbento.circuits.rv32im.machine import recorded

ANSWERS = {
    "less": ("push unit 0",), "shift": ("push unit 0",), "bitwise": ("push unit 0",),
    "mul": ("low word", "high word"), "div": ("quotient", "remainder"),
}  # fmt: skip
"""The answers of each unit: for one operation and two operands there is one."""

FREE = {
    "alu_reg": "", "alu_imm": "", "word": "", "part": "", "branch": "", "const": "", "jalr": "", "access": "",
    # Which row it is;
    # ... and a target that is in reach may be given as none: nothing goes on there.
    "decode": "pc reachable",
    "peek": "addr cycle",
    # The decode row sees to the split of the pc; whether the instruction goes on after itself shows at the alias.
    "slow_fetch": "user addr sequential",
    # Where an execution begins, and where it is cut, is the prover's choice.
    "system": "resume split close",
    # The host's answer; with nothing to read, data rows would have no end (READ counts down to 0).
    "host_io": "result some",
    # The host's bytes, one or four at a time; without `last` after the last byte the rows would have no end.
    "read_data": "whole put last",
    # Which row it is; what is code; the words before are bound by the hash, and so is what counts as dirty.
    "page_block": "page block dirty words*before* *is_code",
    "page": "dirty",
    # The children are bound by the hash; which are opened, the pages say.
    "node": "dirty *_touched left* right*",
    # Which permutation it is, and whether it is the last one.
    "poseidon2": "id direction block last",
    "full_rounds": "id direction block first second third onward last state*",
    "partial_rounds": "id direction block",
}  # fmt: skip
"""Columns that both rows agree on besides the messages that they take: what is the prover's to choose, and why."""

KINDS = {
    "decode": (
        "reg imm shift load store branch lui auipc jal jalr ecall ebreak mret bad_ecall bad_mret illegal compressed"
    ),
    "full_rounds": "first second third onward last",
    "system": "resume split close terminate ecall trap mret",
}
"""One-hot columns by which a question is split where it is not answered whole."""


def columns(chip: RecordedChip, patterns: str) -> list[int]:
    """Columns by patterns, each of which names one."""
    found = []
    for pattern in patterns.split():
        here = [i for i, name in enumerate(chip.main) if fnmatch(name, pattern)]
        assert here, pattern
        found += here
    return found


def nodes(chip: RecordedChip, patterns: str) -> tuple[int, ...]:
    """Their nodes."""
    return tuple(chip.graph.add(Op.MAIN, i) for i in columns(chip, patterns))


def used(chip: RecordedChip, value: int = 1) -> tuple[dict[int, int], tuple[int, ...]]:
    """What a used row is: a constant column, or an expression that is 1."""
    op, column, _ = chip.graph.nodes[chip.real]
    return ({column: value}, ()) if op is Op.MAIN else ({}, (chip.real,))


def kinds(chip: RecordedChip) -> tuple[dict[int, int], ...]:
    """Assignments to the one-hot columns."""
    names = columns(chip, KINDS.get(chip.name, ""))
    return tuple({c: int(c == one) for c in names} for one in names)


def answer_question(name: str, label: str, without: frozenset[str] = frozenset()) -> Question:
    """Whether the answer of a unit is a function of operation and operands."""
    chip = recorded(name)
    (m,) = (m for m in chip.messages if m.label == label)
    assert m.bus == UNIT
    fixed, ones = used(chip)
    outputs = tuple(Output(f"{label}: {UNIT.fields[i]}", m.components[i], None) for i in (5, 6))
    extra = quotients if name == "div" else None
    return Question(chip, m.components[:5], outputs, fixed, ones, without, extra)


def row_question(name: str, without: frozenset[str] = frozenset()) -> Question:
    """Whether everything that other chips see of a row is a function of what it is given."""
    chip = recorded(name)
    fixed, ones = used(chip)
    outputs = shown(chip)
    if name == "decode":
        (m,) = (m for m in chip.messages if m.rank is not None)
        outputs += tuple(Output(f"answer: {f}", n, None) for f, n in zip(m.bus.fields, m.components, strict=True))
    extra = words_read if name == "read_data" else None
    return Question(chip, nodes(chip, FREE[name]), outputs, fixed, ones, without, extra, kinds(chip))


def words_read(space: Space, rows: Sequence[Row]) -> list[z3.BoolRef]:
    """A whole word is the host's."""
    chip = rows[0].chip
    whole, low, high = (chip.main.index(c) for c in ("whole", "new.lo", "new.hi"))
    same = [_difference(space, rows, c) for c in (low, high)]
    first = rows[0].columns.get(whole)
    return [z3.Implies(space.terms[first] == 1, z3.And(same))] if first is not None else []


def _difference(space: Space, rows: Sequence[Row], column: int) -> z3.BoolRef:
    left, right = ({(row.columns[column],): 1} for row in rows)
    return space.zero(plus(left, right, -1))


def quotients(space: Space, rows: Sequence[Row]) -> list[z3.BoolRef]:
    """What `mul` and `less` guarantee for a row of `div`: exact products, and an order.

    Products of words are unknown numbers with what `LEMMAS` says of them.
    """
    result: list[z3.BoolRef] = []
    seen = []
    for row in rows:
        by = {m.label: [_value(space, row, n) for n in m.components] for m in row.messages if m.bus == UNIT}
        low = by.get("|q| |d| = |n| - |r|")
        high = by.get("|q| |d| has no high word")
        operands = low or high
        if operands is not None:
            q, d = _word(*operands[1:3]), _word(*operands[3:5])
            product = z3.Int(f"wide{row.suffix}")
            half = [z3.Int(f"low{row.suffix}"), z3.Int(f"high{row.suffix}")]
            result += [product == half[0] + (1 << 32) * half[1]]
            result += [x >= 0 for x in half] + [x < 1 << 32 for x in half]
            if z3.is_int_value(z3.simplify(d)):
                result.append(product == q * z3.simplify(d))
            if low is not None:
                result.append(half[0] == _word(*low[5:]))
            if high is not None:
                result.append(half[1] == _word(*high[5:]))
            result += [z3.Implies(q == 0, product == 0), z3.Implies(d == 0, product == 0)]
            result += [z3.Implies(q >= 1, product >= d)]
            seen.append((q, d, product))
        if "|r| < |d|" in by:
            (m,) = (m for m in row.messages if m.label == "|r| < |d|")
            below = _word(*by[m.label][1:3]) < _word(*by[m.label][3:5])
            result.append(z3.Implies(row.sent(m), below))
    for (q, d, product), (r, e, other) in ((x, y) for x in seen for y in seen if x is not y):
        result.append(z3.Implies(z3.And(d == e, q >= r + 1), product >= other + d))
        result.append(z3.Implies(z3.And(d == e, q == r), product == other))
    return result


def _value(space: Space, row: Row, node: int) -> z3.ArithRef:
    terms = row.of(node)
    assert terms is not None
    return space.value(terms)


def _word(low: z3.ArithRef, high: z3.ArithRef) -> z3.ArithRef:
    return low + (1 << 16) * high


def lemmas() -> dict[str, list[z3.BoolRef]]:
    """What is said of products in `quotients`, each as formulas that must be unsatisfiable."""
    q, r, d = z3.Ints("q r d")
    natural = [q >= 0, r >= 0, d >= 0]
    return {
        "a larger quotient, a larger product": [*natural, q >= r + 1, q * d < r * d + d],
        "the same quotient, the same product": [*natural, q == r, q * d != r * d],
        "at least the divisor": [*natural, q >= 1, q * d < d],
        "nothing of nothing": [*natural, q == 0, q * d != 0],
        "nothing by nothing": [*natural, d == 0, q * d != 0],
    }
