/* Panels in plain C99: the reference, the fallback and the baseline of the benchmark. */
#ifndef EEP_SERIAL_H
#define EEP_SERIAL_H

typedef struct eep_floats {
    float lane[EEP_LANES];
} eep_floats;

typedef struct eep_ints {
    int32_t lane[EEP_LANES];
} eep_ints;

#define EEP_TARGET
/* Small rather than fast: nothing is inlined, nor cloned for an activation. */
#if defined(__GNUC__) && !defined(__clang__)
#define EEP_IN EEM_FUNCTION __attribute__((noinline, noclone))
#elif defined(__clang__)
#define EEP_IN EEM_FUNCTION __attribute__((noinline))
#else
#define EEP_IN EEM_FUNCTION
#endif
#define EEP(name) eep_##name##_serial
#define EEP_NAME "serial"
#define EEP_FLOATS eep_floats
#define EEP_INTS eep_ints
#define EEP_OFFSET 128

/* An operation lane by lane; `expression` may use a, b and i. */
#define EEP_EACH(type, name, arguments, expression)                                                                                        \
    EEP_IN type EEP(name) arguments                                                                                                        \
    {                                                                                                                                      \
        type out;                                                                                                                          \
        uint32_t i;                                                                                                                        \
                                                                                                                                           \
        for (i = 0; i < EEP_LANES; ++i) {                                                                                                  \
            out.lane[i] = expression;                                                                                                      \
        }                                                                                                                                  \
        return out;                                                                                                                        \
    }

#define EEP_EACH_TO(name, kind, type)                                                                                                      \
    EEM_INLINE void EEP(name)(kind * to, type a)                                                                                           \
    {                                                                                                                                      \
        uint32_t i;                                                                                                                        \
                                                                                                                                           \
        for (i = 0; i < EEP_LANES; ++i) {                                                                                                  \
            to[i] = (kind)a.lane[i];                                                                                                       \
        }                                                                                                                                  \
    }

EEP_EACH(eep_floats, load, (const float *a), a[i])
EEP_EACH(eep_ints, load_int, (const int32_t *a), a[i])
EEP_EACH(eep_floats, set, (float a), a)
EEP_EACH(eep_ints, set_int, (int32_t a), a)
EEP_EACH(eep_floats, add, (eep_floats a, eep_floats b), a.lane[i] + b.lane[i])
EEP_EACH(eep_floats, sub, (eep_floats a, eep_floats b), a.lane[i] - b.lane[i])
EEP_EACH(eep_floats, mul, (eep_floats a, eep_floats b), a.lane[i] * b.lane[i])
EEP_EACH(eep_floats, div, (eep_floats a, eep_floats b), a.lane[i] / b.lane[i])
EEP_EACH(eep_floats, min, (eep_floats a, eep_floats b), a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i])
EEP_EACH(eep_floats, max, (eep_floats a, eep_floats b), a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i])
EEP_EACH(eep_floats, abs, (eep_floats a), eem_absolute(a.lane[i]))
EEP_EACH(eep_ints, add_int, (eep_ints a, eep_ints b), (int32_t)((uint32_t)a.lane[i] + (uint32_t)b.lane[i]))
EEP_EACH(eep_ints, sub_int, (eep_ints a, eep_ints b), (int32_t)((uint32_t)a.lane[i] - (uint32_t)b.lane[i]))
EEP_EACH(eep_ints, mul_int, (eep_ints a, eep_ints b), (int32_t)((uint32_t)a.lane[i] * (uint32_t)b.lane[i]))
EEP_EACH(eep_floats, from_int, (eep_ints a), (float)a.lane[i])
EEP_EACH(eep_ints, round, (eep_floats a), eem_round(a.lane[i]))
EEP_EACH(eep_floats, first, (eep_floats a, uint32_t count), i < count ? a.lane[i] : 0.0f)
EEP_EACH(eep_floats, first_or, (eep_floats a, uint32_t count, eep_floats b), i < count ? a.lane[i] : b.lane[i])
EEP_EACH(eep_floats, zero_below, (eep_floats x, float bound, eep_floats a), x.lane[i] > bound ? a.lane[i] : 0.0f)
EEP_EACH(
    eep_floats, scale, (eep_floats a, eep_floats whole),
    eem_from_bits((int32_t)((uint32_t)eem_bits(a.lane[i]) + ((uint32_t)eem_bits(whole.lane[i]) - EEM_ROUNDER_BITS) * 8388608u)))
