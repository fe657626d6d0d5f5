/* Integer dot products of two rows with two columns, and the rows in the form in which they are read.
 *
 * ROWS   Two rows at a time share every load of a column. They are quantised into a *pair*: uint32[width] words (4 * width bytes), width a
 *        multiple of EEM_BLOCK. What the words hold depends on the instruction set, so that only the functions here look inside:
 *            plain   int16 [2][width]
 *            DSP     int16 [width / 4][2 rows][elements 0, 2, 1, 3]: SXTB16 takes bytes 0 and 2, then 1 and 3 of a word of a column
 *            MVE     int8 [2][width], or int16 [2][width] for a wide pair
 *        A narrow pair holds codes of 8 bits, a wide one -4095 ... 4095.
 *
 * COLUMNS   int8 in blocks of EEM_BLOCK; `step` bytes lie between the beginnings of two blocks of a column.
 *
 * BOUND     no sum overflows int32 for width <= 4096 (4095 * 127 * 4096 < 2^31).
 *
 * COST      on a Cortex-M4, 64 products are 8 loads of columns, 8 double loads of rows, 16 SXTB16 and 32 SMLAD: 1.0 instructions each,
 *           and 4 for the loop. */
#ifndef EEM_DOT_H
#define EEM_DOT_H

#include "approximate.h"

#define EEM_NARROW 127.0f
#define EEM_WIDE 4095.0f
/* Codes of a row that enters a linear layer lie in [0, 255], and are stored less 128. */
#define EEM_STEPS 255.0f
#define EEM_OFFSET 128

/* The grid of a quantised row: value = (code - zero) * scale. */
typedef struct eem_grid {
    float scale;
    int32_t zero;
} eem_grid;

#if EEM_DSP
/* Four elements of both rows and both columns; by hand, since a compiler that is left to itself runs out of registers and spills. */
#define EEM_FOUR                                                                                                                           \
    "ldrd %[p0], %[p1], [%[pair]], #8\n"                                                                                                   \
    "ldrd %[q0], %[q1], [%[pair]], #8\n"                                                                                                   \
    "ldr %[x], [%[first]], #4\n"                                                                                                           \
    "sxtb16 %[even], %[x]\n"                                                                                                               \
    "sxtb16 %[x], %[x], ror #8\n"                                                                                                          \
    "smlad %[a], %[p0], %[even], %[a]\n"                                                                                                   \
    "smlad %[c], %[q0], %[even], %[c]\n"                                                                                                   \
    "smlad %[a], %[p1], %[x], %[a]\n"                                                                                                      \
    "smlad %[c], %[q1], %[x], %[c]\n"                                                                                                      \
    "ldr %[x], [%[second]], #4\n"                                                                                                          \
    "sxtb16 %[even], %[x]\n"                                                                                                               \
    "sxtb16 %[x], %[x], ror #8\n"                                                                                                          \
    "smlad %[b], %[p0], %[even], %[b]\n"                                                                                                   \
    "smlad %[d], %[q0], %[even], %[d]\n"                                                                                                   \
    "smlad %[b], %[p1], %[x], %[b]\n"                                                                                                      \
    "smlad %[d], %[q1], %[x], %[d]\n"
#endif

