/* BIGINT in plain instructions: x * y modulo m for 256-bit numbers.
 *
 * The machine's bigint call would need a verify program; here the arithmetic is ordinary code, proved like any other.
 */
#include "machine.h"

#define LIMBS 8

static void multiply(u32 *product, const u32 *x, const u32 *y) {
    for (int i = 0; i < LIMBS; i++) product[i] = 0;
    for (int i = 0; i < LIMBS; i++) {
        u32 carry = 0;
        for (int j = 0; j < LIMBS; j++) {
            u64 sum = (u64)x[i] * y[j] + product[i + j] + carry; /* < 2^64: (2^32-1)^2 + 2 (2^32-1) */
            product[i + j] = (u32)sum;
            carry = (u32)(sum >> 32);
        }
        product[i + LIMBS] = carry;
    }
}

/* floor((high * 2^32 + low) / d) for high < d and d >= 2^31: two digits of 16 bits, each guessed from the upper half
 * of d and at most two too large (Knuth, The Art of Computer Programming 2, 4.3.1, theorem B). */
static u32 divide_long(u32 high, u32 low, u32 d) {
    u32 d1 = d >> 16, d0 = d & 0xffff, quotient = 0;
    for (int step = 0; step < 2; step++) {
        u32 next = step == 0 ? low >> 16 : low & 0xffff;
        u32 guess = high / d1, rest = high % d1;
        while (guess > 0xffff || guess * d0 > (rest << 16 | next)) {
            guess--;
            rest += d1;
            if (rest > 0xffff) break;
        }
        high = (high << 16 | next) - guess * d; /* modulo 2^32; the true value is below d */
        quotient = quotient << 16 | guess;
    }
    return quotient;
}

/* value[0..16) <- value mod m, m != 0 with `size` limbs (Knuth 4.3.1, algorithm D, remainder only). */
static void reduce(u32 *value, const u32 *m, int size) {
    u32 divisor[LIMBS], u[2 * LIMBS + 1];
    int shift = 0;
    while ((m[size - 1] << shift & 0x80000000u) == 0) shift++;
    /* A shift by 32 is not a shift: the bits that come from below are moved in two steps. */
    for (int i = size - 1; i >= 0; i--) divisor[i] = m[i] << shift | (i > 0 ? m[i - 1] >> 1 >> (31 - shift) : 0);
    u[2 * LIMBS] = value[2 * LIMBS - 1] >> 1 >> (31 - shift);
    for (int i = 2 * LIMBS - 1; i >= 0; i--) u[i] = value[i] << shift | (i > 0 ? value[i - 1] >> 1 >> (31 - shift) : 0);

    u32 top = divisor[size - 1];
    for (int j = 2 * LIMBS - size; j >= 0; j--) {
        u32 *part = u + j;
        /* top digits equal: the guess is 2^32 - 1, at most two too large like the others */
        u32 guess = part[size] >= top ? 0xffffffffu : divide_long(part[size], part[size - 1], top);
        u32 carry = 0, borrow = 0;
        for (int i = 0; i < size; i++) {
            u64 term = (u64)guess * divisor[i] + carry;
            u32 low = (u32)term, before = part[i], after = before - low;
            carry = (u32)(term >> 32);
            part[i] = after - borrow;
            borrow = (before < low) + (after < borrow);
        }
        u64 all = (u64)carry + borrow;
        int negative = part[size] < all;
        part[size] -= (u32)all;
        while (negative) {
            carry = 0;
            for (int i = 0; i < size; i++) {
                u64 sum = (u64)part[i] + divisor[i] + carry;
                part[i] = (u32)sum;
                carry = (u32)(sum >> 32);
            }
            part[size] += carry;
            negative = part[size] != 0; /* the top limb is 0 again once the sum is not negative */
        }
    }
    for (int i = 0; i < LIMBS; i++)
        value[i] = i < size ? u[i] >> shift | u[i + 1] << 1 << (31 - shift) : 0;
}

/* a0 = result, a1 = 0, a2 and a3 = factors, a4 = modulus (0: the plain product, which must fit). */
void call_bigint(void) {
    u32 *result = (u32 *)USER[A0];
    const u32 *x = (const u32 *)USER[A2], *y = (const u32 *)USER[A3], *m = (const u32 *)USER[A4];
    u32 product[2 * LIMBS];
    if (USER[A1] != 0) kernel_panic("bigint: unknown operation");
    if (USER[A0] >= USER_END || USER[A2] >= USER_END || USER[A3] >= USER_END || USER[A4] >= USER_END)
        kernel_panic("bigint: an operand lies in kernel memory");
    multiply(product, x, y);
    int size = LIMBS;
    while (size > 0 && m[size - 1] == 0) size--;
    if (size != 0) {
        reduce(product, m, size);
    } else {
        for (int i = LIMBS; i < 2 * LIMBS; i++)
            if (product[i] != 0) kernel_panic("bigint: the product does not fit");
    }
    for (int i = 0; i < LIMBS; i++) result[i] = product[i];
}
