/* Dot products of two quantised rows with two columns of 4 bits, block by block.
 *
 * WEIGHTS   uint8[ceil(outputs / 2)][inputs / block]{ scale of the first output, of the second; uint8[block / 32][2][16] }. A scale is the
 *           upper half of a float32 (bfloat16), little-endian; of each 32 inputs there are 16 bytes of the first output, then of the
 * second. Byte 4 w + i of them holds inputs 8 w + i (low bits) and 8 w + 4 + i, each as its code plus 8: value = (bits - 8) * scale. Worked
 * example: codes 1 2 3 4 -8 -7 -6 -5 of inputs 0 to 7 are the bytes 09 1a 2b 3c. ROWS      a narrow pair (dot.h). Since bits = code + 8, a
 * sum begins at -8 times the sum of the row's codes in the block. BOUND     block and inputs are multiples of 32. A sum is below 128 * 15 *
 * block.
 *
 * COST      on a Cortex-M4, 64 products are 8 loads of columns, 8 double loads of rows, 16 AND with a shift and 32 SMLAD: 1.0 instructions
 *           each, as at 8 bits; and for every 128 products at block 32 about 30 instructions for the floats. */
#ifndef EEM_FOURS_H
#define EEM_FOURS_H

#include "dot.h"

/* Bytes of a block of two outputs. */
#define EEM_FOURS_BYTES(block) (4u + (block))

/* A float32 from its upper half. */
EEM_INLINE float eem_short(const uint8_t *bytes)
{
    return eem_from_bits((int32_t)((uint32_t)bytes[1] << 24 | (uint32_t)bytes[0] << 16));
}

/* An element of a row of a narrow pair. */
EEM_INLINE int32_t eem_pair_get(const uint32_t *pair, uint32_t width, uint32_t row, uint32_t at)
{
#if EEM_MVE
    return ((const int8_t *)(const void *)pair)[row * width + at];
#elif EEM_DSP
    return (int16_t)(pair[at / 4 * 4 + 2 * row + at % 2] >> (at / 2 % 2 * 16));
#else
    return ((const int16_t *)(const void *)pair)[row * width + at];
#endif
}

/* Where the sums of each block of both rows begin, int32[width / block][2], written behind the pair: a quarter of a word for an element. */
EEM_FUNCTION const int32_t *eem_pair_sums(uint32_t *pair, uint32_t width, uint32_t block)
{
    int32_t *starts = (int32_t *)(void *)(pair + width);
    uint32_t at, end, row;

    for (end = block; end <= width; end += block, starts += 2) {
        for (row = 0; row < 2; ++row) {
            int32_t sum = 0;

            for (at = end - block; at < end; ++at) {
                sum += eem_pair_get(pair, width, row, at);
            }
            starts[row] = -8 * sum;
        }
    }
    return (const int32_t *)(const void *)(pair + width);
}

#if EEM_DSP
#define EEM_TWO_SUMS(shift, first, second, low, high)                                                                                      \
    "and %[even], %[mask], %[x]" shift "\n"                                                                                                \
    "smlad %[" first "], %[" low "], %[even], %[" first "]\n"                                                                              \
    "smlad %[" second "], %[" high "], %[even], %[" second "]\n"
/* Eight elements of both rows and both columns, whose words lie at `at` and `behind`. */
#define EEM_EIGHT(at, behind)                                                                                                              \
    "ldrd %[p0], %[p1], [%[pair]], #8\n"                                                                                                   \
    "ldrd %[q0], %[q1], [%[pair]], #8\n"                                                                                                   \
    "ldr %[x], [%[columns], #" at "]\n" EEM_TWO_SUMS("", "a", "c", "p0", "q0")                                                             \
        EEM_TWO_SUMS(", lsr #8", "a", "c", "p1", "q1") "ldr %[x], [%[columns], #" behind "]\n" EEM_TWO_SUMS("", "b", "d", "p0", "q0")      \
            EEM_TWO_SUMS(                                                                                                                  \
                ", lsr #8", "b", "d", "p1",                                                                                                \
                "q1") "ldrd %[p0], %[p1], [%[pair]], #8\n"                                                                                 \
                      "ldrd %[q0], %[q1], [%[pair]], #8\n" EEM_TWO_SUMS(", lsr #4", "b", "d", "p0", "q0")                                  \
                          EEM_TWO_SUMS(", lsr #12", "b", "d", "p1", "q1") "ldr %[x], [%[columns], #" at                                    \
                                                                          "]\n" EEM_TWO_SUMS(", lsr #4", "a", "c", "p0", "q0")             \
                                                                              EEM_TWO_SUMS(", lsr #12", "a", "c", "p1", "q1")
