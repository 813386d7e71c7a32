"""What a changed row gets away with.

Stricter than looking for an unbalanced bus: a lookup counts as noticed only if no table and no unit would answer
it, since a prover chooses multiplicities of servers as he likes.  A unit's answer counts as a lie only if the
oracle says otherwise.
"""

from dataclasses import dataclass

import numpy as np
from rv32im_run import unit_result

from localbento.air.bus import BusKind
from localbento.air.check import evaluate_columns
from localbento.circuits.rv32im.buses import FUNCT7, OPCODE, RANGE, REGION, UNIT, Range, Region
from localbento.circuits.rv32im.opcodes import funct7_kinds, short_table
from localbento.circuits.rv32im.records import Unit
from localbento.circuits.rv32im.region import REGIONS
from localbento.field.babybear import P

UNCHECKED = {
    Unit.EQ,
    Unit.NE,
    Unit.LT,
    Unit.GE,
    Unit.LTU,
    Unit.GEU,
    Unit.DIV,
    Unit.DIVU,
    Unit.REM,
    Unit.REMU,
}
"""Operations whose units do not look their operands up: for operands out of range anything might be answered."""


@dataclass
class Verdict:
    """By changed row (columns of the matrix): what fails, by name, and what the outside sees."""

    failing: dict[str, np.ndarray]
    outside: list[np.ndarray]
    lies: np.ndarray

    def problems(self):
        """How many checks fail, by changed row."""
        return sum(x.astype(int) for x in self.failing.values())

    def differs(self, base):
        """Whether other chips see anything else than from row `base`."""
        return sum((x != x[:, base : base + 1]).any(axis=0).astype(int) for x in self.outside) > 0


def judge(chip, matrix, fixed=None):
    """The verdict on each column of uint32[main columns, n]."""
    n = matrix.shape[1]
    values = evaluate_columns(chip, np.zeros((0, n), np.uint32) if fixed is None else fixed, matrix)
    value = lambda node: np.broadcast_to(values[node], (n,)).astype(np.int64)  # noqa: E731
    failing = {k.label: value(k.node) != 0 for k in chip.constraints}
    outside, lies = [], np.zeros(n, bool)
    for m in chip.messages:
        times = value(m.times)
        parts = np.stack([value(x) for x in m.components])
        if m.bus in (RANGE, REGION, OPCODE, FUNCT7, UNIT) and m.sign < 0:
            asked = (times > 0) & (times < P // 2)  # a negative pull is a push, and asks for nothing
            failing[m.label] = asked & ~true(m.bus, parts, asked)
        elif m.bus in (UNIT, REGION):
            lies |= (times != 0) & ~true(m.bus, parts, times != 0)
        else:
            provided = m.rank is not None
            mask = (times != 0).astype(np.int64) if provided else times
            outside.append(np.vstack([mask, value(m.bus_node) * (mask != 0), parts * (mask != 0)]))
    return Verdict(failing, outside, lies)


def true(bus, parts, asked):
    """Whether tuples int64[width, n] stand in a table, or are answers of a unit."""
    if bus == RANGE:
        kind, x, y, z = parts
        plain = np.isin(kind, [r for r in Range if r < Range.BYTES]) & (x < 1 << np.minimum(kind, 16))
        plain &= (y == 0) & (z == 0)
        pair = (x < 256) & (y < 256)
        return plain | (pair & (kind == Range.BYTES) & (z == 0)) | (pair & (kind == Range.AND) & (z == x & y))
    if bus == REGION:
        kind, high = parts
        return sum(((kind == k) & (high >= a) & (high <= b)).astype(int) for k, (a, b) in REGIONS.items()) > 0
    if bus == OPCODE:
        op5, f3, kind, form, op = parts
        forms, ops = short_table()
        inside = (op5 < 32) & (f3 < 8) & (kind < len(forms) >> 8)
        number = np.where(inside, op5 + 32 * f3 + 256 * kind, 0)
        return inside & (forms[number] == form) & (ops[number] == op)
    if bus == FUNCT7:
        funct7, kind = parts
        return (funct7 < 128) & (funct7_kinds()[np.where(funct7 < 128, funct7, 0)] == kind)
    return np.array([not a or _unit_true(*map(int, column)) for a, column in zip(asked, parts.T, strict=True)], bool)


def _unit_true(op, a_lo, a_hi, b_lo, b_hi, out_lo, out_hi):
    if op not in tuple(Unit):
        return False
    if max(a_lo, a_hi, b_lo, b_hi) > 0xFFFF:
        return Unit(op) in UNCHECKED
    out = unit_result(Unit(op), a_lo | a_hi << 16, b_lo | b_hi << 16)
    return (out & 0xFFFF, out >> 16) == (out_lo, out_hi)


DELTAS = (1, -1, 2, -2, 1 << 8, -(1 << 8), 1 << 15, 1 << 16, -(1 << 16), 12345678)
ABSOLUTE = (0, 1, 2, P - 1)


def variants(column, cells, rng):
    """A row uint32[columns] with each cell changed in many ways: uint32[columns, n], and which cell in which."""
    rows, which = [column], [-1]
    for cell in cells:
        old = int(column[cell])
        news = {(old + d) % P for d in DELTAS} | set(ABSOLUTE) | {rng.randrange(P)}
        for new in sorted(news - {old}):
            changed = column.copy()
            changed[cell] = new
            rows.append(changed)
            which.append(cell)
    return np.stack(rows, axis=1), np.array(which)


__all__ = ["BusKind", "Region", "Verdict", "judge", "true", "variants"]
