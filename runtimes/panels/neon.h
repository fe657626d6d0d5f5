/* Panels on AArch64: SDOT where the processor has it (Cortex-A55, A75 and later, every Apple processor since the A12), SMULL without.
 *
 * The products take two int8, so that codes are stored less 128 here. A product of int8 is at most 128 * 127, two of them fit int16. */
#ifndef EEP_NEON_H
#define EEP_NEON_H

#include <arm_neon.h>

#if defined(__ARM_FEATURE_DOTPROD)
#define EEP_DOT_TARGET
#define EEP_DOT_ASKED 0
#elif defined(__clang__)
#define EEP_DOT_TARGET EEB_TARGET("dotprod")
#define EEP_DOT_ASKED 1
#else
#define EEP_DOT_TARGET EEB_TARGET("+dotprod")
#define EEP_DOT_ASKED 1
#endif
#if EEP_DOT_ASKED && defined(__linux__)
#include <sys/auxv.h>
#elif EEP_DOT_ASKED && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

/* Whether SDOT may run here: what the compiler was told, or the system says. */
EEM_FUNCTION int eep_has_dot(void)
{
#if !EEP_DOT_ASKED
    return 1;
#elif defined(__linux__) || defined(__APPLE__)
    static int kept; /* 0: not asked yet */
    int can = __atomic_load_n(&kept, __ATOMIC_RELAXED);

    if (can == 0) {
#if defined(__linux__)
        can = (getauxval(AT_HWCAP) & 1ul << 20) != 0 ? 1 : -1; /* HWCAP_ASIMDDP */
#else
        int value = 0;
        size_t size = sizeof value;

        can = sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, NULL, 0) == 0 && value != 0 ? 1 : -1;
#endif
        __atomic_store_n(&kept, can, __ATOMIC_RELAXED);
    }
    return can > 0;
#else
    return 0;
#endif
}

#define EEP_TARGET
#define EEP(name) eep_##name##_neon
#define EEP_NAME "neon"
#define EEP_FLOATS float32x4x4_t
#define EEP_INTS int32x4x4_t
#define EEP_OFFSET 128
#define EEP_OP EEM_INLINE

/* An operation on each quarter; `expression` may use i. */
#define EEP_EACH(type, name, arguments, expression)                                                                                        \
    EEP_OP type EEP(name) arguments                                                                                                        \
    {                                                                                                                                      \
        type out;                                                                                                                          \
        int i;                                                                                                                             \
                                                                                                                                           \
        for (i = 0; i < 4; ++i) {                                                                                                          \
            out.val[i] = expression;                                                                                                       \
        }                                                                                                                                  \
        return out;                                                                                                                        \
    }
#define EEP_PAIR(type, name, operation) EEP_EACH(type, name, (type a, type b), operation(a.val[i], b.val[i]))

EEP_EACH(EEP_FLOATS, load, (const float *a), vld1q_f32(a + 4 * i))
EEP_EACH(EEP_INTS, load_int, (const int32_t *a), vld1q_s32(a + 4 * i))
EEP_EACH(EEP_FLOATS, set, (float a), vdupq_n_f32(a))
EEP_EACH(EEP_INTS, set_int, (int32_t a), vdupq_n_s32(a))
EEP_PAIR(EEP_FLOATS, add, vaddq_f32)
EEP_PAIR(EEP_FLOATS, sub, vsubq_f32)
EEP_PAIR(EEP_FLOATS, mul, vmulq_f32)
EEP_PAIR(EEP_FLOATS, div, vdivq_f32)
EEP_PAIR(EEP_FLOATS, min, vminq_f32)
EEP_PAIR(EEP_FLOATS, max, vmaxq_f32)
EEP_PAIR(EEP_INTS, add_int, vaddq_s32)
EEP_PAIR(EEP_INTS, sub_int, vsubq_s32)
EEP_PAIR(EEP_INTS, mul_int, vmulq_s32)
EEP_EACH(EEP_FLOATS, abs, (EEP_FLOATS a), vabsq_f32(a.val[i]))
EEP_EACH(EEP_FLOATS, from_int, (EEP_INTS a), vcvtq_f32_s32(a.val[i]))
EEP_EACH(EEP_INTS, round, (EEP_FLOATS a), vcvtnq_s32_f32(a.val[i]))

