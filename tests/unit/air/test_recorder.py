"""The recorder, the rules and the plain checker, on a small machine: additions that a range table answers for."""

from typing import Annotated

import numpy as np
import pytest

from localbento.air.bus import Bus, BusKind
from localbento.air.cells import Bit, Felt, Fixed, Word
from localbento.air.check import RowChecker, check
from localbento.air.chip import Chip, CircuitError, Constraints, Gadget, assemble, assemble_fixed, record
from localbento.air.expr import Expr
from localbento.air.logup import helpers
from localbento.air.rules import check_chip, check_system
from localbento.air.system import Public, PublicMessage, System

RANGE = Bus("range", 1, ("value",), BusKind.LOOKUP)
SUMS = Bus("sums", 2, ("a", "b"), BusKind.EXCHANGE)
OPS = Bus("ops", 3, ("op", "x"), BusKind.LOOKUP, ranks={1: 1, 2: 2})


class RangedWord(Word):
    def promise(self, c: Constraints) -> None:
        c.pull(RANGE, (self.lo,))
        c.pull(RANGE, (self.hi,))


class Add(Chip):
    is_real: Bit
    a: Word
    b: Word
    out: RangedWord
    carry: tuple[Bit, Bit]

    def constrain(self, c: Constraints) -> None:
        c.equal("low", self.a.lo + self.b.lo, self.out.lo + 2**16 * self.carry[0])
        c.equal("high", self.a.hi + self.b.hi + self.carry[0], self.out.hi + 2**16 * self.carry[1])
        c.push(SUMS, (self.out.lo, self.out.hi))


class Table(Chip):
    value: Fixed
    exists: Fixed
    uses: Felt

    def real(self) -> Expr:
        return self.exists

    @classmethod
    def fixed(cls, rows: int) -> dict[str, np.ndarray]:
        n = min(rows, 2**16)
        return {"value": np.arange(n, dtype=np.uint32), "exists": np.ones(n, np.uint32)}

    def constrain(self, c: Constraints) -> None:
        c.zero("no answers from an unused row", (1 - self.exists) * self.uses)
        c.provide(RANGE, (self.value,), self.uses)


def machine(n: int = 5):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2**32, (2, n), dtype=np.uint32)
    out = a + b
    lo = (a & 0xFFFF) + (b & 0xFFFF)
    hi = (a >> 16) + (b >> 16) + (lo >> 16)
    main = assemble(
        Add, {"is_real": np.ones(n, np.uint32), "a": a, "b": b, "out": out, "carry": (lo >> 16, hi >> 16)}, 2 * n
    )
    counts = np.bincount(np.concatenate([out & 0xFFFF, out >> 16]), minlength=2**16)
    table = assemble(Table, {"uses": counts.astype(np.uint32)}, 2**17)
    publics = [int(v) for w in out for v in (w & 0xFFFF, w >> 16)]
    system = System(
        "adder",
        (record(Add), record(Table)),
        tuple(f"v{i}" for i in range(2 * n)),
        tuple(PublicMessage(SUMS, -1, (Public(2 * i), Public(2 * i + 1))) for i in range(n)),
    )
    fixeds = [assemble_fixed(Add, 2 * n), assemble_fixed(Table, 2**17)]
    return system, [main, table], fixeds, publics


def test_an_honest_machine_has_no_failures():
    system, mains, fixeds, publics = machine()
    report = check(system, mains, fixeds, publics)
    assert report.ok, str(report)
    check_system(system, 4, [16, 2**17])


def test_every_changed_cell_is_noticed_with_its_label():
    system, mains, _, _ = machine()
    checker = RowChecker(system.chips[0])
    labels = set()
    for row in range(mains[0].shape[1]):
        honest = mains[0][:, row].tolist()
        before = checker.effect(honest)
        assert not before.failing
        for cell in range(len(honest)):
            if row >= 5 and not system.chips[0].main[cell].startswith(("is_real", "carry", "a", "b", "out")):
                continue
            changed = list(honest)
            changed[cell] = (changed[cell] + 1) % (2**31 - 2**27 + 1)
            after = checker.effect(changed)
            assert before.notices(after), system.chips[0].main[cell]
            labels |= set(after.failing)
    assert {"low", "high", "is_real is a bit"} <= labels


def test_the_report_names_row_label_and_senders():
    system, mains, fixeds, publics = machine()
    mains[0][system.chips[0].main.index("out.lo"), 3] += 1
    report = check(system, mains, fixeds, publics)
    assert ("Add", 3, "low") in {(f.chip, f.row, f.label) for f in report.failures}
    assert {i.bus for i in report.imbalances} == {"range", "sums"}
    assert any(s.chip == "Add" and s.row == 3 for i in report.imbalances for s in i.senders)


def test_helpers_hold_three_messages_of_degree_one():
    groups = helpers(record(Add), 4)
    assert [len(g) for g in groups] == [3]
    with pytest.raises(CircuitError, match="bus constraint of degree 2, allowed 1"):
        helpers(record(Add), 1)


class Sized(Chip):
    is_real: Bit
    many: Annotated[tuple[Bit, ...], 3]

    def constrain(self, c: Constraints) -> None:
        c.one_of_none("one of many", self.many)


def test_annotated_arrays_are_numbered_columns():
    assert record(Sized).main == ("is_real", "many[0]", "many[1]", "many[2]")


