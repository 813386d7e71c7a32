"""The layout of matrices: tiles of sixteen columns, `uint32[tiles, rows, 16]`, and memory that vectors may load.

One row of a tile is 64 bytes: a cache line, a vector, a block of the hash.  Memory for tiles begins at a page.
"""

from collections.abc import Sequence
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

LANES: Final = 16
ALIGNMENT: Final = 64
PAGE_BYTES: Final = 4096


def aligned(shape: int | Sequence[int]) -> Words:
    """Uninitialised `uint32` memory of a shape, at the beginning of a page."""
    dimensions = (shape,) if isinstance(shape, int) else tuple(shape)
    size = 4 * prod(dimensions)
    raw = np.empty(size + PAGE_BYTES, np.uint8)
    start = -raw.__array_interface__["data"][0] % PAGE_BYTES
    return raw[start : start + size].view(np.uint32).reshape(dimensions)


def aligned_zeros(shape: int | Sequence[int]) -> Words:
    """Zeros of a shape, at the beginning of a page."""
    result = aligned(shape)
    result.fill(0)
    return result


def tiles_for(columns: int) -> int:
    """How many tiles hold these columns."""
    return -(-columns // LANES)


def checked(tiles: Words) -> Words:
    """The same tiles, if they are what kernels take.

    Raises:
        ValueError: unless they are `uint32[tiles, rows, 16]` in C order, aligned to 64 bytes.
    """
    if tiles.dtype != np.uint32 or tiles.ndim != 3 or tiles.shape[2] != LANES:
        msg = f"tiles: expected uint32[tiles, rows, {LANES}], found {tiles.dtype}{list(tiles.shape)}"
        raise ValueError(msg)
    if not tiles.flags.c_contiguous or tiles.ctypes.data % ALIGNMENT:
        msg = f"tiles: expected C order, aligned to {ALIGNMENT} bytes"
        raise ValueError(msg)
    return tiles


def log2_rows(tiles: Words) -> int:
    """log2 of the number of rows.

    Raises:
        ValueError: if it is no power of two.
    """
    rows = int(tiles.shape[1])
    if rows < 1 or rows & (rows - 1):
        msg = f"tiles: expected a power of two of rows, found {rows}"
        raise ValueError(msg)
    return rows.bit_length() - 1


def pack(rows: NDArray[np.integer]) -> Words:
    """A matrix `[rows, columns]` as tiles, unchanged in value; the last tile is filled with zero columns."""
    count, columns = rows.shape
    tiles = aligned_zeros((tiles_for(columns), count, LANES))
    for t in range(len(tiles)):
        part = rows[:, LANES * t : LANES * (t + 1)]
        tiles[t, :, : part.shape[1]] = part
    return tiles


def unpack(tiles: Words, columns: int) -> Words:
    """The matrix `uint32[rows, columns]` of the first columns of tiles."""
    return np.ascontiguousarray(tiles.transpose(1, 0, 2).reshape(tiles.shape[1], -1)[:, :columns])
