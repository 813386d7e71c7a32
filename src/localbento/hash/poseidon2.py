"""Poseidon2 over BabyBear, width 24: the permutation, and the hashes that the protocol makes of it.

Leaf: the state is zero but for the capacity (tag, number of elements, 0 ...); blocks of 16 elements overwrite the
rate, the last one filled with zeros; a permutation after each; the digest is the first eight elements.
Node: the first eight elements of the permutation of (a, b, tag 2, 0 ...).
The memory image has its own two hashes, with capacity zero.

Source: docs/protocol.md, "Hashing"; the constants and the image's hashes are RISC Zero's (risc0-zkp, hash/poseidon2).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from localbento.field.babybear import P
from localbento.hash.digest import DIGEST_WORDS, Digest
from localbento.hash.poseidon2_batch import BatchPermutation

WIDTH: Final = 24
RATE: Final = 16
CAPACITY: Final = WIDTH - RATE

LEAF_TAG: Final = 1
NODE_TAG: Final = 2

PAGE_WORDS: Final = 256
PAGE_BLOCK_WORDS: Final = 8
"""A page is absorbed eight words at a time: sixteen halves fill the rate."""


@dataclass(frozen=True, slots=True)
class Constants:
    """All numbers of the permutation, canonical."""

    m4: tuple[tuple[int, ...], ...]
    initial_full: tuple[tuple[int, ...], ...]
    partial: tuple[int, ...]
    final_full: tuple[tuple[int, ...], ...]
    diagonal: tuple[int, ...]


def _load_constants() -> Constants:
    text = Path(__file__).with_name("poseidon2_babybear_24.json").read_text()
    data: dict[str, Any] = json.loads(text)
    rounds = data["round_constants"]
    return Constants(
        m4=tuple(map(tuple, data["m4"])),
        initial_full=tuple(map(tuple, rounds["initial_full"])),
        partial=tuple(rounds["partial"]),
        final_full=tuple(map(tuple, rounds["final_full"])),
        diagonal=tuple(data["m_int_diag"]),
    )


CONSTANTS: Final = _load_constants()


def _external(x: list[int]) -> list[int]:
    """M_ext: M4 on each group of four, and the sum of all groups added to each."""
    mixed: list[int] = []
    for g in range(0, WIDTH, 4):
        a, b, c, d = x[g : g + 4]
        ab, cd = a + b, c + d
        low, high = 2 * b + cd, 2 * d + ab
        right, left = 4 * cd + high, 4 * ab + low
        mixed += (high + left, left, low + right, right)
    sums = [sum(mixed[k::4]) for k in range(4)]
    return [(value + sums[i % 4]) % P for i, value in enumerate(mixed)]


def _internal(x: list[int]) -> list[int]:
    """All ones plus the diagonal."""
    total = sum(x)
    return [(total + d * v) % P for d, v in zip(CONSTANTS.diagonal, x, strict=True)]


def permute(state: Sequence[int]) -> list[int]:
    """The permutation of 24 canonical elements.

    Raises:
        ValueError: if there are not 24 elements.
    """
    if len(state) != WIDTH:
        msg = f"permutation: expected {WIDTH} elements, found {len(state)}"
        raise ValueError(msg)
    x = _external(list(state))
    for row in CONSTANTS.initial_full:
        x = _external([pow(v + c, 7, P) for v, c in zip(x, row, strict=True)])
    for c in CONSTANTS.partial:
        x[0] = pow(x[0] + c, 7, P)
        x = _internal(x)
    for row in CONSTANTS.final_full:
        x = _external([pow(v + c, 7, P) for v, c in zip(x, row, strict=True)])
    return x


def hash_leaf(elements: Sequence[int], tag: int = LEAF_TAG) -> Digest:
    """The digest of a row of canonical elements.

    Raises:
        ValueError: if there is no element (a tree without columns does not exist).
    """
    if not elements:
        msg = "leaf: expected at least one element"
        raise ValueError(msg)
    x = [0] * RATE + [tag, len(elements)] + [0] * (CAPACITY - 2)
    for i in range(0, len(elements), RATE):
        block = list(elements[i : i + RATE])
        x = permute(block + [0] * (RATE - len(block)) + x[RATE:])
    return Digest(x[:DIGEST_WORDS])


def compress(left: Sequence[int], right: Sequence[int]) -> Digest:
    """The digest of a node from those of its children."""
    return Digest(permute([*left, *right, NODE_TAG] + [0] * (CAPACITY - 1))[:DIGEST_WORDS])


def hash_page(words: Sequence[int]) -> Digest:
    """The digest of a page of the memory image: 256 words, in halves, low half first.

    Raises:
        ValueError: if there are not 256 words.
    """
    if len(words) != PAGE_WORDS:
        msg = f"page: expected {PAGE_WORDS} words, found {len(words)}"
        raise ValueError(msg)
    x = [0] * WIDTH
    for i in range(0, PAGE_WORDS, PAGE_BLOCK_WORDS):
        block = words[i : i + PAGE_BLOCK_WORDS]
        x = permute([half for word in block for half in (word & 0xFFFF, word >> 16)] + x[RATE:])
    return Digest(x[:DIGEST_WORDS])


def hash_page_node(right: Sequence[int], left: Sequence[int]) -> Digest:
    """The digest of a node of the memory image, right child first."""
    return Digest(permute([*right, *left] + [0] * CAPACITY)[:DIGEST_WORDS])


_BATCH: Final = BatchPermutation(
    CONSTANTS.m4, CONSTANTS.initial_full, CONSTANTS.partial, CONSTANTS.final_full, CONSTANTS.diagonal
)


def permute_one(state: Sequence[int]) -> list[int]:
    """`permute`, quicker: for a sponge whose every state depends on the one before.

    Raises:
        ValueError: if there are not 24 elements.
    """
    if len(state) != WIDTH:
        msg = f"permutation: expected {WIDTH} elements, found {len(state)}"
        raise ValueError(msg)
    return _BATCH.one(state)


def permute_batch(states: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The permutation of many states side by side.

    Shapes:
        states `uint64[n, 24]`, canonical; so is the result.

    Raises:
        ValueError: on another shape.
    """
    if states.ndim != 2 or states.shape[1] != WIDTH:
        msg = f"permutation: expected states of shape (n, {WIDTH}), found {states.shape}"
        raise ValueError(msg)
    return _BATCH(states)


