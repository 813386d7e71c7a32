"""What is no ordinary instruction: resume, suspend, traps, mret, calls of user and machine.

A function that returns an int returns X_NONE, or the exit to take; exits X_CUT and X_CONFLICT leave everything as it
was before the instruction, but for its fetch.
"""

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_access import (
    READ_ONLY,
    begin_call,
    call_access,
    call_register,
    locate,
    pc_element,
)
from localbento_kernels.cpu.interpret_host import (
    ask,
)
from localbento_kernels.cpu.interpret_pages import (
    add_rows,
)
from localbento_kernels.cpu.interpret_sha2 import (
    sha2,
)
from localbento_kernels.cpu.interpret_state import (
    A_POOL,
    A_RECORDS,
    A_SCALARS,
    get,
    helper,
    put,
)
from localbento_kernels.cpu.interpret_units import (
    NO_ROW,
)


@helper
def resume(m: int) -> int:
    """The first row of a segment: take up pc and mode, write the input words."""
    put(m, A_SCALARS, nr.S_PC, 0)
    put(m, A_SCALARS, nr.S_MACHINE_MODE, 1)
    put(m, A_SCALARS, nr.S_CYCLE, 1)
    put(m, A_SCALARS, nr.S_WORD, 0)
    put(m, A_SCALARS, nr.S_DECODE_ROW, 0)
    begin_call(m, nr.K_RESUME, nr.C_SYSTEM, 0)
    pc = call_access(m, 0, nr.SUSPEND_PC, READ_ONLY, nr.AT_MEMORY)
    if pc < 0:
        return -pc
    mode = call_access(m, 1, nr.SUSPEND_MODE, READ_ONLY, nr.AT_MEMORY)
    for i in range(8):
        call_access(m, 2 + i, nr.GLOBAL_INPUT + 4 * i, get(m, A_SCALARS, nr.S_INPUT + i), nr.AT_RD)
    add_rows(m, nr.C_ACCESS, 10)
    if pc < nr.FIRST_ADDRESS or pc & 3 or mode > 1 or (mode == 0 and pc >= nr.USER_END):
        return refuse(m, nr.X_BAD_RESUME, pc)
    put(m, A_SCALARS, nr.S_PC, pc)
    put(m, A_SCALARS, nr.S_MACHINE_MODE, mode)
    note_next(m)
    put(m, A_SCALARS, nr.S_CYCLE, 2)
    put(m, A_SCALARS, nr.S_FRESH, 2)
    return nr.X_NONE


@helper
def note_next(m: int) -> None:
    """Record where the machine stands now as the call's next pc."""
    at = get(m, A_SCALARS, nr.S_CALL_AT)
    if at != NO_ROW:
        put(m, A_RECORDS, at + 5, pc_element(m))


@helper
def refuse(m: int, exit_code: int, detail: int) -> int:
    """An exit with one detail."""
    put(m, A_SCALARS, nr.S_X0, detail)
    return exit_code


@helper
def suspend(m: int, kind: int) -> None:
    """The last row of a segment: leave pc and mode in memory; kind K_SPLIT or K_CLOSE."""
    put(m, A_SCALARS, nr.S_WORD, 0)
    put(m, A_SCALARS, nr.S_DECODE_ROW, 0)
    begin_call(m, kind, nr.C_SYSTEM, pc_element(m))
    add_rows(m, nr.C_ACCESS, 2)
    call_access(m, 0, nr.SUSPEND_PC, get(m, A_SCALARS, nr.S_PC), nr.AT_RD)
    call_access(m, 1, nr.SUSPEND_MODE, get(m, A_SCALARS, nr.S_MACHINE_MODE), nr.AT_RD)


@helper
def word_at(m: int, address: int) -> int:
    """A word that a call is about to read, its page opened."""
    index = locate(m, address, 0)
    return index if index < 0 else get(m, A_POOL, index)


@helper
def enter_kernel(m: int, kind: int, dispatch: int, target: int) -> None:
    """Go to a handler: remember pc in MEPC, switch to machine mode."""
    begin_call(m, kind, nr.C_SYSTEM, target >> 2)
    add_rows(m, nr.C_ACCESS, 2)
    call_access(m, 0, dispatch, READ_ONLY, nr.AT_MEMORY)
    call_access(m, 1, nr.MEPC, get(m, A_SCALARS, nr.S_PC), nr.AT_RD)
    put(m, A_SCALARS, nr.S_PC, target)
    put(m, A_SCALARS, nr.S_MACHINE_MODE, 1)
    put(m, A_SCALARS, nr.S_CYCLE, get(m, A_SCALARS, nr.S_CYCLE) + 1)


@helper
def is_handler(address: int) -> bool:
    """Whether a dispatch word may be jumped to."""
    return address & 3 == 0 and nr.USER_END <= address < nr.KERNEL_END


