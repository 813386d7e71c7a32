"""The compliance programs, and those that must fail, on the interpreter kernels."""

import io
import json

import pytest
from executor_guests import FIXTURES

from localbento.errors import GuestError
from localbento.executor import ExecutorInput, Limits, Mode, execute
from localbento.executor.errors import ExitError, SyscallError, TrapError
from localbento.riscv.abi import Trap
from localbento.riscv.elf import load_guest

COMPLIANCE = FIXTURES / "compliance"
PROGRAMS = sorted(path.stem for path in COMPLIANCE.glob("*.elf"))
TRAPS = json.loads((COMPLIANCE / "traps" / "expected.json").read_text())
MODES = [Mode.PLAIN, Mode.COUNT]
EMPTY_OUTPUT = "836f175c62c0f353831665427e8b0b34f6d1d21902764daeb406c6b83db575b0"
DELIVERED = (Trap.ILLEGAL_INSTRUCTION, Trap.BREAKPOINT)
"""Traps that the project's kernel gets to see."""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_passes(name, mode) -> None:
    """A wrong result of any instruction makes the program panic with the number of its test."""
    session = execute(load_guest((COMPLIANCE / f"{name}.elf").read_bytes()), mode=mode)
    assert session.exit_code.is_ok
    assert session.journal == b""
    assert session.output.hex() == EMPTY_OUTPUT


@pytest.mark.parametrize("name", ["ecall", "sw", "jalr", "remu"])
def test_program_passes_in_small_pieces(name) -> None:
    program = load_guest((COMPLIANCE / f"{name}.elf").read_bytes())
    session = execute(program, limits=Limits({"cycles": 900, "alu_imm": 60, "decode": 50}))
    assert session.exit_code.is_ok
    assert session.segments > 5
    assert session.claim.digest() == execute(program).claim.digest()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", sorted(TRAPS))
def test_failure_is_the_expected_one(name, mode) -> None:
    expected, text = TRAPS[name], io.BytesIO()
    program = load_guest((COMPLIANCE / "traps" / f"{name}.elf").read_bytes())
    with pytest.raises(GuestError) as caught:
        execute(program, ExecutorInput(stderr=text), mode=mode)
    error, written = caught.value, text.getvalue().decode()
    assert "\n" not in str(error)
    if "host" in expected:
        assert isinstance(error, SyscallError | ExitError)
        assert expected["host"] in str(error)
        assert written == ""
    elif "kernel" in expected:
        assert isinstance(error, TrapError)
        assert "in machine mode" in str(error)
        assert written == f"kernel: {expected['kernel']}\n"
    elif expected["cause"] in DELIVERED:
        assert isinstance(error, TrapError)
        assert "in machine mode" in str(error)
        assert written.startswith(f"kernel: trap at pc {expected['at']:#010x}, instruction 0x")
    elif expected["cause"] is None:
        assert f"at pc {expected['at']:#010x}" in str(error)
    else:
        assert isinstance(error, TrapError)
        assert (error.cause, error.pc) == (expected["cause"], expected["at"])
        assert "in machine mode" not in str(error)
        assert written == ""
