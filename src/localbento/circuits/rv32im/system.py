"""The beginning and the end of a segment, and the passages between user and machine mode.

Seven kinds of row, one-hot:

* *resume*, cycle 1: takes the input words from the verifier (START), writes them to GLOBAL_INPUT, and starts the CPU
  chain where SUSPEND_PC and SUSPEND_MODE say.
* *split*: ends the chain anywhere, writes SUSPEND_PC and SUSPEND_MODE, and tells the verifier (END) that the
  execution goes on.
* *terminate*: the machine ecall 0.  Tells the verifier a0, a1 and the output words, and leaves STOP for
* *close*: the suspend after it, one cycle later.
* *ecall* in user mode: pc to MEPC, on in machine mode at the word at ECALL_DISPATCH.
* *trap*: the same for an illegal instruction and for ebreak in user mode, by the word at TRAP_DISPATCH.
* *mret*: on in user mode, at the word after the one that MEPC names.

START is pushed once and END pulled once, so a segment has one resume row and either one split or one terminate row.
"""

from typing import Annotated, Final

import numpy as np

from localbento.air.cells import Bit, Felt, Word
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr, total
from localbento.circuits.rv32im.access import at
from localbento.circuits.rv32im.buses import (
    ACCESS,
    CPU,
    DECODE,
    END,
    LOW_BITS,
    REGION,
    START,
    STOP,
    Op,
    Range,
    Region,
)
from localbento.circuits.rv32im.cells import check_range
from localbento.circuits.rv32im.records import U32, USER_MODE, Call, CallRow, Slot
from localbento.field.babybear import P
from localbento.riscv import abi

