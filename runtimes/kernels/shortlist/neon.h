/* The scan of a shortlist with NEON (AArch64): a block as four quarters of 16 rows. See ../shortlist.h for the contract. */
#ifndef EEB_SHORTLIST_NEON_H
#define EEB_SHORTLIST_NEON_H

#include <arm_neon.h>

#include "../shortlist.h"

/* The sums of the two parts of a pair, as bytes. */
EEB_INLINE uint16x8_t eeb_shortlist_both_neon(const uint8_t *codes, uint8x16_t low, uint8x16_t high)
{
    const uint8x16_t loaded = vld1q_u8(codes);

    return vreinterpretq_u16_u8(vaddq_u8(vqtbl1q_u8(low, vandq_u8(loaded, vdupq_n_u8(15))), vqtbl1q_u8(high, vshrq_n_u8(loaded, 4))));
}

/* Of four rows: sums to scores. */
EEB_INLINE float32x4_t
eeb_shortlist_scores_neon(uint32x4_t sums, const eeb_shortlist_query *query, const uint8_t *scales, const uint8_t *bias)
{
    float32x4_t score = vmulq_f32(vcvtq_f32_u32(sums), vdupq_n_f32(query->step));

    EEB_ROUNDED(score);
    score = vmulq_f32(vaddq_f32(score, vdupq_n_f32(query->low)), vreinterpretq_f32_u8(vld1q_u8(scales)));
    EEB_ROUNDED(score);
    return bias == NULL ? score : vaddq_f32(score, vreinterpretq_f32_u8(vld1q_u8(bias)));
}

EEB_INLINE uint64_t eeb_shortlist_block_neon(
    const uint8_t *codes, size_t pairs, const eeb_shortlist_query *query, const uint8_t *scales, const uint8_t *bias, float floor,
    float *scores)
{
    const uint8_t *entries = query->entries;
    uint32x4_t sums[4][4];
    uint64_t wanted = 0;
    size_t pair, at;
    int quarter;

    for (at = 0; at < 4; ++at) {
        sums[0][at] = sums[1][at] = sums[2][at] = sums[3][at] = vdupq_n_u32(0);
    }
    for (pair = 0; pair < pairs;) {
        const size_t end = pairs - pair < EEB_SHORTLIST_RUN ? pairs : pair + EEB_SHORTLIST_RUN;
        uint16x8_t even[4], odd[4];

        for (quarter = 0; quarter < 4; ++quarter) {
            even[quarter] = odd[quarter] = vdupq_n_u16(0);
        }
        for (; pair < end; ++pair, codes += EEB_SHORTLIST_BLOCK, entries += 2 * EEB_SHORTLIST_ENTRIES) {
            const uint8x16_t low = vld1q_u8(entries), high = vld1q_u8(entries + EEB_SHORTLIST_ENTRIES);

            for (quarter = 0; quarter < 4; ++quarter) {
                const uint16x8_t both = eeb_shortlist_both_neon(codes + 16 * quarter, low, high);

                even[quarter] = vaddq_u16(even[quarter], both); /* and 256 times the odd ones */
                odd[quarter] = vsraq_n_u16(odd[quarter], both, 8);
            }
        }
        for (quarter = 0; quarter < 4; ++quarter) {
            const uint32x4_t evens = vreinterpretq_u32_u16(vsubq_u16(even[quarter], vshlq_n_u16(odd[quarter], 8)));
            const uint32x4_t odds = vreinterpretq_u32_u16(odd[quarter]);

            sums[quarter][0] = vaddq_u32(sums[quarter][0], vandq_u32(evens, vdupq_n_u32(0xffff)));
            sums[quarter][1] = vaddq_u32(sums[quarter][1], vandq_u32(odds, vdupq_n_u32(0xffff)));
            sums[quarter][2] = vsraq_n_u32(sums[quarter][2], evens, 16);
            sums[quarter][3] = vsraq_n_u32(sums[quarter][3], odds, 16);
        }
    }
    for (at = 0; at < 16; ++at) {
        vst1q_f32(
            scores + 4 * at,
            eeb_shortlist_scores_neon(sums[at % 4][at / 4], query, scales + 16 * at, bias == NULL ? NULL : bias + 16 * at));
    }
    for (at = 0; at < EEB_SHORTLIST_BLOCK; ++at) {
        wanted |= (uint64_t)!(scores[at] < floor) << at;
    }
    return wanted;
}

#define EEB_ISA(name) name##_neon
#define EEB_ISA_TARGET
#include "blocks.h"

#endif
