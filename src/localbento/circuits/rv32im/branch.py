"""Conditional branches."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import select
from localbento.circuits.rv32im.access import Read, at
from localbento.circuits.rv32im.answers import Answers
from localbento.circuits.rv32im.buses import CPU, DECODE, OP_UNIT, UNIT, OpChip
from localbento.circuits.rv32im.cells import check_bytes
from localbento.circuits.rv32im.less import compare
from localbento.circuits.rv32im.records import U32, Slot, Step


class Branch(Chip):
    """One execution of a branch: goes on at the target if the comparison holds, else at pc + 1.

    Manual: RV32I, "Conditional Branches".
    `taken` is the answer of `less`, which is 0 or 1.  The target is DECODE's: in range and aligned, or p - 1, where
    nothing goes on.  No register is written (the newer platform's rule; nobody sees the scratch word of x0 unless
    a run pauses).
    """

    is_real: Bit
    variant: Felt  # a Unit: a comparison, since DECODE has no other for a branch
    cycle: Felt
    pc: Felt
    s1: Felt
    s2: Felt
    target: Felt
    taken: Felt
    next: Felt
    a: Read
    b: Read

    padding: ClassVar[Mapping[str, int]] = {"next": 1}

    def constrain(self, c: Constraints) -> None:
        """One instruction."""
        c.pull(CPU, (self.cycle, self.pc))
        op = self.variant + OP_UNIT * OpChip.BRANCH
        c.pull(DECODE, (self.pc, op, self.s1, self.s2, 0, 0, 0, self.target, 0))
        a = self.a.constrain(c, self.s1, at(self.cycle, Slot.RS1))
        b = self.b.constrain(c, self.s2, at(self.cycle, Slot.RS2))
        check_bytes(c, "gaps", self.a.gap_high, self.b.gap_high)
        c.pull(UNIT, (self.variant, *a, *b, self.taken, 0))
        c.equal("next pc", select(self.taken, self.target, self.pc + 1), self.next)
        c.push(CPU, (self.cycle + 1, self.next))

    @staticmethod
    def fill(steps: U32, answers: Answers) -> Columns:
        """Columns from records uint32[n, 16] (`Step`)."""
        row = steps[:, Step.DECODE]
        cycle = steps[:, Step.CYCLE]
        now = cycle * 5
        pc, variant = answers.pc[row], answers.op[row] - OP_UNIT * OpChip.BRANCH
        a, b = steps[:, Step.A], steps[:, Step.B]
        taken = compare(variant, a, b)
        return {
            "is_real": 1,
            "variant": variant,
            "cycle": cycle,
            "pc": pc,
            "s1": answers.s1[row],
            "s2": answers.s2[row],
            "target": answers.u[row],
            "taken": taken,
            "next": np.where(taken, answers.u[row], pc + 1),
            "a": Read.columns(now + Slot.RS1, steps[:, Step.A_TIME], a),
            "b": Read.columns(now + Slot.RS2, steps[:, Step.B_TIME], b),
        }
