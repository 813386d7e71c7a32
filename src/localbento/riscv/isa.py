"""The instruction table: one row per instruction of RV32IM, in the manual's order.

Decoder, executor, circuits and documentation read this table; nothing else lists instructions.
FENCE, FENCE.I, CSR accesses, WFI, SRET and everything compressed are illegal on this platform and
so have no row.

Source: The RISC-V Instruction Set Manual, Volume I, "RV32/64G Instruction Set Listings", and Volume
II, "Trap-Return Instructions"; the rows are compared with fixtures/vectors/riscv-opcodes.json.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """Where operands stand in an instruction word, in the manual's letters."""

    R = "R"
    I = "I"  # noqa: E741 - the manual's letter
    SHIFT = "I-shift"
    """I with a 5 bit amount in place of rs2, and funct7 above it."""
    S = "S"
    B = "B"
    U = "U"
    J = "J"
    SYSTEM = "SYSTEM"
    """One fixed word without operands."""


class Operation(StrEnum):
    """What is computed, wherever the operands come from; the functions are in `semantics`."""

    LUI = "lui"
    AUIPC = "auipc"
    JAL = "jal"
    JALR = "jalr"
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    GE = "ge"
    LTU = "ltu"
    GEU = "geu"
    LB = "lb"
    LH = "lh"
    LW = "lw"
    LBU = "lbu"
    LHU = "lhu"
    SB = "sb"
    SH = "sh"
    SW = "sw"
    ADD = "add"
    SUB = "sub"
    SLL = "sll"
    SLT = "slt"
    SLTU = "sltu"
    XOR = "xor"
    SRL = "srl"
    SRA = "sra"
    OR = "or"
    AND = "and"
    MUL = "mul"
    MULH = "mulh"
    MULHSU = "mulhsu"
    MULHU = "mulhu"
    DIV = "div"
    DIVU = "divu"
    REM = "rem"
    REMU = "remu"
    ECALL = "ecall"
    EBREAK = "ebreak"
    MRET = "mret"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One row of the table.

    `funct3` and `funct7` are None where the format has no such field; `number` is the row's
    position, dense from 0.  `fixed` is the whole word of a SYSTEM instruction, the only form that
    is accepted.
    """

    number: int
    mnemonic: str
    format: Format
    opcode: int
    funct3: int | None
    funct7: int | None
    operation: Operation
    chip: str
    """The chip of circuits/rv32im that has a row per execution of this instruction."""
    fixed: int | None = None

    @property
    def mask(self) -> int:
        """The bits of a word that this row determines."""
        if self.fixed is not None:
            return 0xFFFF_FFFF
        funct3 = 0 if self.funct3 is None else 0x7000
        funct7 = 0 if self.funct7 is None else 0xFE00_0000
        return 0x7F | funct3 | funct7

    @property
    def match(self) -> int:
        """The value of those bits: `word & mask == match` is this instruction."""
        if self.fixed is not None:
            return self.fixed
        return self.opcode | (self.funct3 or 0) << 12 | (self.funct7 or 0) << 25


LOAD: Final = 0x03
OP_IMM: Final = 0x13
AUIPC: Final = 0x17
STORE: Final = 0x23
OP: Final = 0x33
LUI: Final = 0x37
BRANCH: Final = 0x63
JALR: Final = 0x67
JAL: Final = 0x6F
SYSTEM: Final = 0x73

# mnemonic, format, opcode, funct3, funct7, operation, chip, fixed word
_ROWS: Final = (
    ("lui", Format.U, LUI, None, None, Operation.LUI, "const", None),
    ("auipc", Format.U, AUIPC, None, None, Operation.AUIPC, "const", None),
    ("jal", Format.J, JAL, None, None, Operation.JAL, "const", None),
    ("jalr", Format.I, JALR, 0, None, Operation.JALR, "jalr", None),
    ("beq", Format.B, BRANCH, 0, None, Operation.EQ, "branch", None),
    ("bne", Format.B, BRANCH, 1, None, Operation.NE, "branch", None),
    ("blt", Format.B, BRANCH, 4, None, Operation.LT, "branch", None),
    ("bge", Format.B, BRANCH, 5, None, Operation.GE, "branch", None),
    ("bltu", Format.B, BRANCH, 6, None, Operation.LTU, "branch", None),
    ("bgeu", Format.B, BRANCH, 7, None, Operation.GEU, "branch", None),
    ("lb", Format.I, LOAD, 0, None, Operation.LB, "part", None),
    ("lh", Format.I, LOAD, 1, None, Operation.LH, "part", None),
    ("lw", Format.I, LOAD, 2, None, Operation.LW, "word", None),
    ("lbu", Format.I, LOAD, 4, None, Operation.LBU, "part", None),
    ("lhu", Format.I, LOAD, 5, None, Operation.LHU, "part", None),
    ("sb", Format.S, STORE, 0, None, Operation.SB, "part", None),
    ("sh", Format.S, STORE, 1, None, Operation.SH, "part", None),
    ("sw", Format.S, STORE, 2, None, Operation.SW, "word", None),
    ("addi", Format.I, OP_IMM, 0, None, Operation.ADD, "alu_imm", None),
    ("slti", Format.I, OP_IMM, 2, None, Operation.SLT, "alu_imm", None),
    ("sltiu", Format.I, OP_IMM, 3, None, Operation.SLTU, "alu_imm", None),
    ("xori", Format.I, OP_IMM, 4, None, Operation.XOR, "alu_imm", None),
    ("ori", Format.I, OP_IMM, 6, None, Operation.OR, "alu_imm", None),
    ("andi", Format.I, OP_IMM, 7, None, Operation.AND, "alu_imm", None),
    ("slli", Format.SHIFT, OP_IMM, 1, 0x00, Operation.SLL, "alu_imm", None),
    ("srli", Format.SHIFT, OP_IMM, 5, 0x00, Operation.SRL, "alu_imm", None),
    ("srai", Format.SHIFT, OP_IMM, 5, 0x20, Operation.SRA, "alu_imm", None),
    ("add", Format.R, OP, 0, 0x00, Operation.ADD, "alu_reg", None),
    ("sub", Format.R, OP, 0, 0x20, Operation.SUB, "alu_reg", None),
    ("sll", Format.R, OP, 1, 0x00, Operation.SLL, "alu_reg", None),
    ("slt", Format.R, OP, 2, 0x00, Operation.SLT, "alu_reg", None),
    ("sltu", Format.R, OP, 3, 0x00, Operation.SLTU, "alu_reg", None),
    ("xor", Format.R, OP, 4, 0x00, Operation.XOR, "alu_reg", None),
    ("srl", Format.R, OP, 5, 0x00, Operation.SRL, "alu_reg", None),
    ("sra", Format.R, OP, 5, 0x20, Operation.SRA, "alu_reg", None),
    ("or", Format.R, OP, 6, 0x00, Operation.OR, "alu_reg", None),
    ("and", Format.R, OP, 7, 0x00, Operation.AND, "alu_reg", None),
    ("ecall", Format.SYSTEM, SYSTEM, 0, 0x00, Operation.ECALL, "system", 0x0000_0073),
    ("ebreak", Format.SYSTEM, SYSTEM, 0, 0x00, Operation.EBREAK, "system", 0x0010_0073),
    ("mul", Format.R, OP, 0, 0x01, Operation.MUL, "alu_reg", None),
    ("mulh", Format.R, OP, 1, 0x01, Operation.MULH, "alu_reg", None),
    ("mulhsu", Format.R, OP, 2, 0x01, Operation.MULHSU, "alu_reg", None),
    ("mulhu", Format.R, OP, 3, 0x01, Operation.MULHU, "alu_reg", None),
    ("div", Format.R, OP, 4, 0x01, Operation.DIV, "alu_reg", None),
    ("divu", Format.R, OP, 5, 0x01, Operation.DIVU, "alu_reg", None),
    ("rem", Format.R, OP, 6, 0x01, Operation.REM, "alu_reg", None),
    ("remu", Format.R, OP, 7, 0x01, Operation.REMU, "alu_reg", None),
    ("mret", Format.SYSTEM, SYSTEM, 0, 0x18, Operation.MRET, "system", 0x3020_0073),
)

INSTRUCTIONS: Final[tuple[Instruction, ...]] = tuple(
    Instruction(number, mnemonic, form, opcode, funct3, funct7, operation, chip, fixed)
    for number, (mnemonic, form, opcode, funct3, funct7, operation, chip, fixed) in enumerate(_ROWS)
)
"""The table.  `INSTRUCTIONS[i].number == i`."""

ILLEGAL: Final = len(INSTRUCTIONS)
"""The number that stands for every word without a row, for tables indexed by number."""

BY_MNEMONIC: Final[dict[str, Instruction]] = {row.mnemonic: row for row in INSTRUCTIONS}
