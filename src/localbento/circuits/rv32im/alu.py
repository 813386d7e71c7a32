"""Instructions that compute a register from registers: `alu_reg` (two registers) and `alu_imm` (one and a number)."""

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.circuits.rv32im.access import Read, Write, add_limbs, at
from localbento.circuits.rv32im.answers import Answers
from localbento.circuits.rv32im.buses import CPU, DECODE, OP_UNIT, UNIT, Inline, OpChip
from localbento.circuits.rv32im.cells import RangedWord, check_bytes
from localbento.circuits.rv32im.records import U32, Slot, Step


class AluReg(Chip):
    """One execution of an instruction of the OP opcode: rd becomes a function of rs1 and rs2.

    Manual: RV32I, "Integer Register-Register Operations"; the "M" extension.
    Given `CPU(cycle, pc)` and that the instruction at pc is one of these, proves that rs1, rs2 and rd are read
    and written in this order in this cycle, and that the value is that of the operation; leaves
    `CPU(cycle + 1, pc + 1)`.  ADD and SUB are done here; for every other operation a row of a unit answers.
    Assumes: the words of registers are in range, by the invariant of the MEMORY bus.
    """

    is_real: Bit
    add: Felt  # 0 or 1, like sub: their sum is, and both at once would pin the variant to two values
    sub: Felt
    variant: Felt  # a Unit or an Inline: DECODE and UNIT or the pins below decide
    cycle: Felt
    pc: Felt
    s1: Felt
    s2: Felt
    rd: Felt
    a: Read
    b: Read
    result: Write
    out: RangedWord

    def constrain(self, c: Constraints) -> None:
        """One instruction."""
        inline = c.one_of_none("add or sub, not both", (self.add, self.sub))
        c.zero("an unused row computes nothing", (1 - self.is_real) * inline)
        c.zero("variant of add", self.add * (self.variant - Inline.ADD))
        c.zero("variant of sub", self.sub * (self.variant - Inline.SUB))
        c.pull(CPU, (self.cycle, self.pc))
        c.pull(DECODE, (self.pc, self.variant + OP_UNIT * OpChip.ALU_REG, self.s1, self.s2, self.rd, 0, 0, 0, 0))
        a = self.a.constrain(c, self.s1, at(self.cycle, Slot.RS1))
        b = self.b.constrain(c, self.s2, at(self.cycle, Slot.RS2))
        out = (self.out.lo, self.out.hi)
        self.result.constrain(c, self.rd, at(self.cycle, Slot.RD), out)
        check_bytes(c, "gaps", self.a.gap_high, self.b.gap_high, self.result.gap_high)
        c.pull(UNIT, (self.variant, *a, *b, *out), self.is_real - inline)
        add_limbs(c, "add", (a.lo, a.hi), (b.lo, b.hi), out, when=self.add)
        add_limbs(c, "sub", out, (b.lo, b.hi), (a.lo, a.hi), when=self.sub)
        c.push(CPU, (self.cycle + 1, self.pc + 1))

    @staticmethod
    def fill(steps: U32, answers: Answers) -> Columns:
        """Columns from records uint32[n, 16] (`Step`)."""
        row = steps[:, Step.DECODE]
        cycle = steps[:, Step.CYCLE]
        now = cycle * 5
        variant = answers.op[row] - OP_UNIT * OpChip.ALU_REG
        return {
            "is_real": 1,
            "add": variant == Inline.ADD,
            "sub": variant == Inline.SUB,
            "variant": variant,
            "cycle": cycle,
            "pc": answers.pc[row],
            "s1": answers.s1[row],
            "s2": answers.s2[row],
            "rd": answers.rd[row],
            "a": Read.columns(now + Slot.RS1, steps[:, Step.A_TIME], steps[:, Step.A]),
            "b": Read.columns(now + Slot.RS2, steps[:, Step.B_TIME], steps[:, Step.B]),
            "result": Write.columns(now + Slot.RD, steps[:, Step.RD_TIME], steps[:, Step.RD_OLD]),
            "out": steps[:, Step.RD_NEW],
        }


class AluImm(Chip):
    """One execution of an instruction of the OP-IMM opcode: rd becomes a function of rs1 and a number.

    Manual: RV32I, "Integer Register-Immediate Instructions".  As `alu_reg`, with the second operand from DECODE:
    the sign-extended immediate or the shift amount, in limbs that the decode row answers for.  ADDI is done here.
    """

    is_real: Bit
    add: Bit
    variant: Felt
    cycle: Felt
    pc: Felt
    s1: Felt
    rd: Felt
    x: Felt
    y: Felt
    a: Read
    result: Write
    out: RangedWord

    def constrain(self, c: Constraints) -> None:
        """One instruction."""
        c.zero("an unused row computes nothing", (1 - self.is_real) * self.add)
        c.zero("variant of add", self.add * (self.variant - Inline.ADD))
        c.pull(CPU, (self.cycle, self.pc))
        op = self.variant + OP_UNIT * OpChip.ALU_IMM
        c.pull(DECODE, (self.pc, op, self.s1, 0, self.rd, self.x, self.y, 0, 0))
        a = self.a.constrain(c, self.s1, at(self.cycle, Slot.RS1))
        out = (self.out.lo, self.out.hi)
        self.result.constrain(c, self.rd, at(self.cycle, Slot.RD), out)
        check_bytes(c, "gaps", self.a.gap_high, self.result.gap_high)
        c.pull(UNIT, (self.variant, *a, self.x, self.y, *out), self.is_real - self.add)
        add_limbs(c, "add", (a.lo, a.hi), (self.x, self.y), out, when=self.add)
        c.push(CPU, (self.cycle + 1, self.pc + 1))

    @staticmethod
    def fill(steps: U32, answers: Answers) -> Columns:
        """Columns from records uint32[n, 16] (`Step`)."""
        row = steps[:, Step.DECODE]
        cycle = steps[:, Step.CYCLE]
        now = cycle * 5
        variant = answers.op[row] - OP_UNIT * OpChip.ALU_IMM
        return {
            "is_real": 1,
            "add": variant == Inline.ADD,
            "variant": variant,
            "cycle": cycle,
            "pc": answers.pc[row],
            "s1": answers.s1[row],
            "rd": answers.rd[row],
            "x": answers.x[row],
            "y": answers.y[row],
            "a": Read.columns(now + Slot.RS1, steps[:, Step.A_TIME], steps[:, Step.A]),
            "result": Write.columns(now + Slot.RD, steps[:, Step.RD_TIME], steps[:, Step.RD_OLD]),
            "out": steps[:, Step.RD_NEW],
        }
