"""One row of a recorded chip as formulas: its constraints, and what the other side of each bus guarantees."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import z3
from solver_space import Monomial, Space, Terms, plus

from localbento.air.chip import Message, RecordedChip
from localbento.air.expr import Op
from localbento.circuits.rv32im.buses import (
    ACCESS,
    ALIAS,
    BLOCK,
    CODE,
    CPU,
    DECODE,
    DIGEST,
    END,
    FETCHED,
    FUNCT7,
    MEMORY,
    NODE,
    OPCODE,
    PERMUTE,
    RANGE,
    READ,
    REGION,
    SPONGE,
    START,
    STOP,
    UNIT,
    Range,
)  # fmt: skip
from localbento.circuits.rv32im.opcodes import funct7_kinds
from localbento.circuits.rv32im.records import Unit
from localbento.circuits.rv32im.region import REGIONS
from localbento.field.babybear import P

MAX_TERMS = 600
LIMB = (0, 0xFFFF)

KEYS = {
    CPU: 0, DECODE: 1, MEMORY: 1, CODE: 1, FETCHED: 1, UNIT: 5, OPCODE: 3, FUNCT7: 1, ACCESS: 0, NODE: 0, START: 0,
    STOP: 0, READ: 0, PERMUTE: 4, BLOCK: 3, SPONGE: 3, DIGEST: 3,
}  # fmt: skip
"""How many components of a pulled message the row determines; the others are then the other side's."""

FACTS = {
    MEMORY: {2: LIMB, 3: LIMB},
    CODE: {2: LIMB, 3: LIMB},
    FETCHED: {0: (ALIAS, P - 1), 1: (0, 1), 3: LIMB, 4: LIMB},
    ACCESS: {2: LIMB, 3: LIMB, 4: LIMB, 5: LIMB},
    DECODE: {5: LIMB, 6: LIMB},
    STOP: {1: LIMB, 2: LIMB},
    START: dict.fromkeys(range(16), LIMB),
    UNIT: {0: (1, max(Unit)), 5: LIMB, 6: LIMB},
    OPCODE: {0: (0, 31), 1: (0, 7)},
    FUNCT7: {0: (0, 127), 1: (0, int(funct7_kinds().max()))},
}
"""Intervals of components: assumed of what is pulled, and proved of what is pushed or provided."""

COUNTED = {CPU: {0: (0, (1 << 26) - 1)}}
"""The same, seen to not by who pushes but by counting: `check_times` bounds the cycles of a machine."""

LINKS = {7: LIMB, 8: LIMB}
"""Components of DECODE that `jalr` takes as limbs: those that a decode row of its kind gives."""

ORDERS = (Unit.EQ, Unit.NE, Unit.LT, Unit.GE, Unit.LTU, Unit.GEU)
CHECKED = (Unit.AND, Unit.OR, Unit.XOR, Unit.SLL, Unit.SRL, Unit.SRA, Unit.MUL, Unit.MULH, Unit.MULHSU, Unit.MULHU)
"""Operations whose unit looks its operands up."""


class Forms:
    """The expressions of a chip as polynomials in its columns, some columns being constants.

    A sum is not multiplied out with anything but bits: it gets a number of its own, after the columns (`atoms`), so
    that the law of zero products speaks of the sum.
    """

    def __init__(self, chip: RecordedChip, fixed: Mapping[int, int], ones: Sequence[int] = ()) -> None:
        self.chip = chip
        self.ones = tuple(ones)
        self.fixed = dict(fixed)
        self.bits = {chip.graph.nodes[n][1] for n in chip.bits}
        self.atoms: list[dict[Monomial, int]] = []
        self._done: dict[int, dict[Monomial, int] | None] = {}

    def form(self, node: int) -> dict[Monomial, int] | None:
        """The polynomial, or None if it has more than MAX_TERMS terms."""
        stack = [node]
        while stack:
            top = stack[-1]
            if top in self._done:
                stack.pop()
                continue
            op, a, b = self.chip.graph.nodes[top]
            if op is Op.CONSTANT:
                self._done[top] = {(): a} if a else {}
            elif op is Op.MAIN:
                value = self.fixed.get(a)
                self._done[top] = {(a,): 1} if value is None else ({(): value % P} if value % P else {})
            elif missing := [n for n in (a, b) if n not in self._done]:
                stack += missing
            else:
                self._done[top] = self._combine(op, self._done[a], self._done[b])
        return self._done[node]

    def never_zero(self, node: int) -> bool:
        """The node is a constant other than 0, or becomes one by an expression that is 1."""
        form = self.form(node)
        if form is None:
            return False
        candidates = [form] + [
            plus(plus(form, one, -1), {(): 1}) for n in self.ones if (one := self.form(n)) is not None
        ]
        return any(set(f) == {()} for f in candidates)

    def _atom(self, form: dict[Monomial, int]) -> dict[Monomial, int]:
        if form not in self.atoms:
            self.atoms.append(form)
        return {(len(self.chip.main) + self.atoms.index(form),): 1}

    def _only_bits(self, form: Terms) -> bool:
        return all(column in self.bits for m in form for column in m)

    def _combine(self, op: Op, x: Terms | None, y: Terms | None) -> dict[Monomial, int] | None:
        if x is None or y is None:
            return None
        if op is not Op.MUL:
            result = plus(x, y, 1 if op is Op.ADD else -1)
            return result if len(result) <= MAX_TERMS else None
        if len(x) > 1 and not self._only_bits(x) and not self._only_bits(y):
            x = self._atom(dict(x))
        if len(y) > 1 and not self._only_bits(y) and not self._only_bits(x):
            y = self._atom(dict(y))
        if len(x) * len(y) > 4 * MAX_TERMS:
            return None
        product: dict[Monomial, int] = {}
        for m, c in x.items():
            for n, d in y.items():
                key = tuple(sorted(m + n))
                product[key] = (product.get(key, 0) + c * d) % P
        product = {m: c for m, c in product.items() if c}
        return product if len(product) <= MAX_TERMS else None

    def factors(self, node: int) -> list[dict[Monomial, int]] | None:
        """Polynomials of whose product the node is a multiple by a constant that is not 0; None if too large."""
        op, a, b = self.chip.graph.nodes[node]
        if op is Op.MUL:
            left, right = self.factors(a), self.factors(b)
            return None if left is None or right is None else left + right
        form = self.form(node)
        if form is None:
            return None
        return [] if set(form) == {()} else [form]


