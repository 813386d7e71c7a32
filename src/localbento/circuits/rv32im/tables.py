"""The preprocessed tables: what every range, region and opcode lookup of the machine is answered from."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from localbento.air.cells import Felt, Fixed
from localbento.air.chip import Chip, Columns, Constraints
from localbento.circuits.rv32im.buses import OPCODE, RANGE, REGION, Range, Region
from localbento.circuits.rv32im.opcodes import SIZE, table

BLOCKS: Final = (Range.U16, Range.U14, Range.U11, Range.U8, Range.U6, Range.U4)
"""Plain ranges, one below the other."""

_SIZES: Final = tuple(1 << int(b) for b in BLOCKS)
START: Final = dict(zip(BLOCKS, (sum(_SIZES[:i]) for i in range(len(_SIZES))), strict=True))
"""The row where the block of a range begins."""

USED: Final = sum(_SIZES)
LOG_ROWS: Final = 17
ROWS: Final = 1 << LOG_ROWS
"""The one height of this chip; it leaves more rows free than any parameter set blinds."""

REGIONS: Final = {
    Region.MACHINE: (0x0001, 0xFFFF),
    Region.USER: (0x0001, 0xBFFF),
    Region.DISPATCH: (0xC000, 0xFEFF),
}
"""First and last high half of each region."""

RANGE_COLUMN, BYTES_COLUMN, AND_COLUMN, REGION_COLUMN, OPCODE_COLUMN = 0, 1, 2, 3, 6
COLUMNS: Final = 7
"""Order of the uses in `fill`; the regions take three columns in the order of their numbers."""


class Tables(Chip):
    """Numbers below 2**16 and shorter ones, bytes, ANDs of bytes, high halves of regions, opcodes.

    Every row of the preprocessed columns holds one true tuple of each kind (repeated where a kind has fewer), and
    answers each any number of times; rank 0.  A shorter range is a table of its own: that 4 q is 16 bits does not
    bound q (4 * 503316481 = 3 modulo p).
    """

    is_real: Fixed
    table: Fixed
    x: Fixed  # low byte of the row's number in its range
    y: Fixed  # high byte
    both: Fixed  # x & y
    machine: Fixed
    user: Fixed
    dispatch: Fixed
    op5: Fixed
    funct3: Fixed
    funct7: Fixed
    form: Fixed
    op: Fixed
    range_uses: Felt
    bytes_uses: Felt
    and_uses: Felt
    machine_uses: Felt
    user_uses: Felt
    dispatch_uses: Felt
    opcode_uses: Felt
    unused: Felt  # alone at the tallest height, its leaves need eight blinded columns to hide

    def constrain(self, c: Constraints) -> None:
        """One row of each table."""
        opcode = (self.op5, self.funct3, self.funct7, self.form, self.op)
        for bus, message, uses in (
            (RANGE, (self.table, self.x + 256 * self.y, 0, 0), self.range_uses),
            (RANGE, (Range.BYTES, self.x, self.y, 0), self.bytes_uses),
            (RANGE, (Range.AND, self.x, self.y, self.both), self.and_uses),
            (REGION, (Region.MACHINE, self.machine), self.machine_uses),
            (REGION, (Region.USER, self.user), self.user_uses),
            (REGION, (Region.DISPATCH, self.dispatch), self.dispatch_uses),
            (OPCODE, opcode, self.opcode_uses),
        ):
            name = uses.name.removesuffix("_uses")
            c.zero(f"{name}: only rows of the tables answer", (1 - self.is_real) * uses)
            c.provide(bus, message, uses, label=name)

    @classmethod
    def fixed(cls, rows: int) -> Columns:
        """The tables.

        Raises: ValueError unless `rows` is the one height.
        """
        if rows != ROWS:
            msg = f"tables: expected {ROWS} rows, found {rows}"
            raise ValueError(msg)
        number = np.concatenate([np.arange(size, dtype=np.uint32) for size in _SIZES])
        x, y = number & 255, number >> 8
        triple = np.arange(USED, dtype=np.uint32) % SIZE
        forms, ops = table()
        regions = {}
        for region, (first, last) in REGIONS.items():
            inside = (number >= first) & (number <= last)
            regions[region.name.lower()] = np.where(inside, number, first)
        return {
            "is_real": np.ones(USED, np.uint32),
            "table": np.repeat(np.array(BLOCKS, np.uint32), _SIZES),
            "x": x,
            "y": y,
            "both": x & y,
            **regions,
            "op5": triple & 31,
            "funct3": triple >> 5 & 7,
            "funct7": triple >> 8,
            "form": forms[triple],
            "op": ops[triple],
        }

    @staticmethod
    def fill(counts: "Counts") -> Columns:
        """Columns from counted lookups."""
        names = ("range", "bytes", "and", "machine", "user", "dispatch", "opcode")
        uses = {f"{name}_uses": uses[:USED] for name, uses in zip(names, counts.uses, strict=True)}
        return uses | {"unused": 0}


@cache
def _opcode_key() -> NDArray[np.int64]:
    """Form and op by number of the triple, as one number."""
    forms, ops = table()
    key: NDArray[np.int64] = forms.astype(np.int64) << 16 | ops
    return key


class Counts:
    """How often each row of the tables is asked: `uses` int64[7, ROWS], in the order of the chip's columns."""

    def __init__(self) -> None:
        self.uses = np.zeros((COLUMNS, ROWS), np.int64)

    def add_range(self, kind: int, x: NDArray[np.int64], y: NDArray[np.int64], z: NDArray[np.int64]) -> bool:
        """Count tuples of one table of RANGE, given as int64[n] or int64[1]; False if one is not in it."""
        if kind in (Range.BYTES, Range.AND):
            expected = x & y if kind == Range.AND else 0
            if _outside(x, 256) or _outside(y, 256) or np.any(z != expected):
                return False
            self._count(AND_COLUMN if kind == Range.AND else BYTES_COLUMN, x + 256 * y)
            return True
        if kind not in START or _outside(x, 1 << kind) or np.any(y) or np.any(z):
            return False
        self._count(RANGE_COLUMN, x, START[Range(kind)])
        return True

    def add_region(self, kind: int, high: NDArray[np.int64]) -> bool:
        """Count high halves of one region; False if one is outside."""
        if kind not in tuple(Region):
            return False
        first, last = REGIONS[Region(kind)]
        if _outside(high - first, last - first + 1):
            return False
        self._count(REGION_COLUMN + kind - 1, high)
        return True

    def add_opcode(self, op5: NDArray[np.int64], funct3: NDArray[np.int64], funct7: NDArray[np.int64],
                   form: NDArray[np.int64], op: NDArray[np.int64]) -> bool:  # fmt: skip
        """Count opcodes; False if one is not in the table."""
        if _outside(op5, 32) or _outside(funct3, 8) or _outside(funct7, 128):
            return False
        number = op5 + 32 * funct3 + 256 * funct7
        if np.any(_opcode_key()[number] != form << 16 | op):
            return False
        self._count(OPCODE_COLUMN, number)
        return True

    def _count(self, column: int, row: NDArray[np.int64], start: int = 0) -> None:
        if len(row):
            found = np.bincount(row)
            self.uses[column, start : start + len(found)] += found


def _outside(x: NDArray[np.int64], size: int) -> bool:
    return len(x) > 0 and (int(x.min()) < 0 or int(x.max()) >= size)
