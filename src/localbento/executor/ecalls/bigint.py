"""BIGINT: big integers in memory, computed by a small program that the guest brings along ("bibc").

Its proof runs another program (the verify program) over the same operands; the executor does not.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from localbento.executor.ecalls.poseidon2 import step_over
from localbento.executor.errors import MachineCallError
from localbento.executor.machine import Machine
from localbento.riscv import abi
from localbento.riscv.abi import Register

MAGIC: Final = b"bibc"
VERSION: Final = 1
MAX_PROGRAM_BYTES: Final = 10 << 20
MAX_VALUE_BITS: Final = 1 << 20
"""A program that squares on and on is stopped here; the released executor goes on until memory is full."""
CHUNK: Final = 16
CONST, LOAD, STORE, ADD, SUB, MUL, REM, QUO, INV = 2, 3, 4, 8, 9, 10, 11, 12, 14


@dataclass(frozen=True, slots=True)
class Program:
    """A decoded program: bytes of each type, constants, operations (opcode, type, a, b)."""

    widths: list[int]
    constants: list[int]
    operations: list[tuple[int, int, int, int]]


def decode_program(data: bytes) -> Program:
    """The program in a guest's bytes.

    Raises:
        MachineCallError: if they are none.
    """
    if data[:4] != MAGIC or len(data) < 24:
        msg = f"bigint: expected a bibc program, found {data[:4]!r}"
        raise MachineCallError(msg)
    version, inputs, types, constants, operations = struct.unpack_from("<5I", data, 4)
    if version != VERSION:
        msg = f"bigint: program version {version}, known: {VERSION}"
        raise MachineCallError(msg)
    at_types = 24 + CHUNK * inputs
    at_constants = at_types + 32 * types
    at_operations = at_constants + 8 * constants
    if at_operations + 8 * operations > len(data):
        msg = f"bigint: the program has {len(data)} bytes, its header asks for {at_operations + 8 * operations}"
        raise MachineCallError(msg)
    words = struct.unpack_from(f"<{operations}Q", data, at_operations)
    return Program(
        widths=[-(-struct.unpack_from("<Q", data, at_types + 32 * i)[0] // CHUNK) * CHUNK for i in range(types)],
        constants=list(struct.unpack_from(f"<{constants}Q", data, at_constants)),
        operations=[(w & 15, w >> 4 & 0xFFF, w >> 16 & 0xFF_FFFF, w >> 40) for w in words],
    )


def _divided(a: int, b: int) -> tuple[int, int]:
    """Quotient, truncated, and remainder."""
    if b == 0:
        msg = "bigint: divide by zero"
        raise MachineCallError(msg)
    quotient = abs(a) // abs(b)
    if (a < 0) != (b < 0):
        quotient = -quotient
    return quotient, a - quotient * b


def _inverse(a: int, b: int) -> int:
    try:
        return pow(abs(a), -1, abs(b))
    except ValueError as error:
        msg = "bigint: divide by zero"
        raise MachineCallError(msg) from error


BINARY: Final[dict[int, Callable[[int, int], int]]] = {
    ADD: lambda a, b: a + b,
    SUB: lambda a, b: a - b,
    MUL: lambda a, b: a * b,
    REM: lambda a, b: _divided(a, b)[1],
    QUO: lambda a, b: _divided(a, b)[0],
    INV: _inverse,
}


class Evaluation:
    """One run of a program: loads see memory as before the call, stores come out at the end."""

    def __init__(self, program: Program, load: Callable[[int, int, int], bytes]) -> None:
        """`load(arena, offset, count)` reads bytes; offsets count chunks of 16 bytes."""
        self._program = program
        self._load = load
        self.stores: list[tuple[int, int, bytes]] = []

    def run(self) -> None:
        """Evaluate all operations.

        Raises:
            MachineCallError: for a malformed program, a division by zero, a value that does not fit.
        """
        values: list[int] = []
        for operation in self._program.operations:
            value = self._value(values, *operation)
            if value.bit_length() > MAX_VALUE_BITS:
                msg = f"bigint: a value of {value.bit_length()} bits, allowed {MAX_VALUE_BITS}"
                raise MachineCallError(msg)
            values.append(value)

    def _value(self, values: list[int], opcode: int, kind: int, a: int, b: int) -> int:
        program = self._program
        if opcode in (LOAD, STORE) and (kind >= len(program.widths) or 8 * program.widths[kind] > MAX_VALUE_BITS):
            return self._malformed(opcode)
        match opcode:
            case 2:
                if a + b > len(program.constants):
                    return self._malformed(opcode)
                return int.from_bytes(struct.pack(f"<{b}Q", *program.constants[a : a + b]), "little")
            case 3:
                return int.from_bytes(self._load(a >> 16, a & 0xFFFF, program.widths[kind]), "little")
            case 4:
                if b >= len(values):
                    return self._malformed(opcode)
                return self._store(a, program.widths[kind], values[b])
            case _ if opcode in BINARY and a < len(values) and b < len(values):
                return BINARY[opcode](values[a], values[b])
            case _:
                return self._malformed(opcode)

    def _store(self, place: int, width: int, value: int) -> int:
        try:
            data = abs(value).to_bytes(width, "little")
        except OverflowError as error:
            msg = f"bigint: a value of {value.bit_length()} bits does not fit {width} bytes"
            raise MachineCallError(msg) from error
        self.stores.append((place >> 16, place & 0xFFFF, data))
        return value

    def _malformed(self, opcode: int) -> int:
        msg = f"bigint: malformed operation {opcode}"
        raise MachineCallError(msg)


class _Arenas:
    """The guest's memory, as a program reaches it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        mode = machine.register(True, Register.T0)
        if mode not in (0, 1):
            msg = f"bigint: mode {mode}, expected 0 or 1"
            raise MachineCallError(msg)
        self._end = abi.BIGINT_USER_END if mode == 0 else 1 << 32

    def address(self, arena: int, offset: int, count: int) -> int:
        base = self._machine.register(True, arena & 31)
        start = base + CHUNK * offset
        if arena > 31 or base % 4 or not abi.ZERO_AREA_END <= start < self._end or start + count > 1 << 32:
            msg = f"bigint: {count} bytes at {start:#010x} of register {arena} are out of bounds"
            raise MachineCallError(msg)
        return start

    def load(self, arena: int, offset: int, count: int) -> bytes:
        return read_words(self._machine, self.address(arena, offset, count), count // 4)


def read_words(machine: Machine, address: int, count: int) -> bytes:
    """Bytes of memory by counted accesses."""
    if not (address >= abi.ZERO_AREA_END and address + 4 * count <= 1 << 32 and address % 4 == 0):
        msg = f"bigint: {count} words at {address:#010x} are not in memory"
        raise MachineCallError(msg)
    return struct.pack(f"<{count}I", *(machine.access(address + 4 * i) for i in range(count)))


def run_bigint(machine: Machine) -> None:
    """Carry out the call and step over it.

    The pages of blob, programs and constants are touched as the released executor touches them.

    Raises:
        MachineCallError: for whatever is wrong with it.
    """
    arenas = _Arenas(machine)
    blob, nondet, verify, constants = (
        machine.register(True, r) for r in (Register.A0, Register.T1, Register.T2, Register.T3)
    )
    header = struct.unpack("<4I", read_words(machine, blob, 4))
    nondet_words, verify_words, constant_words, _ = header
    if 4 * nondet_words > MAX_PROGRAM_BYTES:
        msg = f"bigint: a program of {4 * nondet_words} bytes, allowed {MAX_PROGRAM_BYTES}"
        raise MachineCallError(msg)
    program = decode_program(read_words(machine, nondet, nondet_words))
    evaluation = Evaluation(program, arenas.load)
    evaluation.run()
    # COMPAT: the released executor is one word early here.
    read_words(machine, verify - 4, verify_words)
    read_words(machine, constants, constant_words)
    witness = {
        arenas.address(arena, offset, len(data)) + i: data[i : i + CHUNK]
        for arena, offset, data in evaluation.stores
        for i in range(0, len(data), CHUNK)
    }
    for address, chunk in sorted(witness.items()):
        for i, word in enumerate(struct.unpack("<4I", chunk)):
            machine.access(address + 4 * i, word)
    step_over(machine, 2 + verify_words)
