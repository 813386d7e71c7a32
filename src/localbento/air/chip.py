"""Chips, gadgets and the recorder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.air.bus import Bus, BusKind
from localbento.air.cells import Cells, Declarer, Felt, columns_of, fields
from localbento.air.expr import Expr, Graph, Op

Matrix: TypeAlias = NDArray[np.uint32]
Columns: TypeAlias = Mapping[str, Any]


class CircuitError(ValueError):
    """A chip or system is refused when it is built; the message names chip and label."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """An expression that is zero on every active row."""

    label: str
    node: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message of each row: pushed (sign 1) or pulled (sign -1) `times` times.

    `bus_node` is the number of the bus as an expression: a constant, or linear in a boolean cell where a
    message goes to one of two buses (`buses` lists both).  `rank` is the provider's, None for others.
    """

    label: str
    buses: tuple[Bus, ...]
    bus_node: int
    sign: int
    times: int
    components: tuple[int, ...]
    rank: int | None = None
    ops: tuple[int, ...] = ()

    @property
    def bus(self) -> Bus:
        """The (first) bus."""
        return self.buses[0]


class Gadget(Cells):
    """A part of a chip with columns and constraints of its own; must be constrained exactly once."""

    def __init__(self) -> None:
        self.uses = 0

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("constrain")
        if own is not None:
            cls.constrain = _counted(own)  # type: ignore[attr-defined]


