"""The numbers that the interpreter kernels and their callers agree on.

Numba takes plain module constants best, so these are no enumerations.
"""

from typing import Final

WORD_MASK: Final = 0xFFFF_FFFF
PAGE_WORDS: Final = 256
PAGES: Final = 1 << 22
LEAVES: Final = 1 << 22
"""Heap number of page 0 in the Merkle tree."""
REGISTER_PAGE: Final = 0x3F_FFC0
REGISTER_SLOT: Final = 1
MACHINE_BANK: Final = REGISTER_SLOT * PAGE_WORDS
USER_BANK: Final = MACHINE_BANK + 32
SCRATCH: Final = 64
"""Where a write to x0 goes, from the start of its bank, in words."""
USER_MODE_BIT: Final = 1 << 30

# S: indices into `Machine.scalars`.
S_PC: Final = 0
S_MACHINE_MODE: Final = 1
S_CYCLE: Final = 2  # of the next instruction
S_FUEL: Final = 3  # instructions before the budget must be looked at again
S_QUANTUM: Final = 4  # what FUEL was when USER was brought up to date
S_USER: Final = 5  # V2 user cycles of the session
S_USER_LIMIT: Final = 6
S_V2_ON: Final = 7
S_V2_START: Final = 8  # USER at the start of the V2 segment
S_V2_PAGING: Final = 9
S_V2_LIMIT: Final = 10  # user + paging above which the V2 segment is cut
S_V2_LISTED: Final = 11
S_SLOTS: Final = 12  # next free slot
S_SLOT_CAP: Final = 13
S_CODE_SLOTS: Final = 14
S_CODE_CAP: Final = 15
S_COUNTING: Final = 16  # rows are counted and conflicts seen
S_RECORDING: Final = 17
S_COMPAT: Final = 18  # V2 scratch writes; cuts only where V2 cuts
S_IGNORE_CONFLICTS: Final = 19
S_END_CYCLE: Final = 20  # recording: cycle of the suspend row of a split segment, else a large number
S_FRESH: Final = 21  # CYCLE of the segment's first instruction
S_PENDING: Final = 22  # an Exit.READ or WRITE waits for its answer
S_REPLY_LENGTH: Final = 23
S_REPLY_NEXT: Final = 24  # recording: index of the next answer
S_REPLY_OFFSET: Final = 25
S_X0: Final = 26  # details of an exit
S_X1: Final = 27
S_X2: Final = 28
S_X3: Final = 29
S_WORD: Final = 30  # the instruction of a system step
S_DECODE_ROW: Final = 31
S_SLOW_ROW: Final = 32  # 0 for an ordinary fetch; else where the record of a slow one begins, or NO_ROW
S_MARKS: Final = 33  # how many
S_INSTRUCTIONS: Final = 34
S_CALL_AT: Final = 35  # recording: where the record of the call that runs begins
S_PROBE: Final = 36  # the segment ends after the fetch of an instruction that is not executed
S_BROKEN: Final = 37  # something happened that has no proof: code met data, a slow fetch of a long call
S_EVENT: Final = 38  # the budget must be looked at before the next instruction
S_EARLY: Final = 39  # words that were loaded before they were fetched
S_INPUT: Final = 40  # eight input words
SCALAR_COUNT: Final = 48

