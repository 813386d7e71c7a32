"""The arrays that an interpreter kernel runs on, and what the host reads and writes in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from localbento.riscv import abi
from localbento.riscv.isa import INSTRUCTIONS, Format, Operation
from localbento_kernels.cpu import interpret
from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_state import ARRAYS, SENTINEL, context_of

_FORMATS: Final = {
    Format.R: nr.FORMAT_R,
    Format.I: nr.FORMAT_I,
    Format.SHIFT: nr.FORMAT_SHIFT,
    Format.S: nr.FORMAT_S,
    Format.B: nr.FORMAT_B,
    Format.U: nr.FORMAT_U,
    Format.J: nr.FORMAT_J,
    Format.SYSTEM: nr.FORMAT_SYSTEM,
}
UNLIMITED: Final = 1 << 62


class Mode(Enum):
    """How a kernel runs."""

    PLAIN = "plain"
    """Compute and count cycles."""
    COUNT = "count"
    """Also count rows, pages and paging cycles, and stop where a segment must end."""
    RECORD = "record"
    """Repeat a segment and write the rows."""


@cache
def isa_table() -> NDArray[np.int64]:
    """The instruction table as the kernels read it: int64[ISA_ROWS, 5], flat."""
    operations = {operation: 1 + i for i, operation in enumerate(Operation)}
    rows = [
        (
            row.mask,
            row.match,
            _FORMATS[row.format],
            operations[row.operation],
            nr.CHIP_NAMES.index(row.chip),
        )
        for row in INSTRUCTIONS
    ]
    return np.array(rows, np.int64).reshape(-1)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the arrays of a machine are."""

    slots: int
    code_slots: int
    records: int = 1
    decode_rows: bool = False
    v2_pages: int = 1