def _counted(constrain: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(constrain)
    def call(self: Gadget, *args: Any, **kwargs: Any) -> Any:
        self.uses += 1
        return constrain(self, *args, **kwargs)

    return call


class Chip(Cells):
    """One table: columns, labelled constraints on each row, bus traffic.

    A subclass annotates its columns, states `constrain`, and beside it a `fill` that makes the columns
    from records.  `padding` gives the columns of an unused row that are not zero.
    """

    padding: ClassVar[Mapping[str, int]] = {}

    def real(self) -> Expr:
        """1 on a used row, 0 on an unused one: boolean by constraints.  By default the cell `is_real`."""
        cell = getattr(self, "is_real", None)
        if not isinstance(cell, Expr):
            msg = f"{type(self).__name__}: declare is_real, or say in real() what it is"
            raise CircuitError(msg)
        return cell

    def constrain(self, c: "Constraints") -> None:
        """State the constraints and messages of one row."""
        raise NotImplementedError

    @classmethod
    def fixed(cls, rows: int) -> Columns:
        """The preprocessed columns of a chip of this many rows; a chip with `Fixed` cells says them here."""
        return {}


class Constraints:
    """Records what one chip states."""

    def __init__(self, chip: Chip, graph: Graph) -> None:
        self.chip = chip
        self.graph = graph
        self.constraints: list[Constraint] = []
        self.messages: list[Message] = []
        self._labels: set[str] = set()

    @property
    def real(self) -> Expr:
        """The chip's own `real()`."""
        return self.chip.real()

    def _refuse(self, label: str, what: str) -> CircuitError:
        return CircuitError(f"{self.chip.name}, {label!r}: {what}")

    def zero(self, label: str, expression: Expr) -> None:
        """The expression is zero on every active row."""
        if not label.strip():
            raise self._refuse(label, "a constraint needs a label")
        if label in self._labels:
            raise self._refuse(label, "this label is used already")
        if expression.constant is not None:
            raise self._refuse(label, f"a constant {expression.constant} constrains nothing")
        self._labels.add(label)
        self.constraints.append(Constraint(label, expression.node))

    def equal(self, label: str, left: Expr, right: Expr | int) -> None:
        """Both sides are equal on every active row."""
        self.zero(label, left - right)

    def boolean(self, label: str, expression: Expr) -> None:
        """The expression is 0 or 1."""
        self.zero(label, expression * (expression - 1))

    def one_of_none(self, label: str, flags: tuple[Expr, ...]) -> Expr:
        """At most one of boolean cells is 1; returns their sum, which is boolean by this constraint."""
        s = flags[0]
        for flag in flags[1:]:
            s = s + flag
        self.boolean(label, s)
        return s

    def constant(self, value: int) -> Expr:
        """A constant as an expression of this chip."""
        return Expr(self.graph, self.graph.constant(value))

    def push(self, bus: Bus, message: tuple[Expr | int, ...], times: Expr | None = None, label: str = "") -> None:
        """Hand a message over on an exchange bus, `times` (0 or 1; by default on used rows) times."""
        if bus.kind is not BusKind.EXCHANGE:
            raise self._refuse(label or bus.name, "on a lookup bus only providers push: use provide")
        self._message((bus,), None, 1, message, times, label)

    def pull(self, bus: Bus, message: tuple[Expr | int, ...], times: Expr | None = None, label: str = "") -> None:
        """Take a message, `times` (0 or 1; by default on used rows) times."""
        self._message((bus,), None, -1, message, times, label)

    def provide(
        self,
        bus: Bus,
        message: tuple[Expr | int, ...],
        uses: Expr,
        rank: int | None = None,
        ops: tuple[int, ...] = (),
        label: str = "",
    ) -> None:
        """Answer a lookup any number of times; 0 on an unused row by a constraint of the chip.

        `rank` is that of the bus unless the bus ranks by operation; then `ops` lists the operation numbers
        that this row can answer (key generation proves the list from the chip's boolean cells).
        """
        if bus.kind is not BusKind.LOOKUP:
            raise self._refuse(label or bus.name, "only a lookup bus has providers: use push")
        r = bus.rank if rank is None else rank
        self._message((bus,), None, 1, message, uses, label, r, ops)

    def push_either(
        self,
        flag: Expr,
        if_zero: Bus,
        if_one: Bus,
        message: tuple[Expr | int, ...],
        times: Expr | None = None,
        label: str = "",
    ) -> None:
        """Hand over on one of two exchange buses of one width, by a boolean cell."""
        self._either(flag, if_zero, if_one, 1, message, times, label)

    def pull_either(
        self,
        flag: Expr,
        if_zero: Bus,
        if_one: Bus,
        message: tuple[Expr | int, ...],
        times: Expr | None = None,
        label: str = "",
    ) -> None:
        """Take from one of two exchange buses of one width, by a boolean cell."""
        self._either(flag, if_zero, if_one, -1, message, times, label)

    def _either(
        self,
        flag: Expr,
        zero: Bus,
        one: Bus,
        sign: int,
        message: tuple[Expr | int, ...],
        times: Expr | None,
        label: str,
    ) -> None:
        if zero.kind is not BusKind.EXCHANGE or one.kind is not BusKind.EXCHANGE or zero.width != one.width:
            raise self._refuse(label or zero.name, "a choice of bus needs two exchange buses of one width")
        self._message((zero, one), flag, sign, message, times, label)

    def _message(
        self,
        buses: tuple[Bus, ...],
        flag: Expr | None,
        sign: int,
        message: tuple[Expr | int, ...],
        times: Expr | None,
        label: str,
        rank: int | None = None,
        ops: tuple[int, ...] = (),
    ) -> None:
        bus = buses[0]
        verb = "push" if sign > 0 else "pull"
        label = label or f"{verb} {bus.name} {sum(m.bus == bus for m in self.messages)}"
        if any(m.label == label for m in self.messages):
            raise self._refuse(label, "this message label is used already")
        if len(message) != bus.width:
            raise self._refuse(label, f"bus {bus.name!r} has {bus.width} components, found {len(message)}")
        number = self.constant(bus.number)
        if flag is not None:
            number = flag * (buses[1].number - bus.number) + bus.number
        parts = tuple(self.constant(m) if isinstance(m, int) else m for m in message)
        times = self.real if times is None else times
        self.messages.append(
            Message(label, buses, number.node, sign, times.node, tuple(p.node for p in parts), rank, ops)
        )


@dataclass(frozen=True, eq=False)
class RecordedChip:
    """A chip, recorded once: columns, expression graph, constraints, messages."""

    name: str
    chip: type[Chip]
    graph: Graph
    main: tuple[str, ...]
    fixed: tuple[str, ...]
    bits: frozenset[int]
    real: int
    constraints: tuple[Constraint, ...]
    messages: tuple[Message, ...]

    @property
    def width(self) -> int:
        """Main columns."""
        return len(self.main)


def record(chip: type[Chip], name: str | None = None) -> RecordedChip:
    """Run a chip's `constrain` once and keep what it states.

    Raises: CircuitError if a cell is declared and never constrained, a gadget is not constrained exactly
        once, a label is missing or used twice, or a message does not have its bus's shape.
    """
    graph = Graph()
    declarer = Declarer(graph)
    made = chip()
    made.name = name or chip.__name__
    declarer.fill_group(made, "")
    c = Constraints(made, graph)
    for cell in (*declarer.fixed, *declarer.main):
        cell.promise(c)
    for group in declarer.groups:
        group.promise(c)
    made.constrain(c)
    for group in declarer.groups:
        if isinstance(group, Gadget) and group.uses != 1:
            msg = f"{made.name}: gadget {group.name!r} is constrained {group.uses} times, expected once"
            raise CircuitError(msg)
    _refuse_unused(made.name, declarer, c)
    zeros = {k.node for k in c.constraints}
    bits = frozenset(cell.node for cell in declarer.main if (cell * (cell - 1)).node in zeros)
    return RecordedChip(
        made.name,
        chip,
        graph,
        tuple(x.name for x in declarer.main),
        tuple(x.name for x in declarer.fixed),
        bits,
        made.real().node,
        tuple(c.constraints),
        tuple(c.messages),
    )


def _refuse_unused(name: str, declarer: Declarer, c: Constraints) -> None:
    seen: set[int] = set()
    stack = [k.node for k in c.constraints]
    for m in c.messages:
        stack += [m.bus_node, m.times, *m.components]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        op, a, b = c.graph.nodes[node]
        if op in (Op.ADD, Op.SUB, Op.MUL):
            stack += [a, b]
    for cell in (*declarer.fixed, *declarer.main):
        if cell.node not in seen and not cell.name.startswith("unused"):
            msg = f"{name}: cell {cell.name!r} is declared and never constrained"
            raise CircuitError(msg)


def assemble(chip: type[Chip], filled: Columns, rows: int) -> Matrix:
    """Lay filled columns out as a matrix, padded with the chip's padding row.

    Shapes: each column uint32[n] or a scalar, n <= rows; result uint32[main columns, rows], canonical.
    Raises: ValueError if a column is missing, superfluous, too long or not smaller than p.
    """
    return _matrix(chip, filled, rows, fixed=False)


def assemble_fixed(chip: type[Chip], rows: int) -> Matrix:
    """The preprocessed columns, uint32[fixed columns, rows]; rows that a chip does not fill are zero."""
    return _matrix(chip, chip.fixed(rows), rows, fixed=True)


def _matrix(chip: type[Chip], filled: Columns, rows: int, *, fixed: bool) -> Matrix:
    from localbento.field.babybear import P

    wanted = {k: h for k, h in fields(chip).items() if _is_fixed(h) == fixed}
    if set(filled) != set(wanted):
        msg = f"{chip.__name__}: expected columns {sorted(wanted)}, found {sorted(filled)}"
        raise ValueError(msg)
    arrays = [a for k, h in wanted.items() for _, a in columns_of(h, filled[k])]
    declarer = Declarer(Graph())
    declarer.fill_group(chip(), "")
    names = [cell.name for cell in (declarer.fixed if fixed else declarer.main)]
    used = max((np.size(a) for a in arrays if np.ndim(a) == 1), default=0)
    if used > rows:
        msg = f"{chip.__name__}: {used} records do not fit {rows} rows"
        raise ValueError(msg)
    matrix = np.zeros((len(arrays), rows), np.uint32)
    for row, array, name in zip(matrix, arrays, names, strict=True):
        values = np.asarray(array)
        signed = values.dtype.kind not in "bu"
        if values.size and (int(values.max()) >= P or (signed and int(values.min()) < 0)):
            msg = f"{chip.__name__}: column {name!r} holds a value outside [0, p)"
            raise ValueError(msg)
        row[:used] = values
        rest = 0 if fixed else chip.padding.get(name, 0)
        if rest:
            row[used:] = rest
    return matrix


def _is_fixed(hint: Any) -> bool:
    found = [h for h, _ in columns_of_hint(hint)]
    kinds = {h.fixed for h in found}
    if len(kinds) > 1:
        msg = "a group of cells is either preprocessed or not"
        raise CircuitError(msg)
    return kinds.pop()


def columns_of_hint(hint: Any) -> list[tuple[type[Felt], str]]:
    """The cell types under an annotation, in column order."""
    declarer = Declarer(Graph())
    declarer.declare(hint, "x")
    return [(type(cell), cell.name) for cell in (*declarer.fixed, *declarer.main)]
