"""The reference machine: recorded roots and cycles, traps, mode switches, aliasing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localbento.riscv import abi
from localbento.riscv.abi import MachineEcall, Register, Trap
from localbento.riscv.decode import encode
from localbento.riscv.isa import BY_MNEMONIC
from localbento.riscv.memory_image import MemoryImage
from localbento.riscv.reference import PROVABLE, V2, Machine, MachineError, Rules

PROGRAMS = {
    program["name"]: program
    for program in json.loads((Path(__file__).parents[3] / "fixtures/vectors/machine-vectors.json").read_text())[
        "programs"
    ]
}
USER, MACHINE = abi.MODE_USER, abi.MODE_MACHINE
CODE = {USER: 0x20_0800, MACHINE: 0xC000_0000}
HANDLER = 0xC000_1000


class NullHost:
    """TERMINATE and READ of 0, 1, 2, ..., as the vectors marked nullhost have it, with V2's padding lanes."""

    def __init__(self) -> None:
        self.terminated: tuple[int, int] | None = None

    def __call__(self, machine: Machine) -> int:
        call = machine.register(Register.A7)
        if call == MachineEcall.TERMINATE:
            self.terminated = (machine.register(Register.A0), machine.register(Register.A1))
            machine.running = False
            return 2
        assert call == MachineEcall.READ
        return self.read(machine)

    @staticmethod
    def read(machine: Machine) -> int:
        addr, count = machine.register(Register.A1), machine.register(Register.A2)
        machine.set_register(Register.A0, count)
        data = [i % 256 for i in range(count)]
        end, rows = addr + count, 2

        def put_byte(at: int) -> None:
            shift = 8 * (at % 4)
            word = machine.memory.read_word(at & ~3) & ~(0xFF << shift) & 0xFFFF_FFFF
            machine.memory.write_word(at & ~3, word | data[at - (end - count)] << shift)

        while addr < end and addr % 4:
            put_byte(addr)
            addr, rows = addr + 1, rows + 1
        while end - addr >= 4:
            lanes = min((end - addr) // 4, 4)
            for lane in range(lanes):
                for byte in range(4):
                    put_byte(addr + 4 * lane + byte)
            for lane in range(lanes, 4):
                machine.memory.write_word(abi.READ_PADDING + 4 * lane, 0)
            addr, rows = addr + 4 * lanes, rows + 1
        while addr < end:
            put_byte(addr)
            addr, rows = addr + 1, rows + 1
        return rows


@pytest.mark.parametrize("name", ["k_basic", "k_loop_split", "k_loop_po2_16", "k_reads", "k_alu_paused5"])
def test_recorded_kernel_programs(name: str) -> None:
    """Roots at every segment's border, user cycles and exit registers are RISC Zero's."""
    program = PROGRAMS[name]
    image = MemoryImage()
    for start, run in program["words"].items():
        image.write_words(int(start, 16), b"".join(int(word, 16).to_bytes(4, "little") for word in run))
    image.write_word(abi.SUSPEND_PC, int(program["entry"], 16))
    image.write_word(abi.SUSPEND_MODE, 1)
    host = NullHost()
    machine = Machine(image, host, V2)
    total = 0
    for segment in program["expected"]["segments"]:
        assert image.merkle_root().hex() == segment["pre"]
        total += segment["user_cycles"]
        machine.resume(bytes.fromhex(program["input_digest"]))
        while machine.running and machine.cycles < total:
            machine.step()
        machine.suspend()
        assert machine.cycles == total
        assert image.merkle_root().hex() == segment["post"]
    assert host.terminated == tuple(program["expected"]["terminate"])


def no_ecall(machine: Machine) -> int:
    raise AssertionError


def machine_at(
    mode: int, *instructions: int | tuple, rules: Rules = PROVABLE, registers: dict[int, int] | None = None
) -> Machine:
    """A machine about to run these instructions (words, or mnemonic with operands)."""
    image = MemoryImage()
    for i, item in enumerate(instructions):
        word = item if isinstance(item, int) else encode(BY_MNEMONIC[item[0]], *item[1:])
        image.write_word(CODE[mode] + 4 * i, word)
    machine = Machine(image, no_ecall, rules)
    machine.pc, machine.mode, machine.running = CODE[mode], mode, True
    for number, value in (registers or {}).items():
        image.write_word(abi.register_addr(mode, number), value)
    return machine


def snapshot(machine: Machine) -> tuple[int, int, int, dict[int, bytes]]:
    assert isinstance(machine.memory, MemoryImage)
    pages = {i: machine.memory.pages[i].tobytes() for i in machine.memory.nonzero_pages()}
    return machine.pc, machine.mode, machine.cycles, pages


X5 = Register.T0
USER_TRAPS: list[tuple[Trap, int | tuple, dict[int, int]]] = [
    (Trap.ILLEGAL_INSTRUCTION, 0x0000_0000, {}),
    (Trap.ILLEGAL_INSTRUCTION, 0x0FF0_000F, {}),
    (Trap.ILLEGAL_INSTRUCTION, 0xC000_2573, {}),
    (Trap.ILLEGAL_INSTRUCTION, 0x0000_4501, {}),
    (Trap.ILLEGAL_INSTRUCTION, 0x0000_00F3, {}),
    (Trap.BREAKPOINT, ("ebreak",), {}),
    (Trap.INSTRUCTION_MISALIGNED, ("jal", 1, 0, 0, 2), {}),
    (Trap.INSTRUCTION_MISALIGNED, ("jalr", 1, 5, 0, 0), {X5: 0x30_0002}),
    (Trap.INSTRUCTION_MISALIGNED, ("jalr", 1, 5, 0, 3), {X5: 0x30_0000}),
    (Trap.INSTRUCTION_MISALIGNED, ("beq", 0, 0, 0, 6), {}),
    (Trap.LOAD_MISALIGNED, ("lw", 6, 5, 0, 0), {X5: 0x30_0002}),
    (Trap.LOAD_MISALIGNED, ("lh", 6, 5, 0, 1), {X5: 0x30_0000}),
    (Trap.LOAD_MISALIGNED, ("lhu", 0, 5, 0, 0), {X5: 0x30_0001}),
    (Trap.STORE_MISALIGNED, ("sw", 0, 5, 6, 0), {X5: 0x30_0001}),
    (Trap.STORE_MISALIGNED, ("sh", 0, 5, 6, 0), {X5: 0x30_0003}),
    (Trap.LOAD_FAULT, ("lb", 6, 0, 0, 0), {}),
    (Trap.LOAD_FAULT, ("lw", 6, 5, 0, -4), {X5: 0x1_0000}),
    (Trap.LOAD_FAULT, ("lw", 6, 5, 0, 0), {X5: 0xC000_0000}),
    # Range comes before alignment.
    (Trap.LOAD_FAULT, ("lw", 6, 5, 0, 0), {X5: 0xC000_0001}),
    (Trap.LOAD_FAULT, ("lw", 6, 5, 0, 8), {X5: 0xFFFF_FFFC}),
    (Trap.STORE_FAULT, ("sb", 0, 5, 6, 0), {X5: 0xFFFF_0080}),
    (Trap.STORE_FAULT, ("sw", 0, 5, 6, 0), {X5: 0xFFFF}),
]


@pytest.mark.parametrize(("cause", "instruction", "registers"), USER_TRAPS)
def test_user_traps(cause: Trap, instruction: int | tuple, registers: dict[int, int]) -> None:
    """Without a handler the execution fails and nothing has changed; with one only mode, pc, MEPC do."""
    for rules, word in ((V2, abi.TRAP_DISPATCH + 4 * cause), (PROVABLE, abi.TRAP_DISPATCH)):
        machine = machine_at(USER, instruction, rules=rules, registers={6: 77, **registers})
        before = snapshot(machine)
        with pytest.raises(MachineError) as caught:
            machine.step()
        assert caught.value.cause is cause
        assert caught.value.pc == CODE[USER]
        assert hex(CODE[USER])[2:] in str(caught.value)
        assert snapshot(machine) == before

        machine.memory.write_word(word, HANDLER)
        pages = snapshot(machine)[3]
        machine.step()
        assert (machine.pc, machine.mode, machine.cycles) == (HANDLER, MACHINE, 0)
        assert machine.memory.read_word(abi.MEPC) == CODE[USER]
        machine.memory.write_word(abi.MEPC, 0)
        assert snapshot(machine)[3] == pages


@pytest.mark.parametrize("handler", [0, 0x1_0000, 0xBFFF_FFFC, 0xC000_0002, 0xFF00_0000, 0xFFFF_FFFC])
def test_bad_trap_handlers(handler: int) -> None:
    machine = machine_at(USER, ("ebreak",))
    machine.memory.write_word(abi.TRAP_DISPATCH, handler)
    with pytest.raises(MachineError, match="breakpoint"):
        machine.step()


@pytest.mark.parametrize(
    ("instruction", "registers"),
    [
        (0, {}),
        (("ebreak",), {}),
        (("lw", 6, 5, 0, 0), {X5: 0x30_0002}),
        (("lw", 6, 5, 0, 0), {X5: 0xFFFC}),
        (("jalr", 0, 5, 0, 0), {X5: 0x30_0002}),
    ],
)
def test_traps_in_machine_mode_end_the_execution(instruction: int | tuple, registers: dict[int, int]) -> None:
    machine = machine_at(MACHINE, instruction, registers=registers)
    machine.memory.write_word(abi.TRAP_DISPATCH, HANDLER)
    with pytest.raises(MachineError, match="machine mode"):
        machine.step()


@pytest.mark.parametrize(
    ("mode", "pc", "cause"),
    [
        (USER, 0xFFFC, Trap.INSTRUCTION_FAULT),
        (USER, 0, Trap.INSTRUCTION_FAULT),
        (USER, 0xC000_0000, Trap.INSTRUCTION_FAULT),
        (USER, 0x30_0002, Trap.INSTRUCTION_MISALIGNED),
        (MACHINE, 0xFFFC, Trap.INSTRUCTION_FAULT),
    ],
)
def test_fetch_traps(mode: int, pc: int, cause: Trap) -> None:
    machine = machine_at(mode)
    machine.pc = pc
    with pytest.raises(MachineError) as caught:
        machine.step()
    assert caught.value.cause is cause


def test_jumps_out_of_range_trap_at_the_target() -> None:
    machine = machine_at(USER, ("jalr", 1, 5, 0, 0), registers={X5: 0xC000_0000})
    machine.step()
    assert (machine.pc, machine.register(1)) == (0xC000_0000, CODE[USER] + 4)
    with pytest.raises(MachineError, match="instruction fault"):
        machine.step()


def test_machine_mode_reaches_kernel_memory_and_both_banks() -> None:
    machine = machine_at(
        MACHINE,
        ("sw", 0, 5, 6, 0),  # user x7 := 99
        ("sw", 0, 5, 6, -124),  # machine x1 := 99, through memory
        ("addi", 2, 1, 0, 1),
        ("lw", 3, 5, 0, 0),
        registers={5: abi.USER_REGISTERS + 4 * 7, 6: 99},
    )
    machine.memory.write_word(abi.register_addr(MACHINE, 5), abi.USER_REGISTERS)
    for _ in range(4):
        machine.step()
    assert machine.memory.read_word(abi.USER_REGISTERS) == 99
    assert machine.register(1) == 99
    assert machine.register(2) == 100
    assert machine.register(3) == 99


def test_user_ecall_and_return() -> None:
    machine = machine_at(USER, ("ecall",), ("addi", 1, 0, 0, 5))
    memory = machine.memory
    memory.write_word(abi.ECALL_DISPATCH, HANDLER)
    memory.write_word(HANDLER, encode(BY_MNEMONIC["addi"], 1, 0, 0, 9))
    memory.write_word(HANDLER + 4, encode(BY_MNEMONIC["mret"]))
    machine.step()
    assert (machine.pc, machine.mode, memory.read_word(abi.MEPC)) == (HANDLER, MACHINE, CODE[USER])
    machine.step()
    machine.step()
    assert (machine.pc, machine.mode) == (CODE[USER] + 4, USER)
    machine.step()
    assert (memory.read_word(abi.MACHINE_REGISTERS + 4), memory.read_word(abi.USER_REGISTERS + 4)) == (9, 5)
    assert machine.cycles == 4


@pytest.mark.parametrize("handler", [0xBFFF_FFFC, 0x20_0000, 0xC000_0001, 0xFF00_0000])
def test_user_ecall_with_a_bad_handler_is_trap_9(handler: int) -> None:
    machine = machine_at(USER, ("ecall",), rules=V2)
    machine.memory.write_word(abi.ECALL_DISPATCH, handler)
    with pytest.raises(MachineError) as caught:
        machine.step()
    assert caught.value.cause is Trap.USER_ECALL_FAULT
    machine.memory.write_word(abi.TRAP_DISPATCH + 36, HANDLER)
    machine.step()
    assert (machine.pc, machine.cycles) == (HANDLER, 0)


@pytest.mark.parametrize(
    ("mode", "instruction", "setup", "detail"),
    [
        (USER, ("ecall",), {}, "ecall handler 0x00000000 lies in the zero area"),
        (USER, ("mret",), {}, "mret in user mode"),
        (MACHINE, ("mret",), {abi.MEPC: 0xFFFC}, "MEPC 0x0000fffc lies in the zero area"),
    ],
)
def test_states_without_meaning(mode: int, instruction: tuple, setup: dict[int, int], detail: str) -> None:
    machine = machine_at(mode, instruction)
    for addr, value in setup.items():
        machine.memory.write_word(addr, value)
    machine.memory.write_word(abi.TRAP_DISPATCH, HANDLER)
    with pytest.raises(MachineError, match=detail) as caught:
        machine.step()
    assert caught.value.cause is None


def test_start_in_the_zero_area() -> None:
    machine = Machine(MemoryImage(), no_ecall)
    with pytest.raises(MachineError, match="starts in the zero area"):
        machine.resume()


def test_resume_and_suspend() -> None:
    image = MemoryImage()
    image.write_word(abi.SUSPEND_PC, 0x30_0000)
    image.write_word(abi.SUSPEND_MODE, 7)
    machine = Machine(image, no_ecall)
    machine.resume(bytes(range(32)))
    assert (machine.pc, machine.mode, machine.running) == (0x30_0000, MACHINE, True)
    assert image.read_bytes(abi.GLOBAL_INPUT, 32) == bytes(range(32))
    machine.pc, machine.mode = 0x40_0000, USER
    machine.suspend()
    assert image.read_word(abi.SUSPEND_PC) == 0x40_0000
    assert image.read_word(abi.SUSPEND_MODE) == USER


@pytest.mark.parametrize("mode", [USER, MACHINE])
def test_a_write_to_x0_goes_to_the_scratch_word(mode: int) -> None:
    machine = machine_at(mode, ("addi", 0, 0, 0, 5), ("add", 1, 0, 0))
    machine.step()
    bank = abi.register_addr(mode, 0)
    assert machine.memory.read_word(bank) == 0
    assert machine.memory.read_word(bank + abi.X0_SCRATCH_OFFSET) == 5
    machine.step()
    assert machine.register(1) == 0


@pytest.mark.parametrize("taken", [True, False])
def test_only_the_released_generation_lets_a_branch_write_the_scratch_word(taken: bool) -> None:
    branch = ("beq" if taken else "bne", 0, 0, 0, 8)
    for rules, expected in ((V2, 0), (PROVABLE, 5)):
        machine = machine_at(USER, ("addi", 0, 0, 0, 5), branch, rules=rules)
        machine.step()
        machine.step()
        assert machine.memory.read_word(abi.USER_X0_SCRATCH) == expected
        assert machine.pc == CODE[USER] + 4 + (8 if taken else 4)


def test_jalr_reads_its_base_before_it_writes_the_link() -> None:
    machine = machine_at(USER, ("jalr", 5, 5, 0, 4), registers={5: 0x30_0001})
    machine.step()
    assert machine.pc == 0x30_0004
    assert machine.register(5) == CODE[USER] + 4


def test_branch_not_taken_has_no_check() -> None:
    machine = machine_at(USER, ("bne", 0, 0, 0, 6))
    machine.step()
    assert machine.pc == CODE[USER] + 4


def test_machine_ecall_is_charged_by_the_host() -> None:
    seen: list[int] = []
    ecall: Callable[[Machine], int] = lambda machine: seen.append(machine.pc) or 17  # noqa: E731
    machine = machine_at(MACHINE, ("ecall",))
    machine = Machine(machine.memory, ecall)
    machine.pc, machine.mode = CODE[MACHINE], MACHINE
    machine.step()
    assert (seen, machine.cycles, machine.pc) == ([CODE[MACHINE]], 17, CODE[MACHINE] + 4)


def test_vectors_without_a_test_here_are_known() -> None:
    """The rest needs the host's sha2, poseidon2 and bigint, or RISC Zero's kernel: tested with the executor."""
    here: set[Any] = {"k_basic", "k_loop_split", "k_loop_po2_16", "k_reads", "k_alu_paused5"}
    kernels = {name for name, program in PROGRAMS.items() if program["kind"] == "kernel"}
    assert kernels - here == {"k_sha", "k_poseidon2", "k_bigint_mul"}
