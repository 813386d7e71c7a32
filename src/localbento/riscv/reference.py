"""The machine, step by step, in plain Python: slow and complete.

User and machine mode, traps, mret and the dispatch of user ecalls; machine ecalls go to a callback.
 The executor's kernel is compared with this, instruction by instruction.

Registers are words of memory, one bank per mode; an instruction uses the bank of the mode it starts
in.

Source: RISC Zero, risc0-circuit-rv32im 4.0.5, execute/rv32im.rs and execute/r0vm.rs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from localbento.errors import GuestError
from localbento.riscv import abi, semantics
from localbento.riscv.abi import Trap
from localbento.riscv.decode import Decoded, decode
from localbento.riscv.isa import Format, Operation


class Memory(Protocol):
    """Words at byte addresses that are multiples of 4; `MemoryImage` is one."""

    def read_word(self, addr: int) -> int:
        """The word."""
        ...

    def write_word(self, addr: int, value: int) -> None:
        """Set the word."""
        ...


class MachineError(GuestError):
    """The execution cannot go on: a trap that nobody handles, or a state that has no meaning.

    `cause` is None where the platform has no trap for it.
    """

    def __init__(self, cause: Trap | None, pc: int, word: int | None, detail: str) -> None:
        """The message names cause, pc and instruction word."""
        name = "machine fault" if cause is None else cause.name.lower().replace("_", " ")
        instruction = "" if word is None else f", instruction {word:#010x}"
        super().__init__(f"{name} at pc {pc:#010x}{instruction}: {detail}")
        self.cause = cause
        self.pc = pc
        self.word = word


@dataclass(frozen=True, slots=True)
class Rules:
    """Where generations of the platform differ."""

    trap_table: bool
    """Traps are dispatched by the word at 0xFFFF_2000 + 4 cause, not by the one word at 0xFFFF_2000."""
    branch_scratch: bool
    """A branch writes 0 to its bank's scratch word."""


V2: Final = Rules(trap_table=True, branch_scratch=True)
"""The released generation, for the roots that it gives."""
PROVABLE: Final = Rules(trap_table=False, branch_scratch=False)
"""What our circuits prove."""


class _TrapTaken(Exception):  # noqa: N818 - control flow inside a step, no error
    def __init__(self, cause: Trap, detail: str) -> None:
        super().__init__(detail)
        self.cause, self.detail = cause, detail


def _decode(word: int) -> Decoded:
    decoded = decode(word)
    if decoded is None:
        raise _TrapTaken(Trap.ILLEGAL_INSTRUCTION, "no instruction of this platform")
    return decoded


MachineEcall = Callable[["Machine"], int]
"""Carries out an ecall of machine mode and returns its cycles; may set `running` to False."""


