/* QuantizedLookup with Helium (Armv8.1-M MVE with floats: Cortex-M55, M85). See quantized.h for the contract.
 *
 * Four codes at a time: bytes are widened as they are loaded, shifted, masked, converted, centred and multiplied. Stores are of bytes,
 * because Helium faults on words at odd addresses.
 *
 * Helium flushes subnormal floats and knows one NaN only. So that the bits are those of the serial kernel, a block whose scale could lead
 * to either goes there, and so do later planes, whose sums may cancel to a subnormal. A scale read from float16 never does. */
#ifndef EEB_QUANTIZED_MVE_H
#define EEB_QUANTIZED_MVE_H

#include <arm_mve.h>

#include "../quantized.h"

typedef struct eeb_levels_mve {
    float scale;
    int safe; /* whether no product with this scale is subnormal or NaN */
} eeb_levels_mve;

EEB_INLINE void eeb_quantized_scales_mve(const uint8_t *scales, eeb_type type, size_t count, float *output)
{
    eeb_quantized_scales_serial(scales, type, count, output);
}

/* A product is at least half of its scale: exponents from 2^-125 on are safe, up to the largest finite one, and so is zero. */
EEB_INLINE eeb_levels_mve eeb_quantized_levels_mve(float scale, int bits)
{
    eeb_levels_mve levels;
    uint32_t magnitude;

    (void)bits;
    memcpy(&magnitude, &scale, sizeof magnitude);
    magnitude &= 0x7fffffffu;
    levels.scale = scale;
    levels.safe = magnitude == 0 || magnitude - 0x01000000u < 0x7f800000u - 0x01000000u;
    return levels;
}

EEB_INLINE float32x4_t eeb_quantized_four_mve(uint32x4_t codes, int part, float scale, int bits)
{
    if (bits != 8) {
        codes = vandq_u32(vshlq_r_u32(codes, -part * bits), vdupq_n_u32((1u << bits) - 1u));
    }
    return vmulq_n_f32(vsubq_n_f32(vcvtq_f32_u32(codes), eeb_quantized_zero(bits)), scale);
}

EEB_INLINE void eeb_quantized_run_mve(
    const uint8_t *codes, int part, size_t count, eeb_levels_mve levels, uint8_t *output, int bits, int add)
{
    size_t left;

    if (add || !levels.safe) {
        eeb_quantized_run_serial(codes, part, count, levels.scale, output, bits, add);
        return;
    }
    for (left = count / 4; left != 0; --left) {
        const float32x4_t values = eeb_quantized_four_mve(vldrbq_u32(codes), part, levels.scale, bits);

        vstrbq_u8(output, vreinterpretq_u8_f32(values));
        codes += 4;
        output += 16;
    }
    if (count % 4 != 0) {
        const uint32_t tail = (uint32_t)(count % 4);
        const float32x4_t values = eeb_quantized_four_mve(vldrbq_z_u32(codes, vctp32q(tail)), part, levels.scale, bits);

        vstrbq_p_u8(output, vreinterpretq_u8_f32(values), vctp8q(4 * tail));
    }
}

#define EEB_ISA(name) name##_mve
#define EEB_ISA_TARGET
#include "rows.h"

#endif
