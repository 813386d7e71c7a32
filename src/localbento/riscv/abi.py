"""The platform's numbers: address map, machine calls, kernel calls, host calls.

Addresses are byte addresses.  Nothing here is the RISC-V manual's; it is what RISC Zero's guests
and kernels assume ("V2", the released generation).

Source: RISC Zero, crates risc0-circuit-rv32im 4.0.5 (platform.rs), risc0-zkvm-platform 2.2.3
(syscall.rs, memory.rs), risc0-zkos-v1compat 2.2.3 (kernel.s).
"""

from enum import IntEnum
from typing import Final

WORD_BYTES: Final = 4
PAGE_BYTES: Final = 1024
PAGE_WORDS: Final = PAGE_BYTES // WORD_BYTES
PAGES: Final = 1 << 22
TREE_DEPTH: Final = 22
"""Depth of the leaves of the Merkle tree over pages; the root has depth 0."""

# Regions: [start, end).
ZERO_AREA_END: Final = 0x0001_0000
"""Below it no instruction can fetch, load or store, in any mode."""
USER_START: Final = 0x0001_0000
USER_END: Final = 0xC000_0000
BIGINT_USER_END: Final = 0xBFFF_0000
"""Operands of the bigint call must start below this address under user rules."""
KERNEL_START: Final = 0xC000_0000
KERNEL_END: Final = 0xFF00_0000
"""Trap and call handlers must lie in [KERNEL_START, KERNEL_END)."""

USER_ENTRY_ADDR: Final = 0x0001_0000
"""The word here is the user program's entry point at the start."""

# Register banks: one word per register, x0 first.
MACHINE_REGISTERS: Final = 0xFFFF_0000
USER_REGISTERS: Final = 0xFFFF_0080
X0_SCRATCH_OFFSET: Final = 0x100
"""A write to x0 goes to bank + this, where it stays; x0 itself is not written."""
MACHINE_X0_SCRATCH: Final = MACHINE_REGISTERS + X0_SCRATCH_OFFSET
USER_X0_SCRATCH: Final = USER_REGISTERS + X0_SCRATCH_OFFSET
READ_PADDING: Final = 0xFFFF_0100
"""Four words: V2 stores zeros here for the missing words of a READ's last group."""

MEPC: Final = 0xFFFF_0200
SUSPEND_PC: Final = 0xFFFF_0210
SUSPEND_MODE: Final = 0xFFFF_0214
GLOBAL_OUTPUT: Final = 0xFFFF_0240
"""Eight words: the output digest that TERMINATE makes public."""
GLOBAL_INPUT: Final = 0xFFFF_0260
"""Eight words: the input digest, written at the start of every segment."""
VERSION_WORD: Final = 0xFFFF_0300
"""The newer platform writes 3 here (its kernels then hash in software); V2, and we, leave it 0."""
ECALL_DISPATCH: Final = 0xFFFF_1000
TRAP_DISPATCH: Final = 0xFFFF_2000
"""V2: a table of words by cause; the newer platform: one word for all causes."""

MODE_USER: Final = 0
MODE_MACHINE: Final = 1

STACK_TOP: Final = 0x0020_0400
TEXT_START: Final = 0x0020_0800
"""Where guests built the usual way have their stack (growing down) and code."""
KERNEL_STACK_TOP: Final = 0xFFF0_0000


class Trap(IntEnum):
    """Causes; the index into the trap dispatch table."""

    INSTRUCTION_MISALIGNED = 0
    INSTRUCTION_FAULT = 1
    ILLEGAL_INSTRUCTION = 2
    BREAKPOINT = 3
    LOAD_MISALIGNED = 4
    LOAD_FAULT = 5
    STORE_MISALIGNED = 6
    STORE_FAULT = 7
    USER_ECALL_FAULT = 9
    """A user ecall while the dispatch word is not a handler's address."""


class Register(IntEnum):
    """ABI names of the registers."""

    ZERO = 0
    RA = 1
    SP = 2
    GP = 3
    TP = 4
    T0 = 5
    T1 = 6
    T2 = 7
    S0 = 8
    S1 = 9
    A0 = 10
    A1 = 11
    A2 = 12
    A3 = 13
    A4 = 14
    A5 = 15
    A6 = 16
    A7 = 17
    S2 = 18
    S3 = 19
    S4 = 20
    S5 = 21
    S6 = 22
    S7 = 23
    S8 = 24
    S9 = 25
    S10 = 26
    S11 = 27
    T3 = 28
    T4 = 29
    T5 = 30
    T6 = 31


class MachineEcall(IntEnum):
    """Calls of the machine to the host: ecall in machine mode, number in a7."""

    TERMINATE = 0
    READ = 1
    WRITE = 2
    POSEIDON2 = 3
    SHA2 = 4
    BIGINT = 5