class Machine:
    """State of the machine: pc, mode, memory; and how to make a step."""

    def __init__(self, memory: Memory, machine_ecall: MachineEcall, rules: Rules = PROVABLE) -> None:
        """A machine that is suspended: `resume` starts it."""
        self.memory = memory
        self.rules = rules
        self.pc = 0
        self.mode = abi.MODE_MACHINE
        self.cycles = 0
        """User cycles: instructions, and the rows of machine ecalls.  A trap costs none."""
        self.running = False
        self._machine_ecall = machine_ecall

    def resume(self, input_digest: bytes = bytes(32)) -> None:
        """Start of a segment: state from the suspend words, input digest into memory.

        Raises:
            MachineError: the suspended pc lies in the zero area.
        """
        self.pc = self.memory.read_word(abi.SUSPEND_PC)
        self.mode = int(self.memory.read_word(abi.SUSPEND_MODE) != 0)
        if self.pc < abi.ZERO_AREA_END:
            raise MachineError(None, self.pc, None, "the machine starts in the zero area")
        for i in range(8):
            word = int.from_bytes(input_digest[4 * i : 4 * i + 4], "little")
            self.memory.write_word(abi.GLOBAL_INPUT + 4 * i, word)
        self.running = True

    def suspend(self) -> None:
        """End of a segment, also of the last: pc and mode into the suspend words."""
        self.memory.write_word(abi.SUSPEND_PC, self.pc)
        self.memory.write_word(abi.SUSPEND_MODE, self.mode)
        self.running = False

    def register(self, number: int) -> int:
        """The value of a register in the bank of the current mode."""
        return self.memory.read_word(abi.register_addr(self.mode, number))

    def set_register(self, number: int, value: int) -> None:
        """Write a register; x0's scratch word in place of x0."""
        self.memory.write_word(abi.destination_addr(self.mode, number), value)

    def step(self) -> None:
        """Carry out one instruction, or take its trap.

        Raises:
            MachineError: the execution cannot go on; the state is that before the instruction.
        """
        pc, word = self.pc, None
        try:
            self._check_fetch()
            word = self.memory.read_word(pc)
            self._execute(_decode(word))
        except _TrapTaken as trap:
            self._take_trap(trap.cause, word, trap.detail)

    def _check_fetch(self) -> None:
        end = 1 << 32 if self.mode == abi.MODE_MACHINE else abi.USER_END
        if not abi.ZERO_AREA_END <= self.pc < end:
            raise _TrapTaken(Trap.INSTRUCTION_FAULT, "no code can be here")
        if self.pc % abi.WORD_BYTES:
            raise _TrapTaken(Trap.INSTRUCTION_MISALIGNED, "pc is not a multiple of 4")

    def _execute(self, decoded: Decoded) -> None:
        row = decoded.instruction
        operation = row.operation
        if operation in semantics.BINARY:
            a = self.register(decoded.rs1)
            b = self.register(decoded.rs2) if row.format is Format.R else decoded.imm
            self.set_register(decoded.rd, semantics.BINARY[operation](a, b))
            self._advance()
        elif operation in semantics.BRANCH:
            self._branch(decoded, operation)
        elif operation in semantics.LOADS:
            self._load(decoded, operation)
        elif operation in semantics.STORES:
            self._store(decoded, operation)
        else:
            self._control(decoded, operation)

    def _control(self, decoded: Decoded, operation: Operation) -> None:
        match operation:
            case Operation.LUI:
                self.set_register(decoded.rd, decoded.imm)
                self._advance()
            case Operation.AUIPC:
                self.set_register(decoded.rd, semantics.add(self.pc, decoded.imm))
                self._advance()
            case Operation.JAL:
                self._jump(decoded.rd, semantics.add(self.pc, decoded.imm))
            case Operation.JALR:
                addr = semantics.add(self.register(decoded.rs1), decoded.imm)
                self._jump(decoded.rd, semantics.jump_target(addr))
            case Operation.EBREAK:
                raise _TrapTaken(Trap.BREAKPOINT, "ebreak")
            case Operation.MRET:
                self._mret()
            case Operation.ECALL if self.mode == abi.MODE_MACHINE:
                self.cycles += self._machine_ecall(self)
                self.pc = semantics.add(self.pc, abi.WORD_BYTES)
            case Operation.ECALL:
                self._user_ecall()
            case _:
                raise NotImplementedError(operation)

    def _advance(self, target: int | None = None) -> None:
        self.pc = semantics.add(self.pc, abi.WORD_BYTES) if target is None else target
        self.cycles += 1

    def _check_target(self, target: int) -> None:
        if target % abi.WORD_BYTES:
            detail = f"jump to {target:#010x}"
            raise _TrapTaken(Trap.INSTRUCTION_MISALIGNED, detail)

    def _jump(self, rd: int, target: int) -> None:
        self._check_target(target)
        self.set_register(rd, semantics.add(self.pc, abi.WORD_BYTES))
        self._advance(target)

    def _branch(self, decoded: Decoded, operation: Operation) -> None:
        a, b = self.register(decoded.rs1), self.register(decoded.rs2)
        target = None
        if semantics.BRANCH[operation](a, b):
            target = semantics.add(self.pc, decoded.imm)
            self._check_target(target)
        if self.rules.branch_scratch:
            self.set_register(0, 0)
        self._advance(target)

    def _data_addr(self, decoded: Decoded, operation: Operation) -> int:
        """The address of a load or store; range is checked before alignment."""
        addr = semantics.add(self.register(decoded.rs1), decoded.imm)
        is_store = operation in semantics.STORES
        end = 1 << 32 if self.mode == abi.MODE_MACHINE else abi.USER_END
        if not abi.ZERO_AREA_END <= addr < end:
            fault = Trap.STORE_FAULT if is_store else Trap.LOAD_FAULT
            raise _TrapTaken(fault, f"address {addr:#010x}")
        if addr % semantics.access_bytes(operation):
            misaligned = Trap.STORE_MISALIGNED if is_store else Trap.LOAD_MISALIGNED
            raise _TrapTaken(misaligned, f"address {addr:#010x}")
        return addr

    def _load(self, decoded: Decoded, operation: Operation) -> None:
        addr = self._data_addr(decoded, operation)
        word = self.memory.read_word(addr & ~3)
        self.set_register(decoded.rd, semantics.load(operation, addr, word))
        self._advance()

    def _store(self, decoded: Decoded, operation: Operation) -> None:
        addr = self._data_addr(decoded, operation)
        word = self.memory.read_word(addr & ~3)
        value = self.register(decoded.rs2)
        self.memory.write_word(addr & ~3, semantics.store(operation, addr, word, value))
        self._advance()

    def _mret(self) -> None:
        word = self.memory.read_word(self.pc)
        if self.mode != abi.MODE_MACHINE:
            raise MachineError(None, self.pc, word, "mret in user mode")
        resumed = self.memory.read_word(abi.MEPC)
        if resumed < abi.ZERO_AREA_END:
            detail = f"MEPC {resumed:#010x} lies in the zero area"
            raise MachineError(None, self.pc, word, detail)
        # MEPC names the word before the continuation.
        self._advance(semantics.add(resumed, abi.WORD_BYTES))
        self.mode = abi.MODE_USER

    def _user_ecall(self) -> None:
        handler = self.memory.read_word(abi.ECALL_DISPATCH)
        if handler < abi.ZERO_AREA_END:
            detail = f"ecall handler {handler:#010x} lies in the zero area"
            raise MachineError(None, self.pc, self.memory.read_word(self.pc), detail)
        if not abi.is_handler(handler):
            raise _TrapTaken(Trap.USER_ECALL_FAULT, f"ecall handler {handler:#010x}")
        self._enter(handler)
        self.cycles += 1

    def _take_trap(self, cause: Trap, word: int | None, detail: str) -> None:
        if self.mode == abi.MODE_MACHINE:
            raise MachineError(cause, self.pc, word, f"{detail} (machine mode)")
        offset = abi.WORD_BYTES * cause if self.rules.trap_table else 0
        handler = self.memory.read_word(abi.TRAP_DISPATCH + offset)
        if not abi.is_handler(handler):
            raise MachineError(cause, self.pc, word, detail)
        self._enter(handler)

    def _enter(self, handler: int) -> None:
        self.memory.write_word(abi.MEPC, self.pc)
        self.pc = handler
        self.mode = abi.MODE_MACHINE