#endif

/* sums as of eem_dot, of the block of elements that begins at `from`; a row's begin at starts. */
EEM_INLINE void eem_dot_fours(
    const uint32_t *pair, uint32_t width, uint32_t from, const uint8_t *columns, uint32_t block, const int32_t starts[2], int32_t sums[4])
{
    int32_t a = starts[0], b = starts[0], c = starts[1], d = starts[1];
    const uint8_t *end = columns + block;
#if EEM_MVE
    const int8_t *p = (const int8_t *)(const void *)pair + from, *q = p + width;
    const uint8x16_t mask = vdupq_n_u8(15);

    for (; columns != end; columns += 32, p += 32, q += 32) {
        const uint8x16_t x = vldrbq_u8(columns), y = vldrbq_u8(columns + 16);
        const int8x16_t x_low = vreinterpretq_s8_u8(vandq_u8(x, mask)), x_high = vreinterpretq_s8_u8(vshrq_n_u8(x, 4));
        const int8x16_t y_low = vreinterpretq_s8_u8(vandq_u8(y, mask)), y_high = vreinterpretq_s8_u8(vshrq_n_u8(y, 4));
        const int32x4x2_t first = vld2q_s32((const int32_t *)(const void *)p), second = vld2q_s32((const int32_t *)(const void *)q);

        a = vmladavaq_s8(vmladavaq_s8(a, vreinterpretq_s8_s32(first.val[0]), x_low), vreinterpretq_s8_s32(first.val[1]), x_high);
        b = vmladavaq_s8(vmladavaq_s8(b, vreinterpretq_s8_s32(first.val[0]), y_low), vreinterpretq_s8_s32(first.val[1]), y_high);
        c = vmladavaq_s8(vmladavaq_s8(c, vreinterpretq_s8_s32(second.val[0]), x_low), vreinterpretq_s8_s32(second.val[1]), x_high);
        d = vmladavaq_s8(vmladavaq_s8(d, vreinterpretq_s8_s32(second.val[0]), y_low), vreinterpretq_s8_s32(second.val[1]), y_high);
    }
#elif EEM_DSP
    const uint32_t mask = 0x000f000fu;

    (void)width;
    for (pair += from; columns != end; columns += 32) {
        uint32_t p0, p1, q0, q1, x, even;

        __asm__ volatile(EEM_EIGHT("0", "16") EEM_EIGHT("4", "20") EEM_EIGHT("8", "24") EEM_EIGHT("12", "28")
                         : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [pair] "+r"(pair), [p0] "=&r"(p0), [p1] "=&r"(p1),
                           [q0] "=&r"(q0), [q1] "=&r"(q1), [x] "=&r"(x), [even] "=&r"(even)
                         : [columns] "r"(columns), [mask] "r"(mask)
                         : "memory");
    }
#else
    const int16_t *p = (const int16_t *)(const void *)pair + from, *q = p + width;
    uint32_t word, at;

    for (; columns != end; columns += 32) {
        for (word = 0; word < 16; word += 4, p += 8, q += 8) {
            for (at = 0; at < 4; ++at) {
                const int32_t x = columns[word + at], y = columns[16 + word + at];

                a += p[at] * (x & 15) + p[4 + at] * (x >> 4);
                b += p[at] * (y & 15) + p[4 + at] * (y >> 4);
                c += q[at] * (x & 15) + q[4 + at] * (x >> 4);
                d += q[at] * (y & 15) + q[4 + at] * (y >> 4);
            }
        }
    }
#endif
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

#endif