/* sums[0] row 0 and first column, [1] row 0 and second, [2] row 1 and first, [3] row 1 and second. */
EEM_INLINE void eem_dot(
    const uint32_t *pair, uint32_t width, const int8_t *first, const int8_t *second, uint32_t step, int wide, int32_t sums[4])
{
    int32_t a = 0, b = 0, c = 0, d = 0;
#if EEM_MVE
    const int8_t *narrow = (const int8_t *)(const void *)pair;
    const int16_t *broad = (const int16_t *)(const void *)pair;
    uint32_t at, half;

    for (at = 0; at < width; at += EEM_BLOCK, first += step, second += step) {
        if (wide) {
            for (half = 0; half < EEM_BLOCK; half += 8) {
                const int16x8_t x = vldrbq_s16(first + half), y = vldrbq_s16(second + half);
                const int16x8_t p = vldrhq_s16(broad + at + half), q = vldrhq_s16(broad + width + at + half);

                a = vmladavaq_s16(a, p, x);
                b = vmladavaq_s16(b, p, y);
                c = vmladavaq_s16(c, q, x);
                d = vmladavaq_s16(d, q, y);
            }
        } else {
            const int8x16_t x = vldrbq_s8(first), y = vldrbq_s8(second);
            const int8x16_t p = vldrbq_s8(narrow + at), q = vldrbq_s8(narrow + width + at);

            a = vmladavaq_s8(a, p, x);
            b = vmladavaq_s8(b, p, y);
            c = vmladavaq_s8(c, q, x);
            d = vmladavaq_s8(d, q, y);
        }
    }
#elif EEM_DSP
    const uint32_t *end = pair + width;

    (void)wide;
    for (; pair != end; first += step - EEM_BLOCK, second += step - EEM_BLOCK) {
        uint32_t p0, p1, q0, q1, x, even;

        __asm__ volatile(
            EEM_FOUR EEM_FOUR EEM_FOUR EEM_FOUR
            : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [pair] "+r"(pair), [first] "+r"(first), [second] "+r"(second),
              [p0] "=&r"(p0), [p1] "=&r"(p1), [q0] "=&r"(q0), [q1] "=&r"(q1), [x] "=&r"(x), [even] "=&r"(even)
            :
            : "memory");
    }
#else
    const int16_t *p = (const int16_t *)(const void *)pair, *q = p + width;
    uint32_t at, element;

    (void)wide;
    for (at = 0; at < width; at += EEM_BLOCK, first += step, second += step) {
        for (element = 0; element < EEM_BLOCK; ++element) {
            a += p[at + element] * first[element];
            b += p[at + element] * second[element];
            c += q[at + element] * first[element];
            d += q[at + element] * second[element];
        }
    }
#endif
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

/* Put four neighbouring elements, from `at` (a multiple of 4) on, into a row of a pair. */
EEM_INLINE void eem_pair_put(uint32_t *pair, uint32_t width, uint32_t row, uint32_t at, const int32_t four[4], int wide)
{
#if EEM_MVE
    int8_t *narrow = (int8_t *)(void *)pair + row * width + at;
    int16_t *broad = (int16_t *)(void *)pair + row * width + at;
    uint32_t element;

    for (element = 0; element < 4; ++element) {
        if (wide) {
            broad[element] = (int16_t)four[element];
        } else {
            narrow[element] = (int8_t)four[element];
        }
    }
#elif EEM_DSP
    (void)wide;
    (void)width;
    pair[at + 2 * row] = ((uint32_t)four[0] & 0xffffu) | (uint32_t)four[2] << 16;
    pair[at + 2 * row + 1] = ((uint32_t)four[1] & 0xffffu) | (uint32_t)four[3] << 16;
#else
    int16_t *to = (int16_t *)(void *)pair + row * width + at;
    uint32_t element;

    (void)wide;
    for (element = 0; element < 4; ++element) {
        to[element] = (int16_t)four[element];
    }
#endif
}

EEM_INLINE float eem_largest(const float *values, uint32_t count)
{
    float largest = 0.0f;
    uint32_t at;

    for (at = 0; at < count; ++at) {
        const float size = eem_absolute(values[at]);

        largest = size > largest ? size : largest;
    }
    return largest;
}

/* Quantise `count` floats into a row of a pair, zeros up to its width. Returns the scale: value = code * scale. The grid is symmetric and
 * reaches from the largest magnitude of the row to its negative. A NULL row is zeros. */
EEM_FUNCTION float eem_quantize(uint32_t *pair, uint32_t width, uint32_t row, const float *values, uint32_t count, int wide)
{
    const float limit = wide ? EEM_WIDE : EEM_NARROW;
    const float largest = values == NULL ? 0.0f : eem_largest(values, count);
    const float factor = largest > 1e-30f ? limit / largest : 0.0f;
    int32_t four[4];
    uint32_t at, element;

    for (at = 0; at < width; at += 4) {
        for (element = 0; element < 4; ++element) {
            four[element] = factor != 0.0f && at + element < count ? eem_round(values[at + element] * factor) : 0;
        }
        eem_pair_put(pair, width, row, at, four, wide);
    }
    return factor != 0.0f ? largest / limit : 0.0f;
}

/* Quantise `count` floats into a row of a narrow pair for a linear layer. The grid has 256 steps from the smallest to the largest value of
 * the row, zero among them. What lies behind `count` is multiplied by weights of zero. A NULL row is zeros. */
EEM_FUNCTION eem_grid eem_quantize_steps(uint32_t *pair, uint32_t width, uint32_t row, const float *values, uint32_t count)
{
    float low = 0.0f, high = 0.0f, factor;
    eem_grid grid;
    int32_t four[4];
    uint32_t at, element;

    for (at = 0; values != NULL && at < count; ++at) {
        low = values[at] < low ? values[at] : low;
        high = values[at] > high ? values[at] : high;
    }
    factor = high - low > 1e-30f ? EEM_STEPS / (high - low) : 0.0f;
    grid.scale = factor != 0.0f ? (high - low) / EEM_STEPS : 0.0f;
    grid.zero = -eem_round(low * factor);
    for (at = 0; at < width; at += 4) {
        for (element = 0; element < 4; ++element) {
            int32_t code = 0;

            if (factor != 0.0f && at + element < count) {
                code = eem_round(values[at + element] * factor) + grid.zero;
            }
            four[element] = (code < 255 ? code : 255) - EEM_OFFSET; /* both ends may round away from each other: 256 */
        }
        eem_pair_put(pair, width, row, at, four, 0);
    }
    grid.zero -= EEM_OFFSET;
    return grid;
}

#endif
