"""Sparse memory: the pages that are not all zero, and the part of an image that a segment needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.hash.tagged import tagged_struct
from localbento.riscv import abi
from localbento.riscv.memory_tree import (
    Digests,
    MemoryHasher,
    MemoryTree,
    digest_from_bytes,
    digest_to_bytes,
    sibling_nodes,
)

Page = NDArray[np.uint32]
"""uint32[256]: the words of a page."""


def plain_hasher() -> MemoryHasher:
    """The hash functions without any kernel: numpy over the whole batch."""
    from localbento.hash.poseidon2 import hash_memory_nodes, hash_memory_pages

    return MemoryHasher(hash_memory_pages, hash_memory_nodes)


def image_id_of_root(root: bytes) -> bytes:
    """The image ID of a memory with this Merkle root: the digest of SystemState{pc 0, root}."""
    return tagged_struct("risc0.SystemState", [root], [0])


class MemoryImage:
    """Memory by pages.  A page that is absent is all zero.

    `pages` maps page indexes 0..2^22-1 to their words; arrays are owned by the image and may be
    written.
    """

    __slots__ = ("pages",)

    def __init__(self, pages: Mapping[int, Page] | None = None) -> None:
        """Takes over the arrays."""
        self.pages: dict[int, Page] = dict(pages or {})

    def copy(self) -> Self:
        """An image that can be changed without changing this one."""
        return type(self)({index: page.copy() for index, page in self.pages.items()})

    def page(self, index: int) -> Page:
        """The words of a page; the image's own array, or zeros that do not belong to it."""
        page = self.pages.get(index)
        return np.zeros(abi.PAGE_WORDS, dtype=np.uint32) if page is None else page

    def read_word(self, addr: int) -> int:
        """The word at a byte address that is a multiple of 4."""
        page = self.pages.get(_page_of(addr))
        return 0 if page is None else int(page[addr % abi.PAGE_BYTES // abi.WORD_BYTES])

    def write_word(self, addr: int, value: int) -> None:
        """Set the word at a byte address that is a multiple of 4."""
        self._own_page(_page_of(addr))[addr % abi.PAGE_BYTES // abi.WORD_BYTES] = value

    def read_bytes(self, addr: int, count: int) -> bytes:
        """Bytes addr..addr+count-1; any alignment."""
        if not 0 <= addr <= addr + count <= abi.PAGES * abi.PAGE_BYTES:
            msg = f"bytes {addr:#x}..{addr + count:#x} are not in memory"
            raise ValueError(msg)
        if count == 0:
            return b""
        first, last = addr // abi.PAGE_BYTES, (addr + count - 1) // abi.PAGE_BYTES
        data = b"".join(digest_to_bytes(self.page(index)) for index in range(first, last + 1))
        start = addr - first * abi.PAGE_BYTES
        return data[start : start + count]

    def write_words(self, addr: int, data: bytes) -> None:
        """Store whole words given as bytes, from an address that is a multiple of 4 on."""
        words = np.frombuffer(data, dtype="<u4")
        start = addr // abi.WORD_BYTES
        done = 0
        while done < len(words):
            index, offset = divmod(start + done, abi.PAGE_WORDS)
            count = min(abi.PAGE_WORDS - offset, len(words) - done)
            self._own_page(index)[offset : offset + count] = words[done : done + count]
            done += count

    def zero_words(self, addr: int, count: int) -> None:
        """Set `count` words to zero, from an address that is a multiple of 4 on.

        Costs nothing for pages that are absent, so a gigabyte of BSS is free.
        """
        start = addr // abi.WORD_BYTES
        end = start + count
        first, last = start // abi.PAGE_WORDS, (end - 1) // abi.PAGE_WORDS
        span = range(first, last + 1)
        touched = (
            [index for index in span if index in self.pages]
            if len(span) < len(self.pages)
            else [index for index in self.pages if index in span]
        )
        for index in touched:
            base = index * abi.PAGE_WORDS
            self.pages[index][max(start - base, 0) : max(end - base, 0)] = 0

    def nonzero_pages(self) -> list[int]:
        """Indexes of the pages that are not all zero, ascending."""
        return sorted(index for index, page in self.pages.items() if page.any())

    def tree(self, hasher: MemoryHasher | None = None) -> MemoryTree:
        """The Merkle tree of this image; `hasher` defaults to the kernel-free one."""
        tree = MemoryTree(hasher or plain_hasher())
        indexes = self.nonzero_pages()
        if indexes:
            words = np.stack([self.pages[index] for index in indexes])
            tree.set_pages(np.array(indexes, dtype=np.int64), words)
        return tree

    def merkle_root(self, hasher: MemoryHasher | None = None) -> bytes:
        """The root of the Merkle tree, 32 bytes.  Not the image ID."""
        return self.tree(hasher).root

    def image_id(self, hasher: MemoryHasher | None = None) -> bytes:
        """The image ID: digest of SystemState{pc 0, merkle root}, 32 bytes."""
        return image_id_of_root(self.merkle_root(hasher))

    def _own_page(self, index: int) -> Page:
        if not 0 <= index < abi.PAGES:
            msg = f"page {index} is not in memory"
            raise ValueError(msg)
        page = self.pages.get(index)
        if page is None:
            page = self.pages[index] = np.zeros(abi.PAGE_WORDS, dtype=np.uint32)
        return page


def _page_of(addr: int) -> int:
    if addr % abi.WORD_BYTES:
        msg = f"address {addr:#010x} is not a multiple of 4"
        raise ValueError(msg)
    return addr // abi.PAGE_BYTES


@dataclass(frozen=True, slots=True)
class PartialImage:
    """Some pages and the digests that tie them to the root of the whole image.

    `indexes` int64[n] ascending, `words` uint32[n, 256] their contents, `siblings` uint32[m, 8] the
    digests of `sibling_nodes(indexes)` in that order.  So nothing in it can be left out or doubled.
    """

    indexes: NDArray[np.int64]
    words: NDArray[np.uint32]
    siblings: Digests

    @classmethod
    def cut(cls, image: MemoryImage, tree: MemoryTree, indexes: NDArray[np.int64]) -> Self:
        """The part of an image with these pages; `tree` is the tree of that image."""
        indexes = np.unique(indexes)
        words = np.zeros((len(indexes), abi.PAGE_WORDS), dtype=np.uint32)
        for row, index in enumerate(indexes.tolist()):
            words[row] = image.page(index)
        return cls(indexes, words, tree.digests(sibling_nodes(indexes)))

    def root(self, hasher: MemoryHasher | None = None, words: NDArray[np.uint32] | None = None) -> bytes:
        """The root of the whole image.

        With `words` uint32[n, 256]: the root once the pages hold these words instead.

        Raises:
            VerificationError: a sibling's word is not below p (NOT_CANONICAL), or arrays do not fit
                together (WRONG_SHAPE).
        """
        words = self.words if words is None else words
        self._check(words)
        tree = MemoryTree(hasher or plain_hasher())
        tree.set_digests(sibling_nodes(self.indexes), self.siblings)
        tree.set_pages(self.indexes, words)
        return tree.root

    def to_image(self) -> MemoryImage:
        """The pages as an image; what was left out reads as zero there."""
        pages = zip(self.indexes.tolist(), self.words, strict=True)
        return MemoryImage({index: page.copy() for index, page in pages})

    def to_plain(self) -> dict[str, bytes]:
        """Bytes for a file: page indexes u32, contents, digests; all little-endian."""
        return {
            "pages": self.indexes.astype("<u4").tobytes(),
            "words": self.words.astype("<u4").tobytes(),
            "siblings": digest_to_bytes(self.siblings),
        }

    @classmethod
    def from_plain(cls, plain: object) -> Self:
        """The inverse of `to_plain`.

        Raises:
            VerificationError: for anything that `to_plain` does not write.
        """
        if not isinstance(plain, dict) or set(plain) != _PLAIN_KEYS:
            raise VerificationError(Reason.MALFORMED, "partial image: wrong fields")
        arrays = {}
        for key, value in plain.items():
            if not isinstance(value, bytes) or len(value) % abi.WORD_BYTES:
                raise VerificationError(Reason.MALFORMED, f"partial image: {key} is not words")
            arrays[key] = np.frombuffer(value, dtype="<u4").astype(np.uint32)
        indexes = arrays["pages"].astype(np.int64)
        if arrays["words"].size != len(indexes) * abi.PAGE_WORDS or arrays["siblings"].size % 8:
            raise VerificationError(Reason.WRONG_SHAPE, "partial image: wrong number of words")
        words, siblings = arrays["words"].reshape(-1, abi.PAGE_WORDS), arrays["siblings"]
        part = cls(indexes, words, siblings.reshape(-1, 8))
        part._check(part.words)
        return part

    def _check(self, words: NDArray[np.uint32]) -> None:
        indexes = self.indexes
        ascending = len(indexes) == 0 or bool(np.all(indexes[:-1] < indexes[1:]))
        if not ascending or (len(indexes) and not 0 <= indexes[0] <= indexes[-1] < abi.PAGES):
            raise VerificationError(Reason.WRONG_SHAPE, "partial image: page indexes")
        if words.shape != (len(indexes), abi.PAGE_WORDS):
            raise VerificationError(Reason.WRONG_SHAPE, "partial image: page contents")
        if self.siblings.shape != (len(sibling_nodes(indexes)), 8):
            raise VerificationError(Reason.WRONG_SHAPE, "partial image: sibling digests")
        if bool(np.any(self.siblings >= P)):
            raise VerificationError(Reason.NOT_CANONICAL, "partial image: digest word not below p")


_PLAIN_KEYS: Final = {"pages", "words", "siblings"}


__all__ = [
    "MemoryImage",
    "Page",
    "PartialImage",
    "digest_from_bytes",
    "image_id_of_root",
    "plain_hasher",
]
