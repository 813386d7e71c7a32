"""The interpreter kernels against the step-by-step machine: random programs, all three modes, many small segments.

Programs are made to collide: few registers, loads and stores over their own code and (in machine mode) over the
register banks, illegal words, ecalls, jumps into the middle of everything.
"""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rv32im_corpus import Case, make_witness, tight_profile

from localbento.errors import GuestError, UsageError
from localbento.executor.errors import CycleLimitError, TrapError
from localbento.executor.inputs import Compat, ExecutorInput, Limits
from localbento.executor.machine import Mode
from localbento.executor.preflight import preflight
from localbento.executor.run import Runner
from localbento.executor.segment import Segment
from localbento.riscv import abi
from localbento.riscv.abi import Trap
from localbento.riscv.decode import encode
from localbento.riscv.isa import BY_MNEMONIC, INSTRUCTIONS, Format
from localbento.riscv.memory_image import MemoryImage
from localbento.riscv.reference import Machine, MachineError
from localbento_kernels.cpu import interpret_numbers as nr

KERNEL, USER, DATA = 0xC000_0000, 0x0020_0000, 0x0030_0000
EDGES = (0, 1, 2, 3, 4, 31, 32, 0x7FF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_8000, 0x0001_0000, USER, DATA,
         DATA + 0x3FC, KERNEL, abi.USER_REGISTERS, abi.MACHINE_REGISTERS + 4, abi.USER_END - 4)  # fmt: skip
REGISTERS = (0, 1, 2, 5, 6, 10)
TIGHT = {
    "alu_reg": 23, "alu_imm": 19, "word": 17, "part": 13, "branch": 11, "const": 7, "jalr": 5, "decode": 40,
    "page": 12, "node": 300, "poseidon2": 1400, "access": 60, "cycles": 90,
}  # fmt: skip


class ProvableMachine(Machine):
    """Address traps end an execution: no kernel handles them, and they have no proof.

    Nor has an instruction in the last word of memory, which has no link.
    """

    def _check_fetch(self):
        if self.pc == 0xFFFF_FFFC:
            raise MachineError(Trap.INSTRUCTION_FAULT, self.pc, None, "the last word")
        super()._check_fetch()

    def _take_trap(self, cause, word, detail):
        if cause not in (Trap.ILLEGAL_INSTRUCTION, Trap.BREAKPOINT):
            raise MachineError(cause, self.pc, word, detail)
        super()._take_trap(cause, word, detail)


def instruction(rng):
    """A random word, mostly a valid instruction."""
    if rng.random() < 0.03:
        return rng.choice([0, 0xFFFF_FFFF, rng.getrandbits(32)])
    row = rng.choice(INSTRUCTIONS)
    if row.chip == "system" and rng.random() < 0.6:
        row = BY_MNEMONIC["addi"]
    rd, rs1, rs2 = (rng.choice(REGISTERS) for _ in range(3))
    match row.format:
        case Format.R:
            return encode(row, rd, rs1, rs2)
        case Format.I | Format.S:
            imm = rng.choice([0, 4, 8, -4, 1, 2, -1, 2047, -2048, rng.randrange(-2048, 2048)])
            if row.chip in ("word", "part", "jalr") and rng.random() < 0.8:
                imm &= ~3
            return encode(row, rd, rs1, imm=imm) if row.format is Format.I else encode(row, 0, rs1, rs2, imm)
        case Format.SHIFT:
            return encode(row, rd, rs1, imm=rng.choice([0, 1, 15, 16, 31]))
        case Format.B:
            return encode(row, 0, rs1, rs2, rng.choice([-16, -8, 8, 12, 20, 40, 6]))
        case Format.U:
            return encode(row, rd, imm=rng.choice([e & 0xFFFF_F000 for e in EDGES]))
        case Format.J:
            return encode(row, rd, imm=rng.choice([-20, 8, 16, 1024 - 64, 28]))
        case _:
            return encode(row)


