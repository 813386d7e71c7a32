"""Running a program to its end: the loop between kernel and host."""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from localbento.claim.claim import SegmentEnd, SessionEnd
from localbento.claim.exit_code import ExitCode
from localbento.errors import UsageError, VerificationError
from localbento.executor.conflicts import Conflicts
from localbento.executor.ecalls.bigint import run_bigint
from localbento.executor.ecalls.poseidon2 import run_poseidon2
from localbento.executor.errors import CycleLimitError, ExitError, MachineCallError, OutputMismatchError
from localbento.executor.exits import failure
from localbento.executor.host import NEWER_KERNELS, Host
from localbento.executor.inputs import MAX_PO2, MIN_PO2, Compat, ExecutorInput, Limits
from localbento.executor.machine import UNLIMITED, Machine, Mode, Sizes
from localbento.executor.segmenter import OnSegment, Segmenter
from localbento.executor.session import V2_FIXED_CYCLES, Cycles, Session, V2Segment, v2_po2
from localbento.hash.tagged import ZERO
from localbento.riscv import abi
from localbento.riscv.abi import Register
from localbento.riscv.memory_image import MemoryImage
from localbento_kernels.cpu import interpret
from localbento_kernels.cpu import interpret_numbers as nr

PLAIN_SLOTS: Final = 1 << 10
CODE_SLOTS: Final = 1 << 7
SPARE_SLOTS: Final = 64
DEFAULT_PAGES: Final = 1 << 12


