"""Instructions whose result is known when they are decoded: lui, auipc, jal."""

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.circuits.rv32im.access import Write, at
from localbento.circuits.rv32im.answers import Answers
from localbento.circuits.rv32im.buses import CPU, DECODE, OP_UNIT, OpChip
from localbento.circuits.rv32im.cells import check_bytes
from localbento.circuits.rv32im.records import U32, Slot, Step


class Const(Chip):
    """One execution of lui, auipc or jal: rd gets a decoded value, and execution goes on at a decoded pc.

    Manual: RV32I, "Integer Register-Immediate Instructions", LUI and AUIPC; "Unconditional Jumps", JAL.
    Assumes: value and next pc are DECODE's, which computes and range-checks them once for each pc.
    """

    is_real: Bit
    cycle: Felt
    pc: Felt
    rd: Felt
    x: Felt
    y: Felt
    next: Felt
    result: Write

    def constrain(self, c: Constraints) -> None:
        """One instruction."""
        c.pull(CPU, (self.cycle, self.pc))
        c.pull(DECODE, (self.pc, OP_UNIT * OpChip.CONST, 0, 0, self.rd, self.x, self.y, self.next, 0))
        self.result.constrain(c, self.rd, at(self.cycle, Slot.RD), (self.x, self.y))
        check_bytes(c, "gap", self.result.gap_high)
        c.push(CPU, (self.cycle + 1, self.next))

    @staticmethod
    def fill(steps: U32, answers: Answers) -> Columns:
        """Columns from records uint32[n, 16] (`Step`)."""
        row = steps[:, Step.DECODE]
        cycle = steps[:, Step.CYCLE]
        return {
            "is_real": 1,
            "cycle": cycle,
            "pc": answers.pc[row],
            "rd": answers.rd[row],
            "x": answers.x[row],
            "y": answers.y[row],
            "next": answers.u[row],
            "result": Write.columns(cycle * 5 + Slot.RD, steps[:, Step.RD_TIME], steps[:, Step.RD_OLD]),
        }
