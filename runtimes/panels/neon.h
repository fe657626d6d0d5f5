/* Panels on AArch64: SMMLA where the processor has it (Cortex-A510, A710, X2 and later, Apple since the A15 and M2), SDOT (Cortex-A55, A75
 * and later, Apple since the A12) for few rows and elsewhere, SMULL without either.
 *
 * The products take two int8, so that codes are stored less 128 here. A product of int8 is at most 128 * 127, two of them fit int16. */
#ifndef EEP_NEON_H
#define EEP_NEON_H

#include <arm_neon.h>

#include "neon/features.h"

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

#include "neon/pairs.h"

#include "neon/products.h"

#include "neon/fours.h"

#include "body.h"

#undef EEP_ARM_TARGET
#undef EEP_DOT_TARGET
#undef EEP_PAIRS_TARGET
#undef EEP_FEWEST
#undef EEP_PART_INPUTS
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
