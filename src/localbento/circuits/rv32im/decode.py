"""What an instruction word means, once for each pc and mode that is fetched."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr, select, total
from localbento.circuits.rv32im.access import add_limbs, check_address, code_address
from localbento.circuits.rv32im.answers import BANK, SCRATCH, Answers, Fields
from localbento.circuits.rv32im.buses import (
    CODE,
    DECODE,
    FETCHED,
    FUNCT7,
    LOW_BITS,
    NO_TARGET,
    OP_USER,
    OPCODE,
    REGION,
    Form,
    Op,
    Range,
)
from localbento.circuits.rv32im.cells import Limbs, check_range
from localbento.circuits.rv32im.opcodes import funct7_kinds, table
from localbento.circuits.rv32im.records import U32, DecodeRow
from localbento.circuits.rv32im.residues import inverse

EBREAK: Final = 1 << 10
MRET: Final = 2 << 10
"""The register fields of ecall (0), ebreak and mret as one number."""

FORMS: Final = {
    "reg": Form.REG, "imm": Form.IMM, "shift": Form.SHIFT, "load": Form.LOAD, "store": Form.STORE,
    "branch": Form.BRANCH, "lui": Form.LUI, "auipc": Form.AUIPC, "jal": Form.JAL, "jalr": Form.JALR,
    "ecall": Form.ECALL, "ebreak": Form.ECALL, "bad_ecall": Form.ECALL, "mret": Form.MRET, "bad_mret": Form.MRET,
    "illegal": Form.ILLEGAL,
}  # fmt: skip
"""What OPCODE says of each kind; of `compressed` it may say anything."""

PLAIN: Final = ("reg", "imm", "shift", "load", "store", "branch", "lui", "auipc", "jal", "jalr")
TRAPS: Final = ("ebreak", "bad_ecall", "bad_mret", "illegal", "compressed")


class Decode(Chip):
    """The instruction at a pc: op, register addresses, operands, targets, all absolute.

    Manual: "Base Instruction Formats", "Immediate Encoding Variants", "RV32/64G Instruction Set Listings".
    Given the word at the pc (from CODE, to which it goes back; or from FETCHED), proves every component of the
    tuple it answers.  The word is cut into fields of looked-up length, which is unique; FUNCT7, which knows every
    funct7, and OPCODE, which knows every opcode and funct3 beside each kind of funct7, say the kind of instruction;
    low two bits other than 11 are a kind of their own; the three SYSTEM instructions are told from the rest of their
    triples by the register fields.  The pc is cut into 14 and 16 bits, the latter in the region of the mode: without
    that the cut would not be unique.
    Illegal words and ebreak are answered in user mode only, mret in machine mode only.
    Assumes: the word is in range, by the invariant of MEMORY.
    """

    reg: Bit
    imm: Bit
    shift: Bit
    load: Bit
    store: Bit
    branch: Bit
    lui: Bit
    auipc: Bit
    jal: Bit
    jalr: Bit
    ecall: Bit
    ebreak: Bit
    mret: Bit
    bad_ecall: Bit  # the triple of ecall with other register fields
    bad_mret: Bit
    illegal: Bit
    compressed: Bit  # low two bits are not 11
    uses: Felt
    slow: Bit  # fetched as data
    user: Bit
    low: Felt  # of the pc's word address, 14 bits
    high: Felt
    sequence: Felt
    pc: Felt  # as answered: the pc, or the alias
    bit0: Bit  # of the word
    bit1: Bit
    op5: Felt
    funct3: Felt
    rd_even: Felt  # rd without bit 0, halved: 4 bits
    rd_bit: Bit
    rs1_even: Felt
    rs1_bit: Bit
    rs2_even: Felt
    rs2_bit: Bit
    funct7_low: Felt  # 6 bits
    sign: Bit
    funct7_kind: Felt
    form: Felt
    table_op: Felt
    op: Felt
    s1: Felt
    s2: Felt
    rd: Felt
    x: Felt
    y: Felt
    u: Felt
    v: Felt
    wraps: Felt  # pc + 4 passes into the next 64 KiB: 0 or 1 by the two lookups of the link
    goal_low: Felt  # of the word address of pc + offset
    goal_high: Felt
    goal_odd: Bit  # bit 1 of pc + offset
    reachable: Bit
    no_rd: Felt  # rd is written and is x0
    inverse: Felt

    def real(self) -> Expr:
        """One of the kinds."""
        return total([self.kind(name) for name in (*FORMS, "compressed")])

    def kind(self, name: str) -> Bit:
        """The flag of a kind."""
        flag: Bit = getattr(self, name)
        return flag

    def sum_of(self, *names: str) -> Expr:
        """1 on a row of one of these kinds."""
        return total([self.kind(name) for name in names])

    def constrain(self, c: Constraints) -> None:
        """One instruction."""
        c.boolean("one kind", c.real)
        c.zero("an unused row answers nothing", (1 - c.real) * self.uses)
        c.zero("an unused row takes no fetch", (1 - c.real) * self.slow)
        self.cut_word()
        self.constrain_fetch(c)
        self.constrain_kind(c)
        self.constrain_system(c)
        self.constrain_registers(c)
        self.constrain_goal(c)
        self.constrain_values(c)
        message = (self.pc, self.op, self.s1, self.s2, self.rd, self.x, self.y, self.u, self.v)
        c.provide(DECODE, message, self.uses)

    def cut_word(self) -> None:
        """The register fields and funct7 from their parts."""
        self.rd_field = 2 * self.rd_even + self.rd_bit
        self.rs1_field = 2 * self.rs1_even + self.rs1_bit
        self.rs2_field = 2 * self.rs2_even + self.rs2_bit
        self.funct7 = self.funct7_low + 64 * self.sign
        low = self.bit0 + 2 * self.bit1 + 4 * self.op5 + 128 * self.rd_field
        self.word_lo = low + 4096 * self.funct3 + 32768 * self.rs1_bit
        self.word_hi = self.rs1_even + 16 * self.rs2_field + 512 * self.funct7

    def constrain_fetch(self, c: Constraints) -> None:
        """The word, from where it is; the pc that is answered."""
        addr = check_address(c, self.user, self.low, self.high)
        word = (self.word_lo, self.word_hi)
        fast = c.real - self.slow
        c.pull(CODE, (addr, self.sequence, *word), fast)
        c.push(CODE, (addr, self.sequence + 1, *word), fast)
        c.pull(FETCHED, (self.pc, self.user, addr, *word), self.slow)
        c.zero("fetched as code: the pc itself", (1 - self.slow) * (self.pc - code_address(self.user, addr)))
        c.zero("fetched as data: no sequence", self.slow * self.sequence)

    def constrain_kind(self, c: Constraints) -> None:
        """The kind follows from the word."""
        c.pull(FUNCT7, (self.funct7, self.funct7_kind), label="kind of funct7")
        c.pull(OPCODE, (self.op5, self.funct3, self.funct7_kind, self.form, self.table_op), label="opcode")
        check_range(c, "rd has 5 bits", Range.U4, self.rd_even)
        check_range(c, "rs1 has 5 bits", Range.U4, self.rs1_even)
        check_range(c, "rs2 has 5 bits", Range.U4, self.rs2_even)
        check_range(c, "funct7 has 7 bits", Range.U6, self.funct7_low)
        full = c.real - self.compressed
        c.zero("compressed: not 11", self.compressed * self.bit0 * self.bit1)
        c.zero("not compressed: 11", full * (2 - self.bit0 - self.bit1))
        wanted = total([self.kind(name) * int(form) for name, form in FORMS.items() if form])
        c.zero("kind is that of the opcode", full * (self.form - wanted))
        c.zero("trap in user mode only", self.sum_of(*TRAPS) * (1 - self.user))
        c.zero("mret in machine mode only", self.mret * self.user)
        regions = OP_USER * self.sum_of("load", "store", "jalr")
        call = Op.MACHINE_ECALL + self.user * (Op.USER_ECALL - Op.MACHINE_ECALL)
        op = self.sum_of(*PLAIN) * self.table_op + regions * self.user + self.ecall * call
        c.equal("op", op + self.mret * Op.MRET + self.sum_of(*TRAPS) * Op.TRAP, self.op)

    def constrain_system(self, c: Constraints) -> None:
        """Ecall, ebreak and mret by their register fields; with any others the word is illegal."""
        fields = self.rd_field + 32 * self.rs1_field + 1024 * self.rs2_field
        c.zero("ecall: fields are 0", self.ecall * fields)
        c.zero("ebreak: fields are its own", self.ebreak * (fields - EBREAK))
        c.zero("mret: fields are its own", self.mret * (fields - MRET))
        c.zero("neither ecall nor ebreak", self.bad_ecall * (fields * (fields - EBREAK) * self.inverse - 1))
        c.zero("not mret", self.bad_mret * ((fields - MRET) * self.inverse - 1))

    def constrain_registers(self, c: Constraints) -> None:
        """Word addresses of registers in the bank of the mode; what is written to x0 goes to the scratch word."""
        writes = self.sum_of("reg", "imm", "shift", "load", "lui", "auipc", "jal", "jalr")
        c.zero("x0: rd is 0", self.no_rd * self.rd_field)
        c.zero("not x0: rd is not 0", writes * (self.rd_field * self.inverse - 1 + self.no_rd))
        c.zero("nothing written: not x0", (1 - writes) * self.no_rd)
        needed = writes - self.no_rd + self.bad_ecall + self.bad_mret
        c.zero("no inverse where none is needed", (1 - needed) * self.inverse)
        bank = 32 * self.user + BANK
        reads1 = self.sum_of("reg", "imm", "shift", "load", "store", "branch", "jalr")
        c.equal("address of rs1", reads1 * (bank + self.rs1_field), self.s1)
        c.equal("address of rs2", self.sum_of("reg", "branch") * (bank + self.rs2_field), self.s2)
        written = writes * (bank + self.rd_field + SCRATCH * self.no_rd)
        c.equal("address of rd", written + self.store * (bank + self.rs2_field), self.rd)

    def constrain_goal(self, c: Constraints) -> None:
        """The link, pc + 4, and pc + offset, the offset being 0 unless the kind has one."""
        following = self.low + 1 - (1 << LOW_BITS) * self.wraps
        check_range(c, "link: 14 bits", Range.U14, following)
        check_range(c, "link: 16 bits", Range.U16, self.high + self.wraps)
        self.link = (4 * following, self.high + self.wraps)
        self.upper = (4096 * self.funct3 + 32768 * self.rs1_bit, self.word_hi)
        near = 32 * self.funct7_low + 0xF000 * self.sign
        branch = near + 2 * self.rd_even + 2048 * self.rd_bit
        jal = 32 * self.funct7_low + 2 * self.rs2_even + 2048 * self.rs2_bit + self.upper[0]
        low_offset = self.branch * branch + self.jal * jal + self.auipc * self.upper[0]
        high_offset = (
            self.branch * (0xFFFF * self.sign)
            + self.jal * (self.rs1_even + 0xFFF0 * self.sign)
            + self.auipc * self.upper[1]
        )
        self.goal = (4 * self.goal_low + 2 * self.goal_odd, self.goal_high)
        check_range(c, "goal: 14 bits", Range.U14, self.goal_low)
        check_range(c, "goal: 16 bits", Range.U16, self.goal_high)
        add_limbs(c, "goal", (4 * self.low, self.high), (low_offset, high_offset), self.goal)
        c.zero("an unused row reaches nothing", (1 - c.real) * self.reachable)
        c.zero("reachable: aligned", self.reachable * self.goal_odd)
        c.pull(REGION, (self.user + 1, self.goal_high), self.reachable, label="reachable: region of the mode")

    def constrain_values(self, c: Constraints) -> None:
        """Components x, y, u, v."""
        near, extension = 32 * self.funct7 + 0xF000 * self.sign, 0xFFFF * self.sign
        here = (4 * self.low, self.high)
        zero = c.constant(0)
        values: tuple[tuple[Expr, Limbs], ...] = (
            (self.sum_of("imm", "load", "jalr"), (near + self.rs2_field, extension)),
            (self.store, (near + self.rd_field, extension)),
            (self.shift, (self.rs2_field, zero)),
            (self.lui, self.upper),
            (self.auipc, self.goal),
            (self.jal, self.link),
            (self.ecall * self.user + self.sum_of(*TRAPS), here),
            (self.ecall * (1 - self.user), self.link),
        )
        c.equal("component x", total([kind * limbs[0] for kind, limbs in values]), self.x)
        c.equal("component y", total([kind * limbs[1] for kind, limbs in values]), self.y)
        target = code_address(self.user, self.goal_low + (1 << LOW_BITS) * self.goal_high)
        jumps = self.branch + self.jal
        u = jumps * select(self.reachable, target, NO_TARGET) + (self.lui + self.auipc) * (self.pc + 1)
        c.equal("component u", u + self.jalr * self.link[0], self.u)
        c.equal("component v", self.jalr * self.link[1], self.v)

    @staticmethod
    def fill(rows: U32, answers: Answers) -> Columns:
        """Columns from records uint32[n, 5] (`DecodeRow`) and what `answer` makes of them."""
        word, real_pc = rows[:, DecodeRow.WORD], rows[:, DecodeRow.PC]
        slow = rows[:, DecodeRow.SLOW_CYCLE] > 0
        f = Fields.of(word)
        flags = kinds(f, answers)
        writes = np.isin(answers.form, WRITERS) & ~answers.is_trap
        no_rd = writes & (f.rd == 0)
        return flags | {
            "uses": rows[:, DecodeRow.USES],
            "slow": slow,
            "user": real_pc >> 30,
            "low": real_pc & 0x3FFF,
            "high": real_pc >> LOW_BITS & 0xFFFF,
            "sequence": rows[:, DecodeRow.SEQUENCE] * ~slow,
            "pc": answers.pc,
            "bit0": f.low2 & 1,
            "bit1": f.low2 >> 1,
            "op5": f.op5,
            "funct3": f.funct3,
            "rd_even": f.rd >> 1,
            "rd_bit": f.rd & 1,
            "rs1_even": f.rs1 >> 1,
            "rs1_bit": f.rs1 & 1,
            "rs2_even": f.rs2 >> 1,
            "rs2_bit": f.rs2 & 1,
            "funct7_low": f.funct7 & 63,
            "sign": f.funct7 >> 6,
            "funct7_kind": funct7_kinds()[f.funct7],
            "form": answers.form,
            "table_op": table()[1][f.op5 | f.funct3 << 5 | f.funct7 << 8],
            "op": answers.op,
            "s1": answers.s1,
            "s2": answers.s2,
            "rd": answers.rd,
            "x": answers.x,
            "y": answers.y,
            "u": answers.u,
            "v": answers.v,
            "wraps": (real_pc & 0x3FFF) == 0x3FFF,
            "goal_low": answers.target >> 2 & 0x3FFF,
            "goal_high": answers.target >> 16,
            "goal_odd": answers.target >> 1 & 1,
            "reachable": answers.ok,
            "no_rd": no_rd,
            "inverse": _inverses(f, flags, writes),
        }


WRITERS: Final = (Form.REG, Form.IMM, Form.SHIFT, Form.LOAD, Form.LUI, Form.AUIPC, Form.JAL, Form.JALR)


def kinds(f: Fields, answers: Answers) -> dict[str, NDArray[np.bool_]]:
    """The one-hot flags of decode rows."""
    full = f.low2 == 3
    flags = {name: full & (answers.form == FORMS[name]) for name in (*PLAIN, "illegal")}
    call, back = full & (answers.form == Form.ECALL), full & (answers.form == Form.MRET)
    return flags | {
        "ecall": call & (f.system == 0),
        "ebreak": call & (f.system == EBREAK),
        "bad_ecall": call & (f.system != 0) & (f.system != EBREAK),
        "mret": back & (f.system == MRET),
        "bad_mret": back & (f.system != MRET),
        "compressed": ~full,
    }


def _inverses(f: Fields, flags: Mapping[str, NDArray[np.bool_]], writes: NDArray[np.bool_]) -> U32:
    """Inverse of rd where it is written; of what tells a bad SYSTEM word from the good ones; else 0."""
    system = f.system.astype(np.int64)
    of = np.select(
        [writes, flags["bad_ecall"], flags["bad_mret"]],
        [f.rd.astype(np.int64), system * (system - EBREAK), system - MRET],
        0,
    )
    return inverse(of)
