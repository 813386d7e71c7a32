"""Honest segments, made once: programs that use every chip of the machine, and what attacks start from."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from rv32im_segment import Segment, tight_profile

from localbento.air.check import check, evaluate_columns
from localbento.air.chip import assemble_fixed
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.public import public_values
from localbento.circuits.rv32im.witness import make_witness
from localbento.riscv import abi
from localbento.riscv.abi import Register
from localbento.riscv.decode import encode
from localbento.riscv.elf import load_guest
from localbento.riscv.isa import BY_MNEMONIC
from localbento.riscv.memory_image import MemoryImage

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
KERNEL, HANDLER, USER = 0xC000_0000, 0xC000_1000, 0x0020_0800
ZERO, T0, T1, A0, A1, A2, A3, A4, A7 = (
    Register.ZERO, Register.T0, Register.T1, Register.A0, Register.A1, Register.A2, Register.A3, Register.A4,
    Register.A7,
)  # fmt: skip


def op(mnemonic, rd=0, rs1=0, rs2=0, imm=0):
    return encode(BY_MNEMONIC[mnemonic], rd, rs1, rs2, imm)


def load(register, value):
    """Two instructions that set a register."""
    low = (value & 0xFFF) - (value & 0x800) * 2
    return [op("lui", register, imm=(value - low) & 0xFFFF_F000), op("addi", register, register, imm=low)]


def program(*parts):
    """An image from (byte address, words)."""
    image = MemoryImage()
    for start, words in parts:
        for i, word in enumerate(words):
            image.write_word(start + 4 * i, word)
    image.write_word(abi.SUSPEND_PC, KERNEL)
    image.write_word(abi.SUSPEND_MODE, 1)
    return image


ECALL = op("ecall")


def io(number, pointer, length):
    """A machine call READ (1) or WRITE (2)."""
    return [*load(A1, pointer), *load(A2, length), *load(A7, number), ECALL]


def modes():
    """User code that makes ecalls, executes an illegal word and ebreak; reads of all alignments; then an end."""
    setup = [
        *load(T0, HANDLER), *load(T1, abi.ECALL_DISPATCH), op("sw", rs1=T1, rs2=T0),
        *load(T1, abi.TRAP_DISPATCH), op("sw", rs1=T1, rs2=T0),
        *load(T0, USER - 4), *load(T1, abi.MEPC), op("sw", rs1=T1, rs2=T0),
        *(word for at, length in ((0x30_0000, 9), (0x30_0401, 7), (0x30_0802, 2), (0x30_0C03, 0), (0x5FFF_FFFC, 1024))
          for word in io(1, at, length)),
        *io(1, 0, 0), *io(2, 0x30_0000, 12), op("mret"),
    ]  # fmt: skip
    # The handler ends the execution if the user's a0 is not zero.
    handler = [
        *load(T1, abi.USER_REGISTERS + 4 * A0), op("lw", T0, T1), op("beq", rs1=T0, rs2=ZERO, imm=16 + 8),
        op("addi", A7, ZERO, imm=0), *load(A0, 0x0005_0000), op("addi", A1, ZERO, imm=77), ECALL, op("mret"),
    ]  # fmt: skip
    user = [
        ECALL, 0xFFFF_FFFF, op("ebreak"), 0, op("addi", A1, ZERO, imm=3), op("slli", A1, A1, imm=5),
        op("xor", A2, A1, A1), op("addi", A0, ZERO, imm=1), ECALL,
    ]  # fmt: skip
    output = [0x1111_0000 * i + i for i in range(8)]
    return program((KERNEL, setup), (HANDLER, handler), (USER, user), (abi.GLOBAL_OUTPUT, output))


@cache
def sha2_constants():
    """The first 32 bits of the fractional parts of the cube roots of the first 64 primes."""
    primes = [p for p in range(2, 312) if all(p % q for q in range(2, p))]
    return tuple(int(_cube_root(p << 96)) & 0xFFFF_FFFF for p in primes)


def _cube_root(n):
    x = 1 << (n.bit_length() // 3 + 2)
    while x**3 > n:
        x = (2 * x + n // (x * x)) // 3
    return x


def hashing(blocks=(0, 1, 3)):
    """SHA2 calls of so many blocks each, over data that stands behind the code."""
    words, constants, start, data = [], 0xC001_0000, 0xC002_0000, 0xC003_0000
    for i, count in enumerate(blocks):
        out = start if i == 1 else start + 0x100 * (i + 1)
        words += [*load(A0, start), *load(A1, out), *load(A2, data), *load(A3, count + (i << 16)), *load(A4, constants)]
        words += [*load(A7, 4), ECALL]
    words += [*load(A0, 0), *load(A7, 0), ECALL]
    state = [0x67E6_096A, 0x85AE_67BB, 0x72F3_6E3C, 0x3AF5_4FA5, 0x7F52_0E51, 0x8C68_059B, 0xABD9_831F, 0x19CD_E05B]
    message = [(0x0101_0101 * i * 2654435761 + 12345) % (1 << 32) for i in range(64)]
    return program((KERNEL, words), (constants, sha2_constants()), (start, state), (data, message))


@dataclass(frozen=True, eq=False)
class Case:
    """A segment with its filled chips."""

    segment: Segment
    records: object
    profile: object
    witness: object

    def matrix(self, name):
        names = [chip.name for chip in self.profile.system.chips]
        return self.witness.mains[names.index(name)]

    def report(self):
        mains = self.witness.mains
        fixed = [assemble_fixed(c.chip, m.shape[1]) for c, m in zip(self.profile.system.chips, mains, strict=True)]
        return check(self.profile.system, mains, fixed, public_values(self.witness.statement))


def case_of(segment, rounds=False, steps=False):
    records = segment.records()
    profile = tight_profile(records, rounds=rounds, steps=steps)
    return Case(segment, records, profile, make_witness(records, profile))


def run(image, cycles=1 << 30, **options):
    segment = Segment(image, **options)
    segment.run(cycles)
    return segment


@cache
def case(name):
    """A finished segment by name; NAME/rounds has its permutations in five rows, NAME/steps narrow rounds of SHA2."""
    if name.endswith("/steps"):
        return case_of(case(name.removesuffix("/steps")).segment, steps=True)
    if name.endswith("/rounds"):
        return case_of(case(name.removesuffix("/rounds")).segment, rounds=True)
    if name == "modes":
        return case_of(run(modes(), input_words=tuple(0x0123_4567 * (i + 1) % (1 << 32) for i in range(8))))
    if name == "hashing":
        return case_of(run(hashing()))
    if name == "split_machine":
        return case_of(run(modes(), 40))
    if name == "split_user":
        segment = Segment(modes())
        while not segment.user:
            segment.one()
        segment.suspend()
        return case_of(segment)
    image = load_guest((FIXTURES / "compliance" / f"{name}.elf").read_bytes()).image
    return case_of(run(image))


CASES = ("modes", "hashing", "split_machine", "split_user")

OURS = (
    "system", "access", "host_io", "read_data", "page_block", "page", "node", "poseidon2", "full_rounds",
    "partial_rounds", "sha2", "sha2_round", "sha2_step",
)  # fmt: skip


@cache
def rows(name, most=60):
    """Honest rows of a chip from all cases, those with different sets of ones and zeros first; an unused one last."""
    seen, first, rest = set(), [], []
    chip = machine.recorded(name)
    bits = [chip.graph.nodes[n][1] for n in sorted(chip.bits)][:20]
    if name in ("sha2_round", "sha2_step"):  # not those of words
        bits = [b for b in bits if "[" not in chip.main[b]]
    for label in CASES:
        matrix = case(label + form_of(name)).matrix(name)
        real = evaluate_columns(chip, np.zeros((0, matrix.shape[1]), np.uint32), matrix)[chip.real]
        for column in matrix.T[real == 1]:
            kind = tuple(column[bits])
            (rest if kind in seen else first).append(column)
            seen.add(kind)
    rng = np.random.default_rng(1)
    chosen = (first + [rest[i] for i in rng.permutation(len(rest))])[:most]
    return [*chosen, unused(name)]


def form_of(name):
    """What `case` calls the form of a segment that has this chip."""
    return "/rounds" if name in machine.ROUNDS else "/steps" if name == "sha2_step" else ""


def unused(name):
    chip = machine.recorded(name)
    return np.array([chip.chip.padding.get(column, 0) for column in chip.main], np.uint32)
