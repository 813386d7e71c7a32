"""How an execution fails: each class a kind of failure, each message one line."""

from localbento.errors import GuestError
from localbento.riscv.abi import Trap


class TrapError(GuestError):
    """An instruction could not be executed and the kernel has no handler for it."""

    def __init__(self, cause: int, pc: int, word: int, address: int, *, machine: bool) -> None:
        """`word` is the instruction, 0 if it could not be fetched; `address` that of a load, store or jump."""
        name = Trap(cause).name.lower().replace("_", " ")
        where = f"at pc {pc:#010x}"
        what = f", instruction {word:#010x}" if word else ""
        target = f", address {address:#010x}" if address else ""
        mode = " in machine mode" if machine else ""
        super().__init__(f"trap{mode}: {name} (cause {cause}) {where}{what}{target}")
        self.cause = cause
        self.pc = pc
        self.word = word
        self.address = address


class GuestPanicError(GuestError):
    """The guest called panic."""

    def __init__(self, text: str) -> None:
        """The guest's text."""
        super().__init__(f"guest panicked: {text}")
        self.text = text


class CycleLimitError(GuestError):
    """The limit of user cycles is reached."""


class SyscallError(GuestError):
    """A system call that the host does not know, refuses, or that has bad arguments."""


class MachineCallError(GuestError):
    """A call of the machine with bad arguments, or one that does not exist."""


class ExitError(GuestError):
    """The guest ended in a way that no claim can express."""


class OutputMismatchError(GuestError):
    """The guest's output digest is not that of what it wrote: no receipt could exist."""
