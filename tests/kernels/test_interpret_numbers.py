"""The kernels' own numbers are those of the tables that everybody else reads."""

import numpy as np
import pytest

from localbento.circuits.rv32im import records
from localbento.circuits.rv32im.machine import CHIPS, UNCOUNTED
from localbento.circuits.rv32im.sha2 import CALL_ROWS, STATE_WORDS
from localbento.executor.machine import Machine, Mode, Sizes, isa_table
from localbento.riscv import abi
from localbento.riscv.isa import INSTRUCTIONS, Operation
from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu import interpret_state as state


def test_operations():
    for number, operation in enumerate(Operation, 1):
        assert getattr(nr, operation.name) == number
    assert len(Operation) + 1 == nr.ILLEGAL == nr.OPERATION_COUNT


def test_units_calls_and_slots():
    assert {u.name: u.value for u in records.Unit} == {u.name: getattr(nr, f"U_{u.name}") for u in records.Unit}
    assert {c.name: c.value for c in records.Call} == {c.name: getattr(nr, f"K_{c.name}") for c in records.Call}
    moments = (nr.AT_FETCH, nr.AT_RS1, nr.AT_RS2, nr.AT_MEMORY, nr.AT_RD)
    assert tuple(records.Slot) == moments
    assert (len(records.Step), records.CALL_WORDS, records.SHA2_WORDS) == (nr.STEP_WORDS, nr.CALL_WORDS, nr.SHA2_WORDS)
    assert nr.USER_MODE_BIT == records.USER_MODE


def test_chips():
    assert set(nr.CHIP_NAMES) - {"cycles"} == set(CHIPS) - UNCOUNTED
    assert nr.CHIP_NAMES[: nr.C_SYSTEM] == records.STEP_CHIPS
    assert nr.CHIP_NAMES[nr.C_BITWISE : nr.C_DIV + 1] == records.UNIT_CHIPS
    for name in ("DECODE", "PEEK", "SLOW_FETCH", "ACCESS", "PAGE", "PAGE_BLOCK", "NODE", "POSEIDON2", "READ_DATA"):
        assert nr.CHIP_NAMES[getattr(nr, f"C_{name}")] == name.lower()


def test_platform():
    names = ("MEPC", "SUSPEND_PC", "SUSPEND_MODE", "GLOBAL_OUTPUT", "GLOBAL_INPUT", "ECALL_DISPATCH", "TRAP_DISPATCH",
             "READ_PADDING", "USER_END", "KERNEL_END", "MACHINE_REGISTERS", "PAGES", "PAGE_WORDS")  # fmt: skip
    for name in names:
        assert getattr(nr, name) == getattr(abi, name)
    for call in abi.MachineEcall:
        assert getattr(nr, f"CALL_{call.name}") == call
    assert abi.MACHINE_REGISTERS // abi.PAGE_BYTES == nr.REGISTER_PAGE
    assert (nr.SHA2_CALL_ROWS, nr.SHA2_BLOCK_ROWS) == (CALL_ROWS, STATE_WORDS)
    assert (nr.IO_BYTES, nr.SHA2_BLOCKS) == (abi.HOST_IO_MAX_BYTES, abi.SHA2_MAX_BLOCKS)
    assert (nr.TRAP_ILLEGAL, nr.TRAP_BREAKPOINT) == (abi.Trap.ILLEGAL_INSTRUCTION, abi.Trap.BREAKPOINT)
    assert (nr.TRAP_LOAD, nr.TRAP_LOAD_ALIGN) == (abi.Trap.LOAD_FAULT, abi.Trap.LOAD_MISALIGNED)
    assert (nr.TRAP_STORE, nr.TRAP_STORE_ALIGN) == (abi.Trap.STORE_FAULT, abi.Trap.STORE_MISALIGNED)


def test_instruction_table():
    table = isa_table().reshape(-1, 5)
    assert len(table) == nr.ISA_ROWS == len(INSTRUCTIONS)
    assert [tuple(row[:2]) for row in table.tolist()] == [(i.mask, i.match) for i in INSTRUCTIONS]


def test_arrays_have_their_numbers():
    for number, (name, _) in enumerate(state.ARRAYS):
        assert getattr(state, f"A_{name.upper()}") == number


@pytest.mark.parametrize("array", [np.zeros(4, np.int32), np.zeros(8, np.int64)[::2], np.zeros(0, np.int64)])
def test_arrays_of_another_kind_are_refused(array):
    machine = Machine(Mode.PLAIN, Sizes(4, 4))
    with pytest.raises(TypeError, match="array rows"):
        machine.set_array("rows", array)
