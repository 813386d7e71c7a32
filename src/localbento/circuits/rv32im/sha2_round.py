"""One round of SHA-256: 64 rows a block, one a cycle.

Everything that a later row needs goes there in one message, so a row sees nothing but itself: the eight working
variables, the last two words of the schedule, and for each of the next fourteen words the sum of what is known of
it.  Rotations are taken on bits (a, e and one word of the schedule), choice and majority on bytes by the AND
table: 267 cells a round, 32 of them to start and end a block word by word as the narrow form, `sha2_step`, does.  With
bits for b, c, f and g too it would be 330; with a spread table, as halo2 has it, about as many as now, and 2^16 rows of
a table that nothing else uses.
"""

from collections.abc import Sequence
from typing import Annotated

from localbento.air.cells import Bit, Felt, Word
from localbento.air.chip import Chip, Constraints
from localbento.air.expr import Expr
from localbento.circuits.rv32im.access import Read, at
from localbento.circuits.rv32im.buses import (
    ACCESS,
    RANGE,
    SHA2_ROUND,
    SHA2_SCHEDULE,
    SHA2_WORD,
    Range,
    Sha2Word,
)
from localbento.circuits.rv32im.cells import check_bytes
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

PENDING = 14
LIMB = 1 << 16
LIMB_NAMES = ("low", "high")

Pair = tuple[Expr, Expr]
Parts = tuple[Expr | int, ...]


