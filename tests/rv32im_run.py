"""Made-up executions for tests of the rv32im chips: single instructions with chosen operands, strung together.

A run keeps memory, times and uses as the executor's preflight does, in plain Python, with `riscv.semantics` as
the only authority on results.  Where a test wants another operand or pc, the verifier's own messages exchange
one word or pc for another, so that every bus still balances.
"""

import random
from collections import defaultdict
from functools import cache

import numpy as np

from localbento.air.chip import assemble, assemble_fixed, record
from localbento.air.system import PublicMessage, System
from localbento.circuits.rv32im import (
    alu,
    bitwise,
    branch,
    const,
    decode,
    divide,
    fetch,
    jump,
    less,
    memory,
    multiply,
    opcode_chip,
    region,
    shift,
    tables,
)
from localbento.circuits.rv32im.answers import answer
from localbento.circuits.rv32im.buses import CODE, CPU, MEMORY
from localbento.circuits.rv32im.lookups import count_lookups
from localbento.circuits.rv32im.records import STEP_CHIPS, USER_MODE, Slot, Step, Unit
from localbento.riscv import semantics
from localbento.riscv.abi import destination_addr, register_addr
from localbento.riscv.decode import decode as decode_word
from localbento.riscv.isa import INSTRUCTIONS, Format, Operation

EDGES = (0, 1, 2, 3, 5, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000,
         0x8000_0001, 0xFFFF_0000, 0xFFFF_7FFF, 0xFFFF_8000, 0xFFFF_FFFE, 0xFFFF_FFFF)  # fmt: skip

CHIPS = {
    "alu_reg": alu.AluReg, "alu_imm": alu.AluImm, "word": memory.WordMove, "part": memory.Part,
    "branch": branch.Branch, "const": const.Const, "jalr": jump.Jalr, "bitwise": bitwise.Bitwise, "less": less.Less,
    "shift": shift.Shift, "mul": multiply.Multiply, "div": divide.Divide, "decode": decode.Decode,
    "peek": fetch.Peek, "slow_fetch": fetch.SlowFetch,
    "region": region.Regions, "opcodes": opcode_chip.Opcodes, "tables13": tables.Tables13,
}  # fmt: skip
FIXED_ROWS = {"opcodes": 1 << opcode_chip.LOWEST, "tables13": tables.Tables13.rows()}
"""Chips with preprocessed columns."""
WITHOUT_TABLES = [name for name in CHIPS if name not in FIXED_ROWS]
BY_OPERATION = {
    Operation.SLT: Unit.LT, Operation.SLTU: Unit.LTU,
    **{o: Unit[o.name] for o in Operation if o.name in Unit.__members__},
}  # fmt: skip
COMPARISONS = {Unit[o.name]: f for o, f in semantics.BRANCH.items()}
BINARY = {BY_OPERATION[o]: f for o, f in semantics.BINARY.items() if o in BY_OPERATION}
BITWISE = (Unit.AND, Unit.OR, Unit.XOR)
SHIFTS = (Unit.SLL, Unit.SRL, Unit.SRA)
PRODUCTS = (Unit.MUL, Unit.MULH, Unit.MULHSU, Unit.MULHU)


@cache
def recorded(name):
    return record(CHIPS[name], name)


def unit_result(op, a, b):
    """What a unit answers, by the oracle."""
    return int(COMPARISONS[op](a, b)) if op in COMPARISONS else BINARY[op](a, b)