def patching_image(rng):
    """A short loop that loads, stores and runs its own words: x1 points to it, x2 is an instruction."""
    image = random_image(rng)
    start = rng.choice([USER, KERNEL + 0x200])
    count = rng.randrange(6, 20)
    free = [row for row in INSTRUCTIONS if row.chip not in ("system", "jalr") and row.format is not Format.B]
    for i in range(count):
        row, rd = rng.choice(free), rng.choice([0, 5, 6, 10])
        if rng.random() < 0.35:
            row = BY_MNEMONIC[rng.choice(["sw", "sw", "lw", "lbu", "sh"])]
        offset = 4 * rng.randrange(count)
        match row.format:
            case Format.R:
                word = encode(row, rd, rng.choice(REGISTERS), rng.choice(REGISTERS))
            case Format.S:
                word = encode(row, 0, 1, 2, offset)
            case Format.I:
                word = encode(row, rd, 1, imm=offset)
            case Format.SHIFT:
                word = encode(row, rd, 6, imm=3)
            case Format.U:
                word = encode(row, rd, imm=0x1234_5000)
            case _:
                word = encode(row, rd, imm=4 * rng.randrange(1, 3))
        image.write_word(start + 4 * i, word)
    back = rng.choice([encode(BY_MNEMONIC["jal"], imm=-4 * count), encode(BY_MNEMONIC["jalr"], 0, 1)])
    mode_word = rng.choice([encode(BY_MNEMONIC["ecall"]), 0xFFFF_FFFF, encode(BY_MNEMONIC["beq"], imm=8)])
    image.write_word(start + 4 * (count - 1), mode_word if start == USER else encode(BY_MNEMONIC["beq"], imm=-8))
    image.write_word(start + 4 * count, back)
    new = rng.choice([encode(BY_MNEMONIC["addi"], 5, 5, imm=1), encode(BY_MNEMONIC["lui"], 6), mode_word])
    bank = abi.USER_REGISTERS if start == USER else abi.MACHINE_REGISTERS
    image.write_word(bank + 4, start)
    image.write_word(bank + 8, new)
    image.write_word(abi.SUSPEND_PC, start)
    image.write_word(abi.SUSPEND_MODE, int(start != USER))
    return image


def random_image(rng):
    """User code and data, a kernel that changes things and goes back, and where execution starts."""
    image = MemoryImage()
    for start, count in ((USER, 260), (KERNEL + 0x200, 40)):
        for i in range(count):
            image.write_word(start + 4 * i, instruction(rng))
    handler = [*(instruction(rng) for _ in range(rng.randrange(4))), encode(BY_MNEMONIC["mret"])]
    for i, word in enumerate(handler):
        image.write_word(KERNEL + 4 * i, word)
    for i in range(300):
        image.write_word(DATA + 4 * i, rng.choice(EDGES))
    for bank in (abi.USER_REGISTERS, abi.MACHINE_REGISTERS):
        for register in REGISTERS[1:]:
            image.write_word(bank + 4 * register, rng.choice([*EDGES, DATA, USER, DATA + 4 * register]))
    image.write_word(abi.MACHINE_REGISTERS + 4 * abi.Register.A7, 99)  # no machine call has this number
    image.write_word(abi.ECALL_DISPATCH, KERNEL)
    image.write_word(abi.TRAP_DISPATCH, KERNEL)
    user = rng.random() < 0.7
    image.write_word(abi.MEPC, USER)
    image.write_word(abi.SUSPEND_PC, USER if user else KERNEL + 0x200)
    image.write_word(abi.SUSPEND_MODE, 0 if user else 1)
    return image


def refused_call(machine):
    raise MachineError(None, machine.pc, None, "machine call")


def run_reference(image, cycles):
    """(memory after the run, the error or None)."""
    machine = ProvableMachine(image.copy(), refused_call)
    machine.resume()
    error = None
    try:
        while machine.cycles < cycles:
            machine.step()
    except MachineError as failure:
        error = failure
    machine.suspend()
    return machine.memory, error


