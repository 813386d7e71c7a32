"""The machine ecall SHA2 around its rounds: registers, state-in, what blocks add to the state, state-out; a word a row.

A call takes 22 rows and each block 8 more; the rounds (`sha2_step`, or `sha2_round`) get a word of the state from each
row of a block, and give one back.  The cycles follow from the CPU chain by constants, so no time is a free cell: the
ecall in the first, two words of the state-in in each of the next four, 64 a block, and four for the state-out.
"""

from typing import Annotated, Final

from localbento.air.cells import Bit, Felt, Word
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
    SHA2_SCHEDULE,
    SHA2_WORD,
    Op,
    Range,
    Region,
    Sha2Word,
)
from localbento.circuits.rv32im.cells import check_bytes, check_range
from localbento.circuits.rv32im.records import Slot
from localbento.circuits.rv32im.sha2_words import HALF_WORDS, ROUNDS, limbs_of_bytes
from localbento.field.babybear import P
from localbento.riscv import abi

QUARTER: Final = pow(4, -1, P)
LIMB: Final = 1 << 16
HEADER_CYCLES: Final = 5
STORE_CYCLES: Final = 4
BLOCK_WORDS: Final = 16
STATE_WORDS: Final = 8
CALL_ROWS: Final = 6 + 2 * STATE_WORDS
"""Rows of a call beside those of its blocks."""
A0: Final = abi.MACHINE_REGISTERS // 4 + abi.Register.A0
COUNT: Final = abi.Register.A3 - abi.Register.A0
NUMBER: Final = abi.Register.A7 - abi.Register.A0
"""Registers by their distance from a0, which is `index` in the rows that read them."""
HALF_STEP: Final = 2
FIRST_LOAD: Final = COUNT + 2 + HALF_STEP
FIRST_WORD: Final = FIRST_LOAD + STATE_WORDS
"""Places among the rows of a call: registers, state-in, and from here on a block or the state-out.  No row comes after
a place between those of a4 and the state-in, which rows that read a5 or a6 would have."""
NOTHING: Final = (0,) * SHA2_SCHEDULE.width
LINK_LOW, LINK_HIGH = 1, 2
"""Cells of `held` that the first row of a call puts to another use."""