class Runner:
    """One execution."""

    def __init__(
        self,
        image: MemoryImage,
        kernel_sha256: str,
        given: ExecutorInput,
        limits: Limits,
        on_segment: OnSegment | None,
        mode: Mode,
        compat: Compat,
    ) -> None:
        """Nothing has been executed yet."""
        if mode is Mode.RECORD:
            msg = "an execution counts; segments are recorded one by one"
            raise ValueError(msg)
        if not MIN_PO2 <= limits.po2 <= MAX_PO2:
            msg = f"segment size: expected 2^{MIN_PO2} to 2^{MAX_PO2} cycles, found 2^{limits.po2}"
            raise UsageError(msg)
        self._counting = mode is Mode.COUNT
        self._compat = compat is Compat.V2
        self._given = given
        self._newer = kernel_sha256 in NEWER_KERNELS
        self._limits = limits
        self._host = Host(given, kernel_sha256)
        self._v2: list[V2Segment] = []
        self._v2_room = (1 << limits.po2) - V2_FIXED_CYCLES
        self.machine = Machine(mode, self._sizes(mode))
        self._segmenter = Segmenter(
            self.machine, image, limits, on_segment if self._counting else None, given.input_digest
        )
        self._conflicts = Conflicts(self.machine, self._segmenter)
        self._configure()

    def _sizes(self, mode: Mode) -> Sizes:
        if mode is Mode.PLAIN:
            return Sizes(PLAIN_SLOTS, CODE_SLOTS)
        pages = self._limits.capacities.get("page", DEFAULT_PAGES) + SPARE_SLOTS
        # A V2 segment is cut one instruction or call after it is full.
        return Sizes(pages, CODE_SLOTS, v2_pages=(1 << self._limits.po2) // nr.V2_PAGE_CYCLES + DEFAULT_PAGES)

    def _configure(self) -> None:
        s = self.machine.scalars
        s[nr.S_USER_LIMIT] = UNLIMITED if self._limits.max_cycles is None else self._limits.max_cycles
        s[nr.S_COMPAT] = self._compat
        s[nr.S_V2_ON] = self._counting
        s[nr.S_V2_LIMIT] = self._v2_room - self._limits.margin
        self._set_capacities(self._limits.capacities)
        self.machine.set_input(np.frombuffer(self._given.input_digest, "<u4").tolist())

    def _set_capacities(self, capacities: Mapping[str, int]) -> None:
        caps = self.machine.caps
        for i, name in enumerate(nr.CHIP_NAMES):
            caps[i] = capacities.get(name, UNLIMITED)
        # 2^24 / 5 - 1: differences of times are checked as 24 bits.
        caps[nr.C_CYCLES] = min(int(caps[nr.C_CYCLES]), (1 << 24) // 5 - 1)
        self._widened_at = -1

    def _widen(self) -> bool:
        """Whether the segment may grow on in other limits, which are set then.

        Limits that do not let a single instruction pass are not asked for twice.
        """
        s = self.machine.scalars
        if self._limits.widen is None or self._widened_at == s[nr.S_CYCLE]:
            return False
        wider = self._limits.widen({**self._segmenter.rows(), "cycles": int(s[nr.S_CYCLE])})
        if wider is None:
            return False
        self._set_capacities(wider)
        self._widened_at = int(s[nr.S_CYCLE])
        s[nr.S_PROBE] = 0  # the instruction that was fetched is executed in this segment after all
        return True

    def run(self, stopped: Callable[[], bool] | None = None) -> Session | None:
        """Run to the end; None if `stopped()` said so at the end of a segment.

        Raises:
            GuestError: if the execution fails.
        """
        start = time.perf_counter()
        self._begin(first=True)
        while (end := self._step(self.machine.run())) is None:
            if stopped is not None and stopped():
                return None
        return self._session(end, time.perf_counter() - start)

    # borders of segments

    def _begin(self, *, first: bool = False) -> None:
        s = self.machine.scalars
        restart_v2 = self._counting and (first or self._compat)
        if restart_v2:
            self.machine.control(interpret.DO_RESET)
            self.machine.control(interpret.DO_V2)
        self._set_capacities(self._limits.capacities)
        code = self._segmenter.begin()
        if code:
            raise failure(self.machine, code)
        self._segment_start = int(s[nr.S_USER])

    def _split(self) -> None:
        s = self.machine.scalars
        paging = int(s[nr.S_V2_PAGING]) if self._compat else 0
        self._segmenter.finish(None, user_cycles=int(s[nr.S_USER]) - self._segment_start, paging_cycles=paging)
        self._begin()

    def _end_v2(self, *, last: bool) -> None:
        s = self.machine.scalars
        user, paging = int(s[nr.S_USER] - s[nr.S_V2_START]), int(s[nr.S_V2_PAGING])
        if self._compat and user + paging + V2_FIXED_CYCLES >= 1 << self._limits.po2:
            msg = f"segment limit 2^{self._limits.po2} is too small: {user} user and {paging} paging cycles"
            raise MachineCallError(msg)
        self._v2.append(V2Segment(user, paging, v2_po2(user + paging) if last else self._limits.po2))

    # exits of the kernel

    def _step(self, code: int) -> SegmentEnd | None:
        """Do what an exit asks for; the end, if this is it."""
        machine, s = self.machine, self.machine.scalars
        match code:
            case nr.X_READ:
                self._read()
            case nr.X_WRITE:
                self._write()
            case nr.X_GROW:
                machine.grow()
            case nr.X_V2_SPLIT:
                self._end_v2(last=False)
                if self._compat:
                    self._split()
                else:
                    machine.control(interpret.DO_V2)
            case nr.X_CUT:
                if not self._widen():
                    self._cut()
            case nr.X_TOO_LARGE if self._widen():
                pass
            case nr.X_CONFLICT:
                if self._conflicts.resolve():
                    self._split()
                elif s[nr.S_CYCLE] == s[nr.S_FRESH] and not s[nr.S_IGNORE_CONFLICTS]:
                    self._begin()
            case nr.X_TERMINATE:
                return self._terminate()
            case nr.X_POSEIDON2:
                self._segmenter.unprovable.add("poseidon2 call")
                run_poseidon2(machine, byte_addresses=self._newer)
            case nr.X_BIGINT:
                self._segmenter.unprovable.add("bigint call")
                run_bigint(machine)
            case nr.X_TABLE_TRAP:
                self._segmenter.unprovable.add("trap through the table by cause")
            case nr.X_SHA2_EMPTY:
                self._segmenter.unprovable.add("sha2 call of no blocks with pointers that are none")
            case nr.X_USER_LIMIT:
                msg = f"cycle limit: {self._limits.max_cycles} user cycles are used up at pc {int(s[nr.S_PC]):#010x}"
                raise CycleLimitError(msg)
            case _:
                raise failure(machine, code)
        return None

    def _cut(self) -> None:
        s = self.machine.scalars
        if s[nr.S_CYCLE] == s[nr.S_FRESH]:
            full = [n for n, c in self._limits.capacities.items() if c <= self._segmenter.rows().get(n, 0) + 1]
            msg = f"segment limits leave no room for a single instruction (chips: {', '.join(full) or 'pages'})"
            raise UsageError(msg)
        pc = int(s[nr.S_PC])
        end = 1 << 32 if s[nr.S_MACHINE_MODE] else abi.USER_END
        if not abi.ZERO_AREA_END <= pc < end:
            raise failure(self.machine, nr.X_TRAP, (abi.Trap.INSTRUCTION_FAULT, pc, 0, 0))
        self._split()

    def _read(self) -> None:
        machine, s = self.machine, self.machine.scalars
        fd = machine.register(True, Register.A0)
        length = machine.register(True, Register.A2)
        data = self._host.read(fd, length, machine, int(s[nr.S_USER]), self._trap_word)
        machine.arrays["replies"][: len(data)] = np.frombuffer(data, np.uint8)
        s[nr.S_REPLY_LENGTH] = len(data)
        self._segmenter.note_reply(data)

    def _trap_word(self) -> int:
        return self.machine.peek_word(abi.TRAP_DISPATCH)

    def _write(self) -> None:
        machine = self.machine
        pointer, length = machine.register(True, Register.A1), machine.register(True, Register.A2)
        taken = self._host.write(machine.peek_bytes(pointer, length))
        machine.scalars[nr.S_REPLY_LENGTH] = taken
        self._segmenter.note_write(taken)

    def _terminate(self) -> SegmentEnd:
        s = self.machine.scalars
        output = self.machine.peek_bytes(abi.GLOBAL_OUTPUT, 32)
        end = SegmentEnd(int(s[nr.S_X0]), int(s[nr.S_X1]), output)
        if self._counting:
            self._end_v2(last=True)
        paging = int(s[nr.S_V2_PAGING]) if self._compat else 0
        if self._host.keccak.requests:
            self._segmenter.unprovable.add("keccak batch")
        user = int(s[nr.S_USER]) - self._segment_start
        self._segmenter.finish(end, user_cycles=user, paging_cycles=paging)
        return end

    # the result

    def _session(self, end: SegmentEnd, seconds: float) -> Session:
        host, s = self._host, self.machine.scalars
        try:
            exit_code = ExitCode.from_terminate(end.a0)
        except VerificationError as error:
            raise ExitError(error.detail) from error
        used = tuple(host.integrity.used)
        journal = bytes(host.files.journal)
        if not SessionEnd(exit_code, end.output, journal, used).fits(used):
            digest = hashlib.sha256(journal).hexdigest()
            msg = (
                f"the guest's output digest {end.output.hex()} is not that of its journal "
                f"({len(journal)} bytes, SHA-256 {digest}) and {len(used)} assumptions"
            )
            raise OutputMismatchError(msg)
        halted = exit_code.pair[0] == 0
        segmenter = self._segmenter
        cycles = Cycles.of(self._v2) if self._counting else Cycles(int(s[nr.S_USER]), 0, 0)
        return Session(
            pre_root=segmenter.initial_root,
            post_root=ZERO if halted else segmenter.root(),
            exit_code=exit_code,
            output=end.output,
            journal=None if end.output == ZERO else journal,
            assumptions=used,
            keccak=tuple(host.keccak.requests),
            cycles=cycles,
            v2_segments=tuple(self._v2),
            segments=segmenter.ended,
            proof_cycles=segmenter.proof_cycles,
            instructions=int(s[nr.S_INSTRUCTIONS]),
            syscalls=dict(sorted(host.counts.items())),
            pages_read=segmenter.pages_read,
            pages_written=segmenter.pages_written,
            seconds=seconds,
            input_digest=self._given.input_digest,
            terminate=(end.a0, end.a1),
            unprovable=tuple(sorted(segmenter.unprovable)),
        )
