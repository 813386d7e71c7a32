"""The rounds of SHA-256 in narrow rows: three a round share 32 bit columns, and eight rows start a block.

The same as `sha2_round`, which has a round a row: there it is 267 cells wide, here 124, and 388 cells a round.
Rotations need bits, of a, of e and of one word of the schedule; a row has bits of one of them.  Choice and majority
are made of two bitwise ANDs each, by bytes.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from localbento.air.cells import Bit, Felt, Word
from localbento.air.chip import Chip, Constraints
from localbento.air.expr import Expr
from localbento.circuits.rv32im.access import at
from localbento.circuits.rv32im.buses import (
    ACCESS,
    MEMORY,
    RANGE,
    SHA2_SCHEDULE,
    SHA2_STEP,
    SHA2_WORD,
    Range,
    Sha2Word,
)
from localbento.circuits.rv32im.cells import check_range
from localbento.circuits.rv32im.records import Slot
from localbento.circuits.rv32im.sha2_words import (
    BIG_0,
    BIG_1,
    DATA_ROUNDS,
    HALF_WORDS,
    ROUNDS,
    SMALL_0,
    SMALL_1,
    big_sigma,
    bytes_of_bits,
    limbs_of_bits,
    limbs_of_bytes,
    small_sigma,
)

LIMB: Final = 1 << 16
STEP_ROWS: Final = 3 * ROUNDS + 2 * HALF_WORDS
"""Rows of a block."""
FIRST_PART, SECOND_PART = 13, 5
"""How many words before they are needed the parts of a sum of the schedule are sent."""
LIMB_NAMES: Final = ("low", "high")
Parts = tuple[Expr | int, ...]


class Sha2Step(Chip):
    """One row of a block.  The kinds of rows are as follows.

    *start_a*, *start_e*: a word of the state moves into its half, d first, or h.
    *e*: T1 = h + S1(e) + Ch(e, f, g) + K + W, and e' = d + T1.
    *a*: a' = T1 + S0(a) + Maj(a, b, c).
    *edge*, *inner*: the word of the schedule of this round, W; and what the older word `x` gives to words after it.
    FIPS 180-4, "SHA-256 Hash Computation"; all modulo 2^32.

    Rows of a and e: `x`, `second`, `third`, `fourth` are half of the working variables, `out` is what comes before
    them next.  `input` is what comes from another row (K + W, T1, the word that moves in), `with_it` d in a row of e.
    Rows of words: `x` is W[-2]; `second` are the bytes of the data word, `third` is W[-3] and W[-1], `both_third` K
    and s0(W[-2]), `fourth` the time and gap of the read of K, `input` what is known of W (of a data word W itself),
    `with_it`, in an inner row, the first part of the sum of the word five rounds on.

    Where a flag is free (`first_part`, `first`, `done`, `last`, edge or inner), the other rows' messages say what it
    must be: each word of SHA2_WORD has one row that can send it and one that can take it.  No row is both one that
    can be `first` and one that can be `last`: else a half could end in one round and begin empty in the next.

    Assumes: of whoever starts a block (`sha2`) that (cycle, left) is its own, round 0, schedule 0.
    """

    start_a: Bit
    start_e: Bit
    e: Bit
    a: Bit
    edge: Bit
    inner: Bit
    is_data: Bit
    first_part: Bit
    first: Bit
    done: Bit
    last: Bit
    cycle: Felt
    left: Felt
    round: Felt
    constants: Felt
    data: Felt
    x: Annotated[tuple[Bit, ...], 32]
    second: Annotated[tuple[Felt, ...], 4]
    third: Annotated[tuple[Felt, ...], 4]
    fourth: Word
    both_second: Annotated[tuple[Felt, ...], 4]
    both_third: Annotated[tuple[Felt, ...], 4]
    input: Word
    with_it: Word
    out: Word
    carry: Annotated[tuple[Felt, ...], 2]

    def word(self) -> Expr:
        """Rows of the schedule."""
        return self.edge + self.inner

    def start(self) -> Expr:
        """Rows before the first round."""
        return self.start_a + self.start_e

    def halves(self) -> Expr:
        """Rows of half a state."""
        return self.start() + self.e + self.a

    def real(self) -> Expr:
        """One of the kinds."""
        return self.halves() + self.word()

    def constrain(self, c: Constraints) -> None:
        """Kinds, then what they share, then each."""
        c.boolean("at most one kind", self.real())
        c.zero("a data word only in a row of a word", self.is_data * (1 - self.word()))
        c.zero("a first part only in a row of a word", self.first_part * (1 - self.word()))
        c.zero("first only in a row before the first round", self.first * (1 - self.start()))
        c.zero("done only in a row of a or e", self.done * (1 - self.e - self.a))
        c.zero("last only in a round", self.last * (1 - self.e - self.a - self.word()))
        self._sum(c)
        self._bitwise(c)
        self._words(c)
        self._schedule(c)
        self._reads(c)
        self._halves(c)

    def _sum(self, c: Constraints) -> None:
        """`out` = the sum that the kind says, with carries below 256: so there is one, if `out` is in range."""
        choice = [ef + g - eg for ef, g, eg in zip(self.both_second, self.third, self.both_third, strict=True)]
        majority = [ab + rest for ab, rest in zip(self.both_second, self.both_third, strict=True)]
        of_e, of_a, of_word = big_sigma(self.x, BIG_1), big_sigma(self.x, BIG_0), small_sigma(self.x, SMALL_1)
        ch, maj = limbs_of_bytes(choice), limbs_of_bytes(majority)
        carried = (0, self.carry[0])
        fourth, with_it = tuple(self.fourth), tuple(self.with_it)
        for i, (name, given, out) in enumerate(zip(LIMB_NAMES, self.input, self.out, strict=True)):
            terms = self.e * (fourth[i] + with_it[i] + of_e[i] + ch[i])
            terms = terms + self.a * (of_a[i] + maj[i]) + (self.word() - self.is_data) * of_word[i]
            c.equal(f"sum, {name}", terms + given + carried[i], out + self.carry[i] * LIMB)
        c.pull(RANGE, (Range.BYTES, *self.carry, 0), label="carries")

    def _bitwise(self, c: Constraints) -> None:
        """The ANDs, in rows of words that of the data bytes too, which are bytes for it."""
        x = bytes_of_bits(self.x)
        groups = zip(x, self.second, self.third, self.both_second, self.both_third, strict=True)
        for i, (first, second, third, both, other) in enumerate(groups):
            differing = first + second - both * 2
            c.pull(RANGE, (Range.AND, first, second, both), label=f"first and second, byte {i}")
            given = (Range.AND, first, third, other)
            c.pull(RANGE, given, self.e + self.start(), f"first and third, byte {i}")
            c.pull(RANGE, (Range.AND, third, differing, other), self.a, f"third and (first xor second), byte {i}")

    def _words(self, c: Constraints) -> None:
        """From row to row of a round, and to and from those of the state."""
        here, there = (self.cycle, self.left), (self.cycle + 1, self.left)
        kind = self.e * Sha2Word.INPUT + self.a * Sha2Word.T1 + self.word() * Sha2Word.PART2
        kind = kind + self.start_a * Sha2Word.START + self.start_e * (Sha2Word.START + 1)
        c.pull(SHA2_WORD, (kind, *here, *self.input), self.real() * (1 - self.is_data), "input")
        kind = self.e * Sha2Word.D + self.inner * Sha2Word.PART1
        wanted = self.cycle + self.inner * SECOND_PART
        c.pull(SHA2_WORD, (kind, wanted, self.left, *self.with_it), self.e + self.inner, "with it")
        for name, cell in zip(LIMB_NAMES, self.with_it, strict=True):
            c.zero(f"nothing with it, {name}", (1 - self.e - self.inner) * cell)

        c.push(SHA2_WORD, (Sha2Word.D, *here, *self.fourth), self.a, "d")
        low, high = self.carry
        t1 = (self.out.lo + low * LIMB - self.with_it.lo, self.out.hi + high * LIMB - low - self.with_it.hi)
        c.push(SHA2_WORD, (Sha2Word.T1, *here, *t1), self.e, "T1")
        done = Sha2Word.DONE + self.e
        c.push(SHA2_WORD, (done, *there, *self.out), self.done * (self.e + self.a), "a word of the block is done")

    def _schedule(self, c: Constraints) -> None:
        """Rows of words: this one, and parts of later ones."""
        word, x = self.word(), limbs_of_bits(self.x)
        first, second, third, fourth = self.second
        # The message is big-endian: its first byte is the word's highest.
        swapped = (third * 256 + fourth, first * 256 + second)
        for name, given, data in zip(LIMB_NAMES, self.input, swapped, strict=True):
            c.zero(f"data, {name}", self.is_data * (given - data))
        for i, byte in enumerate(self.second):
            c.zero(f"data byte {i}: none in later rounds", (word - self.is_data) * byte)
        oldest, newer = tuple(self.third[:2]), tuple(self.third[2:])
        constant, small = tuple(self.both_third[:2]), tuple(self.both_third[2:])
        for name, cell, sigma in zip(LIMB_NAMES, small, small_sigma(self.x, SMALL_0), strict=True):
            c.zero(f"s0, {name}", word * (cell - sigma))
        both = _sum(constant, tuple(self.out))
        c.push(SHA2_WORD, (Sha2Word.INPUT, self.cycle, self.left, *both), word, "K + W")
        part: Parts = (Sha2Word.PART1, self.cycle + FIRST_PART, self.left, *_sum(oldest, small))
        c.push(SHA2_WORD, part, word * self.first_part, "first part of a later word")
        part = (Sha2Word.PART2, self.cycle + SECOND_PART, self.left, *_sum(tuple(self.with_it), x))
        c.push(SHA2_WORD, part, self.inner, "second part of a later word")
        here = (self.cycle, self.left, self.round, self.constants, self.data)
        c.pull(SHA2_SCHEDULE, (*here, *oldest, *x, *newer), word, "this round")
        there = (self.cycle + 1, self.left, self.round + 1, self.constants + 1, self.data + 1)
        c.push(SHA2_SCHEDULE, (*there, *x, *newer, *self.out), word * (1 - self.last), "next round")
        c.zero("the last word is that of round 63", word * self.last * (self.round - (ROUNDS - 1)))
        for cell in (self.round, self.constants, self.data):
            c.zero(f"{cell.name} only in a row of a word", (1 - word) * cell)

    def _reads(self, c: Constraints) -> None:
        """Rows of words: K in each, the data word in the first sixteen, which `is_data` says.

        Round - 16 + 64 is_data is in 0 .. 63, for four times it is an even byte: the round is a small number.
        """
        word, (previous, gap_high), constant = self.word(), self.fourth, self.both_third[:2]
        now = at(self.cycle, Slot.MEMORY)
        c.pull(MEMORY, (self.constants, previous, *constant), word, "constant: take")
        c.push(MEMORY, (self.constants, now, *constant), word, "constant: leave")
        later = now - previous - 1 - gap_high * LIMB
        check_range(c, "constant: later than before", Range.U16, later, word)
        place = self.round - DATA_ROUNDS + self.is_data * ROUNDS
        label = "constant: time passed, high 8 bits; data in rounds 0 to 15 and no other"
        c.pull(RANGE, (Range.BYTES, gap_high, place * 4, 0), word, label)
        memory = limbs_of_bytes(self.second)
        c.push(ACCESS, (at(self.cycle, Slot.RS2), self.data, *memory, *memory), word * self.is_data, "data word")

    def _halves(self, c: Constraints) -> None:
        """Rows of a and e: half of the state comes, empty at first, and goes on without its last word."""
        half, times = self.e + self.start_e, self.halves()
        here, there = (half, self.cycle, self.left), (half, self.cycle + 1, self.left)
        x = limbs_of_bits(self.x)
        c.pull(SHA2_STEP, (*here, *x, *self.second, *self.third, *self.fourth), times * (1 - self.first), "this half")
        for cell in (*self.x, *self.second, *self.third, *self.fourth):
            c.zero(f"{cell.name} is empty at first", self.first * cell)
        moved = (*self.out, *bytes_of_bits(self.x), *self.second, *limbs_of_bytes(self.third))
        c.push(SHA2_STEP, (*there, *moved), times * (1 - self.last), "next half")


def _sum(left: Sequence[Expr], right: Sequence[Expr]) -> list[Expr]:
    return [x + y for x, y in zip(left, right, strict=True)]
