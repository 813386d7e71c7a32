"""From touched pages to everything that is hashed: digests of pages and nodes, and the permutations behind them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.circuits.rv32im.paging import (
    BLOCK_WORDS,
    IN,
    OUT,
    PAGE_BLOCKS,
    TREE_DEPTH,
    NodeRecords,
    PageDigests,
)
from localbento.circuits.rv32im.poseidon2 import DIGEST_CELLS, RATE, WIDTH, Permutations
from localbento.circuits.rv32im.records import U32, PageRecords

Permute: TypeAlias = Callable[[NDArray[np.uint64]], NDArray[np.uint64]]
"""The permutation of uint64[n, 24], canonical."""


@dataclass(frozen=True, slots=True, eq=False)
class Hashed:
    """Records of `page`, `node` and `poseidon2`; roots before and after, uint32[8]."""

    pages: PageDigests
    nodes: NodeRecords
    permutations: Permutations
    before: U32
    after: U32


def hash_memory(pages: PageRecords, siblings: Mapping[int, U32], permute: Permute) -> Hashed:
    """Hash the touched pages and the tree above them.

    `siblings` are the digests of untouched neighbours by heap number.
    Raises: KeyError if one is missing.
    """
    dirty = pages.dirty.astype(np.uint32)
    changed = np.flatnonzero(dirty)
    words = np.concatenate([pages.before, pages.after[changed]])
    identity = np.concatenate([pages.index, pages.index[changed]])
    direction = np.concatenate(
        [np.full(len(pages.index), IN, np.uint32), np.full(len(changed), OUT, np.uint32)]
    )
    digests, sponges = _sponges(words, identity, direction, permute)
    before = digests[: len(pages.index)]
    after = before.copy()
    after[changed] = digests[len(pages.index) :]
    leaves = PageDigests(pages.index, dirty, before, after)
    nodes, hashes = _tree(leaves, siblings, permute)
    permutations = _joined(sponges, hashes)
    return Hashed(leaves, nodes, permutations, nodes.before[-1], nodes.after[-1])


def _sponges(words: U32, identity: U32, direction: U32, permute: Permute) -> tuple[U32, Permutations]:
    """Digests of pages uint32[n, 256], and the 32 permutations of each."""
    count = len(words)
    state = np.zeros((count, WIDTH), np.uint64)
    inputs = np.zeros((count, PAGE_BLOCKS, WIDTH), np.uint32)
    for block in range(PAGE_BLOCKS):
        part = words[:, block * BLOCK_WORDS : (block + 1) * BLOCK_WORDS]
        state[:, 0:RATE:2], state[:, 1:RATE:2] = part & 0xFFFF, part >> 16
        inputs[:, block] = state
        state = permute(state)
    rows = count * PAGE_BLOCKS
    number = np.tile(np.arange(PAGE_BLOCKS, dtype=np.uint32), count)
    permutations = Permutations(
        sponge=np.ones(rows, np.uint32), last=(number == PAGE_BLOCKS - 1).astype(np.uint32),
        uses=np.zeros(rows, np.uint32), id=np.repeat(identity, PAGE_BLOCKS),
        direction=np.repeat(direction, PAGE_BLOCKS), block=number, state=inputs.reshape(rows, WIDTH),
    )  # fmt: skip
    return state[:, :DIGEST_CELLS].astype(np.uint32), permutations


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Touched nodes of one depth: heap numbers ascending, dirty, digests before and after."""

    index: U32
    dirty: U32
    before: U32
    after: U32


def _tree(pages: PageDigests, siblings: Mapping[int, U32], permute: Permute) -> tuple[NodeRecords, U32]:
    """Nodes from the deepest to the root, and the states that were permuted for them."""
    level = _Level(pages.index + np.uint32(1 << TREE_DEPTH), pages.dirty, pages.before, pages.after)
    records: list[NodeRecords] = []
    states: list[U32] = []
    for _ in range(TREE_DEPTH):
        record, hashed, level = _parents(level, siblings, permute)
        records.append(record)
        states.append(hashed)
    joined = NodeRecords(
        *(np.concatenate([getattr(r, name) for r in records]) for name in NodeRecords.__dataclass_fields__)
    )
    return joined, np.concatenate(states)


def _parents(level: _Level, siblings: Mapping[int, U32], permute: Permute) -> tuple[NodeRecords, U32, _Level]:
    parents = np.unique(level.index >> 1)
    sides = []
    for side in (0, 1):
        child = parents * 2 + np.uint32(side)
        at = np.minimum(np.searchsorted(level.index, child), len(level.index) - 1)
        touched = level.index[at] == child
        before, after = level.before[at], level.after[at]
        for i in np.flatnonzero(~touched):
            before[i] = after[i] = siblings[int(child[i])]
        sides.append((touched, np.where(touched, level.dirty[at], 0), before, after))
    (left, left_dirty, left_before, left_after), (right, right_dirty, right_before, right_after) = sides
    dirty = (left_dirty | right_dirty).astype(np.uint32)
    changed = np.flatnonzero(dirty)
    states = np.zeros((len(parents) + len(changed), WIDTH), np.uint64)
    states[:, :DIGEST_CELLS] = np.concatenate([right_before, right_after[changed]])
    states[:, DIGEST_CELLS:RATE] = np.concatenate([left_before, left_after[changed]])
    digests = permute(states)[:, :DIGEST_CELLS].astype(np.uint32)
    before = digests[: len(parents)]
    after = before.copy()
    after[changed] = digests[len(parents) :]
    record = NodeRecords(
        parents, left.astype(np.uint32), right.astype(np.uint32), dirty, before, after, left_before, left_after,
        right_before, right_after,
    )  # fmt: skip
    return record, states.astype(np.uint32), _Level(parents, dirty, before, after)


def _joined(sponges: Permutations, states: U32) -> Permutations:
    """The sponges' permutations, then one answer for each hashed node."""
    count = len(states)
    zero = np.zeros(count, np.uint32)
    nodes = Permutations(
        sponge=zero, last=zero, uses=np.ones(count, np.uint32), id=zero, direction=zero, block=zero, state=states
    )
    return Permutations(
        *(np.concatenate([getattr(sponges, n), getattr(nodes, n)]) for n in Permutations.__dataclass_fields__)
    )


def touched_nodes(pages: U32) -> int:
    """How many inner nodes lie above these pages."""
    count, level = 0, np.unique(pages) | np.uint32(1 << TREE_DEPTH)
    for _ in range(TREE_DEPTH):
        level = np.unique(level >> 1)
        count += len(level)
    return count
