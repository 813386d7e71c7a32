"""The preprocessed tables of RANGE, in three heights, and what a segment asks of all tables."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from localbento.air.cells import Felt, Fixed
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr
from localbento.circuits.rv32im.buses import RANGE, Range, Region
from localbento.circuits.rv32im.opcodes import FUNCT7_VALUES, PAIRS, funct7_kinds, short_table
from localbento.circuits.rv32im.region import REGIONS

PLAIN: Final = (Range.U16, Range.U14, Range.U11, Range.U8, Range.U6, Range.U4)
"""Ranges of one number."""

HALVES: Final = 1 << 16
BYTE: Final = 256
BLINDED: Final = 192
"""Rows that every parameter set leaves free; no set blinds more."""

Tuples = NDArray[np.uint32]


class Tables(Chip):
    """Numbers below 2**16 and shorter ones, pairs of bytes, ANDs of bytes.

    Row `x + 256 y` of the preprocessed columns holds one true tuple for each column of uses, and answers each any
    number of times; rank 0.  The 2**16 tuples of 16 bits, of pairs and of ANDs stand in blocks side by side: in block k
    the second byte is y + k times the number of ys.  What blocks leave over, and the shorter ranges, stands in columns
    of its own, tuple by tuple; where one has fewer tuples than rows its first is repeated.

    A shorter range is a table of its own: that 4 q is 16 bits does not bound q (4 * 503316481 = 3 modulo p).
    """

    is_real: Fixed
    x: Fixed
    y: Fixed
    both: tuple[Fixed, ...]  # of each block of ANDs: x & (the second byte)
    plain_table: tuple[Fixed, ...]
    plain_x: tuple[Fixed, ...]
    pair_table: tuple[Fixed, ...]
    pair_x: tuple[Fixed, ...]
    pair_y: tuple[Fixed, ...]
    pair_z: tuple[Fixed, ...]
    block_uses: tuple[Felt, ...]
    plain_uses: tuple[Felt, ...]
    pair_uses: tuple[Felt, ...]

    LOG_ROWS: ClassVar[int] = 0
    BLOCKS: ClassVar[Mapping[Range, int]] = {}
    """Blocks of 16 bits, of pairs and of ANDs."""
    PLAINS: ClassVar[int] = 1
    PAIRS: ClassVar[int] = 1
    """Columns of tuples that stand in no block: plain ones, and pairs and ANDs."""

    @classmethod
    def rows(cls) -> int:
        """The one height of this form."""
        return 1 << cls.LOG_ROWS

    @classmethod
    def ys(cls) -> int:
        """Second bytes in a block."""
        return min(BYTE, (cls.rows() - BLINDED) // BYTE)

    def constrain(self, c: Constraints) -> None:
        """One tuple for each column of uses."""
        uses = iter(self.block_uses)
        for table, count in self.BLOCKS.items():
            for block in range(count):
                second = self.y + block * self.ys()
                parts: tuple[Expr | int, ...] = (self.x + BYTE * second, 0, 0)
                if table is not Range.U16:
                    parts = (self.x, second, self.both[block] if table is Range.AND else 0)
                self._answer(c, f"{table.name.lower()}, block {block}", (table, *parts), next(uses))
        for i, times in enumerate(self.plain_uses):
            self._answer(c, f"plain {i}", (self.plain_table[i], self.plain_x[i], 0, 0), times)
        for i, times in enumerate(self.pair_uses):
            message = (self.pair_table[i], self.pair_x[i], self.pair_y[i], self.pair_z[i])
            self._answer(c, f"pair {i}", message, times)

    def _answer(self, c: Constraints, name: str, message: tuple[Expr | int, ...], uses: Felt) -> None:
        c.zero(f"{name}: only rows of the tables answer", (1 - self.is_real) * uses)
        c.provide(RANGE, message, uses, label=name)

    @classmethod
    def left_over(cls, table: Range) -> int:
        """The first number, x + 256 y, of a table that stands in no block."""
        return min(HALVES, cls.BLOCKS.get(table, 0) * cls.ys() * BYTE)

    @classmethod
    def used(cls) -> int:
        """Rows that hold tuples."""
        plains = sum(1 << table for table in PLAIN) - cls.left_over(Range.U16)
        pairs = 2 * HALVES - cls.left_over(Range.BYTES) - cls.left_over(Range.AND)
        return max(cls.ys() * BYTE, -(-plains // cls.PLAINS), -(-pairs // cls.PAIRS))

    @classmethod
    def fixed(cls, rows: int) -> Columns:
        """The tables.

        Raises: ValueError unless `rows` is the one height.
        """
        if rows != cls.rows():
            msg = f"{cls.__name__}: expected {cls.rows()} rows, found {rows}"
            raise ValueError(msg)
        used, ys = cls.used(), cls.ys()
        number = np.arange(used, dtype=np.uint32)
        x, y = number & 255, (number >> 8) % ys
        plain, pair = cls._plain_tuples(), cls._pair_tuples()
        return {
            "is_real": np.ones(used, np.uint32),
            "x": x,
            "y": y,
            "both": [x & (y + block * ys) for block in range(cls.BLOCKS[Range.AND])],
            "plain_table": _dealt(plain[0], cls.PLAINS, used),
            "plain_x": _dealt(plain[1], cls.PLAINS, used),
            "pair_table": _dealt(pair[0], cls.PAIRS, used),
            "pair_x": _dealt(pair[1], cls.PAIRS, used),
            "pair_y": _dealt(pair[2], cls.PAIRS, used),
            "pair_z": _dealt(pair[3], cls.PAIRS, used),
        }

    @classmethod
    def _plain_tuples(cls) -> Tuples:
        """(table, x) of what stands in no block."""
        lists = []
        for table in PLAIN:
            x = np.arange(cls.left_over(table), 1 << table, dtype=np.uint32)
            lists.append(np.stack([np.full(len(x), table, np.uint32), x]))
        return np.concatenate(lists, axis=1)

    @classmethod
    def _pair_tuples(cls) -> Tuples:
        """(table, x, y, z) of what stands in no block."""
        lists = []
        for table in (Range.BYTES, Range.AND):
            number = np.arange(cls.left_over(table), HALVES, dtype=np.uint32)
            x, y = number & 255, number >> 8
            z = x & y if table is Range.AND else np.zeros(len(x), np.uint32)
            lists.append(np.stack([np.full(len(x), table, np.uint32), x, y, z]))
        return np.concatenate(lists, axis=1)

    @classmethod
    def fill(cls, counts: "Counts") -> Columns:
        """Columns from counted lookups."""
        size, used = cls.ys() * BYTE, cls.used()
        blocks = [
            counts.ranges[table][block * size : (block + 1) * size]
            for table, count in cls.BLOCKS.items()
            for block in range(count)
        ]
        rest = {table: uses[cls.left_over(table) :] for table, uses in counts.ranges.items()}
        plain = np.concatenate([rest[table] for table in PLAIN])
        pair = np.concatenate([rest[Range.BYTES], rest[Range.AND]])
        return {
            "block_uses": [_long(uses, used, 0) for uses in blocks],
            "plain_uses": _dealt(plain, cls.PLAINS, used, repeat=False),
            "pair_uses": _dealt(pair, cls.PAIRS, used, repeat=False),
        }


class Tables13(Tables):
    """2**13 rows, for small profiles: eight blocks of 31 second bytes."""

    both: Annotated[tuple[Fixed, ...], 8]
    plain_table: Annotated[tuple[Fixed, ...], 3]
    plain_x: Annotated[tuple[Fixed, ...], 3]
    pair_table: Annotated[tuple[Fixed, ...], 1]
    pair_x: Annotated[tuple[Fixed, ...], 1]
    pair_y: Annotated[tuple[Fixed, ...], 1]
    pair_z: Annotated[tuple[Fixed, ...], 1]
    block_uses: Annotated[tuple[Felt, ...], 24]
    plain_uses: Annotated[tuple[Felt, ...], 3]
    pair_uses: Annotated[tuple[Felt, ...], 1]

    LOG_ROWS = 13
    BLOCKS: ClassVar[Mapping[Range, int]] = {Range.U16: 8, Range.BYTES: 8, Range.AND: 8}
    PLAINS = 3


class Tables15(Tables):
    """2**15 rows, for profiles in between: two blocks of 127 second bytes."""

    both: Annotated[tuple[Fixed, ...], 2]
    plain_table: Annotated[tuple[Fixed, ...], 1]
    plain_x: Annotated[tuple[Fixed, ...], 1]
    pair_table: Annotated[tuple[Fixed, ...], 1]
    pair_x: Annotated[tuple[Fixed, ...], 1]
    pair_y: Annotated[tuple[Fixed, ...], 1]
    pair_z: Annotated[tuple[Fixed, ...], 1]
    block_uses: Annotated[tuple[Felt, ...], 6]
    plain_uses: Annotated[tuple[Felt, ...], 1]
    pair_uses: Annotated[tuple[Felt, ...], 1]

    LOG_ROWS = 15
    BLOCKS: ClassVar[Mapping[Range, int]] = {Range.U16: 2, Range.BYTES: 2, Range.AND: 2}


class Tables17(Tables):
    """2**17 rows, for large profiles: one block, of ANDs."""

    both: Annotated[tuple[Fixed, ...], 1]
    plain_table: Annotated[tuple[Fixed, ...], 1]
    plain_x: Annotated[tuple[Fixed, ...], 1]
    pair_table: Annotated[tuple[Fixed, ...], 1]
    pair_x: Annotated[tuple[Fixed, ...], 1]
    pair_y: Annotated[tuple[Fixed, ...], 1]
    pair_z: Annotated[tuple[Fixed, ...], 1]
    block_uses: Annotated[tuple[Felt, ...], 1]
    plain_uses: Annotated[tuple[Felt, ...], 1]
    pair_uses: Annotated[tuple[Felt, ...], 1]

    LOG_ROWS = 17
    BLOCKS: ClassVar[Mapping[Range, int]] = {Range.AND: 1}


FORMS: Final[Mapping[str, type[Tables]]] = {"tables13": Tables13, "tables15": Tables15, "tables17": Tables17}
"""By name in profiles; every profile has one of them."""


def _long(values: NDArray[Any], length: int, rest: int) -> NDArray[Any]:
    return np.concatenate([values, np.full(length - len(values), rest, values.dtype)])


def _dealt(values: NDArray[Any], count: int, length: int, *, repeat: bool = True) -> list[NDArray[Any]]:
    """Values dealt out to `count` columns of this length; what is missing is the first value of the column, or 0."""
    share = -(-len(values) // count)
    parts = [values[i * share : (i + 1) * share] for i in range(count)]
    return [_long(part, length, int(part[0]) if repeat else 0) for part in parts]


@cache
def _opcode_key() -> NDArray[np.int64]:
    """Form and op by op5 + 32 funct3 + 256 kind, as one number."""
    forms, ops = short_table()
    key: NDArray[np.int64] = forms.astype(np.int64) << 16 | ops
    return key


class Counts:
    """How often each tuple of the tables and regions is asked for, int64.

    `ranges` by table: by number, of pairs x + 256 y; `regions` by kind (from 1) and half; `opcodes` by
    op5 + 32 funct3 + 256 kind; `funct7` by value.
    """

    def __init__(self) -> None:
        self.ranges = {table: np.zeros(1 << min(16, table), np.int64) for table in Range}
        self.regions = np.zeros((1 + len(Region), HALVES), np.int64)
        self.opcodes = np.zeros(len(_opcode_key()), np.int64)
        self.funct7 = np.zeros(FUNCT7_VALUES, np.int64)

    def add_range(self, kind: int, x: NDArray[np.int64], y: NDArray[np.int64], z: NDArray[np.int64]) -> bool:
        """Count tuples of one table of RANGE, given as int64[n] or int64[1]; False if one is not in it."""
        if kind in (Range.BYTES, Range.AND):
            expected = x & y if kind == Range.AND else 0
            if _outside(x, BYTE) or _outside(y, BYTE) or np.any(z != expected):
                return False
            _count(self.ranges[Range(kind)], x + BYTE * y)
            return True
        if kind not in PLAIN or _outside(x, 1 << kind) or np.any(y) or np.any(z):
            return False
        _count(self.ranges[Range(kind)], x)
        return True

    def add_region(self, kind: int, high: NDArray[np.int64]) -> bool:
        """Count high halves of one region; False if one is outside."""
        if kind not in tuple(Region):
            return False
        first, last = REGIONS[Region(kind)]
        if _outside(high - first, last - first + 1):
            return False
        _count(self.regions[kind], high)
        return True

    def add_opcode(self, op5: NDArray[np.int64], funct3: NDArray[np.int64], kind: NDArray[np.int64],
                   form: NDArray[np.int64], op: NDArray[np.int64]) -> bool:  # fmt: skip
        """Count opcodes; False if one is not in the table."""
        number = op5 + 32 * funct3 + PAIRS * kind
        if _outside(op5, 32) or _outside(funct3, 8) or _outside(number, len(_opcode_key())):
            return False
        if np.any(_opcode_key()[number] != form << 16 | op):
            return False
        _count(self.opcodes, number)
        return True

    def add_funct7(self, funct7: NDArray[np.int64], kind: NDArray[np.int64]) -> bool:
        """Count kinds of funct7; False if one is wrong."""
        if _outside(funct7, FUNCT7_VALUES) or np.any(funct7_kinds()[funct7] != kind):
            return False
        _count(self.funct7, funct7)
        return True


def _count(uses: NDArray[np.int64], row: NDArray[np.int64]) -> None:
    if len(row):
        found = np.bincount(row)
        uses[: len(found)] += found


def _outside(x: NDArray[np.int64], size: int) -> bool:
    return len(x) > 0 and (int(x.min()) < 0 or int(x.max()) >= size)
