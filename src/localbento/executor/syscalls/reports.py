"""Cycle count, log, panic."""

from typing import Final

from localbento.executor.errors import GuestPanicError, SyscallError
from localbento.executor.syscalls.call import Call, Reply, pair
from localbento.executor.syscalls.io import Files
from localbento.riscv.abi import FileDescriptor, Register

PANIC_BYTES: Final = 1 << 20
"""More of a panic's text is not kept."""


class Reports:
    """CYCLE_COUNT, LOG, PANIC."""

    def __init__(self, files: Files) -> None:
        """Logs go to standard output."""
        self._files = files

    def cycle_count(self, call: Call) -> Reply:
        """User cycles so far, high word first."""
        high, low = call.cycle >> 32, call.cycle & 0xFFFF_FFFF
        if call.two_steps:
            call.require_empty()
            return Reply(first=high, second=low)
        return Reply(pair(high, low))

    def log(self, call: Call) -> Reply:
        """A line for standard output."""
        call.require_empty()
        text = call.user_bytes(call.user(Register.A3), call.user(Register.A4))
        prefix = f"R0VM[{call.cycle}] " if call.two_steps else "R0VM "
        self._files.print(FileDescriptor.STDOUT, prefix.encode() + text + b"\n")
        return Reply()

    def panic(self, call: Call) -> Reply:
        """The guest gives up.

        Raises:
            GuestPanicError: always, unless the text is not UTF-8 (SyscallError).
        """
        call.require_empty()
        length = min(call.user(Register.A4), PANIC_BYTES)
        text = call.user_bytes(call.user(Register.A3), length)
        try:
            raise GuestPanicError(text.decode())
        except UnicodeDecodeError as error:
            msg = f"panic: the text {text[:80]!r} is not UTF-8"
            raise SyscallError(msg) from error
