"""What guests do wrong: each ends in an error of its own, with a message of one line that says where."""

import pytest
from executor_guests import KERNEL_CODE, USER_CODE, Guest, program

from localbento.errors import GuestError, ProvingError, UsageError
from localbento.executor import ExecutorInput, Limits, Mode, execute
from localbento.executor.errors import (
    CycleLimitError,
    ExitError,
    MachineCallError,
    OutputMismatchError,
    SyscallError,
    TrapError,
)
from localbento.executor.host import call_name
from localbento.executor.preflight import preflight
from localbento.riscv import abi
from localbento.riscv.abi import Register, Trap
from localbento.riscv.decode import encode
from localbento.riscv.isa import BY_MNEMONIC

MODES = [Mode.PLAIN, Mode.COUNT]
A0, A1, A2, A3, A4, A7, T0 = (Register[n] for n in ("A0", "A1", "A2", "A3", "A4", "A7", "T0"))
ECALL = encode(BY_MNEMONIC["ecall"])


def op(mnemonic, rd=0, rs1=0, rs2=0, imm=0):
    return encode(BY_MNEMONIC[mnemonic], rd, rs1, rs2, imm)


def load(register, value):
    low = (value & 0xFFF) - ((value & 0x800) << 1)
    return [op("lui", register, imm=(value - low) & 0xFFFF_F000), op("addi", register, register, imm=low)]


def call(number, **registers):
    """A machine call with these registers."""
    words = [word for name, value in registers.items() for word in load(Register[name.upper()], value)]
    return [*words, *load(A7, number), ECALL]


def user(*words, trap=0):
    """A program whose user code is `words`; a trap goes to the handler at `trap`."""
    boot = [*load(T0, USER_CODE - 4), *load(A0, abi.MEPC), op("sw", rs1=A0, rs2=T0)]
    boot += [*load(T0, trap), *load(A0, abi.TRAP_DISPATCH), op("sw", rs1=A0, rs2=T0), op("mret")]
    handler = call(0, a0=0x0005_0000)
    return program({KERNEL_CODE: boot, USER_CODE: list(words), 0xC000_0000: handler})


def fails(run, kind, mode=Mode.COUNT, **options):
    with pytest.raises(kind) as caught:
        execute(run, mode=mode, limits=Limits(**options))
    text = str(caught.value)
    assert "\n" not in text
    return caught.value


TRAPS = {
    "load in the zero area": ([op("lw", A0)], Trap.LOAD_FAULT, USER_CODE),
    "store in the zero area": ([op("sw", rs1=0, rs2=0, imm=8)], Trap.STORE_FAULT, USER_CODE),
    "load of kernel memory": ([*load(A0, 0xC000_0000), op("lw", A1, A0)], Trap.LOAD_FAULT, USER_CODE + 8),
    "store to registers": ([*load(A0, 0xFFFF_0080), op("sw", rs1=A0)], Trap.STORE_FAULT, USER_CODE + 8),
    "range before alignment": ([*load(A0, 0xC000_0001), op("lw", A1, A0)], Trap.LOAD_FAULT, USER_CODE + 8),
    "misaligned word": ([*load(A0, 0x30_0002), op("lw", A1, A0)], Trap.LOAD_MISALIGNED, USER_CODE + 8),
    "misaligned half": ([*load(A0, 0x30_0001), op("lhu", A1, A0)], Trap.LOAD_MISALIGNED, USER_CODE + 8),
    "misaligned store": ([*load(A0, 0x30_0001), op("sh", rs1=A0)], Trap.STORE_MISALIGNED, USER_CODE + 8),
    "misaligned jump": ([op("jal", 0, imm=6)], Trap.INSTRUCTION_MISALIGNED, USER_CODE),
    "misaligned branch": ([op("beq", imm=6)], Trap.INSTRUCTION_MISALIGNED, USER_CODE),
    "misaligned jalr": ([*load(A0, 0x20_0006), op("jalr", 0, A0)], Trap.INSTRUCTION_MISALIGNED, USER_CODE + 8),
    "jump to the zero area": ([op("jalr", 0, 0, imm=4)], Trap.INSTRUCTION_FAULT, 4),
    "jump to the kernel": ([*load(A0, 0xC000_0000), op("jalr", 0, A0)], Trap.INSTRUCTION_FAULT, 0xC000_0000),
    "fence": ([0x0FF0_000F], Trap.ILLEGAL_INSTRUCTION, USER_CODE),
    "csr access": ([0x3000_2573], Trap.ILLEGAL_INSTRUCTION, USER_CODE),
    "compressed": ([0x0000_4501], Trap.ILLEGAL_INSTRUCTION, USER_CODE),
    "atomic": ([0x1005_22AF], Trap.ILLEGAL_INSTRUCTION, USER_CODE),
    "zero word": ([0], Trap.ILLEGAL_INSTRUCTION, USER_CODE),
    "ebreak": ([op("ebreak")], Trap.BREAKPOINT, USER_CODE),
    "ecall without a handler": ([ECALL], Trap.USER_ECALL_FAULT, USER_CODE),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", TRAPS)
def test_user_traps_without_a_handler(name, mode):
    words, cause, pc = TRAPS[name]
    run = user(*words)
    if cause is Trap.USER_ECALL_FAULT:
        run.image.write_word(abi.ECALL_DISPATCH, 0x30_0000)
    error = fails(run, TrapError, mode)
    assert (error.cause, error.pc) == (cause, pc)
    assert f"{cause.name.lower().replace('_', ' ')} (cause {int(cause)}) at pc {pc:#010x}" in str(error)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["fence", "zero word", "ebreak"])