EEP_OP void EEP(store)(float *to, EEP_FLOATS a)
{
    int i;

    for (i = 0; i < 4; ++i) {
        vst1q_f32(to + 4 * i, a.val[i]);
    }
}

/* All ones in the lanes from `at` on that are below `count`. */
EEP_OP uint32x4_t EEP(below)(int32_t at, uint32_t count)
{
    static const int32_t lanes[4] = {0, 1, 2, 3};

    return vcltq_s32(vaddq_s32(vld1q_s32(lanes), vdupq_n_s32(at)), vdupq_n_s32((int32_t)count));
}

EEP_OP float32x4_t EEP(keep_bits)(float32x4_t a, uint32x4_t mask)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), mask));
}

EEP_EACH(EEP_FLOATS, first_lanes, (EEP_FLOATS a, uint32_t count), EEP(keep_bits)(a.val[i], EEP(below)(4 * i, count)))
EEP_EACH(EEP_FLOATS, lanes_or, (EEP_FLOATS a, uint32_t count, EEP_FLOATS b), vbslq_f32(EEP(below)(4 * i, count), a.val[i], b.val[i]))

/* The first `count` lanes; zeros or b behind. */
EEP_OP EEP_FLOATS EEP(first)(EEP_FLOATS a, uint32_t count)
{
    return count == EEP_LANES ? a : EEP(first_lanes)(a, count);
}

EEP_OP EEP_FLOATS EEP(first_or)(EEP_FLOATS a, uint32_t count, EEP_FLOATS b)
{
    return count == EEP_LANES ? a : EEP(lanes_or)(a, count, b);
}

/* a where x > bound, else 0 */
EEP_EACH(
    EEP_FLOATS, zero_below, (EEP_FLOATS x, float bound, EEP_FLOATS a), EEP(keep_bits)(a.val[i], vcgtq_f32(x.val[i], vdupq_n_f32(bound))))

/* a times 2^k; whole = k + EEM_ROUNDER, whose own bits are shifted out */
EEP_EACH(
    EEP_FLOATS, scale, (EEP_FLOATS a, EEP_FLOATS whole),
    vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a.val[i]), vshlq_n_s32(vreinterpretq_s32_f32(whole.val[i]), 23))))

/* a, or -a where x < 0 */
EEP_EACH(
    EEP_FLOATS, signed_as, (EEP_FLOATS a, EEP_FLOATS x), vbslq_f32(vcltq_f32(x.val[i], vdupq_n_f32(0.0f)), vnegq_f32(a.val[i]), a.val[i]))

EEP_OP float EEP(sum)(EEP_FLOATS a)
{
    const float32x4_t four = vaddq_f32(vaddq_f32(a.val[0], a.val[2]), vaddq_f32(a.val[1], a.val[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));

    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

EEP_OP float EEP(largest)(EEP_FLOATS a)
{
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.val[0], a.val[1]), vmaxq_f32(a.val[2], a.val[3])));
}

/* To 16 bits, and to 8; codes above 255 stay 255. */
EEP_OP void EEP(store_wide)(int16_t *to, EEP_INTS a)
{
    vst1q_s16(to, vcombine_s16(vmovn_s32(a.val[0]), vmovn_s32(a.val[1])));
    vst1q_s16(to + 8, vcombine_s16(vmovn_s32(a.val[2]), vmovn_s32(a.val[3])));
}