QUARTER: Final = pow(4, -1, P)
A0, A1, A7 = (abi.MACHINE_REGISTERS // 4 + r for r in (abi.Register.A0, abi.Register.A1, abi.Register.A7))
INPUT, OUTPUT = abi.GLOBAL_INPUT // 4, abi.GLOBAL_OUTPUT // 4
DIGEST_WORDS: Final = 8

KINDS: Final = (
    Call.RESUME, Call.SPLIT, Call.CLOSE, Call.TERMINATE, Call.USER_ECALL, Call.TRAP, Call.MRET
)  # fmt: skip


class System(Chip):
    """One step of the chain that begins, ends, or changes mode.

    A pc is made from limbs (resume, ecall, trap, mret) or split into limbs (split) in one way only: the word
    within 64 KiB has 14 bits and the high half lies in the region of the mode; so a split at an alias, at the
    target that must not be taken, or at a pc that ran out of its mode's region has no proof.

    `target` is the word that the pc stands in: read at SUSPEND_PC (resume), at a dispatch word (ecall, trap) or
    at MEPC (mret), written at SUSPEND_PC (split, close).  `second` is SUSPEND_MODE, or the pc that MEPC gets,
    or a0.

    Assumes: DECODE answers truly and its limbs are in range; the verifier checks the input limbs < 2^16.
    """

    resume: Bit
    split: Bit
    close: Bit
    terminate: Bit
    ecall: Bit
    trap: Bit
    mret: Bit
    user: Bit
    cycle: Felt
    pc: Felt
    x: Felt
    y: Felt
    target_old: Word
    target: Word
    second_old: Word
    second: Word
    third: Word
    words_old: Annotated[tuple[Word, ...], 8]
    words: Annotated[tuple[Word, ...], 8]

    def real(self) -> Expr:
        """One of the seven kinds."""
        return total((self.resume, self.split, self.close, self.terminate, self.ecall, self.trap, self.mret))

    def constrain(self, c: Constraints) -> None:
        """Kinds, then accesses from the first to the last, then the chain."""
        c.boolean("at most one kind", self.real())
        c.zero("the resume row is cycle 1", self.resume * (self.cycle - 1))
        self._modes(c)
        self._target(c)
        self._second(c)
        self._words(c)
        self._accesses(c)
        self._chain(c)

    def _modes(self, c: Constraints) -> None:
        """`user` is the mode that the pc of `target` belongs to.

        Handlers run in machine mode: with `user` the region that `_target` looks up would be none.
        """
        c.zero("mret goes to user mode", self.mret * (1 - self.user))
        c.zero("the mode after the end is machine mode", (self.close + self.terminate) * self.user)

    def _target(self, c: Constraints) -> None:
        kept = self.resume + self.ecall + self.trap + self.mret + self.terminate
        for limb, old, new in zip(("low", "high"), self.target_old, self.target, strict=True):
            c.zero(f"target, {limb}: a read leaves the word", kept * (new - old))
            c.zero(f"a7 is TERMINATE, {limb}", self.terminate * new)
        c.zero("split: the pc that is saved", self.split * (self.pc - self._address()))
        made = self.resume + self.split + self.ecall + self.trap + self.mret
        check_range(c, "word in its 64 KiB is 14 bits", Range.U14, self.target.lo * QUARTER, made)
        machine, dispatch = int(Region.MACHINE), int(Region.DISPATCH)
        kind = self.user * (Region.USER - machine) + (self.ecall + self.trap) * (dispatch - machine) + machine
        c.pull(REGION, (kind, self.target.hi), made, "region of the mode")

    def _address(self) -> Expr:
        """The pc of the word `target`, in the mode `user`."""
        return self.target.lo * QUARTER + self.target.hi * (1 << LOW_BITS) + self.user * USER_MODE

    def _second(self, c: Constraints) -> None:
        kept = self.resume + self.terminate
        for limb, old, new in zip(("low", "high"), self.second_old, self.second, strict=True):
            c.zero(f"second, {limb}: a read leaves the word", kept * (new - old))
        suspend = self.resume + self.split + self.close
        c.zero("SUSPEND_MODE, low", suspend * (self.second.lo - (1 - self.user)))
        c.zero("SUSPEND_MODE, high", suspend * self.second.hi)
        trapped = self.ecall + self.trap
        c.zero("MEPC, low", trapped * (self.second.lo - self.x))
        c.zero("MEPC, high", trapped * (self.second.hi - self.y))
        c.zero("close: SUSPEND_PC is the link, low", self.close * (self.target.lo - self.x))
        c.zero("close: SUSPEND_PC is the link, high", self.close * (self.target.hi - self.y))

    def _words(self, c: Constraints) -> None:
        for i, (old, new) in enumerate(zip(self.words_old, self.words, strict=True)):
            c.zero(f"output {i}, low: a read leaves the word", self.terminate * (new.lo - old.lo))
            c.zero(f"output {i}, high: a read leaves the word", self.terminate * (new.hi - old.hi))

    def _accesses(self, c: Constraints) -> None:
        """Registers at slot RS1, memory at MEMORY, writes at RD; addresses are constants of the kind."""
        suspended = self.split + self.close
        started = self.resume + suspended
        slot = (
            suspended * Slot.RD + (self.resume + self.ecall + self.trap + self.mret) * Slot.MEMORY
            + self.terminate * Slot.RS1
        )  # fmt: skip
        addr = (
            started * (abi.SUSPEND_PC // 4) + self.terminate * A7 + self.ecall * (abi.ECALL_DISPATCH // 4)
            + self.trap * (abi.TRAP_DISPATCH // 4) + self.mret * (abi.MEPC // 4)
        )  # fmt: skip
        c.push(ACCESS, (at(self.cycle, slot), addr, *self.target_old, *self.target), label="target")

        trapped = self.ecall + self.trap
        slot = self.resume * Slot.MEMORY + (suspended + trapped) * Slot.RD + self.terminate * Slot.RS1
        addr = started * (abi.SUSPEND_MODE // 4) + trapped * (abi.MEPC // 4) + self.terminate * A0
        times = self.real() - self.mret
        c.push(ACCESS, (at(self.cycle, slot), addr, *self.second_old, *self.second), times, "second")

        now = at(self.cycle, Slot.RS1)
        c.push(ACCESS, (now, A1, *self.third, *self.third), self.terminate, "a1")
        ends = self.resume + self.terminate
        now = at(self.cycle, self.resume * Slot.RD + self.terminate * Slot.MEMORY)
        for i, (old, new) in enumerate(zip(self.words_old, self.words, strict=True)):
            addr = self.resume * (INPUT + i) + self.terminate * (OUTPUT + i)
            c.push(ACCESS, (now, addr, *old, *new), ends, f"input or output {i}")

    def _chain(self, c: Constraints) -> None:
        words = [limb for word in self.words for limb in word]
        decoded = self.terminate + self.ecall + self.trap + self.mret
        op = self.terminate * Op.MACHINE_ECALL + self.ecall * Op.USER_ECALL + self.trap * Op.TRAP + self.mret * Op.MRET
        c.pull(DECODE, (self.pc, op, 0, 0, 0, self.x, self.y, 0, 0), decoded, "the instruction")
        c.pull(CPU, (self.cycle, self.pc), decoded + self.split, "this step")
        going = self.resume + self.ecall + self.trap + self.mret
        c.push(CPU, (self.cycle + 1, self._address() + self.mret), going, "next step")
        c.push(STOP, (self.cycle + 1, self.x, self.y), self.terminate, "to the close row")
        c.pull(STOP, (self.cycle, self.x, self.y), self.close, "from the terminate row")
        c.pull(START, tuple(words), self.resume, "input")
        c.push(END, (0,) * END.width, self.split, "it goes on")
        c.push(END, (1, *self.second, *self.third, *words), self.terminate, "it ended so")

    @staticmethod
    def fill(calls: U32, pcs: U32) -> Columns:
        """Columns from the `calls` records of these kinds; `pcs` uint32[n] as the CPU chain has them (aliases).

        Shapes: calls uint32[n, CALL_WORDS].
        """
        kind = calls[:, CallRow.KIND]
        accesses = calls[:, CallRow.FIRST_ACCESS :].reshape(len(calls), 11, 4)
        old, new = accesses[:, :, 1], accesses[:, :, 2]
        is_kind = {k: kind == k for k in KINDS}
        terminate, resume, mret = is_kind[Call.TERMINATE], is_kind[Call.RESUME], is_kind[Call.MRET]
        first_word = np.where(terminate, 3, 2)
        ends = terminate | resume

        def words(values: U32) -> list[U32]:
            return [np.where(ends, values[np.arange(len(calls)), first_word + i], 0) for i in range(DIGEST_WORDS)]

        trapped = is_kind[Call.USER_ECALL] | is_kind[Call.TRAP]
        limbs = np.where(trapped, new[:, 1], 0)
        limbs = np.where(is_kind[Call.CLOSE], new[:, 0], limbs)
        limbs = np.where(terminate, (calls[:, CallRow.PC] + 1) << 2, limbs)
        next_pc = np.where(trapped | mret | terminate, 0, calls[:, CallRow.NEXT_PC])
        flags = dict(zip(("resume", "split", "close", "terminate", "ecall", "trap", "mret"), KINDS, strict=True))
        return {name: is_kind[k].astype(np.uint32) for name, k in flags.items()} | {
            "user": (mret | (next_pc >= USER_MODE)).astype(np.uint32),
            "cycle": calls[:, CallRow.CYCLE],
            "pc": np.where(resume | is_kind[Call.CLOSE], 0, pcs),
            "x": limbs & 0xFFFF, "y": limbs >> 16,
            "target_old": old[:, 0], "target": new[:, 0],
            "second_old": np.where(mret, 0, old[:, 1]), "second": np.where(mret, 0, new[:, 1]),
            "third": np.where(terminate, new[:, 2], 0),
            "words_old": words(old), "words": words(new),
        }  # fmt: skip