EEP_EACH(eep_floats, signed_as, (eep_floats a, eep_floats x), x.lane[i] < 0.0f ? -a.lane[i] : a.lane[i])
EEP_EACH_TO(store, float, eep_floats)
EEP_EACH_TO(store_narrow, int8_t, eep_ints)
EEP_EACH_TO(store_wide, int16_t, eep_ints)

EEM_INLINE void EEP(store_codes)(uint8_t *to, eep_ints a)
{
    uint32_t i;

    for (i = 0; i < EEP_LANES; ++i) {
        to[i] = (uint8_t)((a.lane[i] < 255 ? a.lane[i] : 255) - EEP_OFFSET);
    }
}

EEM_INLINE void EEP(store_pairs)(int16_t *to, eep_ints a, eep_ints b)
{
    uint32_t i;

    for (i = 0; i < EEP_LANES; ++i) {
        to[2 * i] = (int16_t)a.lane[i];
        to[2 * i + 1] = (int16_t)b.lane[i];
    }
}

EEM_INLINE float EEP(sum)(eep_floats a)
{
    return eem_lanes_sum(a.lane);
}

EEM_INLINE float EEP(largest)(eep_floats a)
{
    float most = a.lane[0];
    uint32_t i;

    for (i = 1; i < EEP_LANES; ++i) {
        most = a.lane[i] > most ? a.lane[i] : most;
    }
    return most;
}

/* sums [EEP_ROWS][EEP_COLUMNS]: codes [rows][width] times a panel. */
EEM_FUNCTION void EEP(product)(const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, uint32_t rows, int32_t *sums)
{
    const int8_t *code = (const int8_t *)codes;
    uint32_t row, at, column;

    for (row = 0; row < rows; ++row, code += width, sums += EEP_COLUMNS) {
        const int8_t *four = panel;

        memset(sums, 0, columns * sizeof *sums);
        for (at = 0; at < width; at += 4, four += 4 * columns) {
            for (column = 0; column < columns; ++column) {
                sums[column] += code[at] * four[4 * column] + code[at + 1] * four[4 * column + 1] + code[at + 2] * four[4 * column + 2] +
                                code[at + 3] * four[4 * column + 3];
            }
        }
    }
}

EEM_FUNCTION int32_t EEP(sum_codes)(const uint8_t *codes, uint32_t count)
{
    int32_t sum = 0;
    uint32_t at;

    for (at = 0; at < count; ++at) {
        sum += ((const int8_t *)codes)[at];
    }
    return sum;
}

/* sums [EEP_ROWS][EEP_COLUMNS]: codes less 128 [rows][blocks * block] times a panel of 4 bits; starts [rows][blocks]. */
EEM_FUNCTION void EEP(product_fours)(
    const uint8_t *panel, uint32_t columns, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts, uint32_t rows,
    float *sums)
{
    const int8_t *code = (const int8_t *)codes;
    int32_t products[EEP_COLUMNS];
    uint32_t row, at, number, column, input;

    for (row = 0; row < rows; ++row, sums += EEP_COLUMNS) {
        const uint8_t *four = panel;

        memset(sums, 0, columns * sizeof *sums);
        for (number = 0; number < blocks; ++number, ++starts) {
            const uint8_t *scale = four;

            for (column = 0; column < columns; ++column) {
                products[column] = *starts;
            }
            for (at = 0, four += 2 * columns; at < block; at += 8, code += 8) {
                for (column = 0; column < columns; ++column, four += 4) {
                    for (input = 0; input < 4; ++input) {
                        products[column] += code[input] * (four[input] & 15) + code[input + 4] * (four[input] >> 4);
                    }
                }
            }
            for (column = 0; column < columns; ++column) {
                sums[column] = sums[column] + (float)products[column] * eem_short(scale + 2 * column);
            }
        }
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: shares [rows][stride] times the values of `pairs` tokens; `step` lies between two pairs. */
EEM_FUNCTION void EEP(mix)(
    const int16_t *values, uint32_t columns, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, uint32_t rows,
    int32_t *sums)
{
    uint32_t row, at, column;

    for (row = 0; row < rows; ++row, shares += stride, sums += EEP_COLUMNS) {
        memset(sums, 0, columns * sizeof *sums);
        for (at = 0; at < pairs; ++at) {
            const int16_t *two = values + (size_t)at * step;

            for (column = 0; column < columns; ++column) {
                sums[column] += shares[2 * at] * two[2 * column] + shares[2 * at + 1] * two[2 * column + 1];
            }
        }
    }
}

#include "body.h"

#undef EEP_EACH
#undef EEP_EACH_TO
#undef EEP_TARGET
#undef EEP
#undef EEP_NAME
#undef EEP_FLOATS
#undef EEP_INTS
#undef EEP_OFFSET

#endif
