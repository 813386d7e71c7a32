/* The machine as the kernel sees it: addresses and machine calls (RISC Zero rv32im platform). */
#ifndef BENTO_KERNEL_MACHINE_H
#define BENTO_KERNEL_MACHINE_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t u32;
typedef uint64_t u64;
typedef uint8_t u8;

#define USER_MIN 0x00010000u
#define USER_END 0xC0000000u
#define IO_CHUNK 1024u /* the longest machine READ or WRITE */
#define SHA_BLOCKS_PER_CALL 10u

/* Registers of the user program, the saved pc, the two global digests. */
#define USER ((volatile u32 *)0xFFFF0080u)
#define MEPC (*(volatile u32 *)0xFFFF0200u)
#define GLOBAL_OUTPUT ((volatile u32 *)0xFFFF0240u)
#define GLOBAL_INPUT ((volatile u32 *)0xFFFF0260u)

enum { SP = 2, T0 = 5, T1, T2, A0 = 10, A1, A2, A3, A4, A5, A6, A7, T3 = 28, T4, T5, T6 };

enum { MACHINE_TERMINATE, MACHINE_READ, MACHINE_WRITE, MACHINE_POSEIDON2, MACHINE_SHA2, MACHINE_BIGINT };

/* Functions and constants of the first text page. */
#define FIRST __attribute__((section(".text.first")))
#define FIRST_DATA __attribute__((section(".rodata.first")))

static inline u32 machine_call(u32 number, u32 arg0, u32 arg1, u32 arg2, u32 arg3, u32 arg4) {
    register u32 a0 __asm__("a0") = arg0;
    register u32 a1 __asm__("a1") = arg1;
    register u32 a2 __asm__("a2") = arg2;
    register u32 a3 __asm__("a3") = arg3;
    register u32 a4 __asm__("a4") = arg4;
    register u32 a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7) : "memory");
    return a0;
}

static inline u32 machine_io(u32 number, u32 fd, u32 pointer, u32 length) {
    register u32 a0 __asm__("a0") = fd;
    register u32 a1 __asm__("a1") = pointer;
    register u32 a2 __asm__("a2") = length;
    register u32 a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

/* Write a text for the host and end the execution in a failure. */
_Noreturn void stop_with(const char *text);
#define kernel_panic(text) stop_with("kernel: " text "\n")

#endif