def run_kernel(image, cycles, mode, capacities):
    """(memory after the run, the error or None, segments)."""
    segments = []
    limits = Limits(capacities, max_cycles=cycles)
    runner = Runner(image.copy(), "", ExecutorInput(), limits, segments.append, mode, Compat.OWN)
    error = None
    runner._begin(first=True)
    try:
        while True:
            runner._step(runner.machine.run())
    except CycleLimitError:
        pass
    except GuestError as failure:
        error = failure
    if error is None:
        runner.machine.scalars[nr.S_PROBE] = 0
        runner._segmenter.finish(None, user_cycles=0)
    return runner, error, segments


def pages_of(machine):
    """Contents of the store."""
    table = machine.arrays["store_table"]
    pages = np.flatnonzero(table)
    words = machine.arrays["store"].reshape(-1, nr.PAGE_WORDS)[table[pages]]
    return {int(p): w for p, w in zip(pages, words, strict=True) if w.any()}


def assert_same_memory(found, expected):
    wanted = {index: page for index, page in expected.pages.items() if page.any()}
    assert found.keys() == wanted.keys()
    for index, page in wanted.items():
        different = np.flatnonzero(found[index] != page)
        assert not len(different), (
            f"page {index:#x}: words {different[:4]}: {found[index][different[:4]]}, {page[different[:4]]}"
        )


def assert_same_end(error, expected):
    if expected is None:
        assert error is None, error
        return
    assert error is not None, f"expected {expected}"
    if expected.cause is not None:
        assert isinstance(error, TrapError)
        assert (error.cause, error.pc) == (expected.cause, expected.pc)


@pytest.mark.parametrize("mode", [Mode.PLAIN, Mode.COUNT])
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), cycles=st.integers(1, 400))
def test_same_state_as_the_reference(mode, seed, cycles):
    image = random_image(random.Random(seed))
    memory, expected = run_reference(image, cycles)
    runner, error, _ = run_kernel(image, cycles, mode, {})
    assert_same_end(error, expected)
    if error is None:
        assert_same_memory(pages_of(runner.machine), memory)


@pytest.mark.parametrize("make", [random_image, patching_image])
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), cycles=st.integers(1, 600))
def test_small_segments_repeat_and_lead_to_the_same_state(make, seed, cycles):
    """Given a random program, when it is cut wherever it can be, then every segment repeats row for row."""
    image = make(random.Random(seed))
    memory, expected = run_reference(image, cycles)
    try:
        runner, error, segments = run_kernel(image, cycles, Mode.COUNT, TIGHT)
    except UsageError:
        return  # one instruction of this program needs more than the tight limits have
    assert_same_end(error, expected)
    root = None
    for segment in segments:
        if root is not None:
            assert segment.pre_root == root
        root = segment.post_root
        assert all(segment.rows[chip] <= most for chip, most in TIGHT.items())
        if not segment.unprovable:
            records = preflight(Segment.from_bytes(segment.to_bytes()))
            assert segment.image.root(words=records.pages.after) == segment.post_root
    if error is None:
        assert_same_memory(pages_of(runner.machine), memory)


@pytest.mark.parametrize("seed", [1, 5, 12, 17, 21])
def test_records_of_self_modifying_code_balance(seed):
    """Given code that loads and stores its own words, then all chips hold and every message is answered."""
    image = patching_image(random.Random(seed))
    _, error, segments = run_kernel(image, 120, Mode.COUNT, TIGHT)
    assert segments
    assert error is None or isinstance(error, TrapError)
    for segment in segments[:6]:
        records = preflight(segment)
        profile = tight_profile(records)
        report = Case(segment, records, profile, make_witness(records, profile)).report()
        assert report.ok, str(report)


def test_the_seeds_above_reach_slow_fetches_and_peeks():
    seen = {"slow_fetch": 0, "peek": 0, "early": 0, "probe": 0}
    for seed in (1, 5, 12, 17, 21):
        for segment in run_kernel(patching_image(random.Random(seed)), 120, Mode.COUNT, TIGHT)[2][:6]:
            seen["slow_fetch"] += segment.rows["slow_fetch"]
            seen["peek"] += segment.rows["peek"]
            seen["early"] += len(segment.early)
            seen["probe"] += segment.probe
    assert all(seen.values()), seen
