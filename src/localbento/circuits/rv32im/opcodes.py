"""What OPCODE and FUNCT7 say about each (opcode, funct3, funct7), derived from the instruction table.

A triple has one number: bits 2-6 of the word, then 3 bits of funct3, then 7 bits of funct7.  Low two bits other
than 11 are no matter of this table; the decode chip treats them first.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from localbento.circuits.rv32im.buses import OP_UNIT, OP_USER, Form, Inline, Op, OpChip
from localbento.circuits.rv32im.records import Unit
from localbento.riscv.isa import AUIPC, BRANCH, INSTRUCTIONS, JAL, JALR, LUI, STORE, Format, Instruction, Operation

SIZE: Final = 1 << 15

PART_LOAD: Final = 1
PART_HALF: Final = 2
PART_SIGNED: Final = 4
"""Bits of the variant of `part`; `word` has the first of them only."""

_PARTS: Final = {
    Operation.LB: PART_LOAD | PART_SIGNED,
    Operation.LBU: PART_LOAD,
    Operation.LH: PART_LOAD | PART_HALF | PART_SIGNED,
    Operation.LHU: PART_LOAD | PART_HALF,
    Operation.SB: 0,
    Operation.SH: PART_HALF,
}
_BY_OPCODE: Final = {
    BRANCH: Form.BRANCH,
    LUI: Form.LUI,
    AUIPC: Form.AUIPC,
    JAL: Form.JAL,
    JALR: Form.JALR,
    STORE: Form.STORE,
}


def form(instruction: Instruction) -> Form:
    """How a decode row reads the operands of an instruction."""
    match instruction.format:
        case Format.R:
            return Form.REG
        case Format.SHIFT:
            return Form.SHIFT
        case Format.SYSTEM:
            return Form.MRET if instruction.operation is Operation.MRET else Form.ECALL
        case _ if instruction.opcode in _BY_OPCODE:
            return _BY_OPCODE[instruction.opcode]
        case _:
            return Form.IMM if instruction.chip == "alu_imm" else Form.LOAD


def op(instruction: Instruction) -> int:
    """The op of DECODE in machine mode; of a SYSTEM instruction 0, since the table does not tell them apart."""
    operation = instruction.operation
    match instruction.chip:
        case "alu_reg" | "alu_imm":
            chip = OpChip.ALU_REG if instruction.chip == "alu_reg" else OpChip.ALU_IMM
            return OP_UNIT * chip + _computed(operation)
        case "word":
            return OP_UNIT * OpChip.WORD + (PART_LOAD if operation is Operation.LW else 0)
        case "part":
            return OP_UNIT * OpChip.PART + _PARTS[operation]
        case "branch":
            return OP_UNIT * OpChip.BRANCH + Unit[operation.name]
        case "const":
            return OP_UNIT * OpChip.CONST
        case "jalr":
            return OP_UNIT * OpChip.JALR
        case _:
            return 0


def _computed(operation: Operation) -> int:
    if operation is Operation.ADD:
        return Inline.ADD
    if operation is Operation.SUB:
        return Inline.SUB
    names = {Operation.SLT: "LT", Operation.SLTU: "LTU"}
    return Unit[names.get(operation, operation.name)]


def full_op(instruction: Instruction, user: bool) -> int:
    """The op that a decode row answers in a mode, for a legal instruction word."""
    match instruction.operation:
        case Operation.ECALL:
            return Op.USER_ECALL if user else Op.MACHINE_ECALL
        case Operation.EBREAK:
            return Op.TRAP
        case Operation.MRET:
            return Op.MRET
        case _:
            return op(instruction) + (OP_USER if user and instruction.chip in ("word", "part", "jalr") else 0)


@cache
def table() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Form and op by number of the triple, each uint32[2**15]; `Form.ILLEGAL` and op 0 where there is none."""
    number = np.arange(SIZE, dtype=np.uint32)
    word = 3 | (number & 31) << 2 | (number >> 5 & 7) << 12 | (number >> 8) << 25
    forms = np.zeros(SIZE, np.uint32)
    ops = np.zeros(SIZE, np.uint32)
    for row in INSTRUCTIONS:
        field_bits = row.mask & 0xFE00_707F
        hit = (word & field_bits) == (row.match & field_bits)
        forms[hit] = form(row)
        ops[hit] = op(row)
    return forms, ops


FUNCT7_VALUES: Final = 1 << 7
PAIRS: Final = 1 << 8
"""Values of opcode and funct3 together: op5 + 32 funct3."""


@cache
def funct7_kinds() -> NDArray[np.uint32]:
    """Kind of each funct7, uint32[128]: two values are of one kind if every opcode and funct3 takes them alike."""
    forms, ops = table()
    seen: dict[bytes, int] = {}
    kinds = [
        seen.setdefault(forms[at : at + PAIRS].tobytes() + ops[at : at + PAIRS].tobytes(), len(seen))
        for at in range(0, SIZE, PAIRS)
    ]
    return np.array(kinds, np.uint32)


@cache
def short_table() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Form and op by op5 + 32 funct3 + 256 (kind of funct7), each uint32[256 kinds]."""
    first = np.unique(funct7_kinds(), return_index=True)[1]
    forms, ops = (values.reshape(FUNCT7_VALUES, PAIRS)[first].reshape(-1) for values in table())
    return forms, ops