def test_traps_with_a_row_go_to_the_handler(name, mode):
    run = user(*TRAPS[name][0], trap=0xC000_0000)
    session = execute(run, mode=mode, limits=Limits())
    assert session.exit_code.pair == (0, 5)
    assert session.unprovable == ()


@pytest.mark.parametrize("name", ["load in the zero area", "misaligned word", "jump to the kernel"])
def test_address_traps_end_the_execution_even_with_a_handler(name):
    words, cause, _ = TRAPS[name]
    assert fails(user(*words, trap=0xC000_0000), TrapError).cause == cause


def test_the_table_by_cause_is_followed_and_has_no_proof():
    run = user(*TRAPS["misaligned word"][0])
    run.image.write_word(abi.TRAP_DISPATCH + 4 * Trap.LOAD_MISALIGNED, 0xC000_0000)
    session = execute(run, limits=Limits())
    assert session.exit_code.pair == (0, 5)
    assert session.unprovable == ("trap through the table by cause",)


def test_traps_of_machine_mode():
    error = fails(program({KERNEL_CODE: [0]}), TrapError)
    assert str(error) == "trap in machine mode: illegal instruction (cause 2) at pc 0x00010004"


CALLS = {
    "unknown call": (call(6), "unknown machine call 6"),
    "long read": (call(1, a1=0x30_0000, a2=1025), "read or write of 1025 bytes, allowed 1024"),
    "long write": (call(2, a1=0x30_0000, a2=2000), "read or write of 2000 bytes, allowed 1024"),
    "read to the zero area": (call(1, a1=0xFFFC, a2=4), "read or write of 4 bytes at 0x0000fffc: not in memory"),
    "read past the end": (call(1, a1=0xFFFF_FFF0, a2=16), "read or write of 16 bytes at 0xfffffff0: not in memory"),
    "sha2 blocks": (call(4, a0=0x30_0000, a1=0x30_0000, a2=0x31_0000, a3=11, a4=0x32_0000), "sha2 of 11 blocks"),
    "sha2 alignment": (call(4, a0=0x30_0002, a1=0x30_0000, a2=0x31_0000, a3=1, a4=0x32_0000), "pointer 0x00300002"),
    "sha2 zero area": (call(4, a0=0x30_0000, a1=0x30_0000, a2=0, a3=1, a4=0x32_0000), "pointer 0x00000000"),
    "sha2 over its data": (call(4, a0=0x30_0000, a1=0x31_0020, a2=0x31_0000, a3=1, a4=0x32_0000), "goes to 0x00310020"),
    "sha2 over its state": (call(4, a0=0x30_0000, a1=0x30_0004, a2=0x31_0000, a4=0x32_0000), "goes to 0x00300004"),
    "poseidon2 zero area": (call(3, a1=4, a2=0x30_0000, a3=1), "word address 0x4 is not in memory"),
    "poseidon2 comparison": (call(3, a1=0xC_0000, a2=0xC_0000, a3=0x4000_0001), "is not the computed one"),
    "bigint mode": (call(5, t0=2), "mode 2, expected 0 or 1"),
    "bigint program": (call(5, a0=0x30_0000, t1=0x30_0000, t2=0x30_0010, t3=0x30_0000), "expected a bibc program"),
    "mret to the zero area": ([op("mret")], "mret to 0x00000000"),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CALLS)
def test_machine_calls_with_bad_arguments(name, mode):
    words, text = CALLS[name]
    assert text in str(fails(program({KERNEL_CODE: words}), MachineCallError, mode))


EMPTY = {"a0": 0x30_0000, "a1": 0x30_0100, "a2": 0x31_0000, "a3": 5 << 16, "a4": 0x32_0000}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [{"a2": 0x31_0001}, {"a2": 0xFFFC}, {"a4": 0x32_0002}, {"a4": 0}, {"a2": 3, "a4": 3}])
def test_sha2_of_no_blocks_with_pointers_that_are_none_has_no_proof(bad, mode):
    """Nothing is read there, so it executes; but the circuit asks for pointers always."""
    segments = []
    run = program({KERNEL_CODE: [*call(4, **EMPTY | bad), *call(0, a0=0, a1=0)], 0x30_0000: list(range(8))})
    session = execute(run, mode=mode, limits=Limits(), on_segment=segments.append if mode is Mode.COUNT else None)
    assert session.exit_code.is_ok
    assert session.unprovable == ("sha2 call of no blocks with pointers that are none",)
    for segment in segments:
        assert segment.end is not None
        assert segment.rows["sha2"] == 22
        with pytest.raises(ProvingError, match="no proof exists yet for: sha2 call of no blocks"):
            preflight(segment)


