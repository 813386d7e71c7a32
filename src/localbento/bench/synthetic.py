"""A machine to measure the prover with: several chips of several heights, most of the work on buses.

Its constraints and messages are of the kinds that a real machine has: products of cells, sums of degree 3, lookups of
16-bit values, exchanges of six components, three fractions to a helper column.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from localbento.air.bus import Bus, BusKind
from localbento.air.cells import Bit, Felt, Fixed
from localbento.air.chip import Chip, Columns, Constraints, assemble, record
from localbento.air.expr import Expr
from localbento.air.system import System
from localbento.field.babybear import P
from localbento.stark.params import ParameterSet

RANGE = Bus("range", 1, ("value",), BusKind.LOOKUP)
EXCHANGE = Bus("exchange", 2, tuple(f"part {i}" for i in range(6)), BusKind.EXCHANGE)
SMALL = 8
"""Cells of a row that are looked up."""
HELPER_SHARE = 0.055
"""Helper columns by columns: a machine of 200 columns has eleven."""
MESSAGES = 3
"""Of a helper column."""


class Table(Chip):
    """Every value below the table's active rows, with the number of times it is looked up."""

    is_real: Fixed
    value: Fixed
    uses: Felt
    unused: Annotated[tuple[Felt, ...], 7]

    def constrain(self, c: Constraints) -> None:
        """Provide the values."""
        c.zero("no answers from an unused row", (1 - self.is_real) * self.uses)
        c.provide(RANGE, (self.value,), self.uses)

    @classmethod
    def fixed(cls, rows: int) -> Columns:
        """All values that the table has rows for; blinding rows are free whatever stands in them."""
        return {"is_real": np.ones(rows, np.uint32), "value": np.arange(rows, dtype=np.uint32)}


def worker(columns: int, helpers: int) -> type[Chip]:
    """A chip with this many main and helper columns, two thirds of the messages exchanged, one looked up."""
    free = columns - 1 - SMALL

    class Worker(Chip):
        """Rows of products, sent out and taken back."""

        is_real: Bit
        small: Annotated[tuple[Felt, ...], SMALL]
        x: Annotated[tuple[Felt, ...], free]

        def constrain(self, c: Constraints) -> None:
            """Each cell is made of those before it."""
            x = (*self.small, *self.x)
            for i in range(SMALL, len(x)):
                made = x[i - 1] * x[i - 2] + 3 * x[i - 3] + 2**16 * x[i - 4]
                made = made * x[i - SMALL] if i % 3 == 0 else made
                c.equal(f"cell {i}", x[i], made)
            for i in range(helpers):
                message: tuple[Expr | int, ...] = (i, *(x[(5 * i + j) % len(x)] for j in range(5)))
                c.push(EXCHANGE, message, label=f"send {i}")
                c.pull(EXCHANGE, message, label=f"take {i}")
                c.pull(RANGE, (self.small[i % SMALL],), label=f"look up {i}")

    return Worker


@dataclass(frozen=True, eq=False)
class Synthetic:
    """A system with its heights and the columns that satisfy it."""

    system: System
    log_heights: tuple[int, ...]
    matrices: tuple[NDArray[np.uint32], ...]


def synthetic(log_rows: int, columns: int, params: ParameterSet) -> Synthetic:
    """A machine whose tallest height has about `columns` columns, the bus's included.

    Two chips share the tallest height; a quarter of the columns stand at half of it, and at an eighth.

    Raises: ValueError if there are fewer than 60 columns, or the heights do not fit the parameters.
    """
    if columns < 60 or not params.lowest + 3 <= log_rows <= params.tallest:
        msg = (
            f"expected at least 60 columns and 2^{params.lowest + 3} to 2^{params.tallest} rows, "
            f"found {columns} and 2^{log_rows}"
        )
        raise ValueError(msg)
    helpers = max(2, round(HELPER_SHARE * columns))
    main = columns - 5 * (helpers + 1)
    half, quarter = helpers // 2, max(1, helpers // 4)
    table = max(params.lowest, min(log_rows - 2, 16))
    parts = [
        (main - main // 3, helpers - half, log_rows),
        (main // 3, half, log_rows),
        (max(columns // 4, 16), quarter, log_rows - 1),
        (max(columns // 4, 16), quarter, log_rows - 3),
    ]
    limit = (1 << table) - params.blinding
    uses = np.zeros(1 << table, np.int64)
    chips, matrices = [], []
    for number, (width, count, height) in enumerate(parts):
        chip = worker(width, count)
        filled = _fill(width, count, (1 << height) - params.blinding, limit, uses, number)
        chips.append(record(chip, f"worker {number}"))
        matrices.append(assemble(chip, filled, 1 << height))
    nothing = np.uint32(0)
    chips.append(record(Table))
    matrices.append(assemble(Table, {"uses": uses.astype(np.uint32), "unused": (nothing,) * 7}, 1 << table))
    heights = (*(height for *_, height in parts), table)
    return Synthetic(System(f"synthetic {columns}", tuple(chips)), heights, tuple(matrices))


def _fill(width: int, helpers: int, rows: int, limit: int, uses: NDArray[np.int64], seed: int) -> dict[str, Any]:
    rng, p = np.random.default_rng(seed), np.uint64(P)
    small = [rng.integers(0, limit, rows, dtype=np.uint64) for _ in range(SMALL)]
    for i in range(helpers):
        uses += np.bincount(small[i % SMALL].astype(np.int64), minlength=len(uses))
    x = list(small)
    for i in range(SMALL, width - 1):
        made = (x[i - 1] * x[i - 2] + np.uint64(3) * x[i - 3] + np.uint64(2**16) * x[i - 4]) % p
        x.append(made * x[i - SMALL] % p if i % 3 == 0 else made)
    cells = [column.astype(np.uint32) for column in x]
    return {"is_real": np.ones(rows, np.uint32), "small": tuple(cells[:SMALL]), "x": tuple(cells[SMALL:])}