HOST_IO_MAX_BYTES: Final = 1024
"""READ and WRITE transfer at most this many bytes."""
SHA2_MAX_BLOCKS: Final = 10
POSEIDON2_IS_ELEM: Final = 1 << 31
POSEIDON2_CHECK_OUT: Final = 1 << 30


class HaltType(IntEnum):
    """Low half of a0 at TERMINATE; the high half is the user's exit code."""

    TERMINATE = 0
    PAUSE = 1


class KernelCall(IntEnum):
    """Calls of the user to the kernel: ecall in user mode, number in t0."""

    HALT = 0
    INPUT = 1
    SOFTWARE = 2
    SHA = 3
    BIGINT = 4
    USER = 5
    BIGINT2 = 6
    POSEIDON2 = 7


class SoftwareCall(IntEnum):
    """Transfer patterns of KernelCall.SOFTWARE, number in t6 (kernel generations B and later)."""

    ARGC = 1
    ARGV = 2
    CYCLE_COUNT = 3
    EXIT = 4
    FORK = 5
    GETENV = 6
    KECCAK = 7
    LOG = 8
    PANIC = 9
    PIPE = 10
    RANDOM = 11
    READ = 12
    USER = 13
    VERIFY_INTEGRITY = 14
    VERIFY_INTEGRITY2 = 15
    WRITE = 16


SYSCALL_PREFIX: Final = "risc0_zkvm_platform::syscall::nr::"
"""Host calls are named; their names are module paths of RISC Zero's platform crate."""
SYS_ARGC: Final = SYSCALL_PREFIX + "SYS_ARGC"
SYS_ARGV: Final = SYSCALL_PREFIX + "SYS_ARGV"
SYS_CYCLE_COUNT: Final = SYSCALL_PREFIX + "SYS_CYCLE_COUNT"
SYS_EXIT: Final = SYSCALL_PREFIX + "SYS_EXIT"
SYS_FORK: Final = SYSCALL_PREFIX + "SYS_FORK"
SYS_GETENV: Final = SYSCALL_PREFIX + "SYS_GETENV"
SYS_KECCAK: Final = SYSCALL_PREFIX + "SYS_KECCAK"
SYS_LOG: Final = SYSCALL_PREFIX + "SYS_LOG"
SYS_PANIC: Final = SYSCALL_PREFIX + "SYS_PANIC"
SYS_PIPE: Final = SYSCALL_PREFIX + "SYS_PIPE"
SYS_RANDOM: Final = SYSCALL_PREFIX + "SYS_RANDOM"
SYS_READ: Final = SYSCALL_PREFIX + "SYS_READ"
SYS_VERIFY_INTEGRITY: Final = SYSCALL_PREFIX + "SYS_VERIFY_INTEGRITY"
SYS_VERIFY_INTEGRITY2: Final = SYSCALL_PREFIX + "SYS_VERIFY_INTEGRITY2"
SYS_WRITE: Final = SYSCALL_PREFIX + "SYS_WRITE"
SYS_PROVE_KECCAK: Final = "risc0-zkvm-platform::syscall::SYS_PROVE_KECCAK"
SYS_PROVE_ZKR: Final = "risc0-zkvm-platform::syscall::SYS_PROVE_ZKR"


class FileDescriptor(IntEnum):
    """The host's file descriptors."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    JOURNAL = 3


JOURNAL_MAX_BYTES: Final = 100 << 20
GETENV_MAX_NAME_BYTES: Final = 1024
GETENV_UNSET: Final = 0xFFFF_FFFF
KECCAK_PERMUTE: Final = 0
KECCAK_PROVE: Final = 1
KECCAK_ROWS_PER_PERMUTATION: Final = 200
"""A batch of po2 k holds 2^k // 200 permutations."""
KECCAK_DEFAULT_PO2: Final = 17


def page_index(addr: int) -> int:
    """The page that holds a byte address."""
    return addr // PAGE_BYTES


def register_addr(mode: int, register: int) -> int:
    """Byte address of a register's word in the bank of a mode."""
    return (MACHINE_REGISTERS if mode == MODE_MACHINE else USER_REGISTERS) + WORD_BYTES * register


def destination_addr(mode: int, register: int) -> int:
    """Where a write to a register goes: its word, or the bank's scratch word for x0."""
    return register_addr(mode, register) + (0 if register else X0_SCRATCH_OFFSET)


def is_handler(addr: int) -> bool:
    """Whether a dispatch word is the address of a handler: aligned, in kernel memory."""
    return addr % WORD_BYTES == 0 and KERNEL_START <= addr < KERNEL_END