def hash_leaf_batch(rows: NDArray[np.uint64], tag: int = LEAF_TAG) -> NDArray[np.uint64]:
    """`hash_leaf` of many rows of one width.

    Shapes:
        rows `uint64[n, width]`, canonical; result `uint64[n, 8]`.

    Raises:
        ValueError: if there is no column.
    """
    count, width = rows.shape
    if not width:
        msg = "leaf: expected at least one element"
        raise ValueError(msg)
    x = np.zeros((count, WIDTH), np.uint64)
    x[:, RATE], x[:, RATE + 1] = tag, width
    for i in range(0, width, RATE):
        block = rows[:, i : i + RATE]
        x[:, : block.shape[1]] = block
        x[:, block.shape[1] : RATE] = 0
        x = _BATCH(x)
    return x[:, :DIGEST_WORDS]


def compress_batch(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`compress` of many pairs: `uint64[n, 8]` each."""
    x = np.zeros((len(left), WIDTH), np.uint64)
    x[:, :DIGEST_WORDS], x[:, DIGEST_WORDS:RATE], x[:, RATE] = left, right, NODE_TAG
    return _BATCH(x)[:, :DIGEST_WORDS]


def hash_memory_pages(pages: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """`hash_page` of many pages: `uint32[n, 256]` to canonical `uint32[n, 8]`.

    Raises:
        ValueError: on another shape.
    """
    if pages.ndim != 2 or pages.shape[1] != PAGE_WORDS:
        msg = f"pages: expected shape (n, {PAGE_WORDS}), found {pages.shape}"
        raise ValueError(msg)
    x = np.zeros((len(pages), WIDTH), np.uint64)
    for i in range(0, PAGE_WORDS, PAGE_BLOCK_WORDS):
        words = pages[:, i : i + PAGE_BLOCK_WORDS]
        x[:, 0:RATE:2], x[:, 1:RATE:2] = words & np.uint32(0xFFFF), words >> np.uint32(16)
        x = _BATCH(x)
    return x[:, :DIGEST_WORDS].astype(np.uint32)


def hash_memory_nodes(right: NDArray[np.uint32], left: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """`hash_page_node` of many pairs: canonical `uint32[n, 8]` each.

    Raises:
        ValueError: if the shapes differ or a word is not below p.
    """
    if right.shape != left.shape or right.ndim != 2 or right.shape[1] != DIGEST_WORDS:
        msg = f"nodes: expected two arrays of shape (n, {DIGEST_WORDS}), found {right.shape} and {left.shape}"
        raise ValueError(msg)
    if np.any(right >= P) or np.any(left >= P):
        msg = f"nodes: expected words below {P}"
        raise ValueError(msg)
    x = np.zeros((len(right), WIDTH), np.uint64)
    x[:, :DIGEST_WORDS], x[:, DIGEST_WORDS:RATE] = right, left
    return _BATCH(x)[:, :DIGEST_WORDS].astype(np.uint32)
