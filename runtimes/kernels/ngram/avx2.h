/* NgramLookup with AVX2. See ngram.h for the contract. A vector is sixteen numbers of 16 bits: one row of hashes, or a seed for each. */
#ifndef EEB_NGRAM_AVX2_H
#define EEB_NGRAM_AVX2_H

#include <immintrin.h>

#include "../ngram.h"

EEB_INLINE EEB_AVX2_TARGET __m256i eeb_ngram_quotient_avx2(__m256i s)
{
    const __m256i thrice = _mm256_add_epi16(s, _mm256_add_epi16(s, s));

    return _mm256_add_epi16(_mm256_slli_epi16(s, 4), _mm256_srli_epi16(thrice, 8));
}

/* Numbers of [0, 2 * B) modulo B: what falls below zero is large without a sign. */
EEB_INLINE EEB_AVX2_TARGET __m256i eeb_ngram_reduce_avx2(__m256i number)
{
    return _mm256_min_epu16(number, _mm256_sub_epi16(number, _mm256_set1_epi16(EEB_NGRAM_MODULUS)));
}

EEB_INLINE EEB_AVX2_TARGET __m256i eeb_ngram_times_avx2(__m256i h, __m256i s, __m256i quotient)
{
    const __m256i multiple = _mm256_mullo_epi16(_mm256_mulhi_epu16(h, quotient), _mm256_set1_epi16(EEB_NGRAM_MODULUS));

    return eeb_ngram_reduce_avx2(_mm256_sub_epi16(_mm256_mullo_epi16(h, s), multiple));
}

EEB_INLINE EEB_AVX2_TARGET void eeb_ngram_extend_avx2(
    uint16_t *hashes, const uint8_t *token, size_t places, const uint16_t *bases, size_t lanes)
{
    const __m256i base = _mm256_loadu_si256((const __m256i *)(const void *)bases), quotient = eeb_ngram_quotient_avx2(base);
    size_t place;

    (void)lanes;
    for (place = 0; place < places; ++place) {
        __m256i *hash = (__m256i *)(void *)(hashes + place * EEB_NGRAM_LANES);
        const __m256i mixed = eeb_ngram_times_avx2(_mm256_loadu_si256(hash), base, quotient);

        _mm256_storeu_si256(hash, eeb_ngram_reduce_avx2(_mm256_add_epi16(mixed, _mm256_set1_epi16((short)(token[place] + 1)))));
    }
}

/* The sum of up to 16 n-grams: centred it fits 16 bits, whatever wraps around on the way there. */
EEB_INLINE EEB_AVX2_TARGET __m256i eeb_ngram_sum_avx2(const uint16_t *hashes, size_t grams, __m256i seed, __m256i quotient)
{
    __m256i sum = _mm256_set1_epi16((short)-(EEB_NGRAM_CENTRE * (int)grams));
    size_t gram;

    for (gram = 0; gram < grams; ++gram) {
        const __m256i hash = _mm256_loadu_si256((const __m256i *)(const void *)(hashes + gram * EEB_NGRAM_LANES));

        sum = _mm256_add_epi16(sum, eeb_ngram_times_avx2(hash, seed, quotient));
    }
    return sum;
}

/* Sixteen elements. */
EEB_INLINE EEB_AVX2_TARGET void eeb_ngram_sixteen_avx2(
    const uint16_t *hashes, size_t grams, const uint8_t *seeds, __m256 scale, uint8_t *output)
{
    const __m256i seed = _mm256_loadu_si256((const __m256i *)(const void *)seeds), quotient = eeb_ngram_quotient_avx2(seed);
    const size_t first = grams < 16 ? grams : 16;
    __m256i sum = eeb_ngram_sum_avx2(hashes, first, seed, quotient);
    __m256i low = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sum)), high = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sum, 1));

    if (grams > first) {
        sum = eeb_ngram_sum_avx2(hashes + first * EEB_NGRAM_LANES, grams - first, seed, quotient);
        low = _mm256_add_epi32(low, _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sum)));
        high = _mm256_add_epi32(high, _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sum, 1)));
    }
    _mm256_storeu_ps((float *)(void *)output, _mm256_mul_ps(_mm256_cvtepi32_ps(low), scale));
    _mm256_storeu_ps((float *)(void *)(output + 32), _mm256_mul_ps(_mm256_cvtepi32_ps(high), scale));
}

EEB_INLINE EEB_AVX2_TARGET void eeb_ngram_part_avx2(
    const uint16_t *hashes, size_t grams, const uint8_t *seeds, size_t count, size_t lanes, uint8_t *output)
{
    const __m256 scale = _mm256_set1_ps(1.0f / (float)(EEB_NGRAM_CENTRE * (int32_t)grams));
    size_t at;

    (void)lanes;
    for (at = 0; count - at >= 16; at += 16) {
        eeb_ngram_sixteen_avx2(hashes, grams, seeds + 2 * at, scale, output + 4 * at);
    }
    if (at != count) {
        uint8_t padded[32] = {0}, rest[64];

        memcpy(padded, seeds + 2 * at, 2 * (count - at));
        eeb_ngram_sixteen_avx2(hashes, grams, padded, scale, rest);
        memcpy(output + 4 * at, rest, 4 * (count - at));
    }
}

#define EEB_ISA(name) name##_avx2
#define EEB_ISA_TARGET EEB_AVX2_TARGET
#include "rows.h"

#endif