@pytest.mark.parametrize("good", [{}, {"a2": 0x30_0000, "a4": 0xFFFF_FFFC}, {"a2": 0x30_0104, "a4": 0x30_0100}])
def test_sha2_of_no_blocks_with_pointers_has_a_proof(good):
    segments = []
    run = program({KERNEL_CODE: [*call(4, **EMPTY | good), *call(0, a0=0, a1=0)]})
    session = execute(run, limits=Limits(), on_segment=segments.append)
    assert session.unprovable == ()
    assert len(preflight(segments[0]).sha2) == 8


def test_mret_in_user_mode():
    assert "mret in user mode" in str(fails(user(op("mret")), MachineCallError))


def test_halt_type():
    assert "halt type 2" in str(fails(program({KERNEL_CODE: call(0, a0=2)}), ExitError))


def test_output_that_is_not_of_the_journal():
    run = program({KERNEL_CODE: call(0)})
    run.image.write_word(abi.GLOBAL_OUTPUT, 1)
    assert "0100000000" in str(fails(run, OutputMismatchError))


@pytest.mark.parametrize("mode", MODES)
def test_cycle_limit_counts_what_comes_after_the_last_check(mode):
    words = [*[op("addi", A3, A3, imm=1)] * 20, *call(0)]
    cycles = execute(program({KERNEL_CODE: words}), mode=mode, limits=Limits()).cycles.user
    assert cycles == len(words) + 1  # terminate takes two
    assert execute(program({KERNEL_CODE: words}), mode=mode, limits=Limits(max_cycles=cycles - 1)).cycles.user == cycles
    error = fails(program({KERNEL_CODE: words}), CycleLimitError, mode, max_cycles=cycles - 2)
    assert f"{cycles - 2} user cycles are used up" in str(error)


def test_limits_that_hold_no_instruction():
    with pytest.raises(UsageError, match="no room for a single instruction"):
        execute(program({KERNEL_CODE: call(0)}), limits=Limits({"page": 1}))


def test_a_call_that_fits_no_segment_is_refused():
    words = call(1, a1=0x30_0000, a2=1024)
    with pytest.raises(MachineCallError, match="machine call 1 needs more rows than the largest segment has"):
        execute(program({KERNEL_CODE: words}), limits=Limits({"read_data": 100}))


@pytest.mark.parametrize("po2", [12, 25])
def test_segment_sizes(po2):
    with pytest.raises(UsageError, match="expected 2\\^13 to 2\\^24"):
        execute(program({KERNEL_CODE: call(0)}), limits=Limits(po2=po2))


def test_unknown_system_call():
    words = call(1, a0=0x30_0000, a2=0)
    run = program({KERNEL_CODE: words})
    run.image.write_words(0x30_0000, b"no_such_call\0\0\0\0")
    assert str(fails(run, SyscallError)) == "unknown system call 'no_such_call'"


class Bytes:
    def __init__(self, data):
        self.data = data

    def peek_bytes(self, address, length):
        return self.data[:length].ljust(length, b"x")


@pytest.mark.parametrize(("data", "text"), [(b"a" * 300, "does not end within 256"), (b"\xff\0", "is not UTF-8")])
def test_names_of_system_calls(data, text):
    with pytest.raises(SyscallError, match=text):
        call_name(0x1000, Bytes(data))


def test_verify_without_the_assumption():
    guest = Guest("verify")
    with pytest.raises(SyscallError, match=r"no assumption for claim .*none given.*--assumption"):
        execute(guest.program, guest.given(assumptions=[]))


def test_errors_are_errors_of_the_guest():
    for kind in (TrapError, MachineCallError, SyscallError, CycleLimitError, ExitError, OutputMismatchError):
        assert issubclass(kind, GuestError)
        assert kind.exit_code == 3


def test_input_digest_reaches_the_guest_and_the_claim():
    digest = bytes(range(32))
    words = [*load(A0, abi.GLOBAL_INPUT), op("lw", A1, A0, imm=28), op("slli", A1, A1, imm=16), *load(A7, 0)]
    words += [op("add", A0, A1, 0), ECALL]
    session = execute(program({KERNEL_CODE: words}), ExecutorInput(input_digest=digest), Limits())
    assert session.exit_code.user == 0x1D1C
    assert session.claim.input is not None
    assert session.claim.input.digest() == digest
