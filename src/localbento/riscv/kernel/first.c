/* The calls that almost every guest makes: HALT, INPUT, SHA, and the plain forwards. */
#include "machine.h"

FIRST_DATA static const u32 sha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* a0 = type | exit code << 8, a1 -> output digest. */
FIRST void call_halt(void) {
    u32 type = USER[A0] & 0xff, code = USER[A0] >> 8 & 0xff;
    const u32 *digest = (const u32 *)USER[A1];
    for (int i = 0; i < 8; i++) GLOBAL_OUTPUT[i] = digest[i];
    machine_call(MACHINE_TERMINATE, code << 16 | type, 0, 0, 0, 0);
    /* Only a paused session comes back here, when it is resumed. */
    if (type == 0) kernel_panic("a halted program was resumed");
}

/* a0 = index of an input word; a0 <- the word. */
FIRST void call_input(void) {
    u32 index = USER[A0];
    if (index >= 8) kernel_panic("input: index out of range");
    USER[A0] = GLOBAL_INPUT[index];
}

/* a0 = state out, a1 = state in, a2 and a3 = the two halves of the block, a4 = blocks. */
FIRST void call_sha(void) {
    u32 out = USER[A0], in = USER[A1], data = USER[A2], half = USER[A3], left = USER[A4];
    u32 staging[16];
    if (half != data + 32) {
        if (left > 1) kernel_panic("sha: a split block goes alone");
        for (int i = 0; i < 8; i++) {
            staging[i] = ((const u32 *)data)[i];
            staging[8 + i] = ((const u32 *)half)[i];
        }
        data = (u32)staging;
    }
    do {
        u32 count = left < SHA_BLOCKS_PER_CALL ? left : SHA_BLOCKS_PER_CALL;
        machine_call(MACHINE_SHA2, in, out, data, count, (u32)sha_constants);
        in = out;
        data += 64 * count;
        left -= count;
    } while (left != 0);
}
