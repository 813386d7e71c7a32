"""Pages and tree nodes: the memory of a segment comes from one Merkle root and goes into another.

`page_block` puts eight words on the memory bus at time 0 and takes them back at the end; `page` ties 32 of these
to the digests of one page, before and after; `node` ties digests to their parents, up to the two roots that the
verifier states.  A page is opened once, because NODE messages are pushed once: the verifier pushes the root, a
node row pushes each touched child once, and 22 levels further down only page 0 to 2^22 - 1 can have been reached.
"""

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.air.cells import Bit, Cells, Felt, Word
from localbento.air.chip import Chip, Columns, Constraints
from localbento.circuits.rv32im.buses import BLOCK, CODE, DIGEST, MEMORY, NODE, SPONGE
from localbento.circuits.rv32im.records import PageRecords

U32: TypeAlias = NDArray[np.uint32]

TREE_DEPTH: Final = 22
BLOCK_WORDS: Final = 8
PAGE_BLOCKS: Final = 32
PAGE_WORDS: Final = BLOCK_WORDS * PAGE_BLOCKS
IN: Final = 0
OUT: Final = 1
"""Directions of the page sponge: the page as it was, as it becomes."""
LEVEL: Final = 4
"""What the direction of a node's hash goes up by from level to level; the root's are LEVEL and LEVEL + 1."""


class Versions(Cells):
    """A digest before and after the segment."""

    before: Annotated[tuple[Felt, ...], 8]
    after: Annotated[tuple[Felt, ...], 8]

    def unchanged_unless(self, c: Constraints, label: str, flag: Felt) -> None:
        """Both versions are equal where the boolean `flag` is 0."""
        for i, (before, after) in enumerate(zip(self.before, self.after, strict=True)):
            c.zero(f"{label}, cell {i}", (1 - flag) * (after - before))


class PageWord(Cells):
    """One word: at the start, at the end, when it was last used, and as what."""

    before: Word
    after: Word
    time: Felt
    is_code: Bit


class PageBlock(Chip):
    """Eight words of a page, in and out.

    Given that the sponge of (page, IN) takes each of its blocks 0 to 31 once, and that of (page, OUT) if there is
    one: each word of the page is pushed once at time 0, on MEMORY or on CODE, and taken back once, and the digest
    before is that of the words pushed, the digest after of those taken back.  A word that is code is unchanged; so
    is every word of a page that is not dirty.  A dirty block of a clean page has no sponge to take it, a clean
    block of a dirty page leaves a hole in the sponge of (page, OUT).

    Assumes: words of the image before are in range, since the first root is that of a real image.
    """

    is_real: Bit
    dirty: Bit
    page: Felt
    block: Felt
    words: Annotated[tuple[PageWord, ...], 8]

    def constrain(self, c: Constraints) -> None:
        """Words onto the memory, words back, blocks to the sponge."""
        c.zero("dirty only on a used row", self.dirty * (1 - self.is_real))
        first = self.page * PAGE_WORDS + self.block * BLOCK_WORDS
        for i, word in enumerate(self.words):
            for limb, before, after in zip(("low", "high"), word.before, word.after, strict=True):
                c.zero(f"word {i}, {limb}: code does not change", word.is_code * (after - before))
                c.zero(f"word {i}, {limb}: a clean block does not change", (1 - self.dirty) * (after - before))
        for i, word in enumerate(self.words):
            c.push_either(word.is_code, MEMORY, CODE, (first + i, 0, *word.before), label=f"word {i} in")
            c.pull_either(word.is_code, MEMORY, CODE, (first + i, word.time, *word.after), label=f"word {i} out")
        words_in = [limb for word in self.words for limb in word.before]
        words_out = [limb for word in self.words for limb in word.after]
        c.push(BLOCK, (self.page, IN, self.block, *words_in), label="block to the digest before")
        c.push(BLOCK, (self.page, OUT, self.block, *words_out), self.dirty, "block to the digest after")

    @staticmethod
    def fill(r: PageRecords) -> Columns:
        """Columns for 32 rows a page."""
        pages = len(r.index)
        before, after = _blocks(r.before), _blocks(r.after)
        times, code = _blocks(r.times), _blocks(r.is_code.astype(np.uint32))
        words = [
            {"before": b, "after": a, "time": t, "is_code": f}
            for b, a, t, f in zip(before, after, times, code, strict=True)
        ]
        return {
            "is_real": np.ones(pages * PAGE_BLOCKS, np.uint32),
            "dirty": np.repeat(r.dirty.astype(np.uint32), PAGE_BLOCKS),
            "page": np.repeat(r.index, PAGE_BLOCKS),
            "block": np.tile(np.arange(PAGE_BLOCKS, dtype=np.uint32), pages),
            "words": words,
        }


def _blocks(words: U32) -> list[U32]:
    """uint32[pages, 256] as eight columns of 32 rows a page."""
    return list(words.reshape(-1, BLOCK_WORDS).T)


