"""Instructions of a program, and the assignment of registers to what they compute."""

from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """What an instruction does; `localbento_kernels.cpu.constraints` has the same numbers.

    Elements take five registers.  A linear combination adds to its target: sum of weight_j * source_j,
    its weights in F following each other from the first.
    """

    ADD = 0
    SUB = 1
    MUL = 2
    ADD_ELEMENT = 3
    SUB_ELEMENT = 4
    MUL_ELEMENT = 5
    SCALE = 6
    """Element times base residue."""
    CLEAR = 7
    """Element = 0."""
    SET = 8
    """Element = weight."""
    LINEAR_1 = 9
    LINEAR_2 = 10
    LINEAR_3 = 11
    LINEAR_4 = 12
    INVERT = 13
    """Element = 1 / element; the kernel counts denominators that are zero."""


class Instruction(NamedTuple):
    """One step, over virtual registers."""

    kind: Kind
    target: int
    sources: tuple[int, ...]
    weight: int


class _Pool:
    """Free registers above the inputs: the lowest fitting gap is taken."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.size = 0
        self._used = 0

    def take(self, size: int) -> int:
        """The first of `size` neighbouring registers.

        A register just given back fits its own size again, so the target of an instruction never starts
        above a source of the same size that it may overwrite: kernels go upwards.
        """
        free = ~self._used  # a bit for each register; above them all, all are free
        fits, known = free, 1
        while known < size:
            step = min(known, size - known)
            fits &= fits >> step
            known += step
        start = (fits & -fits).bit_length() - 1
        self._used |= ((1 << size) - 1) << start
        self.size = max(self.size, start + size)
        return self.first + start

    def give(self, register: int, size: int) -> None:
        """Free again."""
        self._used &= ~(((1 << size) - 1) << (register - self.first))


def allocate(
    instructions: Sequence[Instruction],
    sizes: Mapping[int, int],
    inputs: int,
    keep: Collection[int],
    early: Collection[int],
) -> tuple[list[int], NDArray[np.int32], int]:
    """Real registers for virtual ones, each free again after its last use.

    Registers below `inputs` are inputs and stay where they are.  Virtual registers are named by their
    first part, `sizes` has how many they take.  `keep` are never given back, `early` are placed before the
    first instruction.

    Returns: the place of each virtual register (by name), the instructions as int32[n, 8] over real registers, and
        how many registers there are.
    """
    owner = list(range(inputs))
    """The name of the virtual register that each number is a part of."""
    for start, size in sorted(sizes.items()):
        owner += [start] * size
    last = _last_uses(instructions, owner)
    for name in keep:
        last[name] = len(instructions)
    pool = _Pool(inputs)
    places = [*range(inputs), *[-1] * (len(owner) - inputs)]
    for name in early:
        places[name] = pool.take(sizes[name])
    rows: list[list[int]] = []

    for step, instruction in enumerate(instructions):
        target = owner[instruction.target]
        row = [instruction.kind, 0]
        for source in instruction.sources:
            name = owner[source]
            row.append(places[name] + source - name)
            if last[name] == step and name >= inputs and name != target:
                pool.give(places[name], sizes[name])
        if places[target] < 0:
            places[target] = pool.take(sizes[target])
        row[1] = places[target] + instruction.target - target
        row += [-1] * (6 - len(row))
        row += (instruction.weight, -1)
        rows.append(row)
    return places, np.array(rows, np.int32).reshape(-1, 8), inputs + pool.size


def _last_uses(instructions: Sequence[Instruction], owner: Sequence[int]) -> list[int]:
    """The last instruction that has each virtual register, by its name."""
    last = [-1] * len(owner)
    for step, instruction in enumerate(instructions):
        last[owner[instruction.target]] = step
        for register in instruction.sources:
            last[owner[register]] = step
    return last
