"""Expressions over the cells of one row, recorded into a graph that everything else reads.

A graph holds each distinct expression once.  Python's own `if`, `==` and `bool()` refuse a cell: what a
chip states may depend on its shape, never on a value.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import TypeAlias

from localbento.field.babybear import P


class Op(IntEnum):
    """What a node of the graph is; the numbers are part of the circuit's identity."""

    CONSTANT = 0  # a: the value
    FIXED = 1  # a: number of the preprocessed column
    MAIN = 2  # a: number of the main column
    ADD = 3
    SUB = 4
    MUL = 5


Node: TypeAlias = tuple[Op, int, int]


class Graph:
    """The expressions of one chip: nodes in the order in which they were first written."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.degrees: list[int] = []
        self._index: dict[Node, int] = {}

    def add(self, op: Op, a: int, b: int = 0) -> int:
        """The number of this node; the same node is not recorded twice."""
        node = (op, a, b)
        if op in (Op.ADD, Op.MUL) and b < a:
            node = (op, b, a)
        found = self._index.get(node)
        if found is not None:
            return found
        if op is Op.CONSTANT:
            degree = 0
        elif op in (Op.FIXED, Op.MAIN):
            degree = 1
        elif op is Op.MUL:
            degree = self.degrees[a] + self.degrees[b]
        else:
            degree = max(self.degrees[a], self.degrees[b])
        self._index[node] = len(self.nodes)
        self.nodes.append(node)
        self.degrees.append(degree)
        return len(self.nodes) - 1

    def constant(self, value: int) -> int:
        """The number of the node that holds `value` modulo p."""
        return self.add(Op.CONSTANT, value % P)

    def value(self, node: int) -> int | None:
        """The value of a constant node, else None."""
        op, a, _ = self.nodes[node]
        return a if op is Op.CONSTANT else None


class Expr:
    """An expression in the cells of one row."""

    __slots__ = ("graph", "node")

    def __init__(self, graph: Graph, node: int) -> None:
        self.graph = graph
        self.node = node

    @property
    def degree(self) -> int:
        """Total degree in the cells, as written (cancellation is not looked for)."""
        return self.graph.degrees[self.node]

    @property
    def constant(self) -> int | None:
        """The value, if this is a constant."""
        return self.graph.value(self.node)

    def _lift(self, other: "Expr | int") -> "Expr":
        if isinstance(other, Expr):
            if other.graph is not self.graph:
                msg = "an expression may only use cells of its own chip"
                raise TypeError(msg)
            return other
        return Expr(self.graph, self.graph.constant(other))

    def __add__(self, other: "Expr | int") -> "Expr":
        x, y = self, self._lift(other)
        cx, cy = x.constant, y.constant
        if cx is not None and cy is not None:
            return Expr(self.graph, self.graph.constant(cx + cy))
        if cx == 0:
            return y
        if cy == 0:
            return Expr(self.graph, x.node)
        return Expr(self.graph, self.graph.add(Op.ADD, x.node, y.node))

    __radd__ = __add__

    def __sub__(self, other: "Expr | int") -> "Expr":
        x, y = self, self._lift(other)
        cx, cy = x.constant, y.constant
        if cx is not None and cy is not None:
            return Expr(self.graph, self.graph.constant(cx - cy))
        if cy == 0:
            return Expr(self.graph, x.node)
        return Expr(self.graph, self.graph.add(Op.SUB, x.node, y.node))

    def __rsub__(self, other: "Expr | int") -> "Expr":
        return self._lift(other) - self

    def __neg__(self) -> "Expr":
        return self._lift(0) - self

    def __mul__(self, other: "Expr | int") -> "Expr":
        x, y = self, self._lift(other)
        cx, cy = x.constant, y.constant
        if cx is not None and cy is not None:
            return Expr(self.graph, self.graph.constant(cx * cy))
        if cx == 0 or cy == 0:
            return Expr(self.graph, self.graph.constant(0))
        if cx == 1:
            return y
        if cy == 1:
            return Expr(self.graph, x.node)
        return Expr(self.graph, self.graph.add(Op.MUL, x.node, y.node))

    __rmul__ = __mul__

    def __bool__(self) -> bool:
        msg = "a cell has no truth value: constraints cannot branch on values"
        raise TypeError(msg)

    def __eq__(self, other: object) -> bool:
        msg = "a cell cannot be compared in Python: state an equation with c.equal"
        raise TypeError(msg)

    __hash__ = None  # type: ignore[assignment]


def total(terms: Iterable[Expr]) -> Expr:
    """The sum of at least one expression."""
    first, *rest = terms
    for term in rest:
        first = first + term
    return first


def select(flag: Expr, if_one: Expr | int, if_zero: Expr | int) -> Expr:
    """`if_one` where the boolean `flag` is 1, `if_zero` where it is 0."""
    if isinstance(if_one, int) and isinstance(if_zero, int):
        return flag * (if_one - if_zero) + if_zero
    return flag * (if_one - if_zero) + if_zero