def _chip(body, **cells):
    namespace = {"__annotations__": {"is_real": Bit, **cells}, "constrain": body}
    return record(type("Bad", (Chip,), namespace))


def test_refuses_a_cell_that_is_never_constrained():
    with pytest.raises(CircuitError, match="Bad: cell 'x' is declared and never constrained"):
        _chip(lambda self, c: None, x=Felt)


def test_refuses_a_gadget_that_is_not_used():
    class Inner(Gadget):
        y: Bit

        def constrain(self, c):
            c.equal("y", self.y, 0)

    with pytest.raises(CircuitError, match="gadget 'g' is constrained 0 times"):
        _chip(lambda self, c: None, g=Inner)
    with pytest.raises(CircuitError, match="this label is used already"):
        _chip(lambda self, c: (self.g.constrain(c), self.g.constrain(c)), g=Inner)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda self, c: c.zero("", self.x * self.x), "needs a label"),
        (lambda self, c: c.zero("one", c.constant(1)), "a constant 1 constrains nothing"),
        (lambda self, c: c.push(SUMS, (self.x,)), "has 2 components, found 1"),
        (lambda self, c: c.push(RANGE, (self.x,)), "only providers push"),
        (lambda self, c: c.provide(SUMS, (self.x, 1), self.x), "only a lookup bus has providers"),
    ],
)
def test_the_recorder_refuses(body, message):
    with pytest.raises(CircuitError, match=message):
        _chip(body, x=Felt)


def test_cells_have_no_truth_value():
    with pytest.raises(TypeError, match="no truth value"):
        _chip(lambda self, c: c.zero("x", self.x) if self.x else None, x=Felt)
    with pytest.raises(TypeError, match=r"use c\.equal|c\.equal"):
        _chip(lambda self, c: self.x == 1, x=Felt)


FREE = "not shown to be 0 or 1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda self, c: c.push(SUMS, (self.x, self.f), self.x), FREE),
        (lambda self, c: c.pull(RANGE, (self.x,), self.x), FREE),
        (lambda self, c: c.push(SUMS, (self.x, 0), self.f), FREE),  # boolean, but on an unused row as well
        (lambda self, c: c.push(SUMS, (self.x, self.f), c.constant(1)), FREE),
        (lambda self, c: c.pull(RANGE, (self.x,), 0 - self.real()), FREE),
        (lambda self, c: c.push(SUMS, (self.x, 0), self.real() - self.f), FREE),
        (lambda self, c: c.push(SUMS, (self.x, 0), 2 * self.real()), FREE),
        (lambda self, c: c.provide(RANGE, (self.f,), self.x), r"\(1 - real\) \* uses"),
        (lambda self, c: c.zero("big", self.x * self.x * self.x * self.x * self.f), "degree 5, allowed 4"),
    ],
)
def test_the_rules_refuse(body, message):
    chip = _chip(
        lambda self, c: (c.zero("uses x", self.x * self.f * 0 + self.x - self.x * self.f), body(self, c)), x=Felt, f=Bit
    )
    with pytest.raises(CircuitError, match=message):
        check_chip(chip, 4)


def test_a_bound_flag_and_its_complement_are_allowed():
    def body(self, c):
        c.zero("f needs a real row", self.f * (1 - self.is_real))
        c.push(SUMS, (self.x, 0), self.f)
        c.push(SUMS, (self.x, 1), self.is_real - self.f)

    check_chip(_chip(body, x=Felt, f=Bit), 4)


def test_providers_are_ranked():
    def provider(op, pulled):
        def body(self, c):
            c.zero("bound", (1 - self.is_real) * self.x)
            c.provide(OPS, (op, self.x), self.x, rank=OPS.ranks[op], ops=(op,))
            c.pull(OPS, (pulled, self.x))

        return _chip(body, x=Felt)

    check_chip(provider(2, 1), 4)
    with pytest.raises(CircuitError, match="a provider of rank 1 pulls a tuple of rank 2"):
        check_chip(provider(1, 2), 4)
    with pytest.raises(CircuitError, match="a provider of rank 2 pulls a tuple of rank 2"):
        check_chip(provider(2, 2), 4)


def test_a_provider_answers_only_the_operations_it_declares():
    def body(self, c):
        c.zero("bound", (1 - self.is_real) * self.x)
        c.provide(OPS, (1 + self.f, self.x), self.x, rank=1, ops=(1,))

    with pytest.raises(CircuitError, match=r"can answer \[1, 2\], declared \[1\]"):
        check_chip(_chip(body, x=Felt, f=Bit), 4)


def test_a_padding_row_that_sends_or_fails_is_refused():
    class Loud(Chip):
        is_real: Bit
        padding = {"is_real": 1}

        def constrain(self, c):
            c.push(SUMS, (1, 1))

    with pytest.raises(CircuitError, match="the padding row sends a message"):
        check_system(System("loud", (record(Loud),)), 4, [16])

    class Unhappy(Chip):
        is_real: Bit
        x: Felt

        def constrain(self, c):
            c.equal("x is one", self.x, 1)

    with pytest.raises(CircuitError, match="'x is one': the padding row does not satisfy it"):
        check_system(System("unhappy", (record(Unhappy),)), 4, [16])


def test_counts_stay_below_p():
    system, *_ = machine()
    with pytest.raises(CircuitError, match="must stay below p"):
        check_system(System("big", (system.chips[0],) * 70), 4, [2**24] * 70)
