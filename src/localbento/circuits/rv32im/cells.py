"""Cell types of the machine: what a column of it can promise beyond being a field element."""

from typing import TypeAlias

from localbento.air.cells import Word
from localbento.air.chip import Constraints
from localbento.air.expr import Expr
from localbento.circuits.rv32im.buses import RANGE, Range


def check_range(c: Constraints, label: str, table: Range, value: Expr, times: Expr | None = None) -> None:
    """`value` stands in one of the plain ranges, on used rows (or where `times` is 1)."""
    c.pull(RANGE, (table, value, 0, 0), times, label)


def check_bytes(c: Constraints, label: str, *values: Expr) -> None:
    """Each value is below 256; two share a message."""
    for i in range(0, len(values), 2):
        second = values[i + 1] if i + 1 < len(values) else 0
        c.pull(RANGE, (Range.BYTES, values[i], second, 0), label=label if i == 0 else f"{label} {i}")


class RangedWord(Word):
    """A word whose limbs this row looks up in the table of 16-bit numbers, on used rows."""

    def promise(self, c: Constraints) -> None:
        """Both limbs are below 2**16."""
        check_range(c, f"{self.name}.lo is 16 bits", Range.U16, self.lo)
        check_range(c, f"{self.name}.hi is 16 bits", Range.U16, self.hi)


Limbs: TypeAlias = tuple[Expr, Expr]
"""A word as two expressions, low limb first."""
