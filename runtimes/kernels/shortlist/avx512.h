/* The scan of a shortlist with AVX-512: 64 rows at a time. See ../shortlist.h for the contract. */
#ifndef EEB_SHORTLIST_AVX512_H
#define EEB_SHORTLIST_AVX512_H

#include <immintrin.h>

#include "../shortlist.h"

EEB_INLINE EEB_AVX512_TARGET __m512i eeb_shortlist_entries_avx512(const uint8_t *entries)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

/* Of sixteen rows: sums to scores. */
EEB_INLINE EEB_AVX512_TARGET __m512
eeb_shortlist_scores_avx512(__m512i sums, const eeb_shortlist_query *query, const uint8_t *scales, const uint8_t *bias)
{
    __m512 score = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(query->step));

    EEB_LOGITS_ROUNDED(score);
    score = _mm512_mul_ps(_mm512_add_ps(score, _mm512_set1_ps(query->low)), _mm512_loadu_ps((const void *)scales));
    EEB_LOGITS_ROUNDED(score);
    return bias == NULL ? score : _mm512_add_ps(score, _mm512_loadu_ps((const void *)bias));
}

EEB_INLINE EEB_AVX512_TARGET uint64_t eeb_shortlist_block_avx512(
    const uint8_t *codes, size_t pairs, const eeb_shortlist_query *query, const uint8_t *scales, const uint8_t *bias, float floor,
    float *scores)
{
    const __m512i nibble = _mm512_set1_epi8(15), half = _mm512_set1_epi32(0xffff);
    const uint8_t *entries = query->entries;
    __m512i sums[4];
    uint64_t wanted = 0;
    size_t pair, at;

    sums[0] = sums[1] = sums[2] = sums[3] = _mm512_setzero_si512();
    for (pair = 0; pair < pairs;) {
        const size_t end = pairs - pair < EEB_SHORTLIST_RUN ? pairs : pair + EEB_SHORTLIST_RUN;
        __m512i even = _mm512_setzero_si512(), odd = _mm512_setzero_si512();

        for (; pair < end; ++pair, codes += EEB_SHORTLIST_BLOCK, entries += 2 * EEB_SHORTLIST_ENTRIES) {
            const __m512i loaded = _mm512_loadu_si512((const void *)codes);
            const __m512i low = _mm512_shuffle_epi8(eeb_shortlist_entries_avx512(entries), _mm512_and_si512(loaded, nibble));
            const __m512i high = _mm512_shuffle_epi8(
                eeb_shortlist_entries_avx512(entries + EEB_SHORTLIST_ENTRIES), _mm512_and_si512(_mm512_srli_epi16(loaded, 4), nibble));
            const __m512i both = _mm512_add_epi8(low, high);

            even = _mm512_add_epi16(even, both); /* and 256 times the odd ones */
            odd = _mm512_add_epi16(odd, _mm512_srli_epi16(both, 8));
        }
        even = _mm512_sub_epi16(even, _mm512_slli_epi16(odd, 8));
        sums[0] = _mm512_add_epi32(sums[0], _mm512_and_si512(even, half));
        sums[1] = _mm512_add_epi32(sums[1], _mm512_and_si512(odd, half));
        sums[2] = _mm512_add_epi32(sums[2], _mm512_srli_epi32(even, 16));
        sums[3] = _mm512_add_epi32(sums[3], _mm512_srli_epi32(odd, 16));
    }
    for (at = 0; at < 4; ++at) {
        const __m512 found = eeb_shortlist_scores_avx512(sums[at], query, scales + 64 * at, bias == NULL ? NULL : bias + 64 * at);

        _mm512_storeu_ps(scores + 16 * at, found);
        wanted |= (uint64_t)_mm512_cmp_ps_mask(found, _mm512_set1_ps(floor), _CMP_NLT_UQ) << 16 * at;
    }
    return wanted;
}

#define EEB_ISA(name) name##_avx512
#define EEB_ISA_TARGET EEB_AVX512_TARGET
#include "blocks.h"

#endif
