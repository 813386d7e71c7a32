"""The main loop of the interpreter, one source for all modes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_access import (
    note_sequential,
    peek_time,
)
from localbento_kernels.cpu.interpret_calls import (
    system_step,
    trap,
)
from localbento_kernels.cpu.interpret_fetch import (
    enter_page,
    fetch,
)
from localbento_kernels.cpu.interpret_memory import (
    data_slot,
    store_to_code,
)
from localbento_kernels.cpu.interpret_pages import (
    budget,
    settle,
    shorten,
)
from localbento_kernels.cpu.interpret_state import (
    A_BASES,
    A_CAPS,
    A_CODE_SLOT,
    A_DECODE_ROW,
    A_DECODED,
    A_FLAGS,
    A_POOL,
    A_RECORDS,
    A_ROWS,
    A_SCALARS,
    A_TABLE,
    A_TIMES,
    A_TOUCH,
    address_of,
    get,
    kernel,
    put,
)
from localbento_kernels.cpu.interpret_units import (
    add_uses,
    entry_of,
    hit,
    quotient,
    remainder,
    signed,
    use_unit,
)


def main_loop(counting: bool, recording: bool) -> Callable[[NDArray[np.int64]], int]:
    """The main loop of a mode.  Its branches on the two flags are decided when it is compiled."""

    def loop(context: NDArray[np.int64]) -> int:
        m = address_of(context)
        fuel = budget(m)
        pc = get(m, A_SCALARS, nr.S_PC)
        cycle = get(m, A_SCALARS, nr.S_CYCLE)
        machine = get(m, A_SCALARS, nr.S_MACHINE_MODE)
        bank = nr.MACHINE_BANK if machine else nr.USER_BANK
        end = nr.WORD_MASK - 3 if machine else nr.USER_END
        compat = get(m, A_SCALARS, nr.S_COMPAT)
        code = nr.X_NONE
        page = -1
        slot = 0
        code_base = 0
        slow = 0
        undone = False
        if fuel < 0:
            return -fuel
        while True:
            if fuel <= 0:
                put(m, A_SCALARS, nr.S_CYCLE, cycle)
                settle(m, fuel)
                fuel = budget(m)
                if fuel < 0:
                    code = -fuel
                    fuel = 0
                    break

            # fetch
            if pc >> 10 != page:
                page = pc >> 10
                slot = get(m, A_TABLE, page)
                code_slot = get(m, A_CODE_SLOT, 2 * slot + machine)
                if slot == 0 or code_slot == 0 or pc >= end:
                    put(m, A_SCALARS, nr.S_PC, pc)
                    put(m, A_SCALARS, nr.S_WORD, 0)
                    slot = enter_page(m)
                    if slot < 0:
                        code = -slot
                        if code != nr.X_TRAP:
                            break
                        code = trap(m, get(m, A_SCALARS, nr.S_X0), pc)
                        if code not in (nr.X_NONE, nr.X_TABLE_TRAP):
                            break
                        fuel -= 1
                        pc = get(m, A_SCALARS, nr.S_PC)
                        cycle = get(m, A_SCALARS, nr.S_CYCLE)
                        machine = 1
                        bank = nr.MACHINE_BANK
                        end = nr.WORD_MASK - 3
                        page = -1
                        if get(m, A_SCALARS, nr.S_EVENT):
                            fuel = shorten(m, fuel, 0)
                        if code != nr.X_NONE:
                            break
                        continue
                    code_slot = get(m, A_CODE_SLOT, 2 * slot + machine)
                code_base = code_slot << 8
            offset = pc >> 2 & 255
            d = get(m, A_DECODED, code_base + offset)
            slow = 0
            if d == 0:
                put(m, A_SCALARS, nr.S_PC, pc)
                put(m, A_SCALARS, nr.S_CYCLE, cycle)
                put(m, A_SCALARS, nr.S_SLOW_ROW, 0)
                d = fetch(m, slot)
                if d == 0:
                    code = get(m, A_SCALARS, nr.S_X3)
                    break
                slow = get(m, A_SCALARS, nr.S_SLOW_ROW)
            if get(m, A_SCALARS, nr.S_EVENT):
                fuel = shorten(m, fuel, 1)
            fuel -= 1
            operation = d & 127
            decode_row = 0
            if recording:
                if slow:
                    decode_row = get(m, A_SCALARS, nr.S_DECODE_ROW)
                else:
                    decode_row = get(m, A_DECODE_ROW, code_base + offset)
                    at = get(m, A_BASES, nr.C_DECODE) + 5 * decode_row + 3
                    put(m, A_RECORDS, at, get(m, A_RECORDS, at) + 1)

            # calls and illegal instructions
            if operation >= nr.ECALL:
                put(m, A_SCALARS, nr.S_PC, pc)
                put(m, A_SCALARS, nr.S_CYCLE, cycle)
                put(m, A_SCALARS, nr.S_SLOW_ROW, slow)
                put(m, A_SCALARS, nr.S_WORD, get(m, A_POOL, slot << 8 | offset))
                put(m, A_SCALARS, nr.S_DECODE_ROW, decode_row)
                code = system_step(m, operation)
                pc = get(m, A_SCALARS, nr.S_PC)
                cycle = get(m, A_SCALARS, nr.S_CYCLE)
                machine = get(m, A_SCALARS, nr.S_MACHINE_MODE)
                bank = nr.MACHINE_BANK if machine else nr.USER_BANK
                end = nr.WORD_MASK - 3 if machine else nr.USER_END
                page = -1
                if code == nr.X_NONE:
                    if get(m, A_SCALARS, nr.S_EVENT):
                        fuel = shorten(m, fuel, 0)
                    continue
                undone = code in (nr.X_CUT, nr.X_CONFLICT, nr.X_TOO_LARGE)
                break

            a = get(m, A_POOL, bank + (d >> nr.D_RS1 & 31))
            r = get(m, A_POOL, bank + (d >> nr.D_RS2 & 31))
            imm = d >> nr.D_IMM & nr.WORD_MASK
            b = r if d & nr.D_HAS_RS2 else imm
            chip = d >> nr.D_CHIP & 7
            step = 0
            now = 5 * cycle
            if counting:
                row = get(m, A_ROWS, chip)
                put(m, A_ROWS, chip, row + 1)
                if recording:
                    if row >= get(m, A_CAPS, chip):
                        code = nr.X_INCONSISTENT
                        break
                    step = get(m, A_BASES, chip) + nr.STEP_WORDS * row
                    put(m, A_RECORDS, step, cycle)
                    put(m, A_RECORDS, step + 1, (pc >> 2) + (0 if machine else nr.USER_MODE_BIT))
                    put(m, A_RECORDS, step + 2, get(m, A_POOL, slot << 8 | offset))
                    put(m, A_RECORDS, step + 3, decode_row)
                    if d & nr.D_HAS_RS1:
                        at = bank + (d >> nr.D_RS1 & 31)
                        put(m, A_RECORDS, step + 4, a)
                        put(m, A_RECORDS, step + 5, get(m, A_TIMES, at))
                        put(m, A_TIMES, at, now + 1)
                    if d & nr.D_HAS_RS2:
                        at = bank + (d >> nr.D_RS2 & 31)
                        put(m, A_RECORDS, step + 6, r)
                        put(m, A_RECORDS, step + 7, get(m, A_TIMES, at))
                        put(m, A_TIMES, at, now + 2)

            unit = 0
            value = 0
            writes = True
            next_pc = pc + 4
            cause = -1
            fault = 0
            if d & nr.D_MEMORY:
                address = (a + imm) & nr.WORD_MASK
                size_mask = d >> nr.D_ALIGN & 3
                is_store = operation >= nr.SB
                data = get(m, A_TABLE, address >> 10)
                if (
                    data == 0
                    or address >= end
                    or address & size_mask
                    or (is_store and not get(m, A_FLAGS, data) & nr.F_WRITABLE)
                ):
                    data = data_slot(m, address, size_mask, 1 if is_store else 0)
                    if get(m, A_SCALARS, nr.S_EVENT):
                        fuel = shorten(m, fuel, 0)
                if data < 0:
                    if data != -nr.X_TRAP:
                        code = -data
                        if counting and code == nr.X_CONFLICT:
                            put(m, A_ROWS, chip, row)
                            undone = True
                        break
                    cause = get(m, A_SCALARS, nr.S_X0)
                    fault = address
                else:
                    index = data << 8 | (address >> 2 & 255)
                    word = get(m, A_POOL, index)
                    shift = (address & 3) << 3
                    if is_store:
                        writes = False
                        new = r
                        if operation == nr.SB:
                            new = (word & ~(0xFF << shift)) | (r & 0xFF) << shift
                        elif operation == nr.SH:
                            new = (word & ~(0xFFFF << shift)) | (r & 0xFFFF) << shift
                        if counting:
                            seen = get(m, A_TOUCH, index)
                            if seen & nr.T_CODE:
                                code = store_to_code(m, address, index)
                                if code != nr.X_NONE:
                                    put(m, A_ROWS, chip, row)
                                    undone = True
                                    break
                            elif not seen & nr.T_FIXED:
                                put(m, A_TOUCH, index, seen | nr.T_FIXED)
                        put(m, A_POOL, index, new)
                    else:
                        value = word >> shift
                        new = word
                        if operation == nr.LBU:
                            value &= 0xFF
                        elif operation == nr.LB:
                            value = (value & 0xFF) - ((value & 0x80) << 1)
                        elif operation == nr.LHU:
                            value &= 0xFFFF
                        elif operation == nr.LH:
                            value = (value & 0xFFFF) - ((value & 0x8000) << 1)
                        value &= nr.WORD_MASK
                        if counting and not recording:
                            seen = get(m, A_TOUCH, index)
                            if seen & nr.T_CODE:
                                put(m, A_ROWS, nr.C_PEEK, get(m, A_ROWS, nr.C_PEEK) + 1)
                            else:
                                put(m, A_TOUCH, index, seen + 1)
                    if recording:
                        put(m, A_RECORDS, step + 8, address >> 2)
                        put(m, A_RECORDS, step + 9, word)
                        put(m, A_RECORDS, step + 10, new)
                        if not is_store and get(m, A_TOUCH, index) & nr.T_CODE:
                            put(m, A_SCALARS, nr.S_CYCLE, cycle)
                            put(m, A_RECORDS, step + 11, peek_time(m, index, address))
                        else:
                            put(m, A_RECORDS, step + 11, get(m, A_TIMES, index))
                            put(m, A_TIMES, index, now + 3)
            elif operation == nr.ADD:
                value = a + b
            elif operation == nr.SUB:
                value = a - b
            elif operation == nr.EQ:
                unit = nr.U_EQ
                value = 1 if a == b else 0
            elif operation == nr.NE:
                unit = nr.U_NE
                value = 1 if a != b else 0
            elif operation in (nr.LT, nr.SLT):
                unit = nr.U_LT
                value = 1 if signed(a) < signed(b) else 0
            elif operation == nr.GE:
                unit = nr.U_GE
                value = 1 if signed(a) >= signed(b) else 0
            elif operation in (nr.LTU, nr.SLTU):
                unit = nr.U_LTU
                value = 1 if a < b else 0
            elif operation == nr.GEU:
                unit = nr.U_GEU
                value = 1 if a >= b else 0
            elif operation == nr.AND:
                unit = nr.U_AND
                value = a & b
            elif operation == nr.OR:
                unit = nr.U_OR
                value = a | b
            elif operation == nr.XOR:
                unit = nr.U_XOR
                value = a ^ b
            elif operation == nr.SLL:
                unit = nr.U_SLL
                value = a << (b & 31)
            elif operation == nr.SRL:
                unit = nr.U_SRL
                value = a >> (b & 31)
            elif operation == nr.SRA:
                unit = nr.U_SRA
                value = signed(a) >> (b & 31)
            elif operation == nr.LUI:
                value = imm
            elif operation == nr.AUIPC:
                value = pc + imm
            elif operation == nr.JAL:
                value = next_pc
                next_pc = (pc + imm) & nr.WORD_MASK
                if next_pc & 3:
                    cause = nr.TRAP_MISALIGNED
                    fault = next_pc
            elif operation == nr.JALR:
                value = next_pc
                next_pc = (a + imm) & (nr.WORD_MASK - 1)
                if next_pc & 3:
                    cause = nr.TRAP_MISALIGNED
                    fault = next_pc
            elif operation == nr.MUL:
                unit = nr.U_MUL
                value = a * b
            elif operation == nr.MULH:
                unit = nr.U_MULH
                value = signed(a) * signed(b) >> 32
            elif operation == nr.MULHSU:
                unit = nr.U_MULHSU
                value = signed(a) * b >> 32
            elif operation == nr.MULHU:
                unit = nr.U_MULHU
                value = a * b >> 32
            elif operation == nr.DIV:
                unit = nr.U_DIV
                value = quotient(a, b, True)
            elif operation == nr.DIVU:
                unit = nr.U_DIVU
                value = quotient(a, b, False)
            elif operation == nr.REM:
                unit = nr.U_REM
                value = remainder(a, b, True)
            else:
                unit = nr.U_REMU
                value = remainder(a, b, False)

            if chip == nr.C_BRANCH:
                writes = False
                if value:
                    next_pc = (pc + imm) & nr.WORD_MASK
                    if next_pc & 3:
                        cause = nr.TRAP_MISALIGNED
                        fault = next_pc
                if counting and compat:
                    put(m, A_POOL, bank + nr.SCRATCH, 0)
            if cause >= 0:
                if counting:
                    put(m, A_ROWS, chip, row)
                put(m, A_SCALARS, nr.S_PC, pc)
                put(m, A_SCALARS, nr.S_CYCLE, cycle)
                put(m, A_SCALARS, nr.S_WORD, get(m, A_POOL, slot << 8 | offset))
                code = trap(m, cause, fault)
                pc = get(m, A_SCALARS, nr.S_PC)
                cycle = get(m, A_SCALARS, nr.S_CYCLE)
                machine = get(m, A_SCALARS, nr.S_MACHINE_MODE)
                bank = nr.MACHINE_BANK
                end = nr.WORD_MASK - 3
                page = -1
                if get(m, A_SCALARS, nr.S_EVENT):
                    fuel = shorten(m, fuel, 0)
                if code != nr.X_NONE:
                    break
                continue
            if counting and unit:
                value &= nr.WORD_MASK
                entry = entry_of(unit, a, b)
                if unit < nr.U_MUL and hit(m, entry, unit, a, b):
                    if recording:
                        add_uses(m, entry, 4, 1)
                else:
                    use_unit(m, unit, a, b, value)
            if writes:
                at = bank + (d >> nr.D_RD & 127)
                if recording:
                    put(m, A_RECORDS, step + 12, get(m, A_POOL, at))
                    put(m, A_RECORDS, step + 13, get(m, A_TIMES, at))
                    put(m, A_RECORDS, step + 14, value)
                    put(m, A_TIMES, at, now + 4)
                put(m, A_POOL, at, value)
            cycle += 1
            if recording:
                put(m, A_RECORDS, step + 15, (next_pc >> 2) + (0 if machine else nr.USER_MODE_BIT))
                taken = chip == nr.C_BRANCH and value != 0
                if slow and not taken and chip != nr.C_JALR and operation != nr.JAL:
                    put(m, A_SCALARS, nr.S_SLOW_ROW, slow)
                    note_sequential(m, 1)
            pc = next_pc
        if undone:  # the instruction was fetched, and is executed in the next segment
            fuel += 1
            if counting and slow:
                put(m, A_ROWS, nr.C_DECODE, get(m, A_ROWS, nr.C_DECODE) - 1)
                put(m, A_ROWS, nr.C_SLOW_FETCH, get(m, A_ROWS, nr.C_SLOW_FETCH) - 1)
        put(m, A_SCALARS, nr.S_PC, pc)
        put(m, A_SCALARS, nr.S_CYCLE, cycle)
        settle(m, fuel)
        return code

    # The name goes into the symbol of the machine code.  With one name for all modes, code that different processes
    # compiled could clash when it is loaded from the disk cache: the linker takes the first symbol of a name.
    loop.__name__ = loop.__qualname__ = "loop" + "_counting" * counting + "_recording" * recording
    compiled: Callable[[NDArray[np.int64]], int] = kernel(loop)
    return compiled
