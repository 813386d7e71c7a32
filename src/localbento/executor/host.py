"""The host behind READ and WRITE: which system call is meant, and how the kernel wants its answer.

Kernels speak one of two protocols.  In the older one (all released kernels) a READ names the call by the address of
its name, the host fills the whole buffer, and a second READ with descriptor 0 fetches two result words.  In the newer
one every READ brings its own bytes, perhaps fewer than asked for, and there is no second READ.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from localbento.executor.errors import SyscallError
from localbento.executor.inputs import ExecutorInput
from localbento.executor.syscalls.call import Call, GuestView, Handler, Reply, pair
from localbento.executor.syscalls.environment import Environment
from localbento.executor.syscalls.integrity import Integrity
from localbento.executor.syscalls.io import Files
from localbento.executor.syscalls.keccak import Keccak
from localbento.executor.syscalls.random import Random, stream
from localbento.executor.syscalls.refused import REASONS, refuse
from localbento.executor.syscalls.reports import Reports
from localbento.executor.syscalls.user import UserCall
from localbento.riscv import abi
from localbento.riscv.abi import FileDescriptor
from localbento.riscv.elf import own_kernel

NAME_BYTES: Final = 256
"""A longer name of a system call is refused."""

_TWO_STEP_KERNELS: Final = frozenset(
    {
        "1775eddfb9e2b98091015f0ccb5648abfda0d4de5738b1d63bef879880630f12",  # 2.0.0, 2.0.1
        "df5a91a8706dd0495a1c359952b951c7510d0cbc0bca465c2ca888d3ec5b40c5",  # 2.0.2 to 2.3.1
        "c878cb36b367a518908de9336a61ee58699436fb7a535fc5c823030057ab942d",  # 3.0.0, 3.0.1
        "abe65930ab9e0a485b9309a75ca6a1e10331b9ed97ba1e0489e41d36f49cb7f6",  # 2.3.2
        "7ffd942e4e8babd771094f549ad080cfea8ecb2c05c986e275c011f41979d921",  # 3.0.2 to 3.0.6
        "23001dd69be10403e5e810849203c366ce47c31e62f8d584296bce1f5556e64c",  # 5.0.0-rc.1
    }
)
_ONE_STEP_KERNELS: Final = frozenset(
    {"9dd8af014a24db3752b9beda71c837f553ff361fc1bca83cc79584bd38ac9de5"}  # main, July 2026
)
"""SHA-256 of kernel ELFs whose protocol is known.  Source: RISC Zero, risc0-zkos-v1compat releases."""


class Protocol(Enum):
    """How a kernel fetches answers."""

    TWO_STEPS = "two steps"
    ONE_STEP = "one step"


NEWER_KERNELS: Final = frozenset(
    {
        "23001dd69be10403e5e810849203c366ce47c31e62f8d584296bce1f5556e64c",
        "9dd8af014a24db3752b9beda71c837f553ff361fc1bca83cc79584bd38ac9de5",
    }
)
"""Kernels whose guests pass byte addresses to POSEIDON2: 5.0.0-rc.1 and main."""


def protocol_of(kernel_sha256: str) -> Protocol | None:
    """The protocol of a known kernel, by the SHA-256 of its ELF."""
    if kernel_sha256 in _TWO_STEP_KERNELS or kernel_sha256 == hashlib.sha256(own_kernel()).hexdigest():
        return Protocol.TWO_STEPS
    if kernel_sha256 in _ONE_STEP_KERNELS:
        return Protocol.ONE_STEP
    return None


class Host:
    """Answers the machine's READs and WRITEs, and remembers what matters for the claim."""

    def __init__(self, given: ExecutorInput, kernel_sha256: str = "") -> None:
        """For one execution."""
        self.files = Files(given.stdin, given.stdout, given.stderr)
        self.integrity = Integrity(given.assumptions)
        self.keccak = Keccak(given.keccak_po2)
        self.counts: Counter[str] = Counter()
        self.protocol = protocol_of(kernel_sha256)
        self._results = (0, 0)
        environment = Environment(given.args, given.env)
        reports = Reports(self.files)
        random = Random(given.random or (stream(given.seed) if given.seed is not None else None))
        self._handlers: dict[str, Handler] = {
            abi.SYS_ARGC: environment.argc,
            abi.SYS_ARGV: environment.argv,
            abi.SYS_GETENV: environment.getenv,
            abi.SYS_READ: self.files.read,
            abi.SYS_WRITE: self.files.write,
            abi.SYS_RANDOM: random.random,
            abi.SYS_CYCLE_COUNT: reports.cycle_count,
            abi.SYS_LOG: reports.log,
            abi.SYS_PANIC: reports.panic,
            abi.SYS_VERIFY_INTEGRITY: self.integrity.verify,
            abi.SYS_VERIFY_INTEGRITY2: self.integrity.assume,
            abi.SYS_KECCAK: self.keccak.keccak,
            **dict.fromkeys(REASONS, refuse),
            **_user_calls(given.syscalls),
        }

    def read(self, fd: int, length: int, guest: GuestView, cycle: int, trap_word: Callable[[], int]) -> bytes:
        """The answer to a READ of up to `length` bytes.

        Args:
            fd: the address of the call's name, or 0.
            length: at most 1024.
            guest: for reading registers and memory.
            cycle: user cycles so far, this READ's first row included.
            trap_word: the trap dispatch word; asked for when the kernel is not a known one.

        Raises:
            GuestError: if the call is unknown, refused, or fails.
        """
        if fd == 0:
            self.protocol = Protocol.TWO_STEPS
            return pair(*self._results)[:length]
        name = call_name(fd, guest)
        if self.protocol is None:
            # Kernels with a trap handler are of the newer kind, those known otherwise aside; only the older kind
            # asks for results without a buffer.
            older = not trap_word() or (length == 0 and name in (abi.SYS_ARGC, abi.SYS_CYCLE_COUNT))
            self.protocol = Protocol.TWO_STEPS if older else Protocol.ONE_STEP
        handler = self._handlers.get(name)
        if handler is None:
            msg = f"unknown system call {name!r}"
            raise SyscallError(msg)
        two_steps = self.protocol is Protocol.TWO_STEPS
        self.counts[name.removeprefix(abi.SYSCALL_PREFIX)] += 1
        reply = handler(Call(name, length, guest, cycle, two_steps))
        self._results = (reply.first, reply.second)
        return _fitted(reply, length, two_steps=two_steps)

    def write(self, data: bytes) -> int:
        """WRITE: text of the kernel, for standard error; how much was taken."""
        self.files.print(FileDescriptor.STDERR, data)
        return len(data)


def _fitted(reply: Reply, length: int, *, two_steps: bool) -> bytes:
    """The reply's bytes as the protocol wants them: exactly the buffer, or at most."""
    if len(reply.data) > length:
        msg = f"host: answer of {len(reply.data)} bytes for a buffer of {length}"
        raise SyscallError(msg)
    return reply.data.ljust(length, b"\0") if two_steps else reply.data


def call_name(address: int, guest: GuestView) -> str:
    """The NUL-terminated name at an address.

    Raises:
        SyscallError: if it is too long or not UTF-8.
    """
    data = guest.peek_bytes(address, min(NAME_BYTES + 1, (1 << 32) - address))
    name, end, _ = data.partition(b"\0")
    if not end:
        msg = f"system call: the name at {address:#010x} does not end within {NAME_BYTES} bytes"
        raise SyscallError(msg)
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        msg = f"system call: the name {name!r} is not UTF-8"
        raise SyscallError(msg) from error


def _user_calls(calls: Mapping[str, Callable[[bytes], bytes]]) -> dict[str, Handler]:
    return {name: UserCall(function).call for name, function in calls.items()}
