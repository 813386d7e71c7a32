"""From an instruction word to its row in the table and its operands."""

from dataclasses import dataclass
from typing import Final

from localbento.riscv.isa import INSTRUCTIONS, Format, Instruction

_WORD: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Decoded:
    """An instruction with its operands.

    `number` is the row of `isa.INSTRUCTIONS`.  Register fields that the format does not have are 0.
     `imm` is a word: sign-extended and wrapped to 0..2^32-1 (shift amounts 0..31; lui and auipc
     have the low 12 bits
    zero); 0 if the format has none.
    """

    number: int
    rd: int
    rs1: int
    rs2: int
    imm: int

    @property
    def instruction(self) -> Instruction:
        """The row of the table."""
        return INSTRUCTIONS[self.number]


# (opcode, funct3 or None) -> rows, so that a look-up tries at most four rows.
_INDEX: Final[dict[tuple[int, int], tuple[Instruction, ...]]] = {
    (opcode, funct3): rows
    for opcode in sorted({row.opcode for row in INSTRUCTIONS})
    for funct3 in range(8)
    if (rows := tuple(row for row in INSTRUCTIONS if row.opcode == opcode and row.funct3 in (None, funct3)))
}


def _signed(value: int, bits: int) -> int:
    """The word that sign-extends the low `bits` bits of `value`."""
    value &= (1 << bits) - 1
    return (value - (value >> (bits - 1) << bits)) & _WORD


def immediate(form: Format, word: int) -> int:
    """The immediate operand of an instruction word of that format, as `Decoded.imm` has it."""
    match form:
        case Format.I:
            return _signed(word >> 20, 12)
        case Format.SHIFT:
            return word >> 20 & 31
        case Format.S:
            return _signed(word >> 25 << 5 | word >> 7 & 31, 12)
        case Format.B:
            high = word >> 31 << 12 | (word >> 7 & 1) << 11
            return _signed(high | (word >> 25 & 0x3F) << 5 | (word >> 8 & 15) << 1, 13)
        case Format.U:
            return word & 0xFFFF_F000
        case Format.J:
            high = word >> 31 << 20 | (word >> 12 & 0xFF) << 12
            return _signed(high | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1, 21)
        case Format.R | Format.SYSTEM:
            return 0


def decode(word: int) -> Decoded | None:
    """The instruction that `word` (0..2^32-1) is, or None if it is illegal on this platform.

    Only the strict forms are accepted: ecall, ebreak and mret are one word each, jalr has funct3 =
    0, immediate shifts have the funct7 of the table.  Words whose low two bits are not 11 are
    illegal.
    """
    for row in _INDEX.get((word & 0x7F, word >> 12 & 7), ()):
        if word & row.mask != row.match:
            continue
        form = row.format
        if form is Format.SYSTEM:
            return Decoded(row.number, 0, 0, 0, 0)
        return Decoded(
            number=row.number,
            rd=0 if form in (Format.S, Format.B) else word >> 7 & 31,
            rs1=0 if form in (Format.U, Format.J) else word >> 15 & 31,
            rs2=word >> 20 & 31 if form in (Format.R, Format.S, Format.B) else 0,
            imm=immediate(form, word),
        )
    return None


def encode(instruction: Instruction, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0) -> int:
    """The instruction word with these operands; what `decode` gives back for it.

    `imm` may be signed or wrapped.

    Raises:
        ValueError: if an operand has no place in the format, or does not fit.
    """
    form = instruction.format
    imm &= _WORD
    word = instruction.match | _encode_immediate(form, imm)
    word |= rd << 7 | rs1 << 15 | rs2 << 20 if form is not Format.SYSTEM else 0
    wanted = Decoded(instruction.number, rd, rs1, rs2, imm)
    if not 0 <= word <= _WORD or decode(word) != wanted:
        msg = f"operands of {instruction.mnemonic}: {wanted!r} cannot be encoded"
        raise ValueError(msg)
    return word


def _encode_immediate(form: Format, imm: int) -> int:
    match form:
        case Format.I:
            return (imm & 0xFFF) << 20
        case Format.SHIFT:
            return (imm & 31) << 20
        case Format.S:
            return (imm >> 5 & 0x7F) << 25 | (imm & 31) << 7
        case Format.B:
            high = (imm >> 12 & 1) << 31 | (imm >> 11 & 1) << 7
            return high | (imm >> 5 & 0x3F) << 25 | (imm >> 1 & 15) << 8
        case Format.U:
            return imm & 0xFFFF_F000
        case Format.J:
            high = (imm >> 20 & 1) << 31 | (imm >> 12 & 0xFF) << 12
            return high | (imm >> 11 & 1) << 20 | (imm >> 1 & 0x3FF) << 21
        case Format.R | Format.SYSTEM:
            return 0
