"""POSEIDON2: a sponge over memory.

Released guests pass word addresses (and the released executor takes them so), guests of the newer generation byte
addresses; the kernel tells which.
"""

from typing import Final

from localbento.executor.errors import MachineCallError
from localbento.executor.machine import Machine
from localbento.field.babybear import P
from localbento.hash.poseidon2 import permute
from localbento.riscv import abi
from localbento.riscv.abi import Register
from localbento_kernels.cpu import interpret_numbers as nr

CELLS: Final = 24
RATE: Final = 16
DIGEST_WORDS: Final = 8


def _load(machine: Machine, word: int, count: int) -> list[int]:
    return [machine.access(_address(word + i)) for i in range(count)]


def _address(word: int) -> int:
    address = 4 * word
    if not abi.ZERO_AREA_END <= address < 1 << 32:
        msg = f"poseidon2: word address {word:#x} is not in memory"
        raise MachineCallError(msg)
    return address


def _word(address: int) -> int:
    if address % 4:
        msg = f"poseidon2: address {address:#010x} is not a multiple of 4"
        raise MachineCallError(msg)
    return address // 4


def run_poseidon2(machine: Machine, *, byte_addresses: bool = False) -> None:
    """Carry out the call whose arguments are in a0 to a3, and step over it.

    COMPAT: without any block zeros are stored, as the released executor does.

    Raises:
        MachineCallError: for addresses outside memory, or a comparison that fails.
    """
    state, source, target, flags = (machine.register(True, Register.A0 + i) for i in range(4))
    if byte_addresses:
        state, source, target = (_word(address) for address in (state, source, target))
    count = flags & 0xFFFF
    is_elem, check = bool(flags & abi.POSEIDON2_IS_ELEM), bool(flags & abi.POSEIDON2_CHECK_OUT)
    cells = [0] * CELLS
    if state:
        cells[RATE:] = [word % P for word in _load(machine, state, DIGEST_WORDS)]
    for _ in range(count):
        if is_elem:
            cells[:RATE] = [word % P for word in _load(machine, source, RATE)]
        else:
            words = _load(machine, source, DIGEST_WORDS)
            cells[:RATE] = [half for word in words for half in (word & 0xFFFF, word >> 16)]
        source += RATE if is_elem else DIGEST_WORDS
        cells = permute(cells)
    if check:
        found = _load(machine, target, DIGEST_WORDS)
        if found != cells[:DIGEST_WORDS]:
            msg = f"poseidon2: the digest at word {target:#x} is not the computed one"
            raise MachineCallError(msg)
    else:
        _store(machine, target, cells[:DIGEST_WORDS])
    if state:
        _store(machine, state, cells[RATE:])
    cycles = 3 + (2 if state else 0) + count * (11 if is_elem else 10)
    step_over(machine, cycles)


def _store(machine: Machine, word: int, values: list[int]) -> None:
    for i, value in enumerate(values):
        machine.access(_address(word + i), value)


def step_over(machine: Machine, cycles: int) -> None:
    """The call took so many user cycles; the next instruction is the one after it."""
    s = machine.scalars
    s[nr.S_PC] += 4
    s[nr.S_CYCLE] += 1
    s[nr.S_USER] += cycles - 1
