"""Calls that are known and refused by name."""

from collections.abc import Mapping
from typing import Final

from localbento.executor.errors import SyscallError
from localbento.executor.syscalls.call import Call, Reply
from localbento.riscv import abi

REASONS: Final[Mapping[str, str]] = {
    abi.SYS_PIPE: "pipes are not supported",
    abi.SYS_FORK: "fork is not supported",
    abi.SYS_EXIT: "exit belongs to fork and is not supported",
    abi.SYS_PROVE_KECCAK: "proving keccak by this call was removed from the platform; use SYS_KECCAK",
    abi.SYS_PROVE_ZKR: "proving other circuits was removed from the platform",
}


def refuse(call: Call) -> Reply:
    """Say why.

    Raises:
        SyscallError: always.
    """
    msg = f"system call {call.name.removeprefix(abi.SYSCALL_PREFIX)}: {REASONS[call.name]}"
    raise SyscallError(msg)
