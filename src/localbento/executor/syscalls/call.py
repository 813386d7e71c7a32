"""What every handler sees of a system call, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from localbento.executor.errors import SyscallError


class GuestView(Protocol):
    """The guest's memory and registers, for reading; nothing is counted."""

    def peek_bytes(self, address: int, length: int) -> bytes:
        """Bytes of memory."""
        ...

    def register(self, machine: bool, number: int) -> int:
        """A register of one of the banks."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One system call: the READ of `length` bytes that names it."""

    name: str
    length: int
    guest: GuestView
    cycle: int
    """User cycles so far, the READ's first row included."""
    two_steps: bool
    """Whether the kernel asks for the pair of results with a second READ (all kernels but the newest)."""

    def user(self, register: int) -> int:
        """A register of the user program at its ecall."""
        return self.guest.register(False, register)

    def require_empty(self) -> None:
        """Refuse a call that brings a buffer where none belongs."""
        if self.length:
            msg = f"{self.name}: expected no buffer, found one of {self.length} bytes"
            raise SyscallError(msg)

    def user_bytes(self, pointer: int, length: int) -> bytes:
        """Bytes of user memory that a register points to.

        Raises:
            SyscallError: if they reach beyond 2^32.
        """
        if pointer + length > 1 << 32:
            msg = f"{self.name}: {length} bytes at {pointer:#010x} reach beyond memory"
            raise SyscallError(msg)
        return self.guest.peek_bytes(pointer, length)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes into the guest's buffer, and the pair of results."""

    data: bytes = b""
    first: int = 0
    second: int = 0


Handler = Callable[[Call], Reply]


def pair(first: int, second: int) -> bytes:
    """Two words, little-endian."""
    return first.to_bytes(4, "little") + second.to_bytes(4, "little")