@helper
def trap(m: int, cause: int, address: int) -> int:
    """A trap: to the handler if there is one, else an exit.

    Illegal instructions and ebreak go through the one word of the newer platform, which has a row in the
    proof.  Where that is no handler, and for the other causes, the released platform's table by cause is
    tried; that has no proof (X_TABLE_TRAP, after the switch).
    """
    put(m, A_SCALARS, nr.S_X0, cause)
    put(m, A_SCALARS, nr.S_X1, get(m, A_SCALARS, nr.S_PC))
    put(m, A_SCALARS, nr.S_X2, get(m, A_SCALARS, nr.S_WORD))
    put(m, A_SCALARS, nr.S_X3, address)
    if get(m, A_SCALARS, nr.S_MACHINE_MODE):
        return nr.X_TRAP
    compat = get(m, A_SCALARS, nr.S_COMPAT)
    if not compat and nr.TRAP_ILLEGAL <= cause <= nr.TRAP_BREAKPOINT:
        target = word_at(m, nr.TRAP_DISPATCH)
        if is_handler(target):
            put(m, A_SCALARS, nr.S_USER, get(m, A_SCALARS, nr.S_USER) - 1)
            enter_kernel(m, nr.K_TRAP, nr.TRAP_DISPATCH, target)
            return nr.X_NONE
    if cause == 0 and not compat:
        return nr.X_TRAP
    target = word_at(m, nr.TRAP_DISPATCH + 4 * cause)
    if not is_handler(target):
        return nr.X_TRAP
    put(m, A_SCALARS, nr.S_USER, get(m, A_SCALARS, nr.S_USER) - 1)
    enter_kernel(m, nr.K_TRAP, nr.TRAP_DISPATCH + 4 * cause, target)
    return nr.X_TABLE_TRAP


@helper
def user_ecall(m: int) -> int:
    """Ecall in user mode: to the kernel."""
    target = word_at(m, nr.ECALL_DISPATCH)
    if target < 0:
        return -target
    if target < nr.FIRST_ADDRESS:
        return refuse(m, nr.X_BAD_DISPATCH, target)
    if not is_handler(target):
        return trap(m, nr.TRAP_ECALL, target)
    enter_kernel(m, nr.K_USER_ECALL, nr.ECALL_DISPATCH, target)
    return nr.X_NONE


@helper
def machine_return(m: int) -> int:
    """Mret: to the word after the one that MEPC names, in user mode."""
    if not get(m, A_SCALARS, nr.S_MACHINE_MODE):
        return nr.X_USER_MRET
    before = word_at(m, nr.MEPC)
    if before < nr.FIRST_ADDRESS or before & 3:
        return refuse(m, nr.X_BAD_MEPC, before)
    target = before + 4
    begin_call(m, nr.K_MRET, nr.C_SYSTEM, (target >> 2) + nr.USER_MODE_BIT)
    add_rows(m, nr.C_ACCESS, 1)
    call_access(m, 0, nr.MEPC, READ_ONLY, nr.AT_MEMORY)
    put(m, A_SCALARS, nr.S_PC, target & nr.WORD_MASK)
    put(m, A_SCALARS, nr.S_MACHINE_MODE, 0)
    put(m, A_SCALARS, nr.S_CYCLE, get(m, A_SCALARS, nr.S_CYCLE) + 1)
    return nr.X_NONE


@helper
def terminate(m: int) -> int:
    """TERMINATE: the registers and the output words; the close row follows by `suspend`."""
    begin_call(m, nr.K_TERMINATE, nr.C_SYSTEM, (get(m, A_SCALARS, nr.S_PC) >> 2) + 1)
    add_rows(m, nr.C_ACCESS, 11)
    call_register(m, 0, nr.R_A7, READ_ONLY, nr.AT_RS1)
    put(m, A_SCALARS, nr.S_X0, call_register(m, 1, nr.R_A0, READ_ONLY, nr.AT_RS1))
    put(m, A_SCALARS, nr.S_X1, call_register(m, 2, nr.R_A1, READ_ONLY, nr.AT_RS1))
    for i in range(8):
        call_access(m, 3 + i, nr.GLOBAL_OUTPUT + 4 * i, READ_ONLY, nr.AT_MEMORY)
    put(m, A_SCALARS, nr.S_PC, get(m, A_SCALARS, nr.S_PC) + 4)
    put(m, A_SCALARS, nr.S_CYCLE, get(m, A_SCALARS, nr.S_CYCLE) + 1)
    put(m, A_SCALARS, nr.S_USER, get(m, A_SCALARS, nr.S_USER) + 1)
    return nr.X_TERMINATE


@helper
def system_step(m: int, operation: int) -> int:
    """Ecall, ebreak, mret, or an illegal instruction, at S_PC in cycle S_CYCLE.

    Ecall in machine mode is a call to the machine or the host, by number in a7.
    """
    if operation == nr.MRET:
        return int(machine_return(m))
    if operation != nr.ECALL:
        return int(trap(m, nr.TRAP_BREAKPOINT if operation == nr.EBREAK else nr.TRAP_ILLEGAL, 0))
    if not get(m, A_SCALARS, nr.S_MACHINE_MODE):
        return int(user_ecall(m))
    number = get(m, A_POOL, nr.MACHINE_BANK + nr.R_A7)
    if number == nr.CALL_TERMINATE:
        return int(terminate(m))
    if number in (nr.CALL_READ, nr.CALL_WRITE):
        return int(ask(m, number))
    if number == nr.CALL_POSEIDON2:
        return nr.X_POSEIDON2
    if number == nr.CALL_SHA2:
        return int(sha2(m))
    if number == nr.CALL_BIGINT:
        return nr.X_BIGINT
    return int(refuse(m, nr.X_UNKNOWN_ECALL, number))
