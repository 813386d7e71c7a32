"""Jumps to an address in a register: jalr."""

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.circuits.rv32im.access import Read, Write, add_limbs, at, check_address, code_address
from localbento.circuits.rv32im.answers import Answers
from localbento.circuits.rv32im.buses import CPU, DECODE, OP_UNIT, OP_USER, OpChip
from localbento.circuits.rv32im.cells import check_bytes
from localbento.circuits.rv32im.records import U32, Slot, Step


class Jalr(Chip):
    """One execution of jalr: rd gets the address after the instruction, execution goes on at rs1 + immediate.

    Manual: RV32I, "Unconditional Jumps", JALR.
    Bit 0 of the sum is cleared; bit 1 must then be 0 (a jump to half a word has no proof), and the target lies in
    the region of the mode.  rs1 is read before rd is written.
    Assumes: the link is DECODE's, in range.
    """

    is_real: Bit
    user: Bit
    cycle: Felt
    pc: Felt
    s1: Felt
    rd: Felt
    x: Felt
    y: Felt
    link_lo: Felt
    link_hi: Felt
    low: Felt  # of the target: 14 bits
    high: Felt
    odd: Bit  # bit 0 of the sum
    a: Read
    result: Write

    def constrain(self, c: Constraints) -> None:
        """One instruction."""
        c.pull(CPU, (self.cycle, self.pc))
        op = OP_UNIT * OpChip.JALR + OP_USER * self.user
        c.pull(DECODE, (self.pc, op, self.s1, 0, self.rd, self.x, self.y, self.link_lo, self.link_hi))
        a = self.a.constrain(c, self.s1, at(self.cycle, Slot.RS1))
        self.result.constrain(c, self.rd, at(self.cycle, Slot.RD), (self.link_lo, self.link_hi))
        check_bytes(c, "gaps", self.a.gap_high, self.result.gap_high)
        add_limbs(c, "target", (a.lo, a.hi), (self.x, self.y), (4 * self.low + self.odd, self.high))
        word = check_address(c, self.user, self.low, self.high)
        c.push(CPU, (self.cycle + 1, code_address(self.user, word)))

    @staticmethod
    def fill(steps: U32, answers: Answers) -> Columns:
        """Columns from records uint32[n, 16] (`Step`)."""
        row = steps[:, Step.DECODE]
        cycle = steps[:, Step.CYCLE]
        now = cycle * 5
        x, y, a = answers.x[row], answers.y[row], steps[:, Step.A]
        target = a + (x | y << 16)
        return {
            "is_real": 1,
            "user": answers.op[row] >> 5 & 1,
            "cycle": cycle,
            "pc": answers.pc[row],
            "s1": answers.s1[row],
            "rd": answers.rd[row],
            "x": x,
            "y": y,
            "link_lo": answers.u[row],
            "link_hi": answers.v[row],
            "low": target >> 2 & 0x3FFF,
            "high": target >> 16,
            "odd": target & 1,
            "a": Read.columns(now + Slot.RS1, steps[:, Step.A_TIME], a),
            "result": Write.columns(now + Slot.RD, steps[:, Step.RD_TIME], steps[:, Step.RD_OLD]),
        }