class Page(Chip):
    """One touched page: its digests in the tree are those of the sponges over its blocks.

    A clean page is not hashed twice: its digest after is its digest before.
    """

    is_real: Bit
    dirty: Bit
    page: Felt
    digest: Versions

    def constrain(self, c: Constraints) -> None:
        """A leaf of the tree, and one or two chains of the sponge."""
        c.zero("dirty only on a used row", self.dirty * (1 - self.is_real))
        self.digest.unchanged_unless(c, "a clean page keeps its digest", self.dirty)
        empty = (0,) * 8
        leaf = self.page + (1 << TREE_DEPTH)
        c.pull(NODE, (TREE_DEPTH, leaf, *self.digest.before, *self.digest.after), label="leaf")
        c.push(SPONGE, (self.page, IN, 0, *empty), label="start the digest before")
        c.push(SPONGE, (self.page, OUT, 0, *empty), self.dirty, "start the digest after")
        last = PAGE_BLOCKS - 1
        c.pull(DIGEST, (self.page, IN, last, *self.digest.before), label="digest before")
        c.pull(DIGEST, (self.page, OUT, last, *self.digest.after), self.dirty, "digest after")

    @staticmethod
    def fill(r: "PageDigests") -> Columns:
        """Columns, one row a page."""
        return {
            "is_real": np.ones(len(r.index), np.uint32), "dirty": r.dirty, "page": r.index,
            "digest": {"before": list(r.before.T), "after": list(r.after.T)},
        }  # fmt: skip


class Node(Chip):
    """One inner node of the tree over pages with a touched page below it, before and after the segment.

    Opens `parent` (at `depth`, heap number `index`) into its children, and hands on each child that is touched.
    An untouched child is the same before and after.  In a node that is not dirty nothing differs, neither
    child nor parent, so it is hashed once; in a dirty one both versions are hashed, each as a sponge of one block.

    A hash is known by depth, heap number and direction.  To depth 29 heap numbers are below p, so by induction from
    the root each (depth, index) is pushed once and names one hash; a node below depth 22 would need children whose
    hash is the digest of a page.
    """

    is_real: Bit
    left_touched: Bit
    right_touched: Bit
    dirty: Bit
    depth: Felt
    index: Felt
    parent: Versions
    left: Versions
    right: Versions

    def constrain(self, c: Constraints) -> None:
        """One opening of the tree before, and one of the tree after."""
        flags = {"left": self.left_touched, "right": self.right_touched, "dirty": self.dirty}
        for name, flag in flags.items():
            c.zero(f"{name}: only on a used row", flag * (1 - self.is_real))
        self.left.unchanged_unless(c, "an untouched left child does not change", self.left_touched)
        self.right.unchanged_unless(c, "an untouched right child does not change", self.right_touched)
        self.parent.unchanged_unless(c, "a clean parent does not change", self.dirty)
        self.left.unchanged_unless(c, "the left child of a clean node does not change", self.dirty)
        self.right.unchanged_unless(c, "the right child of a clean node does not change", self.dirty)

        p, x, y = self.parent, self.left, self.right
        below = self.depth + 1
        c.pull(NODE, (self.depth, self.index, *p.before, *p.after), label="node")
        c.push(NODE, (below, 2 * self.index, *x.before, *x.after), self.left_touched, "left child")
        c.push(NODE, (below, 2 * self.index + 1, *y.before, *y.after), self.right_touched, "right child")
        level = LEVEL * below
        for direction, times, name in ((IN, c.real, "before"), (OUT, self.dirty, "after")):
            own = (self.index, level + direction, 0)
            parent, left, right = (getattr(versions, name) for versions in (p, x, y))
            # The image's own order: right child first (spec of the image, "Page and node digests").
            c.push(BLOCK, (*own, *right, *left), times, f"children {name}")
            c.push(SPONGE, (*own, *(0,) * 8), times, f"start the hash {name}")
            c.pull(DIGEST, (*own, *parent), times, f"hash {name}")

    @staticmethod
    def fill(r: "NodeRecords") -> Columns:
        """Columns, one row a node."""

        def versions(before: U32, after: U32) -> Columns:
            return {"before": list(before.T), "after": list(after.T)}

        depth = np.array([int(i).bit_length() - 1 for i in r.index], np.uint32)
        return {
            "is_real": np.ones(len(r.index), np.uint32), "left_touched": r.left_touched,
            "right_touched": r.right_touched, "dirty": r.dirty, "depth": depth, "index": r.index,
            "parent": versions(r.before, r.after), "left": versions(r.left_before, r.left_after),
            "right": versions(r.right_before, r.right_after),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class PageDigests:
    """Touched pages in ascending order: index, dirty uint32[n]; before, after uint32[n, 8]."""

    index: U32
    dirty: U32
    before: U32
    after: U32


@dataclass(frozen=True, slots=True, eq=False)
class NodeRecords:
    """Touched inner nodes: index (heap number), flags uint32[n]; digests uint32[n, 8] each."""

    index: U32
    left_touched: U32
    right_touched: U32
    dirty: U32
    before: U32
    after: U32
    left_before: U32
    left_after: U32
    right_before: U32
    right_after: U32