class Sha2(Chip):
    """One row of a SHA2 call.  The kinds in order are as follows.

    *call*: a7 = 4.
    *pointer*: reads a0, a1, a2, and a4 after *count*: aligned pointers at or above 0x10000.
    *count*: a3 has a low half of at most 10 (the high half is ignored, as on the platform).
    *load*: reads a word of the state-in.
    *block*, of the eighth word *turn*: starts the rounds with the word `before`, and adds what they made of it.
    *store*, of the eighth word *finish*: writes a word of the state-out.

    `index` is the number of the word (of a register: of a0 and so on), `half` whether it is 4 or more.  `held` are
    the pointers read so far, the last one last.  `after` is the memory word after the row, a register's value, or of
    a block's row the word that goes on, as bytes in the order of memory: that of a word of the state is big-endian.

    Assumes: DECODE answers truly; memory words are in range.  State-in is read before the first block and
    state-out written after the last: the executor refuses calls for which the platform's order differs.
    Filled by `sha2_fill`.
    """

    call: Bit
    pointer: Bit
    count: Bit
    load: Bit
    block: Bit
    turn: Bit
    store: Bit
    finish: Bit
    half: Bit
    index: Felt
    cycle: Felt
    next_pc: Felt
    left: Felt
    held: Annotated[tuple[Felt, ...], 4]
    before: Word
    after: Annotated[tuple[Felt, ...], 4]
    carry: Annotated[tuple[Bit, ...], 2]

    def real(self) -> Expr:
        """One of the kinds."""
        return total((self.registers(), self.load, self.block, self.turn, self.store, self.finish))

    def registers(self) -> Expr:
        """Rows that read a register."""
        return self.call + self.pointer + self.count

    def constrain(self, c: Constraints) -> None:
        """Place, then kind after kind."""
        c.boolean("at most one kind", self.real())
        j = self.in_half()
        c.zero("place in the half is 0 to 3", j * (j - 1) * (j - 2) * (j - 3))
        c.zero("the last word of a state", (self.turn + self.finish) * (self.index - (STATE_WORDS - 1)))
        check_bytes(c, "bytes", *self.after)
        self._call(c)
        self._moves(c)
        self._block(c)
        self._chain(c)

    def in_half(self) -> Expr:
        """Which word of its half of the state."""
        return self.index - self.half * HALF_WORDS

    def in_block(self) -> Expr:
        """Rows around the rounds."""
        return self.block + self.turn

    def in_store(self) -> Expr:
        """Rows that write."""
        return self.store + self.finish

    def value(self) -> tuple[Expr, Expr]:
        """`after` as a word of the state."""
        return limbs_of_bytes(tuple(reversed(self.after)))

    def _call(self, c: Constraints) -> None:
        """Instruction and registers."""
        link = (self.held[LINK_LOW], self.held[LINK_HIGH])
        decoded = (self.next_pc - 1, Op.MACHINE_ECALL, 0, 0, 0, *link, 0, 0)
        c.pull(DECODE, decoded, self.call, "the instruction")
        c.pull(CPU, (self.cycle, self.next_pc - 1), self.call, "this step")
        now, read = at(self.cycle, Slot.RS1), self.registers()
        c.push(ACCESS, (now, A0 + self.index, *self.before, *self.before), read, "a register")
        c.zero("a call reads a7", self.call * (self.index - NUMBER))
        c.zero("a7 is the number of the call, low", self.call * (self.before.lo - int(abi.MachineEcall.SHA2)))
        c.zero("a7 is the number of the call, high", self.call * self.before.hi)
        c.zero("nothing is held before a call", self.call * self.held[0])
        j = self.in_half()
        c.zero("a3 is no pointer, nor is a7", self.pointer * j * (j - 1) * (j - 2))
        check_range(c, "the pointer is aligned", Range.U14, self.before.lo * QUARTER, self.pointer)
        c.pull(REGION, (Region.MACHINE, self.before.hi), self.pointer, "the pointer is above the zero area")
        c.zero("the count is in a3", self.count * (self.index - COUNT))
        c.zero("blocks to come", self.count * (self.left - self.before.lo))
        check_range(c, "at most 10 blocks", Range.U4, abi.SHA2_MAX_BLOCKS - self.left, self.count)

    def _moves(self, c: Constraints) -> None:
        """Words of memory."""
        new, j = limbs_of_bytes(self.after), self.in_half()
        read = self.registers() + self.load
        for name, old, same in zip(("low", "high"), self.before, new, strict=True):
            c.zero(f"a read leaves the word, {name}", read * (old - same))
        state_in, state_out, _, _ = self.held
        now = at(self.cycle + HEADER_CYCLES - 1 - j, Slot.MEMORY)
        c.push(ACCESS, (now, state_in + self.index, *self.before, *new), self.load, "state-in")
        now = at(self.cycle + HEADER_CYCLES + STORE_CYCLES - 1 - j, Slot.RD)
        c.push(ACCESS, (now, state_out + self.index, *self.before, *new), self.in_store(), "state-out")

    def _block(self, c: Constraints) -> None:
        """The state, a word a row, and the rounds; the last row of a block starts their schedule."""
        block, store = self.in_block(), self.in_store()
        word = (Sha2Word.STATE + self.index, self.cycle, self.left)
        onward = (Sha2Word.STATE + self.index, self.cycle + block * ROUNDS, self.left - block)
        c.pull(SHA2_WORD, (*word, *self.before), block, "word before the block")
        c.pull(SHA2_WORD, (*word, *self.value()), store, "word to be stored")
        c.push(SHA2_WORD, (*onward, *self.value()), self.load + block, "word from here on")

        first = self.cycle + HEADER_CYCLES
        start, done = Sha2Word.START + self.half, Sha2Word.DONE + self.half
        j, (low, high) = self.in_half(), self.carry
        c.push(SHA2_WORD, (start, first - 1 - j, self.left, *self.before), block, "word to the rounds")
        new = self.value()
        made = (new[0] + low * LIMB - self.before.lo, new[1] + high * LIMB - low - self.before.hi)
        c.pull(SHA2_WORD, (done, first + ROUNDS - j, self.left, *made), block, "word from the rounds")
        for name, carry in (("low", low), ("high", high)):
            c.zero(f"{name}: no carry but in a block", (1 - block) * carry)
        _, _, data, constants = self.held
        schedule: tuple[Expr | int, ...] = (first, self.left, 0, constants, data, *NOTHING[5:])
        c.push(SHA2_SCHEDULE, schedule, self.turn, "to the first round")

    def _chain(self, c: Constraints) -> None:
        """From row to row, and back to the CPU."""
        c.zero("store: no block is left", self.in_store() * self.left)
        place = self.index + self.load * FIRST_LOAD + (self.in_block() + self.in_store()) * FIRST_WORD
        here = (self.cycle, self.next_pc, self.left)
        c.pull(SHA2, (place, *here, *self.held), self.real() - self.call, "this row")
        pointer = self.before.lo * QUARTER + self.before.hi * (1 << LOW_BITS)
        following = self.index + 1 + self.half * HALF_STEP - self.call * (NUMBER + 1 + HALF_STEP)
        times = self.call + self.pointer
        c.push(SHA2, (following, *here, *self.held[1:], pointer), times, "after a pointer")
        there = (self.cycle + self.turn * ROUNDS, self.next_pc, self.left - self.turn)
        held = (*self.held[:2], self.held[2] + self.turn * BLOCK_WORDS, self.held[3])
        following = place + 1 - self.turn * STATE_WORDS
        times = self.count + self.load + self.block + self.turn + self.store
        c.push(SHA2, (following, *there, *held), times, "after a count or a word")
        c.push(CPU, (self.cycle + HEADER_CYCLES + STORE_CYCLES, self.next_pc), self.finish, "after the call")
