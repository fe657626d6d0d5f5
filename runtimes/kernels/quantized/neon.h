/* QuantizedLookup with NEON (AArch64). See quantized.h for the contract.
 *
 * Sixteen codes at a time: shifted and masked as bytes, widened twice, converted, centred and multiplied. */
#ifndef EEB_QUANTIZED_NEON_H
#define EEB_QUANTIZED_NEON_H

#include <arm_neon.h>

#include "../quantized.h"

typedef float eeb_levels_neon;

EEB_INLINE void eeb_quantized_scales_neon(const uint8_t *scales, eeb_type type, size_t count, float *output)
{
    size_t at = 0;

    if (type == EEB_FLOAT16) {
        for (; count - at >= 4; at += 4) {
            vst1q_f32(output + at, vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(scales + 2 * at))));
        }
    }
    for (; at < count; ++at) {
        output[at] = eeb_float_at(scales, type, at);
    }
}

EEB_INLINE eeb_levels_neon eeb_quantized_levels_neon(float scale, int bits)
{
    (void)bits;
    return scale;
}

typedef uint8x16_t eeb_codes_neon;

EEB_INLINE eeb_codes_neon eeb_quantized_load_neon(const uint8_t *codes, int bits)
{
    (void)bits;
    return vld1q_u8(codes);
}

/* Writes or adds four values, given their codes. */
EEB_INLINE void eeb_quantized_put_neon(uint32x4_t codes, float32x4_t zero, float32x4_t scale, uint8_t *output, int add)
{
    float32x4_t values = vmulq_f32(vsubq_f32(vcvtq_f32_u32(codes), zero), scale);

    if (add) {
        EEB_ROUNDED(values);
        values = vaddq_f32(vreinterpretq_f32_u8(vld1q_u8(output)), values);
    }
    vst1q_u8(output, vreinterpretq_u8_f32(values));
}

/* Writes or adds sixteen values: one part of sixteen bytes. */
EEB_INLINE void eeb_quantized_chunk_neon(eeb_codes_neon codes, int part, float scale, uint8_t *output, int bits, int add)
{
    const float32x4_t zero = vdupq_n_f32(eeb_quantized_zero(bits));
    const float32x4_t scales = vdupq_n_f32(scale);
    uint16x8_t low, high;

    if (bits != 8) {
        codes = vandq_u8(vshlq_u8(codes, vdupq_n_s8((int8_t)(-part * bits))), vdupq_n_u8((uint8_t)((1u << bits) - 1u)));
    }
    low = vmovl_u8(vget_low_u8(codes));
    high = vmovl_u8(vget_high_u8(codes));
    eeb_quantized_put_neon(vmovl_u16(vget_low_u16(low)), zero, scales, output, add);
    eeb_quantized_put_neon(vmovl_u16(vget_high_u16(low)), zero, scales, output + 16, add);
    eeb_quantized_put_neon(vmovl_u16(vget_low_u16(high)), zero, scales, output + 32, add);
    eeb_quantized_put_neon(vmovl_u16(vget_high_u16(high)), zero, scales, output + 48, add);
}

EEB_INLINE void eeb_quantized_run_neon(
    const uint8_t *codes, int part, size_t count, eeb_levels_neon scale, uint8_t *output, int bits, int add)
{
    size_t at = 0;

    for (; count - at >= 16; at += 16) {
        eeb_quantized_chunk_neon(vld1q_u8(codes + at), part, scale, output + 4 * at, bits, add);
    }
    if (at != count) {
        eeb_quantized_run_serial(codes + at, part, count - at, scale, output + 4 * at, bits, add);
    }
}

#define EEB_ISA(name) name##_neon
#define EEB_ISA_CHUNKS
#define EEB_ISA_TARGET
#include "rows.h"

#endif