# X: why a kernel returned.
X_NONE: Final = 0
X_GROW: Final = 1  # slots run out: enlarge the arrays and call again
X_USER_LIMIT: Final = 2
X_V2_SPLIT: Final = 3
X_CUT: Final = 4  # a chip could overflow in the next instruction
X_CONFLICT: Final = 5  # X0 word address, X1 1 if a store meets code, 0 if a fetch meets data
X_READ: Final = 6
X_WRITE: Final = 7
X_TERMINATE: Final = 8
X_POSEIDON2: Final = 9
X_BIGINT: Final = 10
X_TRAP: Final = 11  # X0 cause, X1 pc, X2 word, X3 address
X_UNKNOWN_ECALL: Final = 12  # X0 number
X_IO_LENGTH: Final = 13  # X0 length
X_IO_POINTER: Final = 14  # X0 pointer, X1 length
X_SHA2_COUNT: Final = 15  # X0 count
X_SHA2_POINTER: Final = 16  # X0 pointer
X_SHA2_OVERLAP: Final = 17  # X0 pointer
X_USER_MRET: Final = 18
X_BAD_MEPC: Final = 19  # X0 word
X_BAD_DISPATCH: Final = 20  # X0 word
X_TOO_LARGE: Final = 21  # X0 call number: does not fit an empty segment
X_MISSING_PAGE: Final = 22  # X0 page: not in the partial image
X_INCONSISTENT: Final = 23  # recording: X0 says what
X_END: Final = 24  # recording: the split is reached
X_TABLE_TRAP: Final = 25  # X0 cause; delivered through the V2 table: has no proof
X_BAD_RESUME: Final = 26  # X0 pc
X_SHA2_EMPTY: Final = 27  # no blocks, with a data or constants pointer that the circuit does not take: has no proof

# C: rows that are counted, in the order of `rows`, `caps` and `bases`.
C_ALU_REG: Final = 0
C_ALU_IMM: Final = 1
C_WORD: Final = 2
C_PART: Final = 3
C_BRANCH: Final = 4
C_CONST: Final = 5
C_JALR: Final = 6
C_SYSTEM: Final = 7  # call rows other than READ, WRITE, SHA2
C_HOST: Final = 8  # call rows of READ and WRITE
C_SHA2: Final = 9  # SHA2_CALL_ROWS a call and SHA2_BLOCK_ROWS a block
C_READ_DATA: Final = 10
C_SHA2_ROUND: Final = 11
C_BITWISE: Final = 12
C_LESS: Final = 13
C_SHIFT: Final = 14
C_MUL: Final = 15
C_DIV: Final = 16
C_DECODE: Final = 17
C_PEEK: Final = 18
C_SLOW_FETCH: Final = 19
C_ACCESS: Final = 20
C_PAGE: Final = 21
C_PAGE_BLOCK: Final = 22
C_NODE: Final = 23
C_POSEIDON2: Final = 24
C_CYCLES: Final = 25

CHIP_NAMES: Final = (
    "alu_reg", "alu_imm", "word", "part", "branch", "const", "jalr", "system", "host_io", "sha2", "read_data",
    "sha2_round", "bitwise", "less", "shift", "mul", "div", "decode", "peek", "slow_fetch", "access", "page",
    "page_block", "node", "poseidon2", "cycles",
)  # fmt: skip
"""Names of the counts, by number."""
CHIP_COUNT: Final = len(CHIP_NAMES)
CALLS: Final = 26
"""In `rows`, `caps` and `bases`: the index of the table of call records, whatever chip they count for."""
SHA2_RECORDS: Final = 27
"""The same for the records of SHA2 rows."""
TABLES: Final = 28

# Kernel operations: isa.Operation in its order, plus one; 0 is "not decoded".
(
    LUI, AUIPC, JAL, JALR, EQ, NE, LT, GE, LTU, GEU, LB, LH, LW, LBU, LHU, SB, SH, SW, ADD, SUB, SLL, SLT,
    SLTU, XOR, SRL, SRA, OR, AND, MUL, MULH, MULHSU, MULHU, DIV, DIVU, REM, REMU, ECALL, EBREAK, MRET, ILLEGAL,
) = range(1, 41)  # fmt: skip
OPERATION_COUNT: Final = 40

# Unit operations: records.Unit.
(U_AND, U_OR, U_XOR, U_EQ, U_NE, U_LT, U_GE, U_LTU, U_GEU, U_SLL, U_SRL, U_SRA) = range(1, 13)
(U_MUL, U_MULH, U_MULHSU, U_MULHU, U_DIV, U_DIVU, U_REM, U_REMU) = range(13, 21)

