"""The machine ecalls READ and WRITE: what the host answers, and the bytes that a READ puts into memory.

The answer and the bytes are the prover's choice, as on the platform: a guest trusts nothing that it reads.  What
is proved is where they go: exactly to [p, p + r), with r at most the length that was asked for.
"""

from typing import Final

import numpy as np

from localbento.air.cells import Bit, Felt, Word
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr, total
from localbento.circuits.rv32im.access import at
from localbento.circuits.rv32im.buses import ACCESS, CPU, DECODE, LOW_BITS, READ, REGION, Op, Range, Region
from localbento.circuits.rv32im.cells import check_bytes, check_range
from localbento.circuits.rv32im.records import U32, Call, CallRow, ReadRow, Slot
from localbento.field.babybear import P
from localbento.riscv import abi

QUARTER: Final = pow(4, -1, P)
A0, A1, A2, A7 = (
    abi.MACHINE_REGISTERS // 4 + r for r in (abi.Register.A0, abi.Register.A1, abi.Register.A2, abi.Register.A7)
)


class HostIo(Chip):
    """The header of READ (a7 = 1) or WRITE (a7 = 2): a0 becomes the host's answer r <= n <= 1024.

    READ with r > 0 hands READ(next cycle, pc after the call, word and byte of p, r) to the data rows, and p lies
    at or above 0x10000 and p + n below 2^32; with r = 0, and WRITE always, the chain goes on at once.
    n <= 1024 is 1024 - n in 11 bits, n being a limb of 16; then r and n - r in 11 bits give 0 <= r <= n:
    r alone, or n - r alone, would admit r = -5.

    Assumes: DECODE answers truly; registers hold words in range.
    """

    is_read: Bit
    is_write: Bit
    some: Bit
    cycle: Felt
    pc: Felt
    x: Felt
    y: Felt
    pointer: Word
    byte_low: Bit
    byte_high: Bit
    carry: Bit
    length: Felt
    result: Felt
    a0_old: Word

    def real(self) -> Expr:
        """One of the two."""
        return self.is_read + self.is_write

    def constrain(self, c: Constraints) -> None:
        """Registers, the answer, the pointer, the chain."""
        real = self.real()
        c.boolean("at most one kind", real)
        c.zero("only READ has data", self.some * (1 - self.is_read))
        c.zero("data only on a used row", self.some * (1 - real))
        c.zero("no data, no bytes", (self.is_read - self.some) * self.result)

        c.pull(CPU, (self.cycle, self.pc), label="this step")
        c.pull(DECODE, (self.pc, Op.MACHINE_ECALL, 0, 0, 0, self.x, self.y, 0, 0), label="the instruction")
        now = at(self.cycle, Slot.RS1)
        number = self.is_read * abi.MachineEcall.READ + self.is_write * abi.MachineEcall.WRITE
        c.push(ACCESS, (now, A7, number, 0, number, 0), label="a7")
        c.push(ACCESS, (now, A1, *self.pointer, *self.pointer), self.is_read, "a1")
        c.push(ACCESS, (now, A2, self.length, 0, self.length, 0), label="a2")
        c.push(ACCESS, (at(self.cycle, Slot.RD), A0, *self.a0_old, self.result, 0), label="a0")

        check_range(c, "n is at most 1024", Range.U11, abi.HOST_IO_MAX_BYTES - self.length, real)
        check_range(c, "r is not negative", Range.U11, self.result, real)
        check_range(c, "r is at most n", Range.U11, self.length - self.result, real)
        offset = self.byte_low + 2 * self.byte_high
        word = (self.pointer.lo - offset) * QUARTER
        end_low = self.pointer.lo + self.length - self.carry * (1 << 16)
        check_range(c, "word in its 64 KiB is 14 bits", Range.U14, word, self.is_read)
        check_range(c, "p + n, low limb", Range.U16, end_low, self.is_read)
        check_range(c, "p + n is below 2^32", Range.U16, self.pointer.hi + self.carry, self.is_read)
        c.pull(REGION, (Region.MACHINE, self.pointer.hi), self.some, "p is above the zero area")
        addr = word + self.pointer.hi * (1 << LOW_BITS)
        c.push(READ, (self.cycle + 1, self.pc + 1, addr, offset, self.result), self.some, "to the data rows")
        c.push(CPU, (self.cycle + 1, self.pc + 1), real - self.some, "next step")

    @staticmethod
    def fill(calls: U32, pcs: U32) -> Columns:
        """Columns from the `calls` records of READ and WRITE; `pcs` as the CPU chain has them.

        Shapes: calls uint32[n, CALL_WORDS], pcs uint32[n].
        """
        is_read = calls[:, CallRow.KIND] == Call.READ
        accesses = calls[:, CallRow.FIRST_ACCESS :].reshape(len(calls), 11, 4)
        result, length = calls[:, CallRow.RESULT], calls[:, CallRow.LENGTH]
        pointer = np.where(is_read, accesses[:, 1, 1], 0)
        link = (calls[:, CallRow.PC] + 1) << 2
        return {
            "is_read": is_read.astype(np.uint32), "is_write": (~is_read).astype(np.uint32),
            "some": (is_read & (result > 0)).astype(np.uint32),
            "cycle": calls[:, CallRow.CYCLE], "pc": pcs, "x": link & 0xFFFF, "y": link >> 16,
            "pointer": pointer, "byte_low": pointer & 1, "byte_high": pointer >> 1 & 1,
            "carry": np.where(is_read, ((pointer & 0xFFFF) + length) >> 16, 0),
            "length": length, "result": result,
            "a0_old": np.where(is_read, accesses[:, 3, 1], accesses[:, 2, 1]),
        }  # fmt: skip


