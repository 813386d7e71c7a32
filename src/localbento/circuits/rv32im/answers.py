"""What decode rows answer, computed for whole arrays: the fill of `decode`, and what the instruction chips look up.

Nothing here is trusted: the constraints of `decode` say the same again.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.circuits.rv32im.buses import ALIAS, OP_USER, Form, Op
from localbento.circuits.rv32im.opcodes import table
from localbento.circuits.rv32im.records import U32, USER_MODE, DecodeRow
from localbento.field.babybear import P

Array: TypeAlias = NDArray[Any]
"""Intermediate results; the numpy types of shifts are wider than the arrays that come out."""

BANK = 0xFFFF_0000 >> 2
"""Word address of the machine registers; the user's follow 32 words later."""

SCRATCH = 64
"""Words from a bank to the word that writes to its x0 go to."""


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """The fields of instruction words, each uint32[n]."""

    low2: Array
    op5: Array
    rd: Array
    funct3: Array
    rs1: Array
    rs2: Array
    funct7: Array

    @classmethod
    def of(cls, word: Array) -> "Fields":
        """Cut words uint32[n] into fields."""
        low2, op5, rd, funct3 = word & 3, word >> 2 & 31, word >> 7 & 31, word >> 12 & 7
        return cls(low2, op5, rd, funct3, word >> 15 & 31, word >> 20 & 31, word >> 25)

    @property
    def system(self) -> Array:
        """The three register fields as one number: which SYSTEM instruction it is."""
        number: Array = self.rd | self.rs1 << 5 | self.rs2 << 10
        return number


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Components of DECODE by decode row, each uint32[n], and how the row came to them.

    `form` is what OPCODE says (a `Form`), `trap` whether the word is no instruction or ebreak; `target` is the byte
    address pc + offset of branch, jal and auipc (pc for others), `ok` whether a branch or jal may go there.
    """

    pc: U32
    op: U32
    s1: U32
    s2: U32
    rd: U32
    x: U32
    y: U32
    u: U32
    v: U32
    form: U32
    trap: U32
    target: U32
    ok: U32

    @property
    def is_trap(self) -> NDArray[np.bool_]:
        """`trap` as a mask."""
        mask: NDArray[np.bool_] = self.trap != 0
        return mask


def answer(decode: U32) -> Answers:
    """The answers of decode rows uint32[n, 5] (`DecodeRow`)."""
    user = decode[:, DecodeRow.PC] >> 30
    byte_pc = decode[:, DecodeRow.PC] << 2
    slow = decode[:, DecodeRow.SLOW_CYCLE]
    word = decode[:, DecodeRow.WORD]
    f = Fields.of(word)
    forms, ops = table()
    number = f.op5 | f.funct3 << 5 | f.funct7 << 8
    form = forms[number]
    is_call = (form == Form.ECALL) & (f.system == 0)
    is_mret = (form == Form.MRET) & (f.system == 2048)
    plain = (f.low2 == 3) & (form != Form.ILLEGAL) & (form != Form.ECALL) & (form != Form.MRET)
    is_call &= f.low2 == 3
    is_mret &= f.low2 == 3
    trap = ~(plain | is_call | is_mret)

    def has(*wanted: Form) -> Array:
        found: Array = plain & np.isin(form, wanted)
        return found

    pc = np.where(slow > 0, ALIAS + 2 * slow, decode[:, DecodeRow.PC])
    bank = BANK + 32 * user
    register = np.where(f.rd == 0, SCRATCH, f.rd)
    writes = has(Form.REG, Form.IMM, Form.SHIFT, Form.LOAD, Form.LUI, Form.AUIPC, Form.JAL, Form.JALR)
    target = byte_pc + _offset(f, word, plain, form)
    jumps = has(Form.BRANCH, Form.JAL)
    high = target >> 16
    ok = jumps & (target & 3 == 0) & (high >= 1) & ((user == 0) | (high < 0xC000))
    goal = np.where(ok, (target >> 2) + user * USER_MODE, P - 1)
    link = byte_pc + 4
    value = _value(f, word, form, target, link)
    value = np.select([is_call & (user == 0), is_call | trap, plain], [link, byte_pc, value], 0).astype(np.uint32)
    sequential = has(Form.LUI, Form.AUIPC)
    op = np.select(
        [is_call & (user == 1), is_call, is_mret, trap],
        [np.uint32(Op.USER_ECALL), np.uint32(Op.MACHINE_ECALL), np.uint32(Op.MRET), np.uint32(Op.TRAP)],
        ops[number] + np.where(has(Form.LOAD, Form.STORE, Form.JALR), OP_USER * user, 0),
    )
    return Answers(
        pc=_u32(pc),
        op=_u32(op),
        s1=_u32(
            np.where(
                has(Form.REG, Form.IMM, Form.SHIFT, Form.LOAD, Form.STORE, Form.BRANCH, Form.JALR), bank + f.rs1, 0
            )
        ),
        s2=_u32(np.where(has(Form.REG, Form.BRANCH), bank + f.rs2, 0)),
        rd=_u32(np.where(writes, bank + register, np.where(has(Form.STORE), bank + f.rs2, 0))),
        x=_u32(value & 0xFFFF),
        y=_u32(value >> 16),
        u=_u32(np.select([jumps, sequential, has(Form.JALR)], [goal, pc + 1, link & 0xFFFF], 0)),
        v=_u32(np.where(has(Form.JALR), link >> 16, 0)),
        form=_u32(form),
        trap=_u32(trap),
        target=_u32(target),
        ok=_u32(ok),
    )


def _u32(x: Array) -> U32:
    return x.astype(np.uint32)


def _offset(f: Fields, word: Array, plain: Array, form: Array) -> Array:
    """What is added to the pc: the immediate of a branch, of jal and of auipc, 0 for others."""
    sign = (0 - (word >> 31)).astype(np.uint32)
    branch = (f.rd & 30) | (f.funct7 & 63) << 5 | (f.rd & 1) << 11 | sign << 12
    jal = (f.rs2 & 30) | (f.funct7 & 63) << 5 | (f.rs2 & 1) << 11 | (word & 0xFF000) | sign << 20
    upper = word & 0xFFFF_F000
    offset = np.select([form == Form.BRANCH, form == Form.JAL, form == Form.AUIPC], [branch, jal, upper], 0)
    return np.where(plain, offset, 0).astype(np.uint32)


def _value(f: Fields, word: Array, form: Array, target: Array, link: Array) -> Array:
    """Components x and y of a plain instruction, as one word."""
    sign = (0 - (word >> 31)).astype(np.uint32)
    high = f.funct7 << 5 | sign << 12
    kinds: list[Array] = [np.isin(form, (Form.IMM, Form.LOAD, Form.JALR))]
    values: list[Array] = [high | f.rs2]
    for kind, x in (
        (Form.SHIFT, f.rs2),
        (Form.STORE, high | f.rd),
        (Form.LUI, word & 0xFFFF_F000),
        (Form.AUIPC, target),
        (Form.JAL, link),
    ):
        kinds.append(form == kind)
        values.append(x)
    return np.select(kinds, values, 0).astype(np.uint32)
