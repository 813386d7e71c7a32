"""The Merkle tree over memory pages: digests only, updated where pages change.

Nodes are numbered as a heap: root 1, children of i are 2 i (left) and 2 i + 1 (right), page p is
leaf 2^22 + p.  A subtree in which every page is zero has a fixed digest per depth, so only what
differs is kept.

Source: RISC Zero, risc0-binfmt 3.0.5, image.rs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from localbento.riscv import abi

Digests = NDArray[np.uint32]
"""uint32[n, 8]: n digests of 8 canonical field elements."""

_LEAVES: Final = 1 << abi.TREE_DEPTH
_PAGES_AT_ONCE: Final = 4096
"""Pages hashed in one call; bounds the memory of a hash function that works on whole batches."""


@dataclass(frozen=True, slots=True)
class MemoryHasher:
    """The two hash functions of the tree, over batches.

    `hash_pages(words uint32[n, 256]) -> uint32[n, 8]` hashes page contents;
    `hash_nodes(right uint32[n, 8], left uint32[n, 8]) -> uint32[n, 8]` two children, right one
    first.
    """

    hash_pages: Callable[[NDArray[np.uint32]], Digests]
    hash_nodes: Callable[[Digests, Digests], Digests]


_ZERO_DIGESTS_HEX: Final = (
    "f85c5a32ccc45c22f9686b08d710d4597d7ce256cdcd63146426270d9432c644",
    "2ce7714c40af126c2e86f320b10de417eddd8f51d2b9133d3105c3541a154812",
    "889c443e0c55734c0212fe6c400f00423c421f2070b1340351e77826e4918274",
    "53ea92273a7dfb7622de685c49f4ce1bd69db1696cd6846e9f5de56c89098b01",
    "82db13229831cb2ad63df0476dc1f217c702503d46770c283b6ecc1520fff074",
    "45cba5321f90c34b780d5d1790f23612fb834b3d21dc1e53594826470719ba34",
    "132689262568ae5ac27a4b65018aef0b2e4345578a16453acd874973a61c6350",
    "9fc9626e87aa3614eb38b44d9d832712fb2ea32427c6fd49281ca225f1fefd0d",
    "70947164fe9a4353fa33fb024f09ea0df24be40d88b6025278a3472ac49e6715",
    "4b707f15d9941c0168d630618cdcc05ccae5d84ab9674a6666123a0039915173",
    "97fb1325724ddb74b1446b5bfa13f02c2ecb1b2b2a2f5b1334a04c5c76335d12",
    "adba743a459eb5357487a1238a0c4c238b8313458283900447e9b8540adfb042",
    "a16e68725fe981434dcca548e972214b2dd85e017c3a4e03909a0f4c31a08741",
    "fb94f356397279703f12c24da7aa371e192294347af15d46f10ab512708cdb68",
    "30a2fe1aa5c2ae0e10b91074e34b06742be91e450a9bc10f28ab082263c48750",
    "2347f636d9a0ea45bbe8bf519f39d3127f72b625e2e5495f26a6dd583eb2965d",
    "e43d140e71e366521152d932e846c73535674921576711023deaee06de3b091e",
    "35500a740d3a8b4e5a0ca06a8362f3444456e3206826102dd9e9bc3e5a1a5a18",
    "7c650c1a2000ef1a9baf4f56c2d66e76a3a0b4510175b171268d156a25d8dd45",
    "d73a1e0997a00543afd8de5261f316704215ce384e3ea13df3f87e000f04fb5f",
    "5b77f60275cb272fa0a3d267bdf1fc15021dbe7185ed6a3c94e45d70bbd70148",
    "e053c93b359c8905c5d8523139988b0ed4ef3426864a80498dfcb91d9b813364",
    "242ce034cc4e9326f8b7071124454b2be1a1cd5d21b6483c7ff81d4ba5ac9566",
)
"""Digest of an all-zero subtree whose root is at depth 0 (all of memory) .. 22 (one page).

