/* QuantizedLogits with NEON (AArch64). See logits.h for the contract.
 *
 * Sixteen codes at a time become the sums of four lanes: by SDOT over the two bytes of the integers where the target has it, else by
 * products of 16 bits that are added up in pairs. */
#ifndef EEB_LOGITS_NEON_H
#define EEB_LOGITS_NEON_H

#include <arm_neon.h>

#include "../logits.h"

typedef struct eeb_logits_lanes_neon {
    float32x4_t four[4];
} eeb_logits_lanes_neon;

typedef struct eeb_logits_codes_neon {
    uint8x16_t four[4];
} eeb_logits_codes_neon;

typedef struct eeb_logits_levels_neon {
    int8x16_t four[4]; /* code - zero, doubled at 1 and 2 bits */
} eeb_logits_levels_neon;

EEB_INLINE eeb_logits_lanes_neon eeb_logits_spread_neon(float scale)
{
    eeb_logits_lanes_neon lanes;

    lanes.four[0] = lanes.four[1] = lanes.four[2] = lanes.four[3] = vdupq_n_f32(scale);
    return lanes;
}

EEB_INLINE eeb_logits_lanes_neon eeb_logits_zero_neon(void)
{
    return eeb_logits_spread_neon(0);
}

EEB_INLINE eeb_logits_codes_neon eeb_logits_load_neon(const uint8_t *codes, size_t left)
{
    eeb_logits_codes_neon loaded;
    uint8_t end[64] = {0};
    int at;

    if (left < 64) {
        memcpy(end, codes, left);
        codes = end;
    }
    for (at = 0; at < 4; ++at) {
        loaded.four[at] = vld1q_u8(codes + 16 * at);
    }
    return loaded;
}

EEB_INLINE eeb_logits_levels_neon eeb_logits_unpack_neon(eeb_logits_codes_neon codes, int part, int bits)
{
    const int shift = part * bits - (bits < 4 ? 1 : 0);
    eeb_logits_levels_neon levels;
    int at;

    for (at = 0; at < 4; ++at) {
        uint8x16_t code = codes.four[at];

        if (bits != 8) {
            code = vandq_u8(vshlq_u8(code, vdupq_n_s8((int8_t)-shift)), vdupq_n_u8(bits == 4 ? 15 : bits == 2 ? 6 : 2));
        }
        levels.four[at] = vreinterpretq_s8_u8(vsubq_u8(code, vdupq_n_u8(bits == 8 ? 128 : bits == 4 ? 8 : bits == 2 ? 3 : 1)));
    }
    return levels;
}

typedef struct eeb_logits_near_neon {
    float values[EEB_LOGITS_NEAR + EEB_LOGITS_LANES];
} eeb_logits_near_neon;

EEB_INLINE void eeb_logits_read_neon(eeb_logits_near_neon *near, const uint8_t *scales, eeb_type type, size_t count, int whole)
{
    (void)whole;
    eeb_quantized_scales_neon(scales, type, count, near->values);
}

EEB_INLINE eeb_logits_lanes_neon eeb_logits_scale_neon(const eeb_logits_near_neon *near, const uint8_t *from)
{
    eeb_logits_place place;
    eeb_logits_lanes_neon lanes;
    float all[EEB_LOGITS_LANES];
    int at;

    memcpy(&place, from, sizeof place);
    for (at = 0; at < EEB_LOGITS_LANES; ++at) {
        all[at] = place.after[at] < 0 ? 0 : near->values[place.first + place.after[at]];
    }
    for (at = 0; at < 4; ++at) {
        lanes.four[at] = vld1q_f32(all + 4 * at);
    }
    return lanes;
}

typedef const uint8_t *eeb_logits_vector_neon;

EEB_INLINE eeb_logits_vector_neon eeb_logits_operands_neon(const uint8_t *from, int bits)
{
    (void)bits;
    return from;
}

EEB_INLINE int32x4_t eeb_logits_sums_neon(int8x16_t levels, const uint8_t *from, size_t at)
{
#if defined(__ARM_FEATURE_DOTPROD)
    const int8x16_t high = vreinterpretq_s8_u8(vld1q_u8(from + offsetof(eeb_logits_part, high) + 16 * at));
    const int8x16_t low = vreinterpretq_s8_u8(vld1q_u8(from + offsetof(eeb_logits_part, low) + 16 * at));

    return vdotq_s32(vshlq_n_s32(vdotq_s32(vdupq_n_s32(0), levels, high), 8), levels, low);
#else
    const uint8_t *whole = from + offsetof(eeb_logits_part, whole) + 32 * at;
    const int16x8_t first = vreinterpretq_s16_u8(vld1q_u8(whole)), second = vreinterpretq_s16_u8(vld1q_u8(whole + 16));
    const int16x8_t low = vmovl_s8(vget_low_s8(levels)), high = vmovl_high_s8(levels);
    const int32x4_t pairs = vpaddq_s32(vmull_s16(vget_low_s16(low), vget_low_s16(first)), vmull_high_s16(low, first));
    const int32x4_t others = vpaddq_s32(vmull_s16(vget_low_s16(high), vget_low_s16(second)), vmull_high_s16(high, second));

    return vpaddq_s32(pairs, others);
#endif
}

EEB_INLINE eeb_logits_lanes_neon eeb_logits_add_neon(
    eeb_logits_lanes_neon lanes, eeb_logits_levels_neon levels, const eeb_logits_vector_neon *vector, eeb_logits_lanes_neon scale, int bits)
{
    size_t at;

    (void)bits;
    for (at = 0; at < 4; ++at) {
        float32x4_t product = vmulq_f32(vcvtq_f32_s32(eeb_logits_sums_neon(levels.four[at], *vector, at)), scale.four[at]);

        EEB_ROUNDED(product);
        lanes.four[at] = vaddq_f32(lanes.four[at], product);
    }
    return lanes;
}

EEB_INLINE float eeb_logits_total_neon(eeb_logits_lanes_neon lanes)
{
    const float32x4_t four = vaddq_f32(vaddq_f32(lanes.four[0], lanes.four[2]), vaddq_f32(lanes.four[1], lanes.four[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));

    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

#define EEB_ISA(name) name##_neon
#define EEB_ISA_TARGET
#define EEB_ISA_ROWS 2
#include "rows.h"

#endif
