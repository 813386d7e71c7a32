# Entry points of the kernel: boot, user system call, user trap.
#
# The machine has a register bank per mode, so nothing is saved or restored: while user code runs, the kernel's
# registers keep their values.  Live between entries: sp (stack), tp (the user's register bank), s1 (handler table),
# s2 (its length).  C code preserves all four.
#
# Two words of the image are set here and never written: a store to them would dirty a page that every guest reads.

        .set    USER_BANK,   0xFFFF0080
        .set    MEPC,        0x180              # 0xFFFF_0200, from USER_BANK
        .set    STACK_TOP,   0xFFFF1400
        .set    USER_ENTRY,  0x00010000         # holds the address of the user's first instruction
        .set    USER_T0,     4 * 5

        .section .text.boot, "ax", @progbits
        .globl  _start
_start:
        li      a7, 1                           # an empty READ of the result pair (a0, a1, a2 are still 0): a host
        ecall                                   # that sees one knows this protocol, whatever the trap word says
        li      sp, STACK_TOP
        li      tp, USER_BANK
        la      s1, handlers
        li      s2, 8
        li      t0, USER_ENTRY
        lw      t1, 0(t0)
        addi    t1, t1, -4                      # mret continues at MEPC + 4
        sw      t1, MEPC(tp)
        mret

        .balign 4
dispatch:
        lw      t0, USER_T0(tp)
        bgeu    t0, s2, 1f
        slli    t0, t0, 2
        add     t0, t0, s1
        lw      t0, 0(t0)
        jalr    t0
        mret
1:      call    bad_call

        .balign 4
trap:   call    handle_trap
        mret

        .balign 4
handlers:
        .word   call_halt, call_input, call_software, call_sha
        .word   call_bigint, bad_call, call_bigint2, call_poseidon2

# The word at 0xFFFF_1000 is where a user ecall continues.  The page's upper part is the kernel's stack: one page
# for both, since each further page costs a short guest more than the call itself.
        .section .vector.ecall, "aw", @progbits
        .word   dispatch

# The word at 0xFFFF_2000 is where a user trap continues.
        .section .vector.trap, "aw", @progbits
        .word   trap
