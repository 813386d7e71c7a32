"""Is what a row shows determined by what it is given?

`Uniqueness` asks for two rows that agree on the inputs and differ in an output.  Column by column, what is determined
is found first, and both rows get one variable for it: so products of determined columns are the same in both, and no
solver has to know anything about products.  A column is determined

* by derivation: a constraint is k * column + (something determined), k a constant that is not 0; or
* by the solver: no two rows that agree on the inputs and the determined columns differ in it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import z3
from solver_row import KEYS, Forms, Row
from solver_space import Space, all_of, plus

from localbento.air.bus import BusKind
from localbento.air.chip import Message, RecordedChip
from localbento.air.expr import Op
from localbento.circuits.rv32im.buses import ACCESS, FUNCT7, OPCODE, RANGE, REGION
from localbento.field.babybear import P

LIMIT = 8_000_000
"""Steps of the solver (its `rlimit`, which no load of the machine changes): some seconds."""

NEAR = 30
"""A formula about more undetermined columns than this is not near any of them."""


class How(Enum):
    """Why a column is determined."""

    GIVEN = "given"
    DERIVED = "derived"
    SOLVED = "solved"


@dataclass(frozen=True)
class Output:
    """An expression that must be determined, where the message it belongs to is sent."""

    label: str
    node: int
    message: Message | None


@dataclass(frozen=True)
class Question:
    """What a chip is asked.

    `given` are expressions that both rows agree on besides the pulled messages; `fixed` columns are constants;
    `ones` are expressions that are 1 on both; `outputs` what has to be determined; `extra` states more about both rows
    (facts of other chips), each justified by a lemma of its own; `cases` are assignments to determined columns that
    cover all rows.
    """

    chip: RecordedChip
    given: tuple[int, ...]
    outputs: tuple[Output, ...]
    fixed: Mapping[int, int] = field(default_factory=dict)
    ones: tuple[int, ...] = ()
    without: frozenset[str] = frozenset()
    extra: Callable[[Space, Sequence[Row]], list[z3.BoolRef]] | None = None
    cases: tuple[Mapping[int, int], ...] = ()


@dataclass
class Answer:
    """Determined columns, outputs that are not, a model that shows it, and seconds."""

    columns: dict[int, How]
    open: list[Output]
    model: tuple[dict[int, int], dict[int, int]] | None
    unknown: list[str]
    seconds: float

    @property
    def unique(self) -> bool:
        """Every output is determined."""
        return not self.open


@dataclass(frozen=True)
class Item:
    """A formula about both rows, and the columns that it speaks of."""

    formula: z3.BoolRef
    columns: frozenset[int]


class Uniqueness:
    """Answers one question."""

    def __init__(self, question: Question, limit: int = LIMIT) -> None:
        self.q = question
        self.chip = question.chip
        self.limit = limit
        self.known: dict[int, How] = dict.fromkeys(question.fixed, How.GIVEN)
        self.unknown: list[str] = []
        self._under: dict[int, frozenset[int]] = {}

    def answer(self) -> Answer:
        """Determine what can be determined, then look at the outputs."""
        start = time.process_time()
        self._columns(self.q.fixed)
        left = [o for o in self.q.outputs if not self._is_known(o.node)]
        model = None
        if left:
            left, model = self._outputs(left, self.q.fixed)
        if left and self.q.cases:
            left, model = self._by_cases(left)
        return Answer(self.known, left, model, self.unknown, time.process_time() - start)

    def _by_cases(self, left: list[Output]) -> tuple[list[Output], tuple[dict[int, int], dict[int, int]] | None]:
        for case in self.q.cases:
            assert all(column in self.known for column in case), "cases are over determined columns"
        if not self._covered():
            return left, None
        before = dict(self.known)
        for case in self.q.cases:
            self.known = before | dict.fromkeys(case, How.GIVEN)
            fixed = {**self.q.fixed, **case}
            self._columns(fixed)
            rest = [o for o in left if not self._is_known(o.node)]
            rest, model = self._outputs(rest, fixed) if rest else (rest, None)
            if rest:
                return rest, model
        self.known = before
        return [], None

    def _covered(self) -> bool:
        space, rows = self._rows(self.q.fixed)
        outside = [
            z3.Not(z3.And([space.terms[rows[0].columns[c]] == v for c, v in case.items()])) for case in self.q.cases
        ]
        return self._ask(space, rows, [z3.And(outside)]) == z3.unsat

    def _rows(self, fixed: Mapping[int, int]) -> tuple[Space, list[Row]]:
        space = Space()
        forms = Forms(self.chip, fixed, self.q.ones)
        first = Row(space, forms, "", self.q.without)
        shared = {c: v for c, v in first.columns.items() if c in self.known}
        second = Row(space, forms, "'", self.q.without, shared)
        return space, [first, second]

    def _same(self, space: Space, rows: Sequence[Row], node: int) -> z3.BoolRef:
        left, right = rows[0].of(node), rows[1].of(node)
        if left is None or right is None:
            return z3.BoolVal(True)
        return space.zero(plus(left, right, -1))

    def _agree(self, space: Space, rows: Sequence[Row]) -> list[Item]:
        """Both rows are given the same, and what a message brings is a function of what it is asked by."""
        result = [Item(self._same(space, rows, node), self._cells([node])) for node in self.q.given]
        for m in self.chip.messages:
            keys, values = brought(m)
            if not values or m.label in self.q.without:
                continue
            same_keys = all_of([self._same(space, rows, n) for n in keys])
            sent = [row.sent(m) for row in rows if not row.always(m)]
            for value in values:
                cells = self._cells([*keys, value, *([m.times] if sent else [])])
                result.append(Item(z3.Implies(z3.And(same_keys, *sent), self._same(space, rows, value)), cells))
        return result

    def _items(self, space: Space, rows: Sequence[Row]) -> list[Item]:
        """Everything that is stated about both rows, each with the columns that it speaks of."""
        result = self._agree(space, rows)
        nodes = {k.label: [k.node] for k in self.chip.constraints}
        for row in rows:
            result += [Item(f, self._cells(nodes[label])) for label, f in row.equations.items()]
            result += [Item(f, self._cells(about)) for f, about in row.lookups]
            for node in self.q.ones:
                terms = plus(row.of(node) or {}, {(): 1}, -1)
                result.append(Item(space.zero(terms), self._cells([node])))
        if self.q.extra is not None:
            whole = frozenset(range(self.chip.width))
            result += [Item(f, whole) for f in self.q.extra(space, rows)]
        return result

    def _cells(self, nodes: Sequence[int]) -> frozenset[int]:
        """The columns under some nodes."""
        found: frozenset[int] = frozenset()
        for node in nodes:
            if node not in self._under:
                cells, stack, seen = set(), [node], set()
                while stack:
                    top = stack.pop()
                    if top in seen:
                        continue
                    seen.add(top)
                    op, a, b = self.chip.graph.nodes[top]
                    if op is Op.MAIN:
                        cells.add(a)
                    elif op is not Op.CONSTANT:
                        stack += [a, b]
                self._under[node] = frozenset(cells)
            found |= self._under[node]
        return found

    def _base(self, space: Space, rows: Sequence[Row]) -> z3.Solver:
        solver = self._solver(self.limit)
        solver.add(*[item.formula for item in self._items(space, rows)])
        return solver

    @staticmethod
    def _solver(limit: int) -> z3.Solver:
        solver = z3.Solver()
        solver.set("rlimit", limit)
        return solver

    def _ask(self, space: Space, rows: Sequence[Row], more: Sequence[z3.BoolRef]) -> z3.CheckSatResult:
        solver = self._base(space, rows)
        solver.add(*more, *space.facts)
        return solver.check()

    def _columns(self, fixed: Mapping[int, int]) -> None:
        while True:
            self._derive(fixed)
            if all(self._is_known(o.node) for o in self.q.outputs) or not self._solve(fixed):
                return

    def _derive(self, fixed: Mapping[int, int]) -> None:
        forms = Forms(self.chip, fixed, self.q.ones)
        nodes = [k.node for k in self.chip.constraints if k.label not in self.q.without]
        progress = True
        while progress:
            progress = False
            values = list(self.q.given)
            for m in self.chip.messages:
                keys, brings = brought(m)
                asked = brings and m.label not in self.q.without and all(self._is_known(n) for n in keys)
                if asked and forms.never_zero(m.times):
                    values += brings
            for node in [*values, *nodes]:
                column = self._alone(node, fixed, forms)
                if column is not None:
                    self.known[column] = How.DERIVED
                    progress = True

    def _is_known(self, node: int) -> bool:
        return all(column in self.known for column in self._cells([node]))

    def _alone(self, node: int, fixed: Mapping[int, int], forms: Forms) -> int | None:
        """The one undetermined column of a node that is linear in it with a constant coefficient."""
        factors = [node]
        while self.chip.graph.nodes[factors[0]][0] is Op.MUL:
            _, a, b = self.chip.graph.nodes[factors[0]]
            if (form := forms.form(a)) is not None and set(form) == {()}:
                factors = [b]
            elif (form := forms.form(b)) is not None and set(form) == {()}:
                factors = [a]
            else:
                break
        column, slope = self._slope(factors[0], fixed)
        return column if column is not None and slope else None

    def _slope(self, node: int, fixed: Mapping[int, int]) -> tuple[int | None, int]:
        """(column, k): the node is k * column + determined; (None, 0): determined; (None, 1): neither."""
        nodes = self.chip.graph.nodes
        memo: dict[int, tuple[int | None, int]] = {}
        stack = [node]
        while stack:
            top = stack[-1]
            op, a, b = nodes[top]
            if top in memo:
                stack.pop()
            elif op is Op.CONSTANT or (op is Op.MAIN and a in self.known):
                memo[top] = (None, 0)
            elif op is Op.MAIN:
                memo[top] = (a, 1)
            elif missing := [n for n in (a, b) if n not in memo]:
                stack += missing
            else:
                memo[top] = self._join(op, memo[a], memo[b], a, b, fixed)
        return memo[node]

    def _join(
        self, op: Op, x: tuple[int | None, int], y: tuple[int | None, int], a: int, b: int, fixed: Mapping[int, int]
    ) -> tuple[int | None, int]:
        none, bad = (None, 0), (None, 1)
        if x == none and y == none:
            return none
        if bad in (x, y):
            return bad
        if op is Op.MUL:
            (column, slope), other = (x, b) if x != none else (y, a)
            factor = _constant(self.chip, other, fixed)
            if none not in (x, y) or factor is None:
                return bad
            return (column, slope * factor % P) if factor else none
        sign = -1 if op is Op.SUB else 1
        if y == none:
            return x
        if x == none:
            return y[0], sign * y[1] % P
        if x[0] != y[0]:
            return bad
        slope = (x[1] + sign * y[1]) % P
        return (x[0], slope) if slope else none

    def _solve(self, fixed: Mapping[int, int]) -> bool:
        """Determine what columns the solver can; whether there was one."""
        space, rows = self._rows(fixed)
        items = self._items(space, rows)
        return self._solve_near(space, rows, items) or self._solve_whole(space, rows, items)

    def _solve_near(self, space: Space, rows: Sequence[Row], items: Sequence[Item]) -> bool:
        """Each column by one formula that speaks of it and those that speak of no other columns: few, so fast."""
        unknown = [frozenset(item.columns - self.known.keys()) for item in items]
        neighbours = sorted({u for u in unknown if 0 < len(u) <= NEAR}, key=lambda u: (len(u), sorted(u)))
        same: list[z3.BoolRef] = []
        for around in neighbours:
            solver = self._solver(self.limit // 20)
            solver.add(*[item.formula for item, u in zip(items, unknown, strict=True) if u <= around], *same)
            solver.add(*space.facts)
            for c in sorted(around - self.known.keys()):
                apart = self._apart(space, rows, c)
                solver.push()
                solver.add(apart)
                found = solver.check()
                solver.pop()
                if found == z3.unsat:
                    same.append(z3.Not(apart))
                    solver.add(same[-1])
                    self.known[c] = How.SOLVED
        return bool(same)

    def _open(self) -> list[int]:
        return [c for c in range(self.chip.width) if c not in self.known]

    @staticmethod
    def _apart(space: Space, rows: Sequence[Row], column: int) -> z3.BoolRef:
        left, right = (space.terms[row.columns[column]] for row in rows)
        return left != right

    def _solve_whole(self, space: Space, rows: Sequence[Row], items: Sequence[Item]) -> bool:
        """Each column by everything that is known."""
        solver = self._solver(self.limit)
        solver.add(*[item.formula for item in items], *space.facts)
        progress = False
        apart: set[int] = set()
        for c in self._open():
            if c in apart:
                continue
            solver.push()
            solver.add(self._apart(space, rows, c))
            found = solver.check()
            if found == z3.sat:
                model = solver.model()
                apart |= {d for d in self._open() if z3.is_true(model.eval(self._apart(space, rows, d)))}
            elif found == z3.unknown and progress:
                return True  # with shared products it may be easy
            elif found == z3.unknown:
                self.unknown.append(self.chip.main[c])
            solver.pop()
            if found == z3.unsat:
                solver.add(z3.Not(self._apart(space, rows, c)))
                self.known[c] = How.SOLVED
                progress = True
        return progress

    def _outputs(
        self, left: list[Output], fixed: Mapping[int, int]
    ) -> tuple[list[Output], tuple[dict[int, int], dict[int, int]] | None]:
        rest, model = [], None
        for output in left:
            space, rows = self._rows(fixed)
            goal = [z3.Not(self._same(space, rows, output.node))]
            if output.message is not None:
                goal += [row.sent(output.message) for row in rows]
            solver = self._base(space, rows)
            solver.add(*goal, *space.facts)
            found = solver.check()
            if found == z3.unsat:
                continue
            rest.append(output)
            if found == z3.sat and model is None:
                m = solver.model()
                model = tuple(self._values(m, space, row, fixed) for row in rows)
            elif found == z3.unknown:
                self.unknown.append(output.label)
        return rest, model

    @staticmethod
    def _values(model: z3.ModelRef, space: Space, row: Row, fixed: Mapping[int, int]) -> dict[int, int]:
        found = {c: model.eval(space.terms[v], model_completion=True).as_long() % P for c, v in row.columns.items()}
        return {c: v for c, v in found.items() if c < len(row.chip.main)} | dict(fixed)


def _constant(chip: RecordedChip, node: int, fixed: Mapping[int, int]) -> int | None:
    form = Forms(chip, fixed).form(node)
    if form is None or set(form) - {()}:
        return None
    return form.get((), 0)


def brought(m: Message) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Components by which a row asks, and those that it is told."""
    if m.bus == ACCESS and m.sign > 0:
        return m.components[:2], m.components[2:4]
    if m.sign > 0 or m.bus in (RANGE, REGION):
        return (), ()
    n = KEYS[m.bus]
    return m.components[:n], m.components[n:]


def shown(chip: RecordedChip) -> tuple[Output, ...]:
    """Everything that other chips see of a row: messages and how often, but for answers of servers."""
    result = []
    for m in chip.messages:
        if m.bus in (RANGE, REGION, OPCODE, FUNCT7) or m.rank is not None:
            continue
        if m.bus.kind is BusKind.EXCHANGE:
            result.append(Output(f"{m.label}: times", m.times, None))
            result.append(Output(f"{m.label}: bus", m.bus_node, m))
        keys, _ = brought(m)
        seen = m.components if m.sign > 0 and m.bus != ACCESS else keys
        if m.bus == ACCESS and m.sign > 0:
            seen = (*m.components[:2], *m.components[4:])
        names = m.bus.fields
        result += [Output(f"{m.label}: {names[m.components.index(n)]}", n, m) for n in seen]
    return tuple(result)