class Machine:
    """A machine's memory and registers, in the arrays of a kernel.

    `store` holds the pages as they are before a segment touches them; the pool holds copies of those that it
    touched.
    """

    def __init__(self, mode: Mode, sizes: Sizes) -> None:
        """An all-zero memory."""
        self.mode = mode
        counted = sizes.slots if mode is not Mode.PLAIN else 0
        recorded = sizes.slots if mode is Mode.RECORD else 0
        cached = nr.CACHE_ENTRIES if mode is not Mode.PLAIN else 1
        counts = nr.TABLES
        lengths = {
            "scalars": nr.SCALAR_COUNT,
            "rows": counts,
            "caps": counts,
            "bases": counts,
            "pool": sizes.slots * nr.PAGE_WORDS,
            "touch": counted * nr.PAGE_WORDS,
            "times": recorded * nr.PAGE_WORDS,
            "decoded": sizes.code_slots * nr.PAGE_WORDS,
            "decode_row": sizes.code_slots * nr.PAGE_WORDS if recorded else 1,
            "flags": sizes.slots,
            "code_slot": 2 * sizes.slots,
            "slot_page": sizes.slots,
            "table": nr.PAGES,
            "slot_of": nr.PAGES,
            "store": nr.PAGE_WORDS,
            "store_table": nr.PAGES,
            "tree": 2 * nr.PAGES,
            "v2_pages": sizes.v2_pages,
            "marks": 1,
            "mark_bits": 1,
            "isa": 1,
            "cache_key": cached,
            "cache_op": cached,
            "cache_row": cached,
            "records": sizes.records,
            "replies": nr.IO_BYTES,
            "reply_lengths": 1,
        }
        self.arrays: dict[str, NDArray[Any]] = {name: np.zeros(max(lengths[name], 1), dtype) for name, dtype in ARRAYS}
        self.arrays["isa"] = isa_table()
        self.scalars: NDArray[np.int64] = self.arrays["scalars"]
        self.rows: NDArray[np.int64] = self.arrays["rows"]
        self.caps: NDArray[np.int64] = self.arrays["caps"]
        self.caps[:] = UNLIMITED
        s = self.scalars
        s[nr.S_COUNTING] = mode is not Mode.PLAIN
        s[nr.S_RECORDING] = mode is Mode.RECORD
        s[nr.S_SLOT_CAP] = sizes.slots
        s[nr.S_CODE_CAP] = sizes.code_slots
        s[nr.S_SLOTS] = s[nr.S_CODE_SLOTS] = 1
        s[nr.S_USER_LIMIT] = s[nr.S_END_CYCLE] = s[nr.S_V2_LIMIT] = UNLIMITED
        self._stored = 1
        self.mark({})

    def set_array(self, name: str, array: NDArray[Any]) -> None:
        """Replace an array; the context follows."""
        self.arrays[name] = array
        self.context = context_of(self.arrays)

    def mark(self, bits: dict[int, int]) -> None:
        """What is known beforehand of words, by word address."""
        words = sorted(bits)
        self.arrays["marks"] = np.array([*words, SENTINEL], np.uint32)
        self.set_array("mark_bits", np.array([*(bits[word] for word in words), 0], np.uint32))
        self.scalars[nr.S_MARKS] = len(words)

    def run(self) -> int:
        """Run the mode's kernel until something happens; an X_ number."""
        if self.scalars[nr.S_PENDING]:
            code = self.control(interpret.DO_ANSWER)
            if code:
                return code
        match self.mode:
            case Mode.PLAIN:
                return int(interpret.run_plain(self.context))
            case Mode.COUNT:
                return int(interpret.run_count(self.context))
            case Mode.RECORD:
                return int(interpret.run_record(self.context))

    def control(self, action: int, first: int = 0, second: int = 0) -> int:
        """One of the kernel's small services."""
        return int(interpret.control(self.context, action, first, second))

    def grow(self) -> None:
        """Twice the slots; the contents stay."""
        for name, cap in (("pool", nr.S_SLOT_CAP), ("decoded", nr.S_CODE_CAP)):
            self.scalars[cap] *= 2
            resized = (
                ("pool", "touch", "times", "flags", "code_slot", "slot_page")
                if name == "pool"
                else ("decoded", "decode_row")
            )
            for each in resized:
                old = self.arrays[each]
                if len(old) > 1:
                    new = np.zeros(2 * len(old), old.dtype)
                    new[: len(old)] = old
                    self.arrays[each] = new
        self.context = context_of(self.arrays)

    def store_pages(self, pages: NDArray[np.int64], words: NDArray[np.uint32]) -> None:
        """Put contents of pages into the store.

        Shapes: pages int64[n], distinct; words uint32[n, 256].
        """
        table: NDArray[np.int32] = self.arrays["store_table"]
        places = table[pages].astype(np.int64)
        fresh = np.flatnonzero(places == 0)
        places[fresh] = np.arange(self._stored, self._stored + len(fresh))
        table[pages] = places
        self._stored += len(fresh)
        store = self.arrays["store"]
        if self._stored * nr.PAGE_WORDS > len(store):
            capacity = max(self._stored, 2 * (len(store) // nr.PAGE_WORDS))
            grown = np.zeros(capacity * nr.PAGE_WORDS, np.uint32)
            grown[: len(store)] = store
            self.set_array("store", grown)
            store = grown
        store.reshape(-1, nr.PAGE_WORDS)[places] = words

    def page_words(self, page: int) -> NDArray[np.uint32]:
        """The words of a page as they are now, uint32[256]; not to be written."""
        slot = int(self.arrays["slot_of"][page])
        if slot:
            start = slot * nr.PAGE_WORDS
            found: NDArray[np.uint32] = self.arrays["pool"][start : start + nr.PAGE_WORDS]
            return found
        start = int(self.arrays["store_table"][page]) * nr.PAGE_WORDS
        kept: NDArray[np.uint32] = self.arrays["store"][start : start + nr.PAGE_WORDS]
        return kept

    def peek_word(self, address: int) -> int:
        """The word at an aligned byte address; nothing is counted."""
        return int(self.page_words(address // abi.PAGE_BYTES)[address // 4 % nr.PAGE_WORDS])

    def peek_bytes(self, address: int, length: int) -> bytes:
        """Bytes of memory; nothing is counted.  The caller keeps within 2^32."""
        pieces = []
        while length > 0:
            offset = address % abi.PAGE_BYTES
            count = min(length, abi.PAGE_BYTES - offset)
            page = self.page_words(address // abi.PAGE_BYTES)
            pieces.append(page.tobytes()[offset : offset + count])
            address += count
            length -= count
        return b"".join(pieces)

    def register(self, machine: bool, number: int) -> int:
        """A register of one of the banks."""
        bank = nr.MACHINE_BANK if machine else nr.USER_BANK
        return int(self.arrays["pool"][bank + number])

    def access(self, address: int, value: int = -1) -> int:
        """Read the word at an aligned byte address, or write it; counted as an access of the running call."""
        old = self.control(interpret.DO_ACCESS, address, value)
        if old < 0:
            msg = f"access at {address:#010x} failed with {-old}"
            raise AssertionError(msg)
        return old

    def touched(self) -> NDArray[np.int64]:
        """The pages in the pool, by slot from 1 on."""
        return self.arrays["slot_page"][1 : int(self.scalars[nr.S_SLOTS])].astype(np.int64)

    def pool_pages(self, slots: NDArray[np.int64]) -> NDArray[np.uint32]:
        """A copy of the contents of slots, uint32[n, 256]."""
        pool: NDArray[np.uint32] = self.arrays["pool"].reshape(-1, nr.PAGE_WORDS)
        return pool[slots]

    def set_input(self, words: Iterable[int]) -> None:
        """The input digest's eight words."""
        self.scalars[nr.S_INPUT : nr.S_INPUT + 8] = list(words)