# A decoded instruction: operation (7 bits), rd (7), rs1 (5), rs2 (5), chip (3), three flags, alignment (2), imm (32).
D_RD, D_RS1, D_RS2, D_CHIP, D_IMM = 7, 14, 19, 24, 32
D_HAS_RS1: Final = 1 << 27
D_HAS_RS2: Final = 1 << 28
D_MEMORY: Final = 1 << 29
D_ALIGN: Final = 30
"""Two bits: the size of the memory access, less 1."""

# touch: what happened to a word in this segment.
T_CODE: Final = 1 << 31
T_FIXED: Final = 1 << 30  # stored, or read in a way that `peek` cannot serve: never code any more
T_SLOW: Final = 1 << 29
T_EARLY: Final = 1 << 28  # code that was loaded before it was fetched
T_LOADS: Final = (1 << 28) - 1

# page flags by slot
F_WRITABLE: Final = 1
F_CODE: Final = 2

# formats, as column 2 of `isa` has them
(FORMAT_R, FORMAT_I, FORMAT_SHIFT, FORMAT_S, FORMAT_B, FORMAT_U, FORMAT_J, FORMAT_SYSTEM) = range(8)
ISA_ROWS: Final = 48

# tree flags by heap number
TREE_OWN: Final = 1
TREE_OWN_DIRTY: Final = 2
TREE_V2: Final = 4
TREE_V2_DIRTY: Final = 8

STEP_WORDS: Final = 16
SHA2_WORDS: Final = 14
CALL_WORDS: Final = 52
CACHE_BITS: Final = 14
CACHE_ENTRIES: Final = 1 << CACHE_BITS
V2_PAGE_CYCLES: Final = 322
V2_NODE_CYCLES: Final = 13


# Kinds of call records: records.Call.
(K_RESUME, K_SPLIT, K_CLOSE, K_TERMINATE, K_USER_ECALL, K_TRAP, K_MRET, K_READ, K_WRITE, K_SHA2) = range(10)

# Numbers of the machine's calls: riscv.abi.MachineEcall.
(CALL_TERMINATE, CALL_READ, CALL_WRITE, CALL_POSEIDON2, CALL_SHA2, CALL_BIGINT) = range(6)

# Moments of an access within its cycle: records.Slot.
AT_FETCH, AT_RS1, AT_RS2, AT_MEMORY, AT_RD = range(5)

# Byte addresses of the platform: riscv.abi.
FIRST_ADDRESS: Final = 0x0001_0000
USER_END: Final = 0xC000_0000
KERNEL_END: Final = 0xFF00_0000
MACHINE_REGISTERS: Final = 0xFFFF_0000
READ_PADDING: Final = 0xFFFF_0100
MEPC: Final = 0xFFFF_0200
SUSPEND_PC: Final = 0xFFFF_0210
SUSPEND_MODE: Final = 0xFFFF_0214
GLOBAL_OUTPUT: Final = 0xFFFF_0240
GLOBAL_INPUT: Final = 0xFFFF_0260
ECALL_DISPATCH: Final = 0xFFFF_1000
TRAP_DISPATCH: Final = 0xFFFF_2000
IO_BYTES: Final = 1024
SHA2_BLOCKS: Final = 10
SHA2_CALL_ROWS: Final = 22
SHA2_BLOCK_ROWS: Final = 8
(R_T0, R_A0, R_A1, R_A2, R_A3, R_A4, R_A7) = (5, 10, 11, 12, 13, 14, 17)
(TRAP_MISALIGNED, TRAP_FETCH, TRAP_ILLEGAL, TRAP_BREAKPOINT, TRAP_LOAD_ALIGN, TRAP_LOAD) = range(6)
(TRAP_STORE_ALIGN, TRAP_STORE, TRAP_ECALL) = (6, 7, 9)