class Sha2Round(Chip):
    """Round `round` of one block: (a .. h) becomes (a', a, b, c, e', e, f, g).

    FIPS 180-4, "SHA-256 Hash Computation": T1 = h + S1(e) + Ch(e, f, g) + K + W, e' = d + T1, a' = T1 + S0(a) +
    Maj(a, b, c), all modulo 2^32; W is the data word in rounds 0 to 15, afterwards
    s1(W[-2]) + W[-7] + s0(W[-15]) + W[-16].

    K is read from memory in every round, the data word in the first sixteen: `is_data` says which, because
    round - 16 + 64 is_data lies in 0 .. 63.  `pending[i]` is the sum of what is known of the schedule's word i
    rounds from here; this row adds what the word two rounds ago, `older`, gives.

    a and e are in range because they are bits here, b, c, f and g because ANDs ask for bytes, d and h because the
    state that starts a block is, a' and e' because the next row says so.  A word of the schedule, and the last a' and
    e', need not be: they are right modulo 2^32, and whoever adds them on says so of the sum.

    Assumes: of whoever starts a block (`sha2`) that (cycle, left) is its own, d and h limbs, round 0, schedule 0.
    """

    is_real: Bit
    is_data: Bit
    first: Bit
    last: Bit
    cycle: Felt
    left: Felt
    round: Felt
    constants: Felt
    data: Felt
    a: Annotated[tuple[Bit, ...], 32]
    b: Annotated[tuple[Felt, ...], 4]
    c: Annotated[tuple[Felt, ...], 4]
    d: Word
    e: Annotated[tuple[Bit, ...], 32]
    f: Annotated[tuple[Felt, ...], 4]
    g: Annotated[tuple[Felt, ...], 4]
    h: Word
    older: Annotated[tuple[Bit, ...], 32]
    newer: Word
    pending: Annotated[tuple[Word, ...], 14]
    constant: Read
    data_bytes: Annotated[tuple[Felt, ...], 4]
    word: Word
    word_carry: tuple[Felt, Felt]
    small: Word
    a_and_b: Annotated[tuple[Felt, ...], 4]
    c_and_differing: Annotated[tuple[Felt, ...], 4]
    e_and_f: Annotated[tuple[Felt, ...], 4]
    e_and_g: Annotated[tuple[Felt, ...], 4]
    next_a: Word
    next_a_carry: Annotated[tuple[Felt, ...], 2]
    next_a_carry_4: Annotated[tuple[Bit, ...], 2]
    next_e: Word
    next_e_carry: Annotated[tuple[Felt, ...], 2]
    next_e_carry_4: Annotated[tuple[Bit, ...], 2]

    def constrain(self, c: Constraints) -> None:
        """Place in the block, schedule, variables, and on to the next round."""
        c.zero("data only on a used row", self.is_data * (1 - self.is_real))
        c.zero("first only on a used row", self.first * (1 - self.is_real))
        c.zero("last only on a used row", self.last * (1 - self.is_real))
        c.zero("last is round 63", self.last * (self.round - (ROUNDS - 1)))
        place = self.round - DATA_ROUNDS + self.is_data * ROUNDS
        # A byte that is four times a small number: so that number is below 64.
        label = "data in rounds 0 to 15 and no other; constant: time passed, high 8 bits"
        check_bytes(c, label, self.constant.gap_high, place * 4)
        word = self._schedule(c)
        self._variables(c, word)
        self._chain(c)

    def _schedule(self, c: Constraints) -> Pair:
        """The word of this round."""
        first, second, third, fourth = self.data_bytes
        memory = (first + second * 256, third + fourth * 256)
        now = at(self.cycle, Slot.RS2)
        c.push(ACCESS, (now, self.data, *memory, *memory), self.is_data, "data word")
        check_bytes(c, "data bytes", *self.data_bytes)
        # The message is big-endian: its first byte is the word's highest.
        swapped = (third * 256 + fourth, first * 256 + second)
        sigma = small_sigma(self.older, SMALL_1)
        carried = (0, self.word_carry[0])
        word, ahead = (self.word.lo, self.word.hi), (self.pending[0].lo, self.pending[0].hi)
        for i, name in enumerate(("low", "high")):
            carry = self.word_carry[i]
            c.zero(f"schedule, {name}: carry is 0 to 3", carry * (carry - 1) * (carry - 2) * (carry - 3))
            c.zero(f"schedule, {name}: no carry from data", self.is_data * carry)
            c.zero(f"schedule, {name}: data", self.is_data * (word[i] - swapped[i]))
            computed = ahead[i] + sigma[i] + carried[i] - word[i] - carry * LIMB
            c.zero(f"schedule, {name}: sum", (1 - self.is_data) * computed)
        for i, byte in enumerate(self.data_bytes):
            c.zero(f"data byte {i}: none in later rounds", (1 - self.is_data) * byte)
        small = small_sigma(self.older, SMALL_0)
        c.equal("s0 of the older word, low", self.small.lo, small[0])
        c.equal("s0 of the older word, high", self.small.hi, small[1])
        return word

    def _variables(self, c: Constraints, word: Pair) -> None:
        a, e = bytes_of_bits(self.a), bytes_of_bits(self.e)
        choice: list[Expr] = []
        majority: list[Expr] = []
        for i in range(4):
            ab, ef, eg = self.a_and_b[i], self.e_and_f[i], self.e_and_g[i]
            differing = a[i] + self.b[i] - ab * 2
            _and(c, f"a and b, byte {i}", a[i], self.b[i], ab)
            _and(c, f"c and (a xor b), byte {i}", self.c[i], differing, self.c_and_differing[i])
            _and(c, f"e and f, byte {i}", e[i], self.f[i], ef)
            _and(c, f"e and g, byte {i}", e[i], self.g[i], eg)
            choice.append(ef + self.g[i] - eg)
            majority.append(ab + self.c_and_differing[i])
        k = self.constant.constrain(c, self.constants, at(self.cycle, Slot.MEMORY))
        ch, maj = limbs_of_bytes(choice), limbs_of_bytes(majority)
        sigma_e, sigma_a = big_sigma(self.e, BIG_1), big_sigma(self.a, BIG_0)
        constant, h, d = (k.lo, k.hi), (self.h.lo, self.h.hi), (self.d.lo, self.d.hi)
        t1 = [h[i] + sigma_e[i] + ch[i] + constant[i] + word[i] for i in range(2)]
        t2 = [sigma_a[i] + maj[i] for i in range(2)]
        _sum_is(c, "next e", [d[i] + t1[i] for i in range(2)], self.next_e, self.next_e_carry, self.next_e_carry_4)
        _sum_is(c, "next a", [t1[i] + t2[i] for i in range(2)], self.next_a, self.next_a_carry, self.next_a_carry_4)

    def _chain(self, c: Constraints) -> None:
        a, e, older = limbs_of_bits(self.a), limbs_of_bits(self.e), limbs_of_bits(self.older)
        pending = [limb for word in self.pending for limb in word]
        state = (*a, *self.b, *self.c, *self.d, *e, *self.f, *self.g, *self.h)
        here = (self.cycle, self.left, self.round, self.constants, self.data)
        times = self.is_real - self.first
        c.pull(SHA2_ROUND, (*here, *state, *older, *self.newer, *pending), times, "this round")

        onward: list[Expr] = [*pending[2:], *older]
        for i in range(2):
            onward[2 * 4 + i] = onward[2 * 4 + i] + older[i]  # W[t - 7]
            onward[2 * 12 + i] = onward[2 * 12 + i] + (self.small.lo, self.small.hi)[i]  # s0(W[t - 15])
        b, g = limbs_of_bytes(self.b), limbs_of_bytes(self.g)
        cc, f = limbs_of_bytes(self.c), limbs_of_bytes(self.f)
        state = (
            *self.next_a, *bytes_of_bits(self.a), *self.b, *cc, *self.next_e, *bytes_of_bits(self.e), *self.f, *g
        )  # fmt: skip
        there = (self.cycle + 1, self.left, self.round + 1, self.constants + 1, self.data + 1)
        times = self.is_real - self.last
        c.push(SHA2_ROUND, (*there, *state, *self.newer, *self.word, *onward), times, "next round")
        states = (limbs_of_bits(self.a), b, cc, tuple(self.d), limbs_of_bits(self.e), f, g, tuple(self.h))
        self._first(c, states, pending)
        for i, word in enumerate((tuple(self.next_a), a, b, cc, tuple(self.next_e), e, f, g)):
            half, j = divmod(i, HALF_WORDS)
            done: Parts = (Sha2Word.DONE + half, self.cycle + 1 - j, self.left, *word)
            c.push(SHA2_WORD, done, self.last, f"word {i} is done")

    def _first(self, c: Constraints, state: Sequence[Sequence[Expr]], pending: Sequence[Expr]) -> None:
        """The first round of a block takes the state word by word, and what else `sha2` starts the narrow form with."""
        for i, word in enumerate(state):
            half, j = divmod(i, HALF_WORDS)
            start: Parts = (Sha2Word.START + half, self.cycle - 1 - j, self.left, *word)
            c.pull(SHA2_WORD, start, self.first, f"word {i} to start with")
        here = (self.cycle, self.left, self.round, self.constants, self.data)
        c.pull(SHA2_SCHEDULE, (*here, 0, 0, *limbs_of_bits(self.older), *self.newer), self.first, "first round")
        for i, limb in enumerate(pending):
            c.zero(f"pending {i // 2}, {LIMB_NAMES[i % 2]}: nothing before the first round", self.first * limb)


def _and(c: Constraints, label: str, x: Expr, y: Expr, both: Expr) -> None:
    c.pull(RANGE, (Range.AND, x, y, both), label=label)


def _sum_is(
    c: Constraints, label: str, sums: list[Expr], out: Word, digits: tuple[Felt, ...], fours: tuple[Bit, ...]
) -> None:
    """`out` is the sum modulo 2^32, with carries 0 to 7; what `out` in range means is the next row's."""
    for name, digit in zip(("low", "high"), digits, strict=True):
        c.zero(f"{label}, {name}: carry digit is 0 to 3", digit * (digit - 1) * (digit - 2) * (digit - 3))
    low, high = (digit + four * 4 for digit, four in zip(digits, fours, strict=True))
    c.equal(f"{label}, low limb", sums[0], out.lo + low * LIMB)
    c.equal(f"{label}, high limb", sums[1] + low, out.hi + high * LIMB)
