"""What decode rows answer, against the decoder of `riscv`, and that the rows are accepted."""

import random

import numpy as np
import pytest
from rv32im_judge import judge
from rv32im_run import recorded

from localbento.air.chip import assemble
from localbento.circuits.rv32im.answers import answer
from localbento.circuits.rv32im.buses import ALIAS, Op
from localbento.circuits.rv32im.decode import Decode
from localbento.circuits.rv32im.opcodes import full_op, table
from localbento.circuits.rv32im.records import USER_MODE
from localbento.field.babybear import P
from localbento.riscv.abi import destination_addr, register_addr
from localbento.riscv.decode import decode
from localbento.riscv.isa import INSTRUCTIONS, Format, Operation
from localbento.riscv.semantics import signed

WRITES = (Format.R, Format.I, Format.SHIFT, Format.U, Format.J)


def expected(pc, word, user, alias=None):
    """(pc, op, s1, s2, rd, x, y, u, v), from the instruction table."""
    mode, byte_pc = 1 - user, 4 * (pc - USER_MODE * user)
    here = pc if alias is None else alias
    d = decode(word)
    if d is None or d.instruction.operation is Operation.EBREAK:
        return (here, Op.TRAP, 0, 0, 0, byte_pc & 0xFFFF, byte_pc >> 16, 0, 0)
    i = d.instruction
    s1 = s2 = rd = x = u = v = 0
    form = i.format
    if form in (Format.R, Format.I, Format.SHIFT, Format.S, Format.B):
        s1 = register_addr(mode, d.rs1) >> 2
    if form in (Format.R, Format.B):
        s2 = register_addr(mode, d.rs2) >> 2
    if form is Format.S:
        rd = register_addr(mode, d.rs2) >> 2
    if form in WRITES:
        rd = destination_addr(mode, d.rd) >> 2
    if form in (Format.I, Format.SHIFT, Format.S):
        x = d.imm
    link = byte_pc + 4
    target = (byte_pc + signed(d.imm)) % (1 << 32)
    goes = target % 4 == 0 and 0x1_0000 <= target < (0xC000_0000 if user else 1 << 32)
    goal = (target >> 2) + USER_MODE * user if goes else P - 1
    match i.mnemonic:
        case "lui":
            x, u = d.imm, here + 1
        case "auipc":
            x, u = target, here + 1
        case "jal":
            x, u = link, goal
        case "jalr":
            u, v = link & 0xFFFF, link >> 16
        case "ecall":
            x = byte_pc if user else link
    if form is Format.B:
        u = goal
    return (here, full_op(i, bool(user)), s1, s2, rd, x & 0xFFFF, x >> 16, u, v)


def words(rng, count):
    for _ in range(count):
        i = rng.choice(INSTRUCTIONS)
        if rng.random() < 0.15:
            yield rng.randrange(1 << 32)
        elif i.format is Format.SYSTEM:
            yield i.match ^ (rng.random() < 0.5) * (1 << rng.randrange(2, 32))
        else:
            yield i.match | (rng.randrange(1 << 32) & ~i.mask & 0xFFFF_FFFF)


def rows(user, count=4000, slow=False):
    rng = random.Random(user)
    last = 0xBFFF_FFFC if user else 0xFFFF_FFF8
    result = []
    for cycle, word in enumerate(words(rng, count), 5):
        pc = rng.choice([0x1_0000, last, rng.randrange(0x1_0000, last + 4) & ~3, 0x2000_FFFC, 0x0002_0000]) >> 2
        legal = decode(word)
        trap = legal is None or legal.instruction.operation is Operation.EBREAK
        if (trap and not user) or (user and legal is not None and legal.instruction.operation is Operation.MRET):
            continue
        result.append([pc + USER_MODE * user, word, 3, 1, cycle if slow else 0])
    return np.array(result, np.uint32)


@pytest.mark.parametrize("user", [0, 1])
@pytest.mark.parametrize("slow", [False, True])
def test_answers_are_those_of_the_instruction_table(user, slow):
    records = rows(user, slow=slow)
    a = answer(records)
    found = np.stack([a.pc, a.op, a.s1, a.s2, a.rd, a.x, a.y, a.u, a.v], axis=1).tolist()
    for record, got in zip(records.tolist(), found, strict=True):
        alias = ALIAS + 2 * record[4] if slow else None
        assert tuple(got) == expected(record[0], record[1], user, alias), hex(record[1])


@pytest.mark.parametrize("user", [0, 1])
@pytest.mark.parametrize("slow", [False, True])
def test_the_rows_are_accepted(user, slow):
    records = rows(user, slow=slow)
    matrix = assemble(Decode, Decode.fill(records, answer(records)), len(records) + 3)
    verdict = judge(recorded("decode"), matrix)
    bad = np.flatnonzero(verdict.problems())
    assert not len(bad), [hex(records[i][1]) for i in bad[:3]]


def test_what_has_no_answer_is_refused():
    """Illegal words and ebreak in machine mode, mret in user mode."""
    for word, user in ((0, 0), (0x10_0073, 0), (0x3020_0073, 1), (0xFFFF_FFFF, 0)):
        records = np.array([[0x1000_0000 + USER_MODE * user, word, 0, 1, 0]], np.uint32)
        matrix = assemble(Decode, Decode.fill(records, answer(records)), 1)
        assert judge(recorded("decode"), matrix).problems()[0]


def test_the_opcode_table_is_total_and_agrees_with_the_decoder():
    forms, ops = table()
    assert len(forms) == len(ops) == 1 << 15
    rng = random.Random(9)
    for number in rng.sample(range(1 << 15), 3000):
        word = 3 | (number & 31) << 2 | (number >> 5 & 7) << 12 | (number >> 8) << 25
        legal = decode(word | 1 << 7)
        if forms[number] == 0:
            assert decode(word) is None
        elif ops[number]:
            assert legal is not None
            assert full_op(legal.instruction, False) == ops[number]
