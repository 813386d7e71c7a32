/* A plain RV32IM interpreter: one switch, no cache of decoded instructions, nothing recorded.
 *
 * The yardstick for `bento bench execute` on machines of different age (bench_interpreter.py).  It ends at the first
 * ecall and prints instructions and seconds of CPU time.
 *
 *   plain_interpreter IMAGE BASE PC    IMAGE: memory from address BASE on
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint8_t *memory;
static uint32_t base, size, x[32];

static uint8_t *at(uint32_t address, uint32_t length) {
    uint32_t offset = address - base;
    if (offset > size - length) {
        fprintf(stderr, "address %#x is outside the image\n", address);
        exit(1);
    }
    return memory + offset;
}

static uint32_t load(uint32_t address, uint32_t width) {
    uint32_t value = 0;
    memcpy(&value, at(address, width), width);
    return value;
}

static uint32_t product_high(uint32_t f3, uint32_t a, uint32_t b) {
    if (f3 == 1) return (uint32_t)(((int64_t)(int32_t)a * (int32_t)b) >> 32);
    if (f3 == 2) return (uint32_t)(((int64_t)(int32_t)a * (int64_t)(uint64_t)b) >> 32);
    return (uint32_t)(((uint64_t)a * b) >> 32);
}

static uint32_t multiply_or_divide(uint32_t f3, uint32_t a, uint32_t b) {
    int overflow = a == 0x80000000u && b == 0xffffffffu;
    switch (f3) {
    case 0: return a * b;
    case 4: return b == 0 ? 0xffffffffu : overflow ? a : (uint32_t)((int32_t)a / (int32_t)b);
    case 5: return b == 0 ? 0xffffffffu : a / b;
    case 6: return b == 0 ? a : overflow ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
    case 7: return b == 0 ? a : a % b;
    default: return product_high(f3, a, b);
    }
}

static uint32_t alu(uint32_t f3, int other, uint32_t a, uint32_t b) {
    switch (f3) {
    case 0: return other ? a - b : a + b;
    case 1: return a << (b & 31);
    case 2: return (int32_t)a < (int32_t)b;
    case 3: return a < b;
    case 4: return a ^ b;
    case 5: return other ? (uint32_t)((int32_t)a >> (b & 31)) : a >> (b & 31);
    case 6: return a | b;
    default: return a & b;
    }
}

static int taken(uint32_t f3, uint32_t a, uint32_t b) {
    switch (f3 >> 1) {
    case 0: return (a == b) ^ (f3 & 1);
    case 2: return ((int32_t)a < (int32_t)b) ^ (f3 & 1);
    default: return (a < b) ^ (f3 & 1);
    }
}

static uint64_t run(uint32_t pc) {
    for (uint64_t count = 0;; count++) {
        uint32_t w = load(pc, 4), rd = w >> 7 & 31, f3 = w >> 12 & 7, next = pc + 4;
        uint32_t a = x[w >> 15 & 31], b = x[w >> 20 & 31];
        int32_t imm = (int32_t)w >> 20;
        switch (w & 127) {
        case 0x13: x[rd] = alu(f3, f3 == 5 && (w >> 30 & 1), a, (uint32_t)imm); break;
        case 0x33: x[rd] = w >> 25 == 1 ? multiply_or_divide(f3, a, b) : alu(f3, w >> 30 & 1, a, b); break;
        case 0x03: {
            uint32_t width = 1u << (f3 & 3), value = load(a + (uint32_t)imm, width);
            x[rd] = f3 == 0 ? (uint32_t)(int8_t)value : f3 == 1 ? (uint32_t)(int16_t)value : value;
            break;
        }
        case 0x23: {
            uint32_t address = a + (uint32_t)(((int32_t)w >> 25 << 5) | (int32_t)rd);
            memcpy(at(address, 1u << f3), &b, 1u << f3);
            break;
        }
        case 0x63:
            if (taken(f3, a, b)) {
                uint32_t offset = (w >> 7 & 0x1e) | (w >> 20 & 0x7e0) | (w << 4 & 0x800);
                next = pc + (offset | ((int32_t)w < 0 ? 0xfffff000u : 0));
            }
            break;
        case 0x37: x[rd] = w & 0xfffff000u; break;
        case 0x17: x[rd] = pc + (w & 0xfffff000u); break;
        case 0x6f: {
            uint32_t offset = (w >> 20 & 0x7fe) | (w >> 9 & 0x800) | (w & 0xff000);
            x[rd] = next;
            next = pc + (offset | ((int32_t)w < 0 ? 0xfff00000u : 0));
            break;
        }
        case 0x67: x[rd] = next; next = (a + (uint32_t)imm) & ~1u; break;
        case 0x73: return count;
        default: fprintf(stderr, "no instruction: %#x at %#x\n", w, pc); exit(1);
        }
        x[0] = 0;
        pc = next;
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) return 2;
    base = (uint32_t)strtoul(argv[2], NULL, 0);
    fseek(file, 0, SEEK_END);
    size = (uint32_t)ftell(file);
    rewind(file);
    memory = malloc(size);
    if (memory == NULL || fread(memory, 1, size, file) != size) return 2;
    clock_t started = clock();
    uint64_t count = run((uint32_t)strtoul(argv[3], NULL, 0));
    printf("%llu %.6f %u\n", (unsigned long long)count, (double)(clock() - started) / CLOCKS_PER_SEC, x[12]);
    return 0;
}
