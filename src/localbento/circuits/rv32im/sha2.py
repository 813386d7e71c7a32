"""The machine ecall SHA2: its header, one row a block around the rounds, and the row that stores the result.

A row of kind *call* takes five cycles: the ecall in the first, two words of the state-in in each of the other four.
A row of kind *block* takes none itself: it starts 64 rounds (`sha2_round`) and takes back what they made.
A row of kind *store* takes four, and writes two words of the state-out in each.
The cycles follow from the CPU chain by constants, so no time is a free cell.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Constraints
from localbento.air.expr import Expr, total
from localbento.circuits.rv32im.access import at
from localbento.circuits.rv32im.buses import (
    ACCESS,
    CPU,
    DECODE,
    LOW_BITS,
    REGION,
    SHA2,
    SHA2_DONE,
    SHA2_ROUND,
    Op,
    Range,
    Region,
)
from localbento.circuits.rv32im.cells import check_bytes, check_range
from localbento.circuits.rv32im.records import Slot
from localbento.circuits.rv32im.sha2_round import ROUNDS
from localbento.circuits.rv32im.sha2_words import State, limbs_of_bytes, state_parts
from localbento.field.babybear import P
from localbento.riscv import abi

QUARTER: Final = pow(4, -1, P)
LIMB: Final = 1 << 16
HEADER_CYCLES: Final = 5
STORE_CYCLES: Final = 4
BLOCK_WORDS: Final = 16
STATE_WORDS: Final = 8
REGISTERS: Final = tuple(
    abi.MACHINE_REGISTERS // 4 + r
    for r in (abi.Register.A0, abi.Register.A1, abi.Register.A2, abi.Register.A3, abi.Register.A4)
)
A7: Final = abi.MACHINE_REGISTERS // 4 + abi.Register.A7


def row_of_word(i: int) -> int:
    """In which of four cycles word i of a state is moved: 3 - i and 7 - i together."""
    return (3 - i) % 4


class Sha2(Chip):
    """A SHA2 call between its rounds.

    *call*: a7 = 4; a0, a1, a2, a4 are aligned pointers at or above 0x10000, a3 has a low half of at most 10 (the
    high half is ignored, as on the platform).  `before` is the state-in as its memory words, `after` its bytes.
    *block*: `after` = `before` + what 64 rounds make of it, word by word modulo 2^32, with carries in `other`.
    *store*: `after` becomes the state-out, `before` is what stood there.
    `after` is bytes on every row; of the rounds' last a and e, which no bits hold, the limbs are checked here.

    State words are big-endian in memory: byte 0 of a word there is its highest.

    Assumes: DECODE answers truly; memory words are in range.  State-in is read before the first block and
    state-out written after the last: the executor refuses calls for which the platform's order differs.
    Filled by `sha2_fill`.
    """

    call: Bit
    block: Bit
    store: Bit
    cycle: Felt
    next_pc: Felt
    out: Felt
    constants: Felt
    data: Felt
    left: Felt
    base: Felt
    x: Felt
    y: Felt
    before: State
    after: Annotated[tuple[Felt, ...], 32]
    other: Annotated[tuple[Felt, ...], 16]

    def real(self) -> Expr:
        """One of the three kinds."""
        return total((self.call, self.block, self.store))

    def constrain(self, c: Constraints) -> None:
        """Kinds in turn, then what they share."""
        c.boolean("at most one kind", self.real())
        words = [self.after[4 * i : 4 * i + 4] for i in range(STATE_WORDS)]
        memory = [limbs_of_bytes(word) for word in words]
        values: list[Sequence[Expr]] = [tuple(reversed(word)) for word in words]
        check_bytes(c, "state bytes", *self.after)
        self._call(c, memory)
        self._block(c, [limbs_of_bytes(v) for v in values])
        self._store(c)
        self._moves(c, memory)

        state = state_parts(values)
        cycle = self.cycle + self.call * HEADER_CYCLES + self.block * ROUNDS
        data, left = self.data + self.block * BLOCK_WORDS, self.left - self.block
        onward = (cycle, self.next_pc, self.out, self.constants, data, left)
        here = (self.cycle, self.next_pc, self.out, self.constants, self.data, self.left)
        c.push(SHA2, (*onward, *state), self.call + self.block, "to the next block or the store")
        c.pull(SHA2, (*here, *self.before.parts()), self.block, "to this block")
        c.pull(SHA2, (*here, *state), self.store, "to the store")
        c.pull(CPU, (self.cycle, self.next_pc - 1), self.call, "this step")
        c.push(CPU, (self.cycle + STORE_CYCLES, self.next_pc), self.store, "after the call")

    def _call(self, c: Constraints, memory: list[tuple[Expr, Expr]]) -> None:
        state_in, out, data, constants, count = ((self.other[2 * i], self.other[2 * i + 1]) for i in range(5))
        decoded = (self.next_pc - 1, Op.MACHINE_ECALL, 0, 0, 0, self.x, self.y, 0, 0)
        c.pull(DECODE, decoded, self.call, "the instruction")
        now = at(self.cycle, Slot.RS1)
        number = int(abi.MachineEcall.SHA2)
        c.push(ACCESS, (now, A7, number, 0, number, 0), self.call, "a7")
        for register, value, name in zip(
            REGISTERS, (state_in, out, data, count, constants), ("a0", "a1", "a2", "a3", "a4"), strict=True
        ):
            c.push(ACCESS, (now, register, *value, *value), self.call, name)
        targets = {"state-in": self.base, "state-out": self.out, "data": self.data, "constants": self.constants}
        for (name, target), (low, high) in zip(targets.items(), (state_in, out, data, constants), strict=True):
            check_range(c, f"{name} is aligned", Range.U14, low * QUARTER, self.call)
            c.pull(REGION, (Region.MACHINE, high), self.call, f"{name} is above the zero area")
            c.zero(f"{name}: word address", self.call * (target - low * QUARTER - high * (1 << LOW_BITS)))
        c.zero("blocks to come", self.call * (self.left - count[0]))
        check_range(c, "at most 10 blocks", Range.U4, abi.SHA2_MAX_BLOCKS - count[0], self.call)
        for i, (limbs, word) in enumerate(zip(self.before.limbs(), memory, strict=True)):
            for name, read, after in zip(("low", "high"), limbs, word, strict=True):
                c.zero(f"state-in {i}, {name}: a read leaves the word", self.call * (read - after))

    def _block(self, c: Constraints, after: list[tuple[Expr, Expr]]) -> None:
        start: tuple[Expr | int, ...] = (self.cycle, 0, self.constants, self.data, *self.before.parts())
        start += (0,) * (SHA2_ROUND.width - len(start))
        c.push(SHA2_ROUND, start, self.block, "to the first round")
        done: list[Expr] = []
        for i, (old, new) in enumerate(zip(self.before.limbs(), after, strict=True)):
            low, high = self.other[2 * i], self.other[2 * i + 1]
            for name, carry in (("low", low), ("high", high)):
                c.zero(f"word {i}, {name}: carry is a bit", self.block * carry * (carry - 1))
            done += [new[0] + low * LIMB - old[0], new[1] + high * LIMB - low - old[1]]
        c.pull(SHA2_DONE, (self.cycle + ROUNDS, *done), self.block, "from the last round")
        for i, name in ((0, "a, low"), (1, "a, high"), (8, "e, low"), (9, "e, high")):
            check_range(c, f"last {name} is 16 bits", Range.U16, done[i], self.block)

    def _store(self, c: Constraints) -> None:
        c.zero("store: no block is left", self.store * self.left)
        c.zero("store: at the state-out", self.store * (self.base - self.out))

    def _moves(self, c: Constraints, memory: list[tuple[Expr, Expr]]) -> None:
        """Reads of state-in, writes of state-out; and nothing in cells that a kind does not use."""
        moved = self.call + self.store
        for i, (old, new) in enumerate(zip(self.before.limbs(), memory, strict=True)):
            cycle = self.cycle + self.call + row_of_word(i)
            now = at(cycle, self.call * Slot.MEMORY + self.store * Slot.RD)
            c.push(ACCESS, (now, self.base + i, *old, *new), moved, f"state word {i}")
        for name, group in (("b", self.before.b), ("c", self.before.c), ("f", self.before.f), ("g", self.before.g)):
            for k in (1, 3):
                c.zero(f"{name}: a moved word is two limbs, byte {k}", moved * group[k])
        c.zero("no base in a block", self.block * self.base)
        for name, cell in (("x", self.x), ("y", self.y)):
            c.zero(f"no {name} but in a call", (self.block + self.store) * cell)
        for i, cell in enumerate(self.other):
            unused = self.store if i < 2 * len(REGISTERS) else self.call + self.store
            c.zero(f"other {i} is used or zero", unused * cell)