class ReadData(Chip):
    """One step of a READ: a byte, or a whole word at offset 0, and on to the next.

    Kinds, one-hot: *whole*, or the byte at offset 0, 1, 2 or 3 of its word, whose other bytes stay.  The last row
    is the one after which nothing is left; a row that takes more than is left would need p rows to come back to 0.

    Assumes: READ as the header states it; the word before is in range.
    """

    whole: Bit
    byte0: Bit
    byte1: Bit
    byte2: Bit
    byte3: Bit
    last: Bit
    cycle: Felt
    next_pc: Felt
    addr: Felt
    left: Felt
    old: Word
    new: Word
    removed: Felt
    put: Felt
    beside: Felt

    def real(self) -> Expr:
        """One of the five kinds."""
        return total((self.whole, self.byte0, self.byte1, self.byte2, self.byte3))

    def constrain(self, c: Constraints) -> None:
        """The new word, the access, the chain."""
        real = self.real()
        c.boolean("at most one kind", real)
        size = real + self.whole * 3
        c.zero("last only on a used row", self.last * (1 - real))
        c.zero("last: nothing is left", self.last * (self.left - size))
        self._bytes(c, real)

        offset = self.byte1 + self.byte2 * 2 + self.byte3 * 3
        now = at(self.cycle, Slot.RD)
        c.pull(READ, (self.cycle, self.next_pc, self.addr, offset, self.left), label="this step")
        c.push(ACCESS, (now, self.addr, *self.old, *self.new), label="write")
        next_addr = self.addr + self.whole + self.byte3
        next_offset = self.byte0 + self.byte1 * 2 + self.byte2 * 3
        onward = (self.cycle + 1, self.next_pc, next_addr, next_offset, self.left - size)
        c.push(READ, onward, real - self.last, "next step")
        c.push(CPU, (self.cycle + 1, self.next_pc), self.last, "after the call")

    def _bytes(self, c: Constraints, real: Expr) -> None:
        """A byte row replaces `removed` by `put` in a half of the word and keeps the byte `beside` it."""
        low, high = self.byte0 + self.byte1, self.byte2 + self.byte3
        c.zero("low half stays", high * (self.new.lo - self.old.lo))
        c.zero("high half stays", low * (self.new.hi - self.old.hi))
        for name, flag, half in (("0", self.byte0, "lo"), ("2", self.byte2, "hi")):
            old, new = getattr(self.old, half), getattr(self.new, half)
            c.zero(f"byte {name}: before", flag * (old - self.removed - self.beside * 256))
            c.zero(f"byte {name}: after", flag * (new - self.put - self.beside * 256))
        for name, flag, half in (("1", self.byte1, "lo"), ("3", self.byte3, "hi")):
            old, new = getattr(self.old, half), getattr(self.new, half)
            c.zero(f"byte {name}: before", flag * (old - self.beside - self.removed * 256))
            c.zero(f"byte {name}: after", flag * (new - self.beside - self.put * 256))
        check_bytes(c, "bytes", self.removed, self.put, self.beside)
        check_range(c, "new word, low limb", Range.U16, self.new.lo)
        check_range(c, "new word, high limb", Range.U16, self.new.hi)

    @staticmethod
    def fill(rows: U32, next_pcs: U32) -> Columns:
        """Columns from `read_data`; `next_pcs` as the CPU chain has them (aliases).

        Shapes: rows uint32[n, ReadRow], next_pcs uint32[n].
        """
        offset, whole = rows[:, ReadRow.OFFSET], rows[:, ReadRow.SIZE] == 4
        old, new = rows[:, ReadRow.OLD], rows[:, ReadRow.NEW]
        shift = offset * np.uint32(8)
        beside = np.where(whole, 0, old >> (shift ^ np.uint32(8)) & 0xFF)
        flags = {f"byte{i}": (~whole & (offset == i)).astype(np.uint32) for i in range(4)}
        return flags | {
            "whole": whole.astype(np.uint32),
            "last": (rows[:, ReadRow.LEFT] == rows[:, ReadRow.SIZE]).astype(np.uint32),
            "cycle": rows[:, ReadRow.CYCLE], "next_pc": next_pcs, "addr": rows[:, ReadRow.ADDRESS],
            "left": rows[:, ReadRow.LEFT], "old": old, "new": new,
            "removed": np.where(whole, 0, old >> shift & 0xFF), "put": np.where(whole, 0, new >> shift & 0xFF),
            "beside": beside,
        }  # fmt: skip
