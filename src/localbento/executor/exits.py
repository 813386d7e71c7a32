"""From the exit of a kernel to the error that says what the guest did wrong."""

from localbento.errors import GuestError
from localbento.executor.errors import MachineCallError, TrapError
from localbento.executor.machine import Machine
from localbento_kernels.cpu import interpret_numbers as nr


def failure(machine: Machine, code: int, details: tuple[int, int, int, int] | None = None) -> GuestError:
    """The error for an exit that ends the execution; `details` in place of those in the machine."""
    s = machine.scalars
    x0, x1, x2, x3 = details or (int(s[nr.S_X0]), int(s[nr.S_X1]), int(s[nr.S_X2]), int(s[nr.S_X3]))
    if code == nr.X_TRAP:
        return TrapError(x0, x1, x2, x3, machine=bool(s[nr.S_MACHINE_MODE]))
    where = f" at pc {int(s[nr.S_PC]):#010x}"
    texts = {
        nr.X_UNKNOWN_ECALL: f"unknown machine call {x0}",
        nr.X_IO_LENGTH: f"read or write of {x0} bytes, allowed {nr.IO_BYTES}",
        nr.X_IO_POINTER: f"read or write of {x1} bytes at {x0:#010x}: not in memory",
        nr.X_SHA2_COUNT: f"sha2 of {x0} blocks, allowed {nr.SHA2_BLOCKS}",
        nr.X_SHA2_POINTER: f"sha2: pointer {x0:#010x} is not aligned, or not in memory",
        nr.X_SHA2_OVERLAP: f"sha2: the state goes to {x0:#010x}, over something that the call reads",
        nr.X_USER_MRET: "mret in user mode",
        nr.X_BAD_MEPC: f"mret to {x0:#010x}: not aligned, or in the zero area",
        nr.X_BAD_DISPATCH: f"user ecall, but the dispatch word {x0:#010x} is in the zero area",
        nr.X_TOO_LARGE: f"machine call {x0} needs more rows than the largest segment has",
        nr.X_BAD_RESUME: f"resume at {x0:#010x}: not an address of that mode",
    }
    text = texts.get(code)
    if text is None:
        msg = f"the interpreter left with {code} ({x0:#x}, {x1:#x})"
        raise AssertionError(msg)
    return MachineCallError(text + where)
