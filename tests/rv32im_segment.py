"""Whole segments for tests: a program runs in plain Python and leaves the records that the executor would.

`Segment` is `rv32im_run.Run` on a memory image, with the instructions that change mode and the machine's calls:
an executor of a few thousand instructions a second that shares nothing with the fast one.
"""

import numpy as np
from rv32im_run import Run, array

from localbento.circuits.rv32im.machine import ROUNDS, STEPS, recorded
from localbento.circuits.rv32im.profiles import Profile
from localbento.circuits.rv32im.records import (
    CALL_WORDS,
    SHA2_WORDS,
    USER_MODE,
    Call,
    PageRecords,
    SegmentRecords,
    Slot,
)
from localbento.circuits.rv32im.witness import row_counts
from localbento.riscv import abi, semantics
from localbento.riscv.abi import Register, register_addr
from localbento.riscv.decode import decode as decode_word
from localbento.riscv.isa import Operation
from localbento.riscv.memory_tree import sibling_nodes

PAGE = 256


class Segment(Run):
    """One segment from an image: `run`, then `records`."""

    def __init__(self, image, host=None, input_words=(0,) * 8):
        super().__init__()
        self.image = image
        self.host = host or (lambda fd, length: bytes(i % 256 for i in range(length)))
        self.input_words = list(input_words)
        self.public = []
        self.calls, self.read_rows, self.sha2_rows = [], [], []
        self.ended = False
        self.stored = set()
        self.resume()

    # memory is the image's

    def poke(self, addr, value):
        """Words are what the image says, whatever a test would like."""
        assert addr not in self.code, f"word {addr << 2:#x} is code"
        if addr not in self.words:
            self.words[addr] = self.first[addr] = self.image.read_word(addr << 2)
            self.times[addr] = 0

    def access(self, addr, slot, new=None):
        self.poke(addr, None)
        if new is not None:
            self.stored.add(addr)
        return super().access(addr, slot, new)

    def peek_word(self, addr):
        return self.words[addr] if addr in self.words else self.image.read_word(addr << 2)

    def register(self, number):
        return register_addr(1 - self.user, number) >> 2

    # calls

    def call(self, kind, accesses, *, word=0, decode=0, next_pc=0, length=0, result=0):
        """Record a call with its accesses, (address, slot, new or None) each; returns the words read."""
        row = [int(kind), self.cycle, self.pc, word, decode, next_pc, length, result]
        values = []
        for addr, slot, new in accesses:
            old, before = self.access(addr, slot, new)
            row += [addr, old, old if new is None else new, before]
            values.append(old)
        self.calls.append(row + [0] * (CALL_WORDS - len(row)))
        return values

    def resume(self):
        self.cycle, self.pc = 1, 0
        saved = [(abi.SUSPEND_PC // 4, Slot.MEMORY, None), (abi.SUSPEND_MODE // 4, Slot.MEMORY, None)]
        given = [(abi.GLOBAL_INPUT // 4 + i, Slot.RD, w) for i, w in enumerate(self.input_words)]
        pc, mode = self.call(Call.RESUME, saved + given)[:2]
        self.user = 1 - mode
        self.pc = (pc >> 2) + USER_MODE * self.user
        self.calls[-1][5] = self.pc
        self.cycle = 2

    def suspend(self, kind=Call.SPLIT):
        byte_pc = 4 * (self.pc % USER_MODE)
        saved = [(abi.SUSPEND_PC // 4, Slot.RD, byte_pc), (abi.SUSPEND_MODE // 4, Slot.RD, 1 - self.user)]
        self.call(kind, saved, next_pc=self.pc)
        self.ended = True

    def run(self, cycles=1 << 30):
        """Until it ends, or is split after so many cycles; True if it ended."""
        while not self.ended and self.cycle < cycles:
            self.one()
        if not self.ended:
            self.suspend()
            return False
        return True

    def one(self):
        addr = self.pc % USER_MODE
        word = self.peek_word(addr)
        decoded = decode_word(word)
        operation = None if decoded is None else decoded.instruction.operation
        if operation is Operation.ECALL and not self.user:
            self.machine_call(word)
        elif operation is Operation.ECALL:
            self.enter(Call.USER_ECALL, word, abi.ECALL_DISPATCH)
        elif operation is Operation.MRET:
            row = self.fetch(word)
            (saved,) = self.call(Call.MRET, [(abi.MEPC // 4, Slot.MEMORY, None)], word=word, decode=row)
            self.user, self.pc = 1, (saved >> 2) + 1 + USER_MODE
            self.calls[-1][5] = self.pc
            self.cycle += 1
        elif decoded is None or operation is Operation.EBREAK:
            assert self.user, "a trap in machine mode"
            self.enter(Call.TRAP, word, abi.TRAP_DISPATCH)
        else:
            self.step(word)

    def enter(self, kind, word, dispatch):
        row = self.fetch(word)
        byte_pc = 4 * (self.pc % USER_MODE)
        accesses = [(dispatch // 4, Slot.MEMORY, None), (abi.MEPC // 4, Slot.RD, byte_pc)]
        handler, _ = self.call(kind, accesses, word=word, decode=row)
        self.user, self.pc = 0, handler >> 2
        self.calls[-1][5] = self.pc
        self.cycle += 1

    def machine_call(self, word):
        row = self.fetch(word)
        a = {i: self.peek_word(self.register(Register.A0 + i)) for i in range(8)}
        {0: self.terminate, 1: self.read, 2: self.write, 4: self.sha2}[a[7]](word, row, a)

    def arguments(self, *numbers):
        return [(self.register(Register.A0 + i), Slot.RS1, None) for i in numbers]

    def terminate(self, word, row, a):
        output = [(abi.GLOBAL_OUTPUT // 4 + i, Slot.MEMORY, None) for i in range(8)]
        self.call(Call.TERMINATE, self.arguments(7, 0, 1) + output, word=word, decode=row, next_pc=self.pc + 1)
        self.cycle, self.pc = self.cycle + 1, self.pc + 1
        self.suspend(Call.CLOSE)

    def write(self, word, row, a):
        answer = [(self.register(Register.A0), Slot.RD, a[2])]
        fields = {"word": word, "decode": row, "next_pc": self.pc + 1, "length": a[2], "result": a[2]}
        self.call(Call.WRITE, self.arguments(7, 2) + answer, **fields)
        self.cycle, self.pc = self.cycle + 1, self.pc + 1

    def read(self, word, row, a):
        data = self.host(a[0], a[2])
        answer = [(self.register(Register.A0), Slot.RD, len(data))]
        fields = {"word": word, "decode": row, "next_pc": self.pc + 1, "length": a[2], "result": len(data)}
        self.call(Call.READ, self.arguments(7, 1, 2) + answer, **fields)
        self.cycle += 1
        at, left = a[1], len(data)
        while left:
            size = 4 if at % 4 == 0 and left >= 4 else 1
            done = len(data) - left
            new = int.from_bytes(data[done : done + 4], "little") if size == 4 else None
            if new is None:
                new = semantics.store(Operation.SB, at, self.peek_word(at >> 2), data[done])
            old, before = self.access(at >> 2, Slot.RD, new)
            self.read_rows.append([self.cycle, self.pc + 1, at >> 2, at % 4, left, size, old, new, before])
            self.cycle, at, left = self.cycle + 1, at + size, left - size
        self.pc += 1

    def sha2(self, word, row, a):
        blocks = a[3] & 0xFFFF
        header = self.cycle
        self.call(
            Call.SHA2, self.arguments(7, 0, 1, 2, 3, 4), word=word, decode=row, next_pc=self.pc + 1, length=blocks
        )
        self.cycle += 1
        state = [0] * 8
        for i in range(4):
            parts = []
            for w in (3 - i, 7 - i):
                old, before = self.access((a[0] >> 2) + w, Slot.MEMORY)
                parts += [(a[0] >> 2) + w, old, old, before]
                state[w] = int.from_bytes(old.to_bytes(4, "little"), "big")
            self.sha2_row(0, i, blocks, header, parts)
        for block in range(blocks):
            words, constants = [], []
            for j in range(64):
                parts = []
                if j < 16:
                    at = (a[2] >> 2) + 16 * block + j
                    old, before = self.access(at, Slot.RS2)
                    parts = [at, old, old, before]
                    words.append(int.from_bytes(old.to_bytes(4, "little"), "big"))
                at = (a[4] >> 2) + j
                old, before = self.access(at, Slot.MEMORY)
                constants.append(old)
                self.sha2_row(1, j, blocks - block, header, [at, old, old, before, *(parts or [0] * 4)])
            state = compress(state, words, constants)
        for i in range(4):
            parts = []
            for w in (3 - i, 7 - i):
                new = int.from_bytes(state[w].to_bytes(4, "big"), "little")
                old, before = self.access((a[1] >> 2) + w, Slot.RD, new)
                parts += [(a[1] >> 2) + w, old, new, before]
            self.sha2_row(2, i, 0, header, parts)
        self.pc += 1

    def sha2_row(self, kind, index, left, header, parts):
        self.sha2_rows.append([kind, self.cycle, index, left, self.pc + 1, header, *parts])
        self.cycle += 1

    # records

    def pages(self):
        touched = sorted({addr // PAGE for addr in (*self.words, *self.code)})
        dirty = {addr // PAGE for addr in self.stored}
        before = np.zeros((len(touched), PAGE), np.uint32)
        after, times, code = before.copy(), before.copy(), np.zeros(before.shape, bool)
        for row, page in enumerate(touched):
            for i in range(PAGE):
                addr = page * PAGE + i
                before[row, i] = self.first.get(addr, self.image.read_word(addr << 2))
                after[row, i] = self.words.get(addr, before[row, i])
                if addr in self.code:
                    code[row, i], times[row, i] = True, self.code[addr][1]
                else:
                    times[row, i] = self.times.get(addr, 0)
        flags = np.array([page in dirty for page in touched])
        return PageRecords(np.array(touched, np.uint32), before, after, times, code, flags)

    def records(self):
        pages = self.pages()
        nodes = sibling_nodes(pages.index.astype(np.int64))
        digests = self.image.tree().digests(nodes)
        units = {
            name: array(list(rows.values()), 7 if name in ("mul", "div") else 5) for name, rows in self.units.items()
        }
        return SegmentRecords(
            steps={name: array(self.steps[name], 16) for name in
                   ("alu_reg", "alu_imm", "word", "part", "branch", "const", "jalr")},
            units=units, decode=array(self.decode_rows, 5), peek=array(self.peeks, 4),
            slow_fetch=array(self.slow, 6), calls=array(self.calls, CALL_WORDS),
            read_data=array(self.read_rows, 9), sha2=array(self.sha2_rows, SHA2_WORDS), pages=pages,
            siblings={int(n): d.astype(np.uint32) for n, d in zip(nodes, digests, strict=True)},
            input_words=np.array(self.input_words, np.uint32), cycles=self.cycle,
        )  # fmt: skip

    def image_after(self):
        image = self.image.copy()
        for addr, word in self.words.items():
            image.write_word(addr << 2, word)
        return image


def rotate(x, n):
    return (x >> n | x << (32 - n)) & 0xFFFF_FFFF


def compress(state, data, constants):
    """One SHA-256 compression, as FIPS 180-4 writes it."""
    w = list(data)
    for t in range(16, 64):
        s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3
        s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10
        w.append((w[t - 16] + s0 + w[t - 7] + s1) % (1 << 32))
    a, b, c, d, e, f, g, h = state
    for t in range(64):
        t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (e & f ^ ~e & g) + constants[t] + w[t]
        t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (t1 + t2) % (1 << 32), a, b, c, (d + t1) % (1 << 32), e, f, g
    return [(x + y) % (1 << 32) for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


def tight_profile(records, spare=2, rounds=False, steps=False):
    """A profile without padding to powers of two, for the checker only: every chip with a few unused rows.

    `rounds`: permutations in five rows; `steps`: rounds of SHA2 in narrow ones.
    """
    tables = {"opcodes": 11, "tables13": 13}
    counts = row_counts(records) | {"region": 400} | {name: 1 << log for name, log in tables.items()}

    class Tight(Profile):
        def capacity(self, chip):
            return counts[chip]

        def rows(self, chip):
            return self.capacity(chip) + (0 if chip in tables else spare)

    if rounds:
        counts |= {name: count * counts["poseidon2"] for name, count in ROUNDS.items()}
    if steps:
        counts |= {"sha2_step": counts["sha2_round"] // 64 * STEPS}
    heights = dict.fromkeys(counts, 9) | tables
    assert all(recorded(name) for name in counts)
    copies = dict.fromkeys(counts, 1)
    copies |= ({"poseidon2": 0} if rounds else {}) | ({"sha2_round": 0} if steps else {})
    return Tight("tight", 0, heights, copies)