class Run:
    def __init__(self, seed=0, user=False):
        self.rng = random.Random(seed)
        self.user = int(user)
        self.words, self.times, self.first = {}, {}, {}
        self.code = {}
        self.decode_rows, self.decode_index = [], {}
        self.steps = defaultdict(list)
        self.units = {name: {} for name in ("bitwise", "less", "shift", "mul", "div")}
        self.peeks, self.slow = [], []
        self.public = []
        self.cycle = 2
        self.pc = self.fresh_pc()
        self.public.append(PublicMessage(CPU, 1, (self.cycle, self.pc)))

    # memory

    def fresh_pc(self):
        """A word of code that was never used; code and data stand in different halves of memory."""
        while True:
            word = self.rng.randrange(0x2000_0000 >> 2, 0x4000_0000 >> 2)
            if word not in self.code:
                return word + USER_MODE * self.user

    def poke(self, addr, value):
        """Let a data word have this value from now on."""
        if addr not in self.words:
            self.words[addr] = self.first[addr] = value
            self.times[addr] = 0
        elif self.words[addr] != value:
            self.public.append(PublicMessage(MEMORY, -1, (addr, self.times[addr], *limbs(self.words[addr]))))
            self.public.append(PublicMessage(MEMORY, 1, (addr, self.times[addr], *limbs(value))))
            self.words[addr] = value

    def access(self, addr, slot, new=None):
        """(old word, previous time)."""
        if addr not in self.words:
            self.poke(addr, self.word())
        old, before = self.words[addr], self.times[addr]
        self.times[addr] = 5 * self.cycle + slot
        if new is not None:
            self.words[addr] = new
        return old, before

    def word(self):
        return self.rng.choice(EDGES) if self.rng.random() < 0.6 else self.rng.randrange(1 << 32)

    def go(self, pc):
        """Let the chain go on elsewhere."""
        if pc != self.pc:
            self.public.append(PublicMessage(CPU, -1, (self.cycle, self.pc)))
            self.public.append(PublicMessage(CPU, 1, (self.cycle, pc)))
            self.pc = pc

    # one instruction

    def fetch(self, word):
        """Row of decode for the instruction at the pc, which is put there."""
        addr = self.pc - USER_MODE * self.user
        if self.pc not in self.decode_index:
            sequence = self.code.setdefault(addr, [word, 0])[1]
            self.code[addr][1] += 1
            self.decode_index[self.pc] = len(self.decode_rows)
            self.decode_rows.append([self.pc, word, sequence, 0, 0])
        row = self.decode_index[self.pc]
        self.decode_rows[row][3] += 1
        return row

    def fetch_slow(self, word, sequential):
        """The same for a word that is data."""
        addr = self.pc - USER_MODE * self.user
        self.poke(addr, word)
        _, before = self.access(addr, Slot.SLOW_FETCH)
        self.decode_rows.append([self.pc, word, 0, 1, self.cycle])
        self.slow.append([self.cycle, self.pc, word, before, len(self.decode_rows) - 1, int(sequential)])
        return len(self.decode_rows) - 1

    def unit(self, op, a, b):
        """Ask a unit."""
        out = unit_result(op, a, b)
        if op in PRODUCTS:
            kind = Unit.MULHU if op is Unit.MUL else op
            row = self.units["mul"].setdefault(
                (kind, a, b), [kind, a, b, BINARY[Unit.MUL](a, b), unit_result(kind, a, b), 0, 0]
            )
            row[5 if op is Unit.MUL else 6] += 1
        elif op in (Unit.DIV, Unit.DIVU, Unit.REM, Unit.REMU):
            signed = op in (Unit.DIV, Unit.REM)
            key = (signed, a, b)
            if key not in self.units["div"]:
                q, r = BINARY[Unit.DIV if signed else Unit.DIVU](a, b), BINARY[Unit.REM if signed else Unit.REMU](a, b)
                self.units["div"][key] = [Unit.DIV if signed else Unit.DIVU, a, b, q, r, 0, 0]
                sizes = [abs(semantics.signed(x)) if signed else x for x in (q, b, r)]
                if b == 0:
                    sizes[0] = 0
                self.unit(Unit.MUL, sizes[0], sizes[1])
                self.unit(Unit.MULHU, sizes[0], sizes[1])
                if b:
                    self.unit(Unit.LTU, sizes[2], sizes[1])
            self.units["div"][key][5 if op in (Unit.DIV, Unit.DIVU) else 6] += 1
        else:
            name = "bitwise" if op in BITWISE else "shift" if op in SHIFTS else "less"
            self.units[name].setdefault((op, a, b), [op, a, b, out, 0])[4] += 1
        return out

    def step(self, word, a=None, b=None, memory_word=None, slow=False):
        """Execute one instruction with these values of rs1 and rs2 (and of the memory word)."""
        d = decode_word(word)
        i = d.instruction
        mode = 1 - self.user
        s1, s2 = register_addr(mode, d.rs1) >> 2, register_addr(mode, d.rs2) >> 2
        goal = destination_addr(mode, d.rd) >> 2
        form = i.format
        reads1 = form in (Format.R, Format.I, Format.SHIFT, Format.S, Format.B)
        reads2 = form in (Format.R, Format.S, Format.B)
        if reads1 and a is not None:
            self.poke(s1, a)
        if reads2 and b is not None and (s1 != s2 or a is None):
            self.poke(s2, b)
        taken = False
        row = [0] * 16
        row[Step.CYCLE], row[Step.PC], row[Step.WORD] = self.cycle, self.pc, word
        offset = semantics.signed(d.imm)
        byte_pc = 4 * (self.pc - USER_MODE * self.user)
        if i.chip == "branch":
            for s in (s1, s2):
                self.poke(s, self.words.get(s, 0))
            taken = semantics.BRANCH[i.operation](self.words[s1], self.words[s2])
        sequential = not ((i.chip in ("branch", "jalr") and (taken or i.chip == "jalr")) or i.mnemonic == "jal")
        row[Step.DECODE] = self.fetch_slow(word, sequential) if slow else self.fetch(word)
        if reads1:
            row[Step.A], row[Step.A_TIME] = self.access(s1, Slot.RS1)
        if reads2:
            row[Step.B], row[Step.B_TIME] = self.access(s2, Slot.RS2)
        value, next_pc = None, self.pc + 1
        match i.chip:
            case "alu_reg" | "alu_imm":
                second = row[Step.B] if i.chip == "alu_reg" else d.imm
                if i.operation in (Operation.ADD, Operation.SUB):
                    value = semantics.BINARY[i.operation](row[Step.A], second)
                else:
                    value = self.unit(BY_OPERATION[i.operation], row[Step.A], second)
            case "word" | "part":
                address = (row[Step.A] + offset) % (1 << 32)
                row[Step.ADDRESS] = address >> 2
                if memory_word is not None:
                    self.poke(address >> 2, memory_word)
                if i.operation in semantics.LOADS:
                    row[Step.MEMORY_OLD], row[Step.MEMORY_TIME] = self.access(address >> 2, Slot.MEMORY)
                    row[Step.MEMORY_NEW] = row[Step.MEMORY_OLD]
                    value = semantics.load(i.operation, address, row[Step.MEMORY_OLD])
                else:
                    old = self.words.get(address >> 2)
                    if old is None:
                        self.poke(address >> 2, self.word())
                        old = self.words[address >> 2]
                    new = semantics.store(i.operation, address, old, row[Step.B])
                    row[Step.MEMORY_OLD], row[Step.MEMORY_TIME] = self.access(address >> 2, Slot.MEMORY, new)
                    row[Step.MEMORY_NEW] = new
            case "branch":
                self.unit(BY_OPERATION[i.operation], row[Step.A], row[Step.B])
                if taken:
                    next_pc = ((byte_pc + offset) % (1 << 32) >> 2) + USER_MODE * self.user
            case "const":
                value = {"lui": d.imm, "auipc": (byte_pc + d.imm) % (1 << 32), "jal": byte_pc + 4}[i.mnemonic]
                if i.mnemonic == "jal":
                    next_pc = ((byte_pc + offset) % (1 << 32) >> 2) + USER_MODE * self.user
            case "jalr":
                value = byte_pc + 4
                next_pc = (semantics.jump_target((row[Step.A] + offset) % (1 << 32)) >> 2) + USER_MODE * self.user
        if value is not None:
            row[Step.RD_OLD], row[Step.RD_TIME] = self.access(goal, Slot.RD, value)
            row[Step.RD_NEW] = value
        row[Step.NEXT_PC] = next_pc
        self.steps[i.chip].append(row)
        self.cycle += 1
        self.pc = next_pc

    def peek(self, addr):
        """A load of a code word: `lw` from there, with the row that lends it."""
        word, sequence = self.code[addr]
        self.code[addr][1] += 1
        self.peeks.append([addr, sequence, word, self.cycle])
        load = 0x0000_2003 | 5 << 15 | 6 << 7  # lw t1, 0(t0)
        self.words[addr], self.times[addr] = word, 5 * self.cycle + 2
        self.step(load, a=addr << 2)
        del self.words[addr], self.times[addr]

    # random instructions

    def random_word(self):
        rng = self.rng
        i = rng.choice([x for x in INSTRUCTIONS if x.chip != "system"])
        word = i.match
        if i.format is Format.SHIFT:
            return word | (rng.randrange(1 << 25) & ~0x7000 & ~0x7F & 0x1FF_FFFF)
        free = ~i.mask & 0xFFFF_FFFF
        if i.format in (Format.B, Format.J):
            free &= ~(1 << (8 if i.format is Format.B else 21))  # bit 1 of the offset: aligned targets
        return word | (rng.randrange(1 << 32) & free)

    def random_step(self, slow=False):
        """One random instruction with edge operands, anywhere; skips what has no proof."""
        while True:
            word = self.random_word()
            d = decode_word(word)
            a, b = self.word(), self.word()
            offset = semantics.signed(d.imm)
            byte_pc = 4 * (self.pc - USER_MODE * self.user)
            chip = d.instruction.chip
            if (chip == "branch" or d.instruction.mnemonic == "jal") and not self.inside(byte_pc + offset):
                continue
            if chip in ("word", "part"):
                size = semantics.access_bytes(d.instruction.operation)
                address = self.rng.randrange(0x4000_0000, 0xBFFF_F000 if self.user else 0xFFFE_0000) // size * size
                if self.rng.random() < 0.2:
                    address = self.rng.choice((0x1_0000, 0x4001_0000, 0xBFFF_FFFC, 0x4000_FFFC))
                a = (address - offset) % (1 << 32)
            if chip == "jalr":
                target = 4 * self.rng.randrange(0x2000_0000 >> 2, 0x4000_0000 >> 2) + self.rng.randrange(2)
                a = (target - offset) % (1 << 32)
            if d.rs1 == d.rs2:
                b = None
            self.step(word, a, b, memory_word=None, slow=slow)
            self.go(self.fresh_pc())
            return

    def inside(self, target):
        return 0x1_0000 <= target < (0xC000_0000 if self.user else 0xFFFF_FFF0) and target % 4 == 0

    def odd_words(self, count=200):
        """Decode rows for every kind of word, without uses: the system's instructions, traps, bad fields."""
        rng = self.rng
        forms = [0x73, 0x10_0073, 0x3020_0073, 0x73 | 5 << 7, 0x73 | 3 << 15, 0x10_0073 | 2 << 20]
        forms += [0x3020_0073 | 1 << 20, 0x3020_0073 | 7 << 7, 0x30_0073, 0x0000_100F, 0, 0xFFFF_FFFF, 0x1000_1073]
        for i in range(count):
            word = forms[i % len(forms)] if i % 2 else rng.randrange(1 << 32)
            if i % 10 == 0:
                word = rng.randrange(1 << 30) << 2 | rng.randrange(3)
            if self.user == 0 and (decode_word(word) is None or word == 0x10_0073):
                continue
            if self.user == 1 and word == 0x3020_0073:
                continue
            pc = self.fresh_pc()
            if rng.random() < 0.3:
                pc |= 0x3FFF
            addr = pc - USER_MODE * self.user
            if addr not in self.code:
                self.code[addr] = [word, 1]
                self.decode_rows.append([pc, word, 0, 0, 0])

    # filled chips

    def finish(self):
        """Public messages that close the chain and memory."""
        self.public.append(PublicMessage(CPU, -1, (self.cycle, self.pc)))
        for addr, value in self.first.items():
            self.public.append(PublicMessage(MEMORY, 1, (addr, 0, *limbs(value))))
            self.public.append(PublicMessage(MEMORY, -1, (addr, self.times[addr], *limbs(self.words[addr]))))
        for addr, (word, sequence) in self.code.items():
            self.public.append(PublicMessage(CODE, 1, (addr, 0, *limbs(word))))
            self.public.append(PublicMessage(CODE, -1, (addr, sequence, *limbs(word))))

    def filled(self):
        """Columns of every chip that is filled from records, by name."""
        rows = array(self.decode_rows, 5)
        answers = answer(rows)
        result = {name: CHIPS[name].fill(array(self.steps[name], 16), answers) for name in STEP_CHIPS}
        for name, width in (("bitwise", 5), ("less", 5), ("shift", 5), ("mul", 7), ("div", 7)):
            result[name] = CHIPS[name].fill(array(list(self.units[name].values()), width))
        result["decode"] = decode.Decode.fill(rows, answers)
        result["peek"] = fetch.Peek.fill(array(self.peeks, 4))
        result["slow_fetch"] = fetch.SlowFetch.fill(array(self.slow, 6))
        return result

    def matrices(self, spare=3, with_tables=True):
        """Main matrices by chip, with a few unused rows, and the tables' uses.

        Raises: ValueError if a row asks for something that stands in no table.
        """
        filled = self.filled()
        result = {n: assemble(CHIPS[n], f, rows_of(f) + spare) for n, f in filled.items()}
        counts = tables.Counts()
        for name, matrix in result.items():
            count_lookups(recorded(name), matrix, counts)
        asked = region.Regions.fill(counts)
        result["region"] = assemble(region.Regions, asked, rows_of(asked) + spare)
        count_lookups(recorded("region"), result["region"], counts)
        if with_tables:
            for name, rows in FIXED_ROWS.items():
                result[name] = assemble(CHIPS[name], CHIPS[name].fill(counts), rows)
        return result

    def system(self):
        return System("chips", tuple(recorded(n) for n in CHIPS), (), tuple(self.public))


@cache
def fixed(name):
    return assemble_fixed(CHIPS[name], FIXED_ROWS.get(name, 1))


def limbs(word):
    return word & 0xFFFF, word >> 16


def array(rows, width):
    return np.array(rows, np.uint32).reshape(len(rows), width)


def rows_of(filled):
    """Rows of a chip's columns."""
    sizes = [0]
    stack = list(filled.values())
    while stack:
        x = stack.pop()
        if isinstance(x, dict):
            stack += x.values()
        elif isinstance(x, tuple):
            stack += x
        elif np.ndim(x) == 1:
            sizes.append(len(x))
    return max(sizes)