EEP_OP void EEP(store_narrow)(int8_t *to, EEP_INTS a)
{
    const int16x8_t low = vcombine_s16(vmovn_s32(a.val[0]), vmovn_s32(a.val[1]));
    const int16x8_t high = vcombine_s16(vmovn_s32(a.val[2]), vmovn_s32(a.val[3]));

    vst1q_s8(to, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}

EEP_OP void EEP(store_codes)(uint8_t *to, EEP_INTS a)
{
    const uint16x8_t low = vcombine_u16(vqmovun_s32(a.val[0]), vqmovun_s32(a.val[1]));
    const uint16x8_t high = vcombine_u16(vqmovun_s32(a.val[2]), vqmovun_s32(a.val[3]));

    vst1q_u8(to, veorq_u8(vcombine_u8(vqmovn_u16(low), vqmovn_u16(high)), vdupq_n_u8(EEP_OFFSET)));
}

/* To 16 bits, lanes of a and b in turn. */
EEP_OP void EEP(store_pairs)(int16_t *to, EEP_INTS a, EEP_INTS b)
{
    int i;

    for (i = 0; i < 4; ++i) {
        vst1q_s16(to + 8 * i, vreinterpretq_s16_s32(vsliq_n_s32(a.val[i], b.val[i], 16)));
    }
}

/* Rows that share the loads of 16 columns, with SDOT and with SMULL. */
#define EEP_TALL 5u
#define EEP_TALL_PLAIN 2u

/* 16 columns by at most EEP_TALL rows, which is a constant; width is a multiple of 16. */
#define EEP_DOT_STEP(lane)                                                                                                                 \
    EEP_UNROLL                                                                                                                             \
    for (column = 0; column < 4; ++column) {                                                                                               \
        x[column] = vld1q_s8(panel + 16 * column);                                                                                         \
    }                                                                                                                                      \
    panel += 4 * columns;                                                                                                                  \
    EEP_UNROLL                                                                                                                             \
    for (row = 0; row < rows; ++row) {                                                                                                     \
        EEP_UNROLL                                                                                                                         \
        for (column = 0; column < 4; ++column) {                                                                                           \
            total[row][column] = vdotq_laneq_s32(total[row][column], x[column], code[row], lane);                                          \
        }                                                                                                                                  \
    }

EEP_DOT_TARGET EEP_OP void EEP(product_dot_of)(
    const int8_t *panel, uint32_t columns, uint32_t width, const int8_t *codes, const uint32_t rows, int32_t *sums)
{
    int32x4_t total[EEP_TALL][4];
    int8x16_t code[EEP_TALL], x[4];
    uint32_t at, row, column;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            total[row][column] = vdupq_n_s32(0);
        }
    }
    for (at = 0; at < width; at += 16) {
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            code[row] = vld1q_s8(codes + (size_t)row * width + at);
        }
        EEP_DOT_STEP(0)
        EEP_DOT_STEP(1)
        EEP_DOT_STEP(2)
        EEP_DOT_STEP(3)
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            vst1q_s32(sums + row * EEP_COLUMNS + 4 * column, total[row][column]);
        }
    }
}

EEP_OP void EEP(product_plain_of)(
    const int8_t *panel, uint32_t columns, uint32_t width, const int8_t *codes, const uint32_t rows, int32_t *sums)
{
    int32x4_t total[EEP_TALL_PLAIN][8]; /* [row][two columns]: each column's even and odd pairs of elements */
    uint32_t at, row, column;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 8; ++column) {
            total[row][column] = vdupq_n_s32(0);
        }
    }
    for (at = 0; at < width; at += 8, panel += 8 * columns) {
        int8x8_t low[EEP_TALL_PLAIN], high[EEP_TALL_PLAIN];

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            const int32x2_t both = vreinterpret_s32_s8(vld1_s8(codes + (size_t)row * width + at));

            low[row] = vreinterpret_s8_s32(vdup_lane_s32(both, 0));
            high[row] = vreinterpret_s8_s32(vdup_lane_s32(both, 1));
        }
        EEP_UNROLL
        for (column = 0; column < 8; ++column) {
            const int8x8_t x = vld1_s8(panel + 8 * column), y = vld1_s8(panel + 4 * columns + 8 * column);

            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                total[row][column] = vpadalq_s16(total[row][column], vmlal_s8(vmull_s8(x, low[row]), y, high[row]));
            }
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            vst1q_s32(sums + row * EEP_COLUMNS + 4 * column, vpaddq_s32(total[row][2 * column], total[row][2 * column + 1]));
        }
    }
}

