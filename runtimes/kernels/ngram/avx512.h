/* NgramLookup with AVX-512 F, BW, VL and DQ. See ngram.h for the contract. A vector is 32 numbers of 16 bits: a seed for each, against one
 * row of hashes twice. Hashes are extended by the AVX2 variant. */
#ifndef EEB_NGRAM_AVX512_H
#define EEB_NGRAM_AVX512_H

#include <immintrin.h>

#include "../ngram.h"
#include "avx2.h"

EEB_INLINE EEB_AVX512_TARGET __m512i eeb_ngram_quotient_avx512(__m512i s)
{
    const __m512i thrice = _mm512_add_epi16(s, _mm512_add_epi16(s, s));

    return _mm512_add_epi16(_mm512_slli_epi16(s, 4), _mm512_srli_epi16(thrice, 8));
}

EEB_INLINE EEB_AVX512_TARGET __m512i eeb_ngram_times_avx512(__m512i h, __m512i s, __m512i quotient)
{
    const __m512i modulus = _mm512_set1_epi16(EEB_NGRAM_MODULUS);
    const __m512i multiple = _mm512_mullo_epi16(_mm512_mulhi_epu16(h, quotient), modulus);
    const __m512i difference = _mm512_sub_epi16(_mm512_mullo_epi16(h, s), multiple);

    return _mm512_min_epu16(difference, _mm512_sub_epi16(difference, modulus));
}

EEB_INLINE EEB_AVX512_TARGET void eeb_ngram_extend_avx512(
    uint16_t *hashes, const uint8_t *token, size_t places, const uint16_t *bases, size_t lanes)
{
    eeb_ngram_extend_avx2(hashes, token, places, bases, lanes);
}

/* The sum of up to 16 n-grams: centred it fits 16 bits, whatever wraps around on the way there. */
EEB_INLINE EEB_AVX512_TARGET __m512i eeb_ngram_sum_avx512(const uint16_t *hashes, size_t grams, __m512i seed, __m512i quotient)
{
    __m512i sum = _mm512_set1_epi16((short)-(EEB_NGRAM_CENTRE * (int)grams));
    size_t gram;

    for (gram = 0; gram < grams; ++gram) {
        const __m256i hash = _mm256_loadu_si256((const __m256i *)(const void *)(hashes + gram * EEB_NGRAM_LANES));

        sum = _mm512_add_epi16(sum, eeb_ngram_times_avx512(_mm512_broadcast_i64x4(hash), seed, quotient));
    }
    return sum;
}

EEB_INLINE EEB_AVX512_TARGET void eeb_ngram_part_avx512(
    const uint16_t *hashes, size_t grams, const uint8_t *seeds, size_t count, size_t lanes, uint8_t *output)
{
    const __m512 scale = _mm512_set1_ps(1.0f / (float)(EEB_NGRAM_CENTRE * (int32_t)grams));
    const size_t first = grams < 16 ? grams : 16;
    size_t at;

    (void)lanes;
    for (at = 0; at < count; at += 32) {
        const __mmask32 mask = count - at < 32 ? ((__mmask32)1 << (count - at)) - 1u : 0xffffffffu;
        const __m512i seed = _mm512_maskz_loadu_epi16(mask, seeds + 2 * at), quotient = eeb_ngram_quotient_avx512(seed);
        __m512i sum = eeb_ngram_sum_avx512(hashes, first, seed, quotient);
        __m512i low = _mm512_cvtepi16_epi32(_mm512_castsi512_si256(sum));
        __m512i high = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(sum, 1));

        if (grams > first) {
            sum = eeb_ngram_sum_avx512(hashes + first * EEB_NGRAM_LANES, grams - first, seed, quotient);
            low = _mm512_add_epi32(low, _mm512_cvtepi16_epi32(_mm512_castsi512_si256(sum)));
            high = _mm512_add_epi32(high, _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(sum, 1)));
        }
        _mm512_mask_storeu_ps(output + 4 * at, (__mmask16)mask, _mm512_mul_ps(_mm512_cvtepi32_ps(low), scale));
        if (mask >> 16 != 0) {
            _mm512_mask_storeu_ps(output + 4 * at + 64, (__mmask16)(mask >> 16), _mm512_mul_ps(_mm512_cvtepi32_ps(high), scale));
        }
    }
}

#define EEB_ISA(name) name##_avx512
#define EEB_ISA_TARGET EEB_AVX512_TARGET
#include "rows.h"

#endif
