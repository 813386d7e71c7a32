"""The reference machine against Unicorn (QEMU's RV32), instruction by instruction.

Random states and programs, weighted to edge operands and to registers that alias.  Every instruction of the
table that has operands gets its own test.  What the platform defines otherwise
than the manual (misaligned accesses, address ranges, calls) is in tests/unit/riscv/test_reference.py.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unicorn import UC_ARCH_RISCV, UC_MODE_RISCV32, Uc, UcError
from unicorn.riscv_const import UC_RISCV_REG_PC, UC_RISCV_REG_X0

from localbento.riscv import abi, semantics
from localbento.riscv.abi import Trap
from localbento.riscv.decode import encode
from localbento.riscv.isa import INSTRUCTIONS, Format, Instruction
from localbento.riscv.memory_image import MemoryImage
from localbento.riscv.reference import Machine, MachineError

CODE, CODE_BYTES = 0x20_0000, 1 << 20
DATA, DATA_BYTES = 0x40_0000, 1 << 12
EDGES = [0, 1, 2, 3, 7, 8, 31, 32, 33, 0x7F, 0x80, 0xFF, 0x100, 0x7FF, 0x800, 0xFFF, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000]
EDGES += [0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_8000, 0xFFFF_FF80, 0xFFFF_FFFE, 0xFFFF_FFFF]
DRAWN = [row for row in INSTRUCTIONS if row.format is not Format.SYSTEM]

words = st.one_of(st.sampled_from(EDGES), st.sampled_from(EDGES), st.integers(0, 2**32 - 1))
# Few registers, so that operands and destinations often coincide.
registers = st.one_of(st.sampled_from([0, 1, 2, 5]), st.sampled_from([0, 1, 2, 5]), st.integers(0, 31))


class Emulator:
    """Unicorn with a code and a data region.  Code goes to fresh addresses, so no translation is stale."""

    def __init__(self) -> None:
        self.uc = Uc(UC_ARCH_RISCV, UC_MODE_RISCV32)
        self.uc.mem_map(CODE, CODE_BYTES)
        self.uc.mem_map(DATA, DATA_BYTES)
        self.next = CODE

    def room(self, count: int) -> int:
        if self.next + 4 * count > CODE + CODE_BYTES:
            self.uc.ctl_flush_tb()
            self.next = CODE
        start = self.next
        self.next += 4 * count
        return start


@pytest.fixture(scope="module")
def emulator() -> Emulator:
    return Emulator()


def operands(row: Instruction, data: st.DataObject) -> tuple[int, int, int, int]:
    rd = 0 if row.format in (Format.S, Format.B) else data.draw(registers)
    rs1 = 0 if row.format in (Format.U, Format.J) else data.draw(registers)
    rs2 = data.draw(registers) if row.format in (Format.R, Format.S, Format.B) else 0
    immediates = {
        Format.R: st.just(0),
        Format.SHIFT: st.integers(0, 31),
        Format.U: st.one_of(st.sampled_from([0, 1, 0x7FFFF, 0x80000, 0xFFFFF]), st.integers(0, 0xFFFFF)).map(
            lambda high: high << 12
        ),
        # Two instructions on at most: the program's last two are nops.
        Format.B: st.sampled_from([4, 8, 12]),
        Format.J: st.sampled_from([4, 8, 12]),
    }
    small = st.one_of(st.sampled_from([0, 1, 31, 32, -1, 2047, -2048]), st.integers(-2048, 2047))
    imm = data.draw(immediates.get(row.format, small))
    return rd, rs1, rs2, imm


def placed(row: Instruction, rs1: int, imm: int, data: st.DataObject) -> int | None:
    """The value of rs1 that puts a load, store or jump at an aligned address of the test's regions."""
    if rs1 == 0 or row.operation not in (*semantics.LOADS, *semantics.STORES):
        return None
    size = semantics.access_bytes(row.operation)
    addr = DATA + size * data.draw(st.integers(0, 64 // size - 1))
    return (addr - imm) & 0xFFFF_FFFF


def registers_of(uc: Uc) -> list[int]:
    return [uc.reg_read(UC_RISCV_REG_X0 + i) & 0xFFFF_FFFF for i in range(32)]


def no_ecall(machine: Machine) -> int:
    raise AssertionError


FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("row", DRAWN, ids=lambda row: row.mnemonic)
@FEW
@given(data=st.data())
def test_one_instruction_from_any_state(emulator: Emulator, row: Instruction, data: st.DataObject) -> None:
    """Given any registers and data, when one instruction runs, then registers, memory and pc agree."""
    rd, rs1, rs2, imm = operands(row, data)
    pc = emulator.room(4)
    values = [0] + [data.draw(words) for _ in range(31)]
    base = placed(row, rs1, imm, data)
    if base is not None:
        values[rs1] = base
    if row.mnemonic == "jalr":
        # A target near x0 is no code in either machine, and QEMU reports it one step earlier.
        rs1 = rs1 or 1
        target = pc + 4 * data.draw(st.integers(0, 3)) + data.draw(st.sampled_from([0, 1]))
        values[rs1] = (target - imm) & 0xFFFF_FFFF
    contents = data.draw(st.binary(min_size=64, max_size=64))
    check_step(emulator, encode(row, rd, rs1, rs2, imm), pc, values, contents)


def check_step(emulator: Emulator, word: int, pc: int, values: list[int], contents: bytes) -> None:
    uc = emulator.uc
    image = MemoryImage()
    image.write_word(pc, word)
    image.write_words(DATA, contents)
    machine = Machine(image, no_ecall)
    machine.pc, machine.mode = pc, abi.MODE_USER
    uc.mem_write(pc, word.to_bytes(4, "little"))
    uc.mem_write(DATA, contents)
    for number, value in enumerate(values):
        image.write_word(abi.register_addr(abi.MODE_USER, number), value)
        if number:
            uc.reg_write(UC_RISCV_REG_X0 + number, value)
    try:
        machine.step()
    except MachineError as fault:
        assert_refused(uc, fault, pc)
    else:
        uc.emu_start(pc, 0xFFFF_FFFF, count=1)
        assert_equal_states(uc, machine)


def assert_equal_states(uc: Uc, machine: Machine) -> None:
    assert registers_of(uc) == [machine.register(i) for i in range(32)]
    assert isinstance(machine.memory, MemoryImage)
    assert bytes(uc.mem_read(DATA, 64)) == machine.memory.read_bytes(DATA, 64)
    assert uc.reg_read(UC_RISCV_REG_PC) == machine.pc


def assert_refused(uc: Uc, fault: MachineError, pc: int) -> None:
    """Only with base x0: a load or store below the test's regions, or a jump to 2 mod 4."""
    if fault.cause is Trap.INSTRUCTION_MISALIGNED:
        return  # QEMU has compressed instructions here and goes there
    assert fault.cause in (Trap.LOAD_FAULT, Trap.STORE_FAULT)
    with pytest.raises(UcError):
        uc.emu_start(pc, 0xFFFF_FFFF, count=1)


COMPUTING = [row for row in DRAWN if row.mnemonic not in ("jalr",)]
POINTER = 31


def instruction(row: Instruction, data: st.DataObject) -> int:
    """An instruction of a program: memory is reached through x31 only, which nothing else writes."""
    rd, rs1, rs2, imm = operands(row, data)
    if row.operation in (*semantics.LOADS, *semantics.STORES):
        size = semantics.access_bytes(row.operation)
        rs1, imm = POINTER, size * data.draw(st.integers(0, 64 // size - 1))
    return encode(row, 0 if rd == POINTER else rd, rs1, rs2, imm)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_programs_in_lockstep(emulator: Emulator, data: st.DataObject) -> None:
    """Given a program of 16 instructions, when both run it, then they agree after every step."""
    rows = data.draw(st.lists(st.sampled_from(COMPUTING), min_size=16, max_size=16))
    code = [instruction(row, data) for row in rows]
    start = emulator.room(len(code) + 4)
    uc, image = emulator.uc, MemoryImage()
    program = b"".join(word.to_bytes(4, "little") for word in code + [0x13] * 4)
    contents = data.draw(st.binary(min_size=64, max_size=64))
    uc.mem_write(start, program)
    uc.mem_write(DATA, contents)
    image.write_words(start, program)
    image.write_words(DATA, contents)
    machine = Machine(image, no_ecall)
    machine.pc, machine.mode = start, abi.MODE_USER
    for number in range(1, 32):
        value = DATA if number == POINTER else data.draw(words)
        image.write_word(abi.register_addr(abi.MODE_USER, number), value)
        uc.reg_write(UC_RISCV_REG_X0 + number, value)
    while machine.pc < start + 4 * len(code):
        uc.emu_start(machine.pc, 0xFFFF_FFFF, count=1)
        machine.step()
        assert_equal_states(uc, machine)
    assert machine.cycles > 0
