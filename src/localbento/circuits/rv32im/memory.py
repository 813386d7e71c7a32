"""Loads and stores: `word` for whole words, `part` for bytes and halves."""

from typing import Any

import numpy as np

from localbento.air.cells import Bit, Felt, Word
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr, select
from localbento.circuits.rv32im.access import INVERSE_BYTE, Read, Write, add_limbs, at, check_address
from localbento.circuits.rv32im.answers import Answers
from localbento.circuits.rv32im.buses import CPU, DECODE, LOW_BITS, OP_UNIT, OP_USER, RANGE, OpChip, Range
from localbento.circuits.rv32im.cells import Limbs, check_bytes
from localbento.circuits.rv32im.opcodes import PART_HALF, PART_LOAD, PART_SIGNED
from localbento.circuits.rv32im.records import U32, Slot, Step

HIGH = 1 << LOW_BITS


class LoadStore(Chip):
    """What `word` and `part` share: where a word is read (`source`) and where one is written (`goal`).

    Manual: RV32I, "Load and Store Instructions".
    A load reads memory at slot 3 and writes rd at slot 4; a store reads rs2 at slot 2 and writes memory at slot 3.
    Seen as source and goal, the slots are 2 + load and 3 + load, and the two addresses are that of the memory word
    and that of the register (component rd of DECODE), one way round or the other.
    The memory address is rs1 + immediate modulo 2**32, in the region of the mode, which excludes the zero area and
    the other mode's memory.
    """

    is_real: Bit
    load: Bit
    user: Bit
    cycle: Felt
    pc: Felt
    s1: Felt
    register: Felt
    x: Felt
    y: Felt
    source_addr: Felt
    low: Felt  # of the memory word's address: 14 bits
    high: Felt
    a: Read
    source: Read
    goal: Write

    def constrain_access(self, c: Constraints, variant: Expr, chip: OpChip, offset: Expr | int, new: Limbs) -> None:
        """Everything but what `new` is; `offset` is the byte in the memory word."""
        c.pull(CPU, (self.cycle, self.pc))
        op = variant + OP_USER * self.user + OP_UNIT * chip
        c.pull(DECODE, (self.pc, op, self.s1, 0, self.register, self.x, self.y, 0, 0))
        a = self.a.constrain(c, self.s1, at(self.cycle, Slot.RS1))
        add_limbs(c, "address", (a.lo, a.hi), (self.x, self.y), (4 * self.low + offset, self.high))
        memory = check_address(c, self.user, self.low, self.high)
        c.equal("source", select(self.load, memory, self.register), self.source_addr)
        goal_addr = memory + self.register - self.source_addr
        self.source.constrain(c, self.source_addr, at(self.cycle, self.load + Slot.RS2))
        self.goal.constrain(c, goal_addr, at(self.cycle, self.load + Slot.MEMORY), new)
        c.push(CPU, (self.cycle + 1, self.pc + 1))

    @staticmethod
    def fill_access(steps: U32, answers: Answers) -> dict[str, Any]:
        """The columns declared here, from records uint32[n, 16] (`Step`)."""
        row = steps[:, Step.DECODE]
        cycle = steps[:, Step.CYCLE]
        now = cycle * 5
        op, register, addr = answers.op[row], answers.rd[row], steps[:, Step.ADDRESS]
        load = op & PART_LOAD
        is_load = load == 1
        memory, memory_time = steps[:, Step.MEMORY_OLD], steps[:, Step.MEMORY_TIME]

        def either(if_load: U32, if_store: U32) -> U32:
            return np.where(is_load, if_load, if_store)

        return {
            "is_real": 1,
            "load": load,
            "user": op >> 5 & 1,
            "cycle": cycle,
            "pc": answers.pc[row],
            "s1": answers.s1[row],
            "register": register,
            "x": answers.x[row],
            "y": answers.y[row],
            "source_addr": either(addr, register),
            "low": addr & (HIGH - 1),
            "high": addr >> LOW_BITS,
            "a": Read.columns(now + Slot.RS1, steps[:, Step.A_TIME], steps[:, Step.A]),
            "source": Read.columns(
                now + Slot.RS2 + load, either(memory_time, steps[:, Step.B_TIME]), either(memory, steps[:, Step.B])
            ),
            "goal": Write.columns(
                now + Slot.MEMORY + load,
                either(steps[:, Step.RD_TIME], memory_time),
                either(steps[:, Step.RD_OLD], memory),
            ),
        }


