"""Reading and writing: standard input and outputs, the journal."""

from localbento.executor.errors import SyscallError
from localbento.executor.inputs import Sink
from localbento.executor.syscalls.call import Call, Reply
from localbento.riscv import abi
from localbento.riscv.abi import FileDescriptor, Register


class Files:
    """READ and WRITE; collects the journal."""

    def __init__(self, stdin: bytes, stdout: Sink | None, stderr: Sink | None) -> None:
        """None drops what is written."""
        self._stdin = stdin
        self._position = 0
        self._sinks = {FileDescriptor.STDOUT: stdout, FileDescriptor.STDERR: stderr}
        self.journal = bytearray()

    def _take(self, count: int) -> bytes:
        data = self._stdin[self._position : self._position + count]
        self._position += len(data)
        return data

    def read(self, call: Call) -> Reply:
        """Fill the buffer from the file, or to its end.

        Where the guest asked for up to four bytes more than the buffer holds, these come in the second result.
        """
        fd, wanted = call.user(Register.A3), call.user(Register.A4)
        if fd != FileDescriptor.STDIN:
            msg = f"bad read file descriptor {fd}"
            raise SyscallError(msg)
        if wanted < call.length:
            msg = f"read: {wanted} bytes wanted, but the buffer has {call.length}"
            raise SyscallError(msg)
        data = self._take(call.length)
        if not call.two_steps:
            return Reply(data)
        rest = wanted - len(data)
        extra = self._take(rest) if rest <= abi.WORD_BYTES else b""
        return Reply(data, len(data) + len(extra), int.from_bytes(extra, "little"))

    def write(self, call: Call) -> Reply:
        """Take all the bytes."""
        call.require_empty()
        fd, length = call.user(Register.A3), call.user(Register.A5)
        if fd not in (FileDescriptor.STDOUT, FileDescriptor.STDERR, FileDescriptor.JOURNAL):
            msg = f"bad write file descriptor {fd}"
            raise SyscallError(msg)
        if fd == FileDescriptor.JOURNAL and len(self.journal) + length > abi.JOURNAL_MAX_BYTES:
            msg = f"journal: more than {abi.JOURNAL_MAX_BYTES} bytes"
            raise SyscallError(msg)
        data = call.user_bytes(call.user(Register.A4), length)
        if fd == FileDescriptor.JOURNAL:
            self.journal += data
        else:
            self.print(FileDescriptor(fd), data)
        return Reply()

    def print(self, fd: FileDescriptor, data: bytes) -> None:
        """Write to standard output or error."""
        sink = self._sinks[fd]
        if sink is not None:
            sink.write(data)