EEP_OP void EEP(mix_of)(
    const int16_t *values, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, const uint32_t rows, int32_t *sums)
{
    int32x4_t total[EEP_TALL][4];
    uint32_t at, row, column;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            total[row][column] = vdupq_n_s32(0);
        }
    }
    for (at = 0; at < pairs; ++at, values += step) {
        const int16x8x2_t x = vld2q_s16(values), y = vld2q_s16(values + 16);

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            const int16x4_t share =
                vreinterpret_s16_s32(vld1_dup_s32((const int32_t *)(const void *)(shares + (size_t)row * stride + 2 * at)));

            total[row][0] = vmlal_lane_s16(total[row][0], vget_low_s16(x.val[0]), share, 0);
            total[row][1] = vmlal_high_lane_s16(total[row][1], x.val[0], share, 0);
            total[row][2] = vmlal_lane_s16(total[row][2], vget_low_s16(y.val[0]), share, 0);
            total[row][3] = vmlal_high_lane_s16(total[row][3], y.val[0], share, 0);
            total[row][0] = vmlal_lane_s16(total[row][0], vget_low_s16(x.val[1]), share, 1);
            total[row][1] = vmlal_high_lane_s16(total[row][1], x.val[1], share, 1);
            total[row][2] = vmlal_lane_s16(total[row][2], vget_low_s16(y.val[1]), share, 1);
            total[row][3] = vmlal_high_lane_s16(total[row][3], y.val[1], share, 1);
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            vst1q_s32(sums + row * EEP_COLUMNS + 4 * column, total[row][column]);
        }
    }
}

#define EEP_FOR_ROWS(call, rows)                                                                                                           \
    switch (rows) {                                                                                                                        \
    case 1: call(1); break;                                                                                                                \
    case 2: call(2); break;                                                                                                                \
    case 3: call(3); break;                                                                                                                \
    case 4: call(4); break;                                                                                                                \
    default: call(5); break;                                                                                                               \
    }
/* The arguments of a part of a tile: `row` rows down and `at` columns to the right. */
#define EEP_CALL_DOT(n)                                                                                                                    \
    EEP(product_dot_of)(panel + 4 * at, columns, width, signed_codes + (size_t)row * width, n, sums + row * EEP_COLUMNS + at)
#define EEP_CALL_PLAIN(n)                                                                                                                  \
    EEP(product_plain_of)(panel + 4 * at, columns, width, signed_codes + (size_t)row * width, n, sums + row * EEP_COLUMNS + at)
#define EEP_CALL_MIX(n) EEP(mix_of)(values + 2 * at, step, pairs, shares + (size_t)row * stride, stride, n, sums + row * EEP_COLUMNS + at)

EEP_DOT_TARGET EEM_FUNCTION void EEP(product_dot)(
    const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, uint32_t rows, int32_t *sums)
{
    const int8_t *signed_codes = (const int8_t *)codes;
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row, high;

    for (at = 0; at < columns; at += 16) {
        for (row = 0; row < rows; row += tall) {
            high = rows - row < tall ? rows - row : tall;
            EEP_FOR_ROWS(EEP_CALL_DOT, high)
        }
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: codes [rows][width] times a panel. */
EEM_FUNCTION void EEP(product)(const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, uint32_t rows, int32_t *sums)
{
    const int8_t *signed_codes = (const int8_t *)codes;
    uint32_t at, row;

    if (eep_has_dot()) {
        EEP(product_dot)(panel, columns, width, codes, rows, sums);
        return;
    }
    for (at = 0; at < columns; at += 16) {
        for (row = 0; row < rows; row += EEP_TALL_PLAIN) {
            if (rows - row == 1) {
                EEP_CALL_PLAIN(1);
            } else {
                EEP_CALL_PLAIN(2);
            }
        }
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: shares [rows][stride] times the values of `pairs` tokens; `step` lies between two pairs. */
EEM_FUNCTION void EEP(mix)(
    const int16_t *values, uint32_t columns, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, uint32_t rows,
    int32_t *sums)
{
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row, high;

    for (at = 0; at < columns; at += 16) {
        for (row = 0; row < rows; row += tall) {
            high = rows - row < tall ? rows - row : tall;
            EEP_FOR_ROWS(EEP_CALL_MIX, high)
        }
    }
}

#include "body.h"

#undef EEP_TALL
#undef EEP_TALL_PLAIN
#undef EEP_DOT_STEP
#undef EEP_DOT_TARGET
#undef EEP_DOT_ASKED
#undef EEP_FOR_ROWS
#undef EEP_CALL_DOT
#undef EEP_CALL_PLAIN
#undef EEP_CALL_MIX
#undef EEP_EACH
#undef EEP_PAIR
#undef EEP_TARGET
#undef EEP
#undef EEP_NAME
#undef EEP_FLOATS
#undef EEP_INTS
#undef EEP_OFFSET
#undef EEP_OP

#endif
