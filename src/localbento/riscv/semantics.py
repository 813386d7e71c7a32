"""What each operation computes: one pure function per row of the manual, on words 0..2^32-1.

This is the oracle: the executor's kernel and every chip's `fill` are compared with it.  Nothing
here is fast.  Corner cases are named as the manual names them.

Source: The RISC-V Instruction Set Manual, Volume I: RV32I Base Integer Instruction Set; "M"
Extension for Integer Multiplication and Division.
"""

from collections.abc import Callable
from typing import Final

from localbento.riscv.isa import Operation

WORD: Final = 0xFFFF_FFFF
MOST_NEGATIVE: Final = 0x8000_0000


def signed(word: int) -> int:
    """The two's complement value of a word."""
    return word - (1 << 32) if word >= MOST_NEGATIVE else word


def sign_extend(value: int, bits: int) -> int:
    """The word that sign-extends the low `bits` bits of `value`."""
    value &= (1 << bits) - 1
    return (value - (value >> bits - 1 << bits)) & WORD


def add(a: int, b: int) -> int:
    """ADD, ADDI, AUIPC: overflow is ignored."""
    return (a + b) & WORD


def sub(a: int, b: int) -> int:
    """SUB: overflow is ignored."""
    return (a - b) & WORD


def sll(a: int, b: int) -> int:
    """SLL, SLLI: by the low five bits of b."""
    return a << (b & 31) & WORD


def srl(a: int, b: int) -> int:
    """SRL, SRLI: zeros come in; by the low five bits of b."""
    return a >> (b & 31)


def sra(a: int, b: int) -> int:
    """SRA, SRAI: copies of the sign come in; by the low five bits of b."""
    return signed(a) >> (b & 31) & WORD


def slt(a: int, b: int) -> int:
    """SLT, SLTI: 1 if a < b as signed numbers."""
    return int(signed(a) < signed(b))


def sltu(a: int, b: int) -> int:
    """SLTU, SLTIU: 1 if a < b as unsigned numbers (an immediate is sign-extended first)."""
    return int(a < b)


def xor(a: int, b: int) -> int:
    """XOR, XORI."""
    return a ^ b


def or_(a: int, b: int) -> int:
    """OR, ORI."""
    return a | b


def and_(a: int, b: int) -> int:
    """AND, ANDI."""
    return a & b


def mul(a: int, b: int) -> int:
    """MUL: the low word of the product, the same for signed and unsigned operands."""
    return a * b & WORD


def mulh(a: int, b: int) -> int:
    """MULH: the high word of signed times signed."""
    return signed(a) * signed(b) >> 32 & WORD


def mulhsu(a: int, b: int) -> int:
    """MULHSU: the high word of signed a times unsigned b."""
    return signed(a) * b >> 32 & WORD


def mulhu(a: int, b: int) -> int:
    """MULHU: the high word of unsigned times unsigned."""
    return a * b >> 32


def div(a: int, b: int) -> int:
    """DIV: rounds towards zero.

    Division by zero gives -1.  Overflow, the most negative number by -1, gives the dividend.
    """
    if b == 0:
        return WORD
    n, d = signed(a), signed(b)
    quotient = abs(n) // abs(d)
    return (quotient if (n < 0) == (d < 0) else -quotient) & WORD


def divu(a: int, b: int) -> int:
    """DIVU: division by zero gives 2^32 - 1."""
    return WORD if b == 0 else a // b


def rem(a: int, b: int) -> int:
    """REM: the remainder has the dividend's sign.

    Division by zero gives the dividend.  Overflow, the most negative number by -1, gives 0.
    """
    if b == 0:
        return a
    n, d = signed(a), signed(b)
    remainder = abs(n) % abs(d)
    return (remainder if n >= 0 else -remainder) & WORD


def remu(a: int, b: int) -> int:
    """REMU: division by zero gives the dividend."""
    return a if b == 0 else a % b


BINARY: Final[dict[Operation, Callable[[int, int], int]]] = {
    Operation.ADD: add,
    Operation.SUB: sub,
    Operation.SLL: sll,
    Operation.SLT: slt,
    Operation.SLTU: sltu,
    Operation.XOR: xor,
    Operation.SRL: srl,
    Operation.SRA: sra,
    Operation.OR: or_,
    Operation.AND: and_,
    Operation.MUL: mul,
    Operation.MULH: mulh,
    Operation.MULHSU: mulhsu,
    Operation.MULHU: mulhu,
    Operation.DIV: div,
    Operation.DIVU: divu,
    Operation.REM: rem,
    Operation.REMU: remu,
}
"""From (rs1, rs2 or immediate) to rd."""

BRANCH: Final[dict[Operation, Callable[[int, int], bool]]] = {
    Operation.EQ: lambda a, b: a == b,
    Operation.NE: lambda a, b: a != b,
    Operation.LT: lambda a, b: signed(a) < signed(b),
    Operation.GE: lambda a, b: signed(a) >= signed(b),
    Operation.LTU: lambda a, b: a < b,
    Operation.GEU: lambda a, b: a >= b,
}
"""Whether a branch is taken, from (rs1, rs2)."""

_ACCESS_BITS: Final[dict[Operation, int]] = {
    Operation.LB: 8,
    Operation.LBU: 8,
    Operation.LH: 16,
    Operation.LHU: 16,
    Operation.LW: 32,
    Operation.SB: 8,
    Operation.SH: 16,
    Operation.SW: 32,
}
_SIGN_EXTENDING: Final = (Operation.LB, Operation.LH)

LOADS: Final = (Operation.LB, Operation.LH, Operation.LW, Operation.LBU, Operation.LHU)
STORES: Final = (Operation.SB, Operation.SH, Operation.SW)


def access_bytes(operation: Operation) -> int:
    """Bytes that a load or store accesses; its address must be a multiple of them."""
    return _ACCESS_BITS[operation] // 8


def load(operation: Operation, addr: int, word: int) -> int:
    """The value that a load puts into rd; `word` is the memory word that holds the aligned `addr`."""
    bits = _ACCESS_BITS[operation]
    part = word >> 8 * (addr % 4) & ((1 << bits) - 1)
    return sign_extend(part, bits) if operation in _SIGN_EXTENDING else part


def store(operation: Operation, addr: int, word: int, value: int) -> int:
    """The memory word after a store of `value` (rs2) at the aligned `addr` into `word`."""
    mask = ((1 << _ACCESS_BITS[operation]) - 1) << 8 * (addr % 4)
    return word & ~mask & WORD | value << 8 * (addr % 4) & mask


def jump_target(addr: int) -> int:
    """JALR's target from rs1 + imm: bit 0 is cleared."""
    return addr & ~1 & WORD
