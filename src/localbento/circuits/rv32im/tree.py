"""From touched pages to everything that is hashed: digests of pages and nodes, and the permutations behind them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import numpy as np

from localbento.circuits.rv32im.paging import (
    BLOCK_WORDS,
    IN,
    LEVEL,
    OUT,
    PAGE_BLOCKS,
    TREE_DEPTH,
    NodeRecords,
    PageDigests,
)
from localbento.circuits.rv32im.poseidon2 import DIGEST_CELLS, RATE, WIDTH, Permutations
from localbento.circuits.rv32im.records import U32, PageRecords

T = TypeVar("T")

CAPACITY_CELLS: Final = WIDTH - RATE
DIGEST: Final = slice(-CAPACITY_CELLS - DIGEST_CELLS, -CAPACITY_CELLS)
"""Where the digest stands in a permutation's columns; the capacity is last."""

PermutationColumns: TypeAlias = Callable[[U32], U32]
"""As `poseidon2.permutation_columns`, or faster."""


@dataclass(frozen=True, slots=True, eq=False)
class Hashed:
    """Records of `page`, `node` and `poseidon2`; roots before and after, uint32[8]."""

    pages: PageDigests
    nodes: NodeRecords
    permutations: Permutations
    before: U32
    after: U32


def hash_memory(pages: PageRecords, siblings: Mapping[int, U32], columns: PermutationColumns) -> Hashed:
    """Hash the touched pages and the tree above them.

    `siblings` are the digests of untouched neighbours by heap number.
    Raises: KeyError if one is missing.
    """
    dirty = pages.dirty.astype(np.uint32)
    changed = np.flatnonzero(dirty)
    words = np.concatenate([pages.before, pages.after[changed]])
    identity = np.concatenate([pages.index, pages.index[changed]])
    direction = np.repeat(np.array([IN, OUT], np.uint32), [len(pages.index), len(changed)])
    digests, sponges = _sponges(words, identity, direction, columns)
    before = digests[: len(pages.index)]
    after = before.copy()
    after[changed] = digests[len(pages.index) :]
    leaves = PageDigests(pages.index, dirty, before, after)
    nodes, hashes = _tree(leaves, siblings, columns)
    return Hashed(leaves, nodes, join(Permutations, [*sponges, *hashes]), nodes.before[-1], nodes.after[-1])


def join(kind: type[T], parts: Sequence[T]) -> T:
    """Records of arrays, one after the other."""
    fields = kind.__dataclass_fields__  # type: ignore[attr-defined]
    arrays = ([getattr(part, name) for part in parts] for name in fields)
    axes = (1 if name == "columns" else 0 for name in fields)
    return kind(*(np.concatenate(items, axis=axis) for items, axis in zip(arrays, axes, strict=True)))


def _sponges(words: U32, identity: U32, direction: U32, columns: PermutationColumns) -> tuple[U32, list[Permutations]]:
    """Digests of pages uint32[n, 256], and their permutations, block by block."""
    state = np.zeros((len(words), WIDTH), np.uint32)
    found: list[Permutations] = []
    for block in range(PAGE_BLOCKS):
        part = words[:, block * BLOCK_WORDS : (block + 1) * BLOCK_WORDS]
        state[:, 0:RATE:2], state[:, 1:RATE:2] = part & 0xFFFF, part >> 16
        made = columns(state)
        last, number = (np.full(len(words), x, np.uint32) for x in (block == PAGE_BLOCKS - 1, block))
        found.append(Permutations(last, identity, direction, number, state, made))
        state = state.copy()
        state[:, RATE:] = made[-CAPACITY_CELLS:].T
    return found[-1].columns[DIGEST].T, found


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Touched nodes of one depth: heap numbers ascending, dirty, digests before and after."""

    index: U32
    dirty: U32
    before: U32
    after: U32


def _tree(
    pages: PageDigests, siblings: Mapping[int, U32], columns: PermutationColumns
) -> tuple[NodeRecords, list[Permutations]]:
    """Nodes from the deepest to the root, and the permutations that hash them."""
    level = _Level(pages.index + np.uint32(1 << TREE_DEPTH), pages.dirty, pages.before, pages.after)
    records: list[NodeRecords] = []
    hashes: list[Permutations] = []
    for _ in range(TREE_DEPTH):
        record, hashed, level = _parents(level, siblings, columns)
        records.append(record)
        hashes.append(hashed)
    return join(NodeRecords, records), hashes


def _parents(
    level: _Level, siblings: Mapping[int, U32], columns: PermutationColumns
) -> tuple[NodeRecords, Permutations, _Level]:
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
    states = np.zeros((len(parents) + len(changed), WIDTH), np.uint32)
    states[:, :DIGEST_CELLS] = np.concatenate([right_before, right_after[changed]])
    states[:, DIGEST_CELLS:RATE] = np.concatenate([left_before, left_after[changed]])
    made = columns(states)
    digests = made[DIGEST].T
    before = digests[: len(parents)]
    after = before.copy()
    after[changed] = digests[len(parents) :]
    record = NodeRecords(
        parents, left.astype(np.uint32), right.astype(np.uint32), dirty, before, after, left_before, left_after,
        right_before, right_after,
    )  # fmt: skip
    one, zero = np.ones(len(states), np.uint32), np.zeros(len(states), np.uint32)
    identity = np.concatenate([parents, parents[changed]])
    own = LEVEL * int(parents[0]).bit_length()
    direction = np.repeat(np.array([own + IN, own + OUT], np.uint32), [len(parents), len(changed)])
    hashed = Permutations(one, identity, direction, zero, states, made)
    return record, hashed, _Level(parents, dirty, before, after)


def touched_nodes(pages: U32) -> int:
    """How many inner nodes lie above these pages."""
    count, level = 0, np.unique(pages) | np.uint32(1 << TREE_DEPTH)
    for _ in range(TREE_DEPTH):
        level = np.unique(level >> 1)
        count += len(level)
    return count
