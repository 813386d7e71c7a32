"""Counting what filled chips ask of the tables and regions.

Only the components of the messages to RANGE, REGION, OPCODE and FUNCT7 are evaluated.  They are linear (key generation
sees to it), so each is a short sum over columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localbento.air.chip import CircuitError, Matrix, Message, RecordedChip
from localbento.air.expr import Graph, Op
from localbento.circuits.rv32im.buses import FUNCT7, OPCODE, RANGE, REGION
from localbento.circuits.rv32im.tables import Counts
from localbento.field.babybear import P

SMALL = 1 << 20
"""A sum of columns with coefficients below this does not pass 63 bits."""

COUNTED = (RANGE, REGION, OPCODE, FUNCT7)
"""Lookups that no record counts: what answers them is filled last."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A constant and coefficients of main columns, as small signed numbers where possible."""

    constant: int
    coefficients: Mapping[int, int]

    def on(self, matrix: Matrix, rows: slice | NDArray[np.bool_]) -> NDArray[np.int64]:
        """Canonical values on some rows of uint32[columns, rows]; int64[1] if constant."""
        if not self.coefficients:
            return np.array([self.constant % P])
        value: NDArray[np.int64] | None = None
        for column, factor in self.coefficients.items():
            term = matrix[column, rows].astype(np.int64)
            if factor != 1:
                term *= factor
            if abs(factor) >= SMALL:
                term %= P
            value = term if value is None else np.add(value, term, out=value)
        assert value is not None
        if self.constant:
            value += self.constant
        if len(value) and (int(value.min()) < 0 or int(value.max()) >= P):
            value %= P
        return value


def linear(graph: Graph, node: int) -> Linear:
    """An expression as a linear form in main columns.

    Raises: CircuitError if it is not one.
    """
    op, a, b = graph.nodes[node]
    if op is Op.CONSTANT:
        return Linear(_signed(a), {})
    if op is Op.MAIN:
        return Linear(0, {a: 1})
    if op is Op.FIXED:
        msg = "a lookup of a preprocessed column is not counted: its uses belong to the circuit"
        raise CircuitError(msg)
    left, right = linear(graph, a), linear(graph, b)
    if op is Op.MUL:
        if left.coefficients and right.coefficients:
            msg = "a component of a lookup is not linear"
            raise CircuitError(msg)
        factor, form = (right.constant, left) if left.coefficients else (left.constant, right)
        scaled = {k: _signed(v * factor) for k, v in form.coefficients.items()}
        return Linear(_signed(form.constant * factor), scaled)
    sign = -1 if op is Op.SUB else 1
    merged = dict(left.coefficients)
    for k, v in right.coefficients.items():
        merged[k] = _signed(merged.get(k, 0) + sign * v)
    return Linear(_signed(left.constant + sign * right.constant), {k: v for k, v in merged.items() if v})


def _signed(x: int) -> int:
    x %= P
    return x - P if x > P // 2 else x


def count_lookups(chip: RecordedChip, matrix: Matrix, counts: Counts) -> None:
    """Add what a filled chip asks of the tables to `counts`.

    Shapes: matrix uint32[main columns, rows], canonical, active rows.
    Raises: ValueError if a row asks for something that stands in no table, with chip and label.
    """
    for message in chip.messages:
        if message.sign < 0 and message.bus in COUNTED:
            rows = _rows(linear(chip.graph, message.times).on(matrix, slice(None)), matrix.shape[1])
            if rows is not None and not _count(chip, message, matrix, rows, counts):
                msg = f"{chip.name}, {message.label!r}: a row asks for something that stands in no table"
                raise ValueError(msg)


def _rows(times: NDArray[np.int64], height: int) -> slice | NDArray[np.bool_] | None:
    """Rows that send: a slice if they are the first ones; None if there are none."""
    if len(times) == 1:
        return slice(0, height) if times[0] else None
    count = int(np.count_nonzero(times))
    if count == 0:
        return None
    return slice(0, count) if times[:count].all() else times != 0


def _count(
    chip: RecordedChip, message: Message, matrix: Matrix, rows: slice | NDArray[np.bool_], counts: Counts
) -> bool:
    parts = [linear(chip.graph, node).on(matrix, rows) for node in message.components]
    if message.bus == OPCODE:
        return counts.add_opcode(*parts)
    if message.bus == FUNCT7:
        return counts.add_funct7(*parts)
    first, rest = parts[0], parts[1:]
    for kind in np.unique(first) if len(first) > 1 else first:
        chosen = rest if len(first) == 1 else [p if len(p) == 1 else p[first == kind] for p in rest]
        known = counts.add_range(int(kind), *chosen) if message.bus == RANGE else counts.add_region(int(kind), *chosen)
        if not known:
            return False
    return True
