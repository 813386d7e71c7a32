"""Instructions of a program, and the assignment of registers to what they compute."""

import bisect
from collections.abc import Callable, Collection, Mapping, Sequence
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
        self.used: list[bool] = []

    def take(self, size: int) -> int:
        """The first of `size` neighbouring registers.

        A register just given back fits its own size again, so the target of an instruction never starts
        above a source of the same size that it may overwrite: kernels go upwards.
        """
        run = 0
        for i, used in enumerate(self.used):
            run = 0 if used else run + 1
            if run == size:
                return self._mark(i - size + 1, size)
        start = len(self.used) - run
        self.used += [False] * (size - run)
        return self._mark(start, size)

    def _mark(self, start: int, size: int) -> int:
        self.used[start : start + size] = [True] * size
        return self.first + start

    def give(self, register: int, size: int) -> None:
        """Free again."""
        start = register - self.first
        self.used[start : start + size] = [False] * size


def allocate(
    instructions: Sequence[Instruction],
    sizes: Mapping[int, int],
    inputs: int,
    keep: Collection[int],
    early: Collection[int],
) -> tuple[dict[int, int], NDArray[np.int32], int]:
    """Real registers for virtual ones, each free again after its last use.

    Registers below `inputs` are inputs and stay where they are.  Virtual registers are named by their
    first part, `sizes` has how many they take.  `keep` are never given back, `early` are placed before the
    first instruction.

    Returns: the place of each virtual register, the instructions as int32[n, 8] over real registers, and
        how many registers there are.
    """
    starts = sorted(sizes)

    def owner(register: int) -> int:
        return register if register < inputs else starts[bisect.bisect_right(starts, register) - 1]

    last = _last_uses(instructions, owner)
    pool, places = _Pool(inputs), {i: i for i in range(inputs)}
    for name in early:
        places[name] = pool.take(sizes[name])
    rows = np.full((len(instructions), 8), -1, np.int32)

    def place(register: int) -> int:
        name = owner(register)
        return places[name] + register - name

    for step, instruction in enumerate(instructions):
        sources = [place(s) for s in instruction.sources]
        target = owner(instruction.target)
        for name in {owner(s) for s in instruction.sources} - {target, *keep}:
            if name >= inputs and last[name] == step:
                pool.give(places[name], sizes[name])
        if target not in places:
            places[target] = pool.take(sizes[target])
        rows[step, :2] = instruction.kind, place(instruction.target)
        rows[step, 2 : 2 + len(sources)] = sources
        rows[step, 6] = instruction.weight
    return places, rows, inputs + len(pool.used)


def _last_uses(instructions: Sequence[Instruction], owner: Callable[[int], int]) -> dict[int, int]:
    last: dict[int, int] = {}
    for step, instruction in enumerate(instructions):
        for register in (instruction.target, *instruction.sources):
            last[owner(register)] = step
    return last
