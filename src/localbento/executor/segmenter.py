"""From the arrays of a counting machine to segments: what was touched, what changed, the roots before and after."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from localbento.claim.claim import SegmentEnd
from localbento.executor.inputs import Limits
from localbento.executor.machine import Machine
from localbento.executor.segment import Segment
from localbento.riscv.memory_image import MemoryImage, PartialImage
from localbento.riscv.memory_tree import MemoryHasher, MemoryTree, sibling_nodes
from localbento_kernels.cpu import interpret
from localbento_kernels.cpu import interpret_numbers as nr

OnSegment = Callable[[Segment], None]


def kernel_hasher() -> MemoryHasher:
    """The hash functions of the memory tree, compiled."""
    from localbento_kernels.cpu.poseidon2 import hash_nodes, hash_pages

    return MemoryHasher(hash_pages, hash_nodes)


class Segmenter:
    """Ends segments and hands them on.

    Without a callback no segment is built and memory is hashed only where a root is asked for.
    """

    def __init__(
        self, machine: Machine, image: MemoryImage, limits: Limits, on_segment: OnSegment | None, input_digest: bytes
    ) -> None:
        """`machine` runs `image`."""
        self._machine = machine
        self._limits = limits
        self._on_segment = on_segment
        self._input_digest = input_digest
        self._image: MemoryImage | None = image
        self._tree: MemoryTree | None = None
        self._initial_root = b""
        self._changed: set[int] = set()
        self.replies: list[bytes] = []
        self.writes: list[int] = []
        self.kinds: list[bool] = []
        self.slow: set[int] = set()
        self._slow_now: tuple[int, ...] = ()
        self.unprovable: set[str] = set()
        self.ended = 0
        self.proof_cycles = 0
        self.pages_read = 0
        self.pages_written = 0
        indexes = np.array(image.nonzero_pages(), np.int64)
        if len(indexes):
            words = np.stack([image.pages[index] for index in indexes.tolist()])
            machine.store_pages(indexes, words)

    @property
    def tree(self) -> MemoryTree:
        """The Merkle tree of memory between segments."""
        if self._tree is None:
            assert self._image is not None
            self._tree = self._image.tree(kernel_hasher())
            self._initial_root = self._tree.root
            self._image = None
        return self._tree

    @property
    def initial_root(self) -> bytes:
        """The root of memory before the first segment."""
        assert self.tree is not None
        return self._initial_root

    def root(self) -> bytes:
        """The root of memory between segments."""
        if self._changed:
            tree = self.tree
            pages = np.array(sorted(self._changed), np.int64)
            store = self._machine.arrays["store"].reshape(-1, nr.PAGE_WORDS)
            tree.set_pages(pages, store[self._machine.arrays["store_table"][pages]])
            self._changed.clear()
        return self.tree.root

    def begin(self) -> int:
        """Start a segment with an empty pool; the exit of the resume row."""
        machine = self._machine
        machine.control(interpret.DO_RESET)
        self._slow_now = tuple(sorted(self.slow))
        machine.mark(dict.fromkeys(self._slow_now, nr.T_SLOW))
        machine.scalars[nr.S_PROBE] = machine.scalars[nr.S_EARLY] = machine.scalars[nr.S_BROKEN] = 0
        return machine.control(interpret.DO_RESUME)

    def note_reply(self, data: bytes) -> None:
        """Remember the answer to a READ."""
        self.replies.append(data)
        self.kinds.append(True)

    def note_write(self, taken: int) -> None:
        """Remember the answer to a WRITE."""
        self.writes.append(taken)
        self.kinds.append(False)

    def rows(self) -> dict[str, int]:
        """Rows of each chip counted so far."""
        return {name: int(self._machine.rows[i]) for i, name in enumerate(nr.CHIP_NAMES)}

    def finish(self, end: SegmentEnd | None, *, user_cycles: int, paging_cycles: int = 0) -> None:
        """End the segment: the suspend or close row, then the segment itself.

        Args:
            end: None if the segment is cut.
            user_cycles: V2 user cycles in it.
            paging_cycles: V2 paging cycles, where the segment is one of V2.
        """
        machine, s = self._machine, self._machine.scalars
        machine.control(interpret.DO_SUSPEND, nr.K_SPLIT if end is None else nr.K_CLOSE)
        machine.rows[nr.C_CYCLES] = cycles = int(s[nr.S_CYCLE])
        touched = machine.touched()
        order = np.argsort(touched)
        pages, slots = touched[order], order + 1
        store = machine.arrays["store"].reshape(-1, nr.PAGE_WORDS)
        before = store[machine.arrays["store_table"][pages]]
        after = machine.pool_pages(slots)
        changed = np.flatnonzero((before != after).any(axis=1))
        dirty = machine.arrays["tree"][nr.LEAVES + pages] & nr.TREE_OWN_DIRTY
        self.pages_read += len(pages)
        self.pages_written += int(np.count_nonzero(dirty))
        self.proof_cycles += cycles - 2
        if self._on_segment is None:
            self._changed.update(pages[changed].tolist())
        else:
            segment = self._build(end, pages, before, cycles, user_cycles, paging_cycles)
            pre_root = self.tree.root
            self.tree.set_pages(pages[changed], after[changed])
            self._on_segment(segment(pre_root, self.tree.root))
        machine.store_pages(pages[changed], after[changed])
        self.replies, self.writes, self.kinds = [], [], []
        self.ended += 1

    def _build(
        self,
        end: SegmentEnd | None,
        pages: NDArray[np.int64],
        before: NDArray[np.uint32],
        cycles: int,
        user_cycles: int,
        paging_cycles: int,
    ) -> Callable[[bytes, bytes], Segment]:
        """All of a segment but its roots."""
        s = self._machine.scalars
        image = PartialImage(pages, before, self.tree.digests(sibling_nodes(pages)))
        rows = self.rows()
        unprovable = set(self.unprovable)
        if s[nr.S_BROKEN] and not s[nr.S_PROBE]:
            unprovable.add("self-modifying code")
        early = self._early() if s[nr.S_EARLY] else ()
        profile = self._profile(rows) if not unprovable else ""
        return lambda pre_root, post_root: Segment(
            self.ended, image, pre_root, post_root, self._input_digest, tuple(self.replies), tuple(self.writes),
            tuple(self.kinds), self._slow_now, early, end, cycles, user_cycles,
            bool(s[nr.S_PROBE]), rows, profile, tuple(sorted(unprovable)), paging_cycles,
        )  # fmt: skip

    def _profile(self, rows: Mapping[str, int]) -> str:
        return self._limits.choose(rows) if self._limits.choose is not None else ""

    def _early(self) -> tuple[int, ...]:
        """Word addresses of code that was loaded before it was fetched."""
        machine = self._machine
        used = int(machine.scalars[nr.S_SLOTS]) * nr.PAGE_WORDS
        found = np.flatnonzero(machine.arrays["touch"][:used] & nr.T_EARLY)
        pages = machine.arrays["slot_page"][found // nr.PAGE_WORDS].astype(np.int64)
        return tuple(sorted((pages * nr.PAGE_WORDS + found % nr.PAGE_WORDS).tolist()))
