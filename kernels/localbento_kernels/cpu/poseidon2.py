"""Poseidon2 of rows, pages and nodes, on the tile layout: one row of a tile is one block of the sponge.

Rows are hashed 32 at once, as two groups of sixteen that take turns, round by round: while one waits for the sums that
end a round, the other is worked on.  Rows that do not fill a batch are copied to one that they do.

Source: docs/protocol.md, "Hashing".  Twins: localbento.hash.poseidon2.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit

from localbento_kernels.cpu.field import from_mont, to_mont
from localbento_kernels.cpu.parallel import map_threads, ranges
from localbento_kernels.cpu.poseidon2_emit import DIGEST, MAGIC_BITS, P_INVERSE_PLACE, RATE, STATE, WIDTH
from localbento_kernels.cpu.poseidon2_rounds import (
    absorb_first,
    absorb_next,
    enter,
    full,
    leave,
    partial,
    squeeze,
)
from localbento_kernels.cpu.tiles import Words, aligned, aligned_zeros, checked, tiles_for
from localbento_kernels.cpu.vector import LANES, P_INVERSE, P, montgomery

CAPACITY: Final = WIDTH - RATE
LEAF_TAG: Final = 1
NODE_TAG: Final = 2
FULL_ROUNDS: Final = 8
PARTIAL_ROUNDS: Final = 21
GROUP: Final = LANES * RATE
"""Words of sixteen rows of a tile."""
BATCH: Final = 2 * LANES
PAGE_WORDS: Final = 256
PAGE_BLOCKS: Final = 32


def _table(values: list[int]) -> Words:
    result = aligned(len(values))
    result[:] = [v % 2**32 for v in values]
    return result


def load_parameters() -> dict[str, Any]:
    """The constants of the permutation, canonical, as in the file beside this module."""
    text = Path(__file__).with_name("poseidon2_babybear_24.json").read_text()
    data: dict[str, Any] = json.loads(text)
    return data


def _constants() -> tuple[Words, Words, Words]:
    """Round constants and diagonal in the forms that the rounds take."""
    data = load_parameters()
    rounds = data["round_constants"]
    outer = [montgomery(c) for row in rounds["initial_full"] + rounds["final_full"] for c in row]
    # The nearest to zero; the quotient is left in MAGIC's bits, so MAGIC_BITS p are added back.
    outer = [(c if c <= P // 2 else c - P) + MAGIC_BITS * P for c in outer]
    inner = [montgomery(c) - P for c in rounds["partial"]]
    quotients = [(d, (d << 52) // P) for d in data["m_int_diag"]]
    return _table(outer), _table(inner), _table([v for d, q in quotients for v in (q, q >> 32, d, 0)])


CONSTANTS: Final = _constants()


def _capacity(words: list[int]) -> Words:
    return _table([montgomery(w) for w in words] + [0] * (CAPACITY - len(words)))


def _workspace() -> tuple[Words, Words]:
    """Two states; each thread needs its own."""
    state = aligned(2 * 1024)
    a, b = state[:STATE], state[1024 : 1024 + STATE]
    for s in (a, b):
        s[LANES * P_INVERSE_PLACE :] = P_INVERSE
    return a, b


@njit(nogil=True, cache=True)
def _permute(a: Words, b: Words, full_constants: Words, partial_constants: Words, diagonal: Words) -> None:
    """From after the first external layer, which absorbing does."""
    for r in range(FULL_ROUNDS):
        if r == FULL_ROUNDS // 2:
            enter(((a, 0),))
            enter(((b, 0),))
            for k in range(PARTIAL_ROUNDS):
                partial(((a, 0), (partial_constants, k), (diagonal, 0)))
                partial(((b, 0), (partial_constants, k), (diagonal, 0)))
            leave(((a, 0),))
            leave(((b, 0),))
        full(((a, 0), (full_constants, r * WIDTH)))
        full(((b, 0), (full_constants, r * WIDTH)))


@njit(nogil=True, cache=True)
def _hash(
    tiles: Words, tile_words: int, count: int, capacity: Words, digests: Words, first: int, last: int,
    a: Words, b: Words, full_constants: Words, partial_constants: Words, diagonal: Words,
) -> None:  # fmt: skip
    """Digests of rows [first, last), a multiple of 32, of `count` tiles that lie `tile_words` apart."""
    for row in range(first, last, BATCH):
        start = row * RATE
        absorb_first(((a, 0), (tiles, start), (capacity, 0)))
        absorb_first(((b, 0), (tiles, start + GROUP), (capacity, 0)))
        _permute(a, b, full_constants, partial_constants, diagonal)
        for _ in range(1, count):
            start += tile_words
            absorb_next(((a, 0), (tiles, start)))
            absorb_next(((b, 0), (tiles, start + GROUP)))
            _permute(a, b, full_constants, partial_constants, diagonal)
        squeeze(((a, 0), (digests, row * DIGEST)))
        squeeze(((b, 0), (digests, (row + LANES) * DIGEST)))


def hash_blocks(tiles: Words, capacity: Words, digests: Words, threads: int = 1) -> None:
    """The sponge over the rows of tiles, from a state that is zero but for the capacity.

    Shapes:
        tiles uint32[t, n, 16] and capacity uint32[8] in Montgomery form; digests uint32[n, 8] is written.
    """
    count, rows, _ = tiles.shape
    flat, out = tiles.reshape(-1), digests.reshape(-1)
    whole = rows - rows % BATCH

    def part(bounds: tuple[int, int]) -> None:
        _hash(flat, rows * RATE, count, capacity, out, *bounds, *_workspace(), *CONSTANTS)

    map_threads(part, ranges(whole, threads, BATCH), threads)
    if whole < rows:
        padded, last = aligned_zeros((count, BATCH, RATE)), aligned((BATCH, DIGEST))
        padded[:, : rows - whole] = tiles[:, whole:]
        _hash(padded.reshape(-1), BATCH * RATE, count, capacity, last.reshape(-1), 0, BATCH, *_workspace(), *CONSTANTS)
        digests[whole:] = last[: rows - whole]


def hash_rows(tiles: Words, width: int, threads: int = 1, tag: int = LEAF_TAG, out: Words | None = None) -> Words:
    """The leaf digest of each row: the capacity starts as (tag, width, 0 ...).

    Columns from `width` on must be zero: they fill the last block.

    Shapes:
        tiles uint32[t, n, 16] in Montgomery form with t = ceil(width / 16); result uint32[n, 8] in Montgomery form,
        `out` if that is given.

    Raises:
        ValueError: if the tiles do not belong to that width.

    Twin: localbento.hash.poseidon2.hash_leaf.
    """
    if width < 1 or len(checked(tiles)) != tiles_for(width):
        msg = f"rows: expected {tiles_for(width)} tiles for {width} columns, found {len(tiles)}"
        raise ValueError(msg)
    digests = aligned((tiles.shape[1], DIGEST)) if out is None else out
    hash_blocks(tiles, _capacity([tag, width]), digests, threads)
    return digests


def compress_pairs(digests: Words, threads: int = 1, out: Words | None = None) -> Words:
    """Nodes from neighbouring digests: uint32[2 n, 8] to uint32[n, 8], in Montgomery form.

    Two digests side by side are a row of a tile.  Twin: localbento.hash.poseidon2.compress.
    """
    nodes = len(digests) // 2
    result = aligned((nodes, DIGEST)) if out is None else out
    hash_blocks(digests.reshape(1, nodes, RATE), _capacity([NODE_TAG]), result, threads)
    return result


def compress(left: Words, right: Words, threads: int = 1) -> Words:
    """Nodes from two arrays of digests: uint32[n, 8] each, in Montgomery form."""
    pairs = aligned((len(left), 2, DIGEST))
    pairs[:, 0], pairs[:, 1] = left, right
    return compress_pairs(pairs.reshape(-1, DIGEST), threads)


def hash_pages(pages: Words, threads: int = 1) -> Words:
    """Digests of memory pages: canonical words uint32[n, 256] to canonical uint32[n, 8], capacity zero.

    Each block is eight words in halves, low half first.  Twin: localbento.hash.poseidon2.hash_memory_pages.

    Raises:
        ValueError: on another shape.
    """
    if pages.ndim != 2 or pages.shape[1] != PAGE_WORDS:
        msg = f"pages: expected shape (n, {PAGE_WORDS}), found {pages.shape}"
        raise ValueError(msg)
    halves = np.ascontiguousarray(pages, np.uint32).view(np.uint16).reshape(len(pages), PAGE_BLOCKS, RATE)
    tiles = aligned((PAGE_BLOCKS, len(pages), RATE))
    tiles[:] = halves.transpose(1, 0, 2)
    to_mont(tiles, out=tiles)
    digests = aligned((len(pages), DIGEST))
    hash_blocks(tiles, _capacity([]), digests, threads)
    return from_mont(digests)


def hash_nodes(right: Words, left: Words, threads: int = 1) -> Words:
    """Digests of nodes of the memory image, right child first: canonical uint32[n, 8] each, capacity zero.

    Twin: localbento.hash.poseidon2.hash_memory_nodes.

    Raises:
        ValueError: if the shapes differ or a word is not below p.
    """
    if right.shape != left.shape or right.ndim != 2 or right.shape[1] != DIGEST:
        msg = f"nodes: expected two arrays of shape (n, {DIGEST}), found {right.shape} and {left.shape}"
        raise ValueError(msg)
    if np.any(right >= P) or np.any(left >= P):
        msg = f"nodes: expected words below {P}"
        raise ValueError(msg)
    tiles = aligned((1, len(right), RATE))
    tiles[0, :, :DIGEST], tiles[0, :, DIGEST:] = right, left
    to_mont(tiles, out=tiles)
    digests = aligned((len(right), DIGEST))
    hash_blocks(tiles, _capacity([]), digests, threads)
    return from_mont(digests)
