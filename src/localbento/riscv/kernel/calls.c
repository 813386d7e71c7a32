/* The other calls: SOFTWARE (what the host answers), the forwards to the machine, failures and traps. */
#include "machine.h"

_Noreturn void stop_with(const char *text) {
    u32 length = 0;
    while (text[length] != 0) length++;
    machine_io(MACHINE_WRITE, 1, (u32)text, length);
    /* `unimp`: illegal, and a trap in machine mode ends the execution without a receipt. */
    for (;;) __asm__ volatile(".word 0xC0001073");
}

void bad_call(void) { kernel_panic("unknown system call"); }

void call_poseidon2(void) {
    machine_call(MACHINE_POSEIDON2, USER[A0], USER[A1], USER[A2], USER[A3], 0);
}

/* The programs name machine registers as bases of their operands, so every register that a user may name is copied;
 * sp comes last and is restored first, as the stack must not be used in between. */
void call_bigint2(void) {
    __asm__ volatile(
        "mv   s3, sp\n"
        "lw   t1, 24(tp)\n"
        "lw   t2, 28(tp)\n"
        "lw   a0, 40(tp)\n"
        "lw   a1, 44(tp)\n"
        "lw   a2, 48(tp)\n"
        "lw   a3, 52(tp)\n"
        "lw   a4, 56(tp)\n"
        "lw   a5, 60(tp)\n"
        "lw   a6, 64(tp)\n"
        "lw   t3, 112(tp)\n"
        "lw   sp, 8(tp)\n"
        "li   t0, 0\n"
        "li   a7, 5\n"
        "ecall\n"
        "mv   sp, s3\n"
        :
        :
        : "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", "s3", "memory");
}

/* What the host said besides the buffer: a word for a0 and one for a1. */
typedef struct {
    u32 first, second;
} answer_t;

static answer_t take_answer(void) {
    answer_t answer;
    machine_io(MACHINE_READ, 0, (u32)&answer, sizeof answer);
    return answer;
}

static void require_user_buffer(u32 start, u32 length) {
    if (start > USER_END || length > USER_END - start) kernel_panic("a buffer reaches into kernel memory");
}

static void fill_random(u32 name, u32 start, u32 words) {
    if (words == 0) return;
    if (words > USER_END / 4) kernel_panic("a buffer reaches into kernel memory");
    u32 left = 4 * words;
    require_user_buffer(start, left);
    while (left != 0) {
        u32 chunk = left < IO_CHUNK ? left : IO_CHUNK;
        machine_io(MACHINE_READ, name, start, chunk);
        start += chunk;
        left -= chunk;
    }
}

/* Per chunk: whole words come from the first READ, a tail of up to three bytes with the answer. */
static void read_bytes(u32 name, u32 start, u32 length) {
    u32 total = 0, wanted = USER[A4];
    if (length != 0) require_user_buffer(start, length);
    while (length != 0) {
        u32 chunk = length < IO_CHUNK ? length : IO_CHUNK, whole = chunk & ~3u;
        USER[A4] = chunk; /* the host reads the chunk's length here */
        machine_io(MACHINE_READ, name, start, whole);
        answer_t answer = take_answer();
        u32 got = answer.first, tail = answer.second;
        if (got > chunk) kernel_panic("read: the host gave more than was asked for");
        for (u32 i = whole; i < got; i++) {
            ((u8 *)start)[i] = (u8)tail;
            tail >>= 8;
        }
        total += got;
        start += got;
        length -= got;
        if (got < chunk) break;
    }
    USER[A0] = total;
    USER[A4] = wanted;
}

/* t6 = call, a0 = buffer, a1 = its length, a2 -> name. */
void call_software(void) {
    u32 call = USER[T6], buffer = USER[A0], length = USER[A1], name = USER[A2];
    switch (call) {
    case 1:  /* argc */
    case 3:  /* cycle count */
    case 4:  /* exit */
    case 5:  /* fork */
    case 14: /* verify integrity */
    case 15: /* verify integrity, unresolved */
        length = 0;
        break;
    case 2:  /* argv */
    case 6:  /* getenv */
    case 7:  /* keccak */
    case 10: /* pipe */
    case 13: /* a call the host registered */
        length = length < IO_CHUNK / 4 ? 4 * length : IO_CHUNK;
        break;
    case 8:  /* log */
    case 9:  /* panic */
    case 16: /* write */
        machine_io(MACHINE_READ, name, 0, 0);
        return;
    case 11:
        fill_random(name, buffer, length);
        return;
    case 12:
        read_bytes(name, buffer, length);
        return;
    default:
        kernel_panic("unknown software call");
    }
    if (length != 0) {
        require_user_buffer(buffer, length);
        machine_io(MACHINE_READ, name, buffer, length);
    } else {
        machine_io(MACHINE_READ, name, 0, 0);
    }
    answer_t answer = take_answer();
    USER[A0] = answer.first;
    if (call == 3) USER[A1] = answer.second;
}

static void put_hex(char *at, u32 value) {
    for (int i = 7; i >= 0; i--) {
        at[i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

/* Fences order nothing in a machine with one hart: they do nothing.  Everything else ends the execution. */
void handle_trap(void) {
    static const char form[] = "kernel: trap at pc 0x........, instruction 0x........\n";
    char text[sizeof form];
    u32 pc = MEPC, word = 0;
    if (pc >= USER_MIN && pc < USER_END && (pc & 3) == 0) word = *(const u32 *)pc;
    if ((word & 0x7f) == 0x0f && (word >> 12 & 7) <= 1) return;
    for (u32 i = 0; i < sizeof form; i++) text[i] = form[i];
    put_hex(text + 21, pc);
    put_hex(text + 45, word);
    stop_with(text);
}
