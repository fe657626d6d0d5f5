/* NgramLookup with AArch64 NEON. See ngram.h for the contract.
 *
 * The high half of a product of 16 bits is that of SQDMULH, which doubles the product and takes numbers with a sign: half the quotient,
 * rounded down, gives the right multiple of B or one less as well. */
#ifndef EEB_NGRAM_NEON_H
#define EEB_NGRAM_NEON_H

#include <arm_neon.h>

#include "../ngram.h"

/* Half of eeb_ngram_quotient. */
EEB_INLINE uint16x8_t eeb_ngram_half_neon(uint16x8_t s)
{
    return vsraq_n_u16(vshlq_n_u16(s, 3), vaddq_u16(s, vaddq_u16(s, s)), 9);
}

/* Numbers of [0, 2 * B) modulo B: what falls below zero is large without a sign. */
EEB_INLINE uint16x8_t eeb_ngram_reduce_neon(uint16x8_t number)
{
    return vminq_u16(number, vsubq_u16(number, vdupq_n_u16(EEB_NGRAM_MODULUS)));
}

EEB_INLINE uint16x8_t eeb_ngram_times_neon(uint16x8_t h, uint16x8_t s, uint16x8_t half)
{
    const uint16x8_t multiple = vreinterpretq_u16_s16(vqdmulhq_s16(vreinterpretq_s16_u16(h), vreinterpretq_s16_u16(half)));

    return eeb_ngram_reduce_neon(vmlsq_u16(vmulq_u16(h, s), multiple, vdupq_n_u16(EEB_NGRAM_MODULUS)));
}

EEB_INLINE void eeb_ngram_extend_neon(uint16_t *hashes, const uint8_t *token, size_t places, const uint16_t *bases, size_t lanes)
{
    size_t place, lane;

    for (lane = 0; lane < EEB_NGRAM_LANES; lane += 8) {
        const uint16x8_t base = vld1q_u16(bases + lane), half = eeb_ngram_half_neon(base);

        for (place = 0; place < places; ++place) {
            uint16_t *hash = hashes + place * EEB_NGRAM_LANES + lane;
            const uint16x8_t mixed = eeb_ngram_times_neon(vld1q_u16(hash), base, half);

            vst1q_u16(hash, eeb_ngram_reduce_neon(vaddq_u16(mixed, vdupq_n_u16((uint16_t)(token[place] + 1u)))));
        }
        if (lanes <= 8) { /* the other eight are never read */
            return;
        }
    }
}

/* The sum of up to 16 n-grams: centred it fits 16 bits, whatever wraps around on the way there. */
EEB_INLINE int16x8_t eeb_ngram_sum_neon(const uint16_t *hashes, size_t grams, uint16x8_t seed, uint16x8_t half)
{
    uint16x8_t sum = vdupq_n_u16((uint16_t)(0u - EEB_NGRAM_CENTRE * (unsigned)grams));
    size_t gram;

    for (gram = 0; gram < grams; ++gram) {
        sum = vaddq_u16(sum, eeb_ngram_times_neon(vld1q_u16(hashes + gram * EEB_NGRAM_LANES), seed, half));
    }
    return vreinterpretq_s16_u16(sum);
}

/* Eight elements. */
EEB_INLINE void eeb_ngram_eight_neon(const uint16_t *hashes, size_t grams, const uint8_t *seeds, float scale, uint8_t *output)
{
    const uint16x8_t seed = vreinterpretq_u16_u8(vld1q_u8(seeds)), half = eeb_ngram_half_neon(seed);
    const size_t first = grams < 16 ? grams : 16;
    int16x8_t sum = eeb_ngram_sum_neon(hashes, first, seed, half);
    int32x4_t low = vmovl_s16(vget_low_s16(sum)), high = vmovl_high_s16(sum);

    if (grams > first) {
        sum = eeb_ngram_sum_neon(hashes + first * EEB_NGRAM_LANES, grams - first, seed, half);
        low = vaddw_s16(low, vget_low_s16(sum));
        high = vaddw_high_s16(high, sum);
    }
    vst1q_u8(output, vreinterpretq_u8_f32(vmulq_n_f32(vcvtq_f32_s32(low), scale)));
    vst1q_u8(output + 16, vreinterpretq_u8_f32(vmulq_n_f32(vcvtq_f32_s32(high), scale)));
}

EEB_INLINE void eeb_ngram_part_neon(const uint16_t *hashes, size_t grams, const uint8_t *seeds, size_t count, size_t lanes, uint8_t *output)
{
    const float scale = 1.0f / (float)(EEB_NGRAM_CENTRE * (int32_t)grams);
    const size_t turn = lanes > 8 ? 8 : 0;
    size_t at;

    for (at = 0; count - at >= 8; at += 8) {
        eeb_ngram_eight_neon(hashes + (at & turn), grams, seeds + 2 * at, scale, output + 4 * at);
    }
    if (at != count) {
        uint8_t padded[16] = {0}, rest[32];

        memcpy(padded, seeds + 2 * at, 2 * (count - at));
        eeb_ngram_eight_neon(hashes + (at & turn), grams, padded, scale, rest);
        memcpy(output + 4 * at, rest, 4 * (count - at));
    }
}

#define EEB_ISA(name) name##_neon
#define EEB_ISA_TARGET
#include "rows.h"

#endif