They follow from the hash (a test recomputes them); kept, since making them takes 54 permutations
one after the other, most of the time that an image ID needs.
"""


def digest_from_bytes(digest: bytes) -> Digests:
    """One digest of 32 bytes as uint32[8]."""
    return np.frombuffer(digest, dtype="<u4").astype(np.uint32)


def digest_to_bytes(digest: Digests) -> bytes:
    """uint32[8], or several digests in a row, as bytes: the words little-endian."""
    return digest.astype("<u4").tobytes()


ZERO_DIGESTS: Final[Digests] = np.stack([digest_from_bytes(bytes.fromhex(digest)) for digest in _ZERO_DIGESTS_HEX])
"""uint32[23, 8] by depth."""


class MemoryTree:
    """Digests of all nodes of a memory image.

    A table of 2^23 row numbers, one per node, points into the digests that are not those of zero
    memory. The table is 32 MB of address space, of which the operating system backs only the parts
    in use.
    """

    def __init__(self, hasher: MemoryHasher) -> None:
        """The tree of all-zero memory."""
        self._hasher = hasher
        self._row = np.zeros(2 * _LEAVES, dtype=np.int32)
        # Rows 0..22 are the zero digests by depth; a node without a row of its own has 0.
        self._digests = np.concatenate([ZERO_DIGESTS, np.zeros((41, 8), dtype=np.uint32)])
        self._used = len(ZERO_DIGESTS)

    @property
    def root(self) -> bytes:
        """The root digest (merkle_root), 32 bytes."""
        return digest_to_bytes(self.digests(np.array([1]))[0])

    def digests(self, nodes: NDArray[np.int64]) -> Digests:
        """The digests of nodes 1..2^23-1, uint32[n, 8]."""
        rows = self._row[nodes].astype(np.int64)
        return self._digests[np.where(rows == 0, _depth(nodes), rows)]

    def set_digests(self, nodes: NDArray[np.int64], digests: Digests) -> None:
        """Store digests of distinct nodes, without touching their ancestors."""
        rows = self._row[nodes]
        fresh = np.flatnonzero(rows == 0)
        needed = self._used + len(fresh)
        if needed > len(self._digests):
            grown = np.zeros((max(needed, 2 * len(self._digests)), 8), dtype=np.uint32)
            grown[: self._used] = self._digests[: self._used]
            self._digests = grown
        rows[fresh] = np.arange(self._used, needed, dtype=np.int32)
        self._row[nodes] = rows
        self._used = needed
        self._digests[rows] = digests

    def set_pages(self, pages: NDArray[np.int64], words: NDArray[np.uint32]) -> None:
        """Take over the contents of distinct pages and bring all their ancestors up to date.

        Shapes: pages int64[n], words uint32[n, 256].
        """
        for start in range(0, len(pages), _PAGES_AT_ONCE):
            chunk = slice(start, start + _PAGES_AT_ONCE)
            digests = self._hasher.hash_pages(np.ascontiguousarray(words[chunk]))
            self.set_digests(pages[chunk] + _LEAVES, digests)
        self.update_ancestors(pages + _LEAVES)

    def update_ancestors(self, nodes: NDArray[np.int64]) -> None:
        """Recompute every proper ancestor of these leaves, level by level."""
        while len(nodes) and nodes[0] > 1:
            nodes = np.unique(nodes >> 1)
            left, right = self.digests(2 * nodes), self.digests(2 * nodes + 1)
            self.set_digests(nodes, self._hasher.hash_nodes(right, left))


def sibling_nodes(pages: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nodes whose digests, with these pages' contents, determine the root.

    They are the children of the pages' ancestors that are no page's ancestor or leaf; the root
    itself if there are no pages.  Ascending, int64.
    """
    if len(pages) == 0:
        return np.array([1], dtype=np.int64)
    found = []
    nodes = np.unique(pages + _LEAVES)
    while nodes[0] > 1:
        parents = np.unique(nodes >> 1)
        children = np.concatenate([2 * parents, 2 * parents + 1])
        found.append(np.setdiff1d(children, nodes, assume_unique=True))
        nodes = parents
    return np.sort(np.concatenate(found)).astype(np.int64)


def _depth(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """floor(log2 node): exact, as nodes are far below 2^53."""
    return (np.frexp(nodes.astype(np.float64))[1] - 1).astype(np.int64)
