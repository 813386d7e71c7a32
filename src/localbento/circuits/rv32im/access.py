"""Gadgets that more than one chip is made of: accesses to memory, addresses, additions of words.

An access at time `now` takes the message that the access before it left, and leaves its own.  It proves
previous < now: now - previous - 1 = low + 2**16 * gap_high with 16 and 8 bits, so less than 2**24, and no sum of
such steps of a segment reaches p (key generation counts).  The caller answers for `now` (it follows from the CPU
chain, never from a free column), for the address, and for the range of a new value; and it looks up `gap_high`
with `check_bytes`, two accesses to a message.
"""

from localbento.air.cells import Felt, Word
from localbento.air.chip import Columns, Constraints, Gadget
from localbento.air.expr import Expr
from localbento.circuits.rv32im.buses import CYCLE, LOW_BITS, MEMORY, REGION, Range
from localbento.circuits.rv32im.cells import Limbs, check_range
from localbento.circuits.rv32im.records import U32, USER_MODE, Slot
from localbento.field.babybear import P

LIMB = 1 << 16
INVERSE_LIMB = pow(LIMB, -1, P)
INVERSE_BYTE = pow(256, -1, P)


def at(cycle: Expr, slot: Slot | Expr) -> Expr:
    """The time of an access in this cycle."""
    return cycle * CYCLE + (int(slot) if isinstance(slot, Slot) else slot)


class Access(Gadget):
    """What reads and writes share: the time of the access before this one, and the gap to it."""

    previous: Felt
    gap_high: Felt

    def hand_over(self, c: Constraints, addr: Expr, now: Expr, old: Limbs, new: Limbs) -> None:
        """Take (addr, previous, old), leave (addr, now, new), at a later time."""
        c.pull(MEMORY, (addr, self.previous, *old), label=f"{self.name}: take")
        c.push(MEMORY, (addr, now, *new), label=f"{self.name}: leave")
        check_range(c, f"{self.name}: later than before", Range.U16, now - self.previous - 1 - self.gap_high * LIMB)


class Read(Access):
    """Read the word at an address, and leave it there."""

    word: Word

    def constrain(self, c: Constraints, addr: Expr, now: Expr) -> Word:
        """Four messages with the lookup of `gap_high`; the word is in range because whoever wrote it saw to it."""
        word = (self.word.lo, self.word.hi)
        self.hand_over(c, addr, now, word, word)
        return self.word

    @staticmethod
    def columns(now: U32, previous: U32, word: U32) -> Columns:
        """Columns of a read; all uint32[n]."""
        return {"previous": previous, "gap_high": (now - previous - 1) >> 16, "word": word}


class Write(Access):
    """Put a new word at an address; the old one is forgotten."""

    old: Word

    def constrain(self, c: Constraints, addr: Expr, now: Expr, new: Limbs) -> None:
        """Four messages with the lookup of `gap_high`; the caller answers for the range of `new`."""
        self.hand_over(c, addr, now, (self.old.lo, self.old.hi), new)

    @staticmethod
    def columns(now: U32, previous: U32, old: U32) -> Columns:
        """Columns of a write; all uint32[n]."""
        return {"previous": previous, "gap_high": (now - previous - 1) >> 16, "old": old}


def add_limbs(c: Constraints, label: str, left: Limbs, right: Limbs, out: Limbs, when: Expr | None = None) -> None:
    """`left` + `right` = `out` modulo 2**32, where `when` (a boolean cell; by default everywhere).

    Assumes: `left`, `right` and `out` are limbs below 2**16.  The carry out of a limb is the multiple of 2**-16
    by which the sides differ; with limbs in range the difference is a small integer, so that 0 or 2**16 is
    meant and no other field element.  The last carry is dropped.
    """
    low = left[0] + right[0] - out[0]
    high = left[1] + right[1] + low * INVERSE_LIMB - out[1]
    low_rule, high_rule = low * (low - LIMB), high * (high - LIMB)
    c.zero(f"{label}: low limb", low_rule if when is None else when * low_rule)
    c.zero(f"{label}: high limb", high_rule if when is None else when * high_rule)


def check_address(c: Constraints, user: Expr, low: Expr, high: Expr, times: Expr | None = None) -> Expr:
    """The word address `low` + 2**14 `high`; both parts are looked up, `high` in the region of the mode.

    14 + 16 bits alone would not be unique: 2**31 > p.
    """
    check_range(c, "word in its 64 KiB is 14 bits", Range.U14, low, times)
    c.pull(REGION, (user + 1, high), times, "region of the mode")
    return low + high * (1 << LOW_BITS)


def code_address(user: Expr, word: Expr) -> Expr:
    """The pc of a word address in a mode."""
    return word + user * USER_MODE