class WordMove(LoadStore):
    """One execution of lw or sw: the source's word is the goal's new word.

    An address that is no multiple of 4 has no row.
    """

    def constrain(self, c: Constraints) -> None:
        """One instruction."""
        word = self.source.word
        self.constrain_access(c, PART_LOAD * self.load, OpChip.WORD, 0, (word.lo, word.hi))
        check_bytes(c, "gaps", self.a.gap_high, self.source.gap_high, self.goal.gap_high)

    @staticmethod
    def fill(steps: U32, answers: Answers) -> Columns:
        """Columns from records uint32[n, 16] (`Step`)."""
        return LoadStore.fill_access(steps, answers)


class Part(LoadStore):
    """One execution of lb, lbu, lh, lhu, sb or sh.

    The limb of the memory word that holds the part is cut into bytes.  A load extends the byte or the limb with
    zeros or its sign; a store replaces the byte or the limb and leaves the rest of the word.  A half at an odd
    address has no row.
    """

    half: Bit
    signed: Bit  # the load extends the sign
    odd: Bit  # bit 0 of the address
    upper: Bit  # bit 1
    byte0: Felt  # of the limb
    byte1: Felt
    byte: Felt  # the one at the address
    top_byte: Felt  # whose high bit is the sign
    sign: Felt
    stored_byte: Felt  # low byte of the source
    stored_limb: Felt  # the limb after a store
    new: Word  # in range: bytes and limbs in range make it up

    def constrain(self, c: Constraints) -> None:
        """One instruction."""
        new = (self.new.lo, self.new.hi)
        variant = PART_LOAD * self.load + PART_HALF * self.half + PART_SIGNED * self.signed
        self.constrain_access(c, variant, OpChip.PART, 2 * self.upper + self.odd, new)
        c.zero("a half is at an even address", self.half * self.odd)
        source, old = self.source.word, self.goal.old
        loaded_limb = select(self.upper, source.hi, source.lo)
        limb = self.byte0 + 256 * self.byte1
        c.equal("limb of memory", select(self.load, loaded_limb, select(self.upper, old.hi, old.lo)), limb)
        c.equal("byte of memory", select(self.odd, self.byte1, self.byte0), self.byte)
        c.equal("byte with the sign", select(self.half, self.byte1, self.byte), self.top_byte)
        c.pull(RANGE, (Range.AND, self.top_byte, 128, 128 * self.sign), label="sign of the part")
        other = self.byte0 + self.byte1 - self.top_byte
        gaps = (self.a.gap_high, self.source.gap_high, self.goal.gap_high)
        check_bytes(c, "gaps and the other byte of the limb", *gaps, other)
        check_bytes(c, "bytes of the stored limb", self.stored_byte, (source.lo - self.stored_byte) * INVERSE_BYTE)

        extension = self.signed * self.sign
        part = select(self.half, limb, self.byte + 0xFF00 * extension)
        c.zero("loaded low limb", self.load * (new[0] - part))
        c.zero("loaded high limb", self.load * (new[1] - 0xFFFF * extension))
        with_byte = limb + (self.stored_byte - self.byte) * (1 + 255 * self.odd)
        c.equal("limb after a store", select(self.half, source.lo, with_byte), self.stored_limb)
        store = self.is_real - self.load
        c.zero("stored low limb", store * (new[0] - select(self.upper, old.lo, self.stored_limb)))
        c.zero("stored high limb", store * (new[1] - select(self.upper, self.stored_limb, old.hi)))

    @staticmethod
    def fill(steps: U32, answers: Answers) -> Columns:
        """Columns from records uint32[n, 16] (`Step`)."""
        columns = LoadStore.fill_access(steps, answers)
        variant = answers.op[steps[:, Step.DECODE]]
        is_load = columns["load"] == 1
        half = (variant & PART_HALF) != 0
        byte_addr = steps[:, Step.A] + (columns["x"] | columns["y"] << 16)
        odd, upper = byte_addr & 1, byte_addr >> 1 & 1
        limb = steps[:, Step.MEMORY_OLD] >> (upper * 16) & 0xFFFF
        byte0, byte1 = limb & 255, limb >> 8
        byte = np.where(odd, byte1, byte0)
        top_byte = np.where(half, byte1, byte)
        source = np.where(is_load, steps[:, Step.MEMORY_OLD], steps[:, Step.B])
        stored_byte = source & 255
        shift = odd * 8
        with_byte = limb - (byte << shift) + (stored_byte << shift)
        return columns | {
            "half": half,
            "signed": (variant & PART_SIGNED) != 0,
            "odd": odd,
            "upper": upper,
            "byte0": byte0,
            "byte1": byte1,
            "byte": byte,
            "top_byte": top_byte,
            "sign": top_byte >> 7,
            "stored_byte": stored_byte,
            "stored_limb": np.where(half, source & 0xFFFF, with_byte),
            "new": np.where(is_load, steps[:, Step.RD_NEW], steps[:, Step.MEMORY_NEW]),
        }
