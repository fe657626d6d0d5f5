/* The scan of a shortlist with AVX2: a block as two halves of 32 rows. See ../shortlist.h for the contract. */
#ifndef EEB_SHORTLIST_AVX2_H
#define EEB_SHORTLIST_AVX2_H

#include <immintrin.h>

#include "../shortlist.h"

EEB_INLINE EEB_AVX2_TARGET __m256i eeb_shortlist_entries_avx2(const uint8_t *entries)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

/* The sums of the two parts of a pair, as bytes. */
EEB_INLINE EEB_AVX2_TARGET __m256i eeb_shortlist_both_avx2(const uint8_t *codes, __m256i low, __m256i high)
{
    const __m256i nibble = _mm256_set1_epi8(15), loaded = _mm256_loadu_si256((const __m256i *)(const void *)codes);

    return _mm256_add_epi8(
        _mm256_shuffle_epi8(low, _mm256_and_si256(loaded, nibble)),
        _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(loaded, 4), nibble)));
}

/* Of eight rows: sums to scores. */
EEB_INLINE EEB_AVX2_TARGET __m256
eeb_shortlist_scores_avx2(__m256i sums, const eeb_shortlist_query *query, const uint8_t *scales, const uint8_t *bias)
{
    __m256 score = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(query->step));

    EEB_ROUNDED(score);
    score = _mm256_mul_ps(_mm256_add_ps(score, _mm256_set1_ps(query->low)), _mm256_loadu_ps((const float *)(const void *)scales));
    EEB_ROUNDED(score);
    return bias == NULL ? score : _mm256_add_ps(score, _mm256_loadu_ps((const float *)(const void *)bias));
}

EEB_INLINE EEB_AVX2_TARGET uint64_t eeb_shortlist_block_avx2(
    const uint8_t *codes, size_t pairs, const eeb_shortlist_query *query, const uint8_t *scales, const uint8_t *bias, float floor,
    float *scores)
{
    const __m256i mask = _mm256_set1_epi32(0xffff);
    const uint8_t *entries = query->entries;
    __m256i sums[2][4];
    uint64_t wanted = 0;
    size_t pair, at;
    int half;

    for (at = 0; at < 4; ++at) {
        sums[0][at] = sums[1][at] = _mm256_setzero_si256();
    }
    for (pair = 0; pair < pairs;) {
        const size_t end = pairs - pair < EEB_SHORTLIST_RUN ? pairs : pair + EEB_SHORTLIST_RUN;
        __m256i even[2], odd[2];

        even[0] = even[1] = odd[0] = odd[1] = _mm256_setzero_si256();
        for (; pair < end; ++pair, codes += EEB_SHORTLIST_BLOCK, entries += 2 * EEB_SHORTLIST_ENTRIES) {
            const __m256i low = eeb_shortlist_entries_avx2(entries);
            const __m256i high = eeb_shortlist_entries_avx2(entries + EEB_SHORTLIST_ENTRIES);

            for (half = 0; half < 2; ++half) {
                const __m256i both = eeb_shortlist_both_avx2(codes + 32 * half, low, high);

                even[half] = _mm256_add_epi16(even[half], both); /* and 256 times the odd ones */
                odd[half] = _mm256_add_epi16(odd[half], _mm256_srli_epi16(both, 8));
            }
        }
        for (half = 0; half < 2; ++half) {
            even[half] = _mm256_sub_epi16(even[half], _mm256_slli_epi16(odd[half], 8));
            sums[half][0] = _mm256_add_epi32(sums[half][0], _mm256_and_si256(even[half], mask));
            sums[half][1] = _mm256_add_epi32(sums[half][1], _mm256_and_si256(odd[half], mask));
            sums[half][2] = _mm256_add_epi32(sums[half][2], _mm256_srli_epi32(even[half], 16));
            sums[half][3] = _mm256_add_epi32(sums[half][3], _mm256_srli_epi32(odd[half], 16));
        }
    }
    for (at = 0; at < 8; ++at) {
        const __m256 found = eeb_shortlist_scores_avx2(sums[at % 2][at / 2], query, scales + 32 * at, bias == NULL ? NULL : bias + 32 * at);
        const __m256 not_below = _mm256_cmp_ps(found, _mm256_set1_ps(floor), _CMP_NLT_UQ);

        _mm256_storeu_ps(scores + 8 * at, found);
        wanted |= (uint64_t)(uint32_t)_mm256_movemask_ps(not_below) << 8 * at;
    }
    return wanted;
}

#define EEB_ISA(name) name##_avx2
#define EEB_ISA_TARGET EEB_AVX2_TARGET
#include "blocks.h"

#endif