@dataclass
class Row:
    """One copy of a row in a space.

    `without` names constraints and messages that are left out.  `columns` gives the variables; those of `shared`
    columns come from another copy.
    """

    space: Space
    forms: Forms
    suffix: str
    without: frozenset[str] = frozenset()
    shared: Mapping[int, int] = field(default_factory=dict)
    columns: dict[int, int] = field(default_factory=dict)
    formulas: list[z3.BoolRef] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    lookups: list[tuple[z3.BoolRef, tuple[int, ...]]] = field(default_factory=list)
    equations: dict[str, z3.BoolRef] = field(default_factory=dict)

    def __post_init__(self) -> None:
        intervals = self._intervals()
        for i, name in enumerate(self.chip.main):
            if i in self.forms.fixed:
                continue
            if i in self.shared:
                self.columns[i] = self.shared[i]
            else:
                self.columns[i] = self.space.variable(name + self.suffix, *intervals.get(i, (0, P - 1)))
        for k in self.chip.constraints:
            if k.label not in self.without:
                self._constraint(k.label, k.node)
        for m in self.messages:
            if m.sign < 0 or m.bus == ACCESS:
                self._facts(m)
        self.formulas += [*self.equations.values(), *(fact for fact, _ in self.lookups)]

    @property
    def chip(self) -> RecordedChip:
        """The chip."""
        return self.forms.chip

    @property
    def messages(self) -> list[Message]:
        """The messages that are not left out."""
        return [m for m in self.chip.messages if m.label not in self.without]

    def of(self, node: int) -> dict[Monomial, int] | None:
        """An expression over the space's variables."""
        form = self.forms.form(node)
        return None if form is None else self.map(form)

    def map(self, form: Terms) -> dict[Monomial, int]:
        """A polynomial in columns over the space's variables."""
        result: dict[Monomial, int] = {}
        for m, c in form.items():
            key = tuple(sorted(self._variable(i) for i in m))
            result[key] = (result.get(key, 0) + c) % P
        return {m: c for m, c in result.items() if c}

    def _variable(self, column: int) -> int:
        """The variable of a column or of a sum."""
        if column not in self.columns:
            form = self.map(self.forms.atoms[column - len(self.chip.main)])
            self.columns[column] = self.space.named_sum(form)
        return self.columns[column]

    def sent(self, message: Message) -> z3.BoolRef:
        """The message is sent or taken at all."""
        terms = self.of(message.times)
        assert terms is not None, message.label
        return z3.Not(self.space.zero(terms))

    def always(self, message: Message) -> bool:
        """The multiplicity is a constant other than 0."""
        return self.forms.never_zero(message.times)

    def guaranteed(self, message: Message) -> Iterable[tuple[int, tuple[int, int]]]:
        """Components with the interval that the bus promises."""
        for bus in message.buses:
            yield from FACTS.get(bus, {}).items()
            yield from COUNTED.get(bus, {}).items()
        if message.bus == DECODE and self.chip.name == "jalr":
            yield from LINKS.items()
        if message.bus == UNIT:
            op = self.forms.form(message.components[0])
            if op is not None and set(op) == {()}:
                if op[()] in CHECKED and message.sign < 0:
                    yield from ((i, LIMB) for i in range(1, 5))
                if op[()] in ORDERS:
                    yield 5, (0, 1)

    def _intervals(self) -> dict[int, tuple[int, int]]:
        """Intervals of columns by bits and by what is always looked up."""
        found: dict[int, tuple[int, int]] = {}

        def narrow(form: Terms | None, low: int, high: int) -> None:
            rest = {m: c for m, c in (form or {}).items() if m}
            if len(rest) != 1 or next(iter(rest.values())) != 1 or len(next(iter(rest))) != 1:
                return
            (column,) = next(iter(rest))
            shift = (form or {}).get((), 0)
            low, high = low - shift, high - shift
            if column not in found:
                found[column] = (low, high)
            else:
                a, b = found[column]
                if a <= high and low <= b:
                    found[column] = max(a, low), min(b, high)

        for k in self.chip.constraints:
            if k.label in self.without:
                continue
            form = self.forms.form(k.node) or {}
            squares = [m for m in form if len(m) == 2 and m[0] == m[1]]
            if len(form) == 2 and squares and form.get(squares[0][:1], 0) == -form[squares[0]] % P:
                narrow({squares[0][:1]: 1}, 0, 1)
        for m in self.messages:
            if (m.sign < 0 or m.bus == ACCESS) and self.always(m):
                parts = [self.forms.form(n) for n in m.components]
                for i, (low, high) in self._ranges(m, parts):
                    narrow(parts[i], low, high)
        return found

    def _ranges(self, m: Message, parts: list[dict[Monomial, int] | None]) -> list[tuple[int, tuple[int, int]]]:
        """Intervals of the components of a pulled message that hold whatever the other components are."""
        if m.bus == RANGE:
            kind = (parts[0] or {}).get((), 0)
            if kind in (Range.BYTES, Range.AND):
                return [(1, (0, 255)), (2, (0, 255)), (3, (0, 255 if kind == Range.AND else 0))]
            return [(1, (0, (1 << kind) - 1)), (2, (0, 0)), (3, (0, 0))]
        if m.bus == REGION:
            return [(1, (min(a for a, _ in REGIONS.values()), max(b for _, b in REGIONS.values())))]
        promised = list(self.guaranteed(m))
        return promised if m.sign < 0 else [(i, x) for i, x in promised if i in (2, 3)]  # the old word of ACCESS

    def _constraint(self, label: str, node: int) -> None:
        factors = self.forms.factors(node)
        if factors is None:
            self.skipped.append(label)
            return
        self.equations[label] = z3.Or([self.space.zero(self.map(f)) for f in factors])

    def _facts(self, m: Message) -> None:
        forms = [self.forms.form(n) for n in m.components]
        times = self.forms.form(m.times)
        if times == {} or any(f is None for f in forms):
            return
        parts = [self.map(f) for f in forms if f is not None]
        n = m.components
        facts = [(self.space.lookup(parts[i], *interval), (n[i],)) for i, interval in self._ranges(m, forms)]
        if m.bus == RANGE and (forms[0] or {}).get((), 0) == Range.AND:
            facts.append((self._and(*parts[1:]), n[1:]))
        if m.bus == REGION:
            kind, high = parts
            options = []
            for number, (first, last) in REGIONS.items():
                is_kind = self.space.zero(plus(kind, {(): int(number)}, -1))
                options.append(z3.And(is_kind, self.space.lookup(high, first, last)))
            facts.append((z3.Or(options), n))
        if not self.always(m):
            facts = [(z3.Or(z3.Not(self.sent(m)), fact), (m.times, *nodes)) for fact, nodes in facts]
        self.lookups += facts

    def _and(self, x: Terms, y: Terms, z: Terms) -> z3.BoolRef:
        """Z = x & y of bytes: exactly if y is a multiple of a power of two by a bit, else as some function."""
        if len(y) == 1 and (y.get((), 0) == 128 or _masked(self.space, y)):
            top = self.space.fresh("top", 0, 1)
            rest = self.space.fresh("rest", 0, 127)
            split = self.space.zero(plus(x, {(top,): 128, (rest,): 1}, -1))
            (m,) = y
            masked = tuple(sorted((*m, top)))
            return z3.And(split, self.space.zero(plus(z, {masked: 128}, -1)))
        value = self.space.value
        term = _AND(value(x), value(y))
        either = value(x) + value(y) - term
        return z3.And(value(z) == term, term <= value(x), term <= value(y), term >= 0, either <= 255)


_AND = z3.Function("and_of_bytes", z3.IntSort(), z3.IntSort(), z3.IntSort())


def _masked(space: Space, y: Terms) -> bool:
    ((m, c),) = y.items()
    return c == 128 and len(m) == 1 and space.is_bit(m[0])


__all__ = ["END", "FACTS", "KEYS", "Forms", "Row"]
