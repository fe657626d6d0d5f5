/* CodebookLookup with AVX2 and F16C. See codebook.h for the contract.
 *
 * Eight float16 values, of one entry or two, are one conversion and one store. A row of 96 entries of four is then bound
 * by the fetches from the L2 cache, where 256 entries of each book lie: cutting the books into tiles that fit L1 was slower. */
#ifndef EEB_CODEBOOK_AVX2_H
#define EEB_CODEBOOK_AVX2_H

#include <immintrin.h>

#include "../codebook.h"

EEB_INLINE EEB_AVX2_TARGET unsigned eeb_codebook_most_avx2(const uint8_t *codes, size_t count)
{
    __m256i most = _mm256_setzero_si256();
    __m128i folded;
    size_t at = 0;
    unsigned rest;

    for (; count - at >= 32; at += 32) {
        most = _mm256_max_epu8(most, _mm256_loadu_si256((const __m256i *)(const void *)(codes + at)));
    }
    folded = _mm_max_epu8(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    if (count - at >= 16) {
        folded = _mm_max_epu8(folded, _mm_loadu_si128((const __m128i *)(const void *)(codes + at)));
        at += 16;
    }
    folded = _mm_max_epu8(folded, _mm_srli_si128(folded, 8));
    folded = _mm_max_epu8(folded, _mm_srli_si128(folded, 4));
    folded = _mm_max_epu8(folded, _mm_srli_si128(folded, 2));
    folded = _mm_max_epu8(folded, _mm_srli_si128(folded, 1));
    rest = eeb_codebook_most_serial(codes + at, count - at);
    return ((unsigned)_mm_cvtsi128_si32(folded) & 0xffu) > rest ? (unsigned)_mm_cvtsi128_si32(folded) & 0xffu : rest;
}

/* Writes or adds up to three values. */
EEB_INLINE EEB_AVX2_TARGET void eeb_codebook_tail_avx2(const uint8_t *entry, eeb_type type, size_t count, uint8_t *output, int add)
{
    uint16_t half;
    int32_t halves;
    __m128 values, before;
    float value, earlier;

    if (type != EEB_FLOAT16) {
        eeb_codebook_entry_serial(entry, type, count, output, add);
        return;
    }
    if (count >= 2) {
        memcpy(&halves, entry, sizeof halves);
        values = _mm_cvtph_ps(_mm_cvtsi32_si128(halves));
        if (add) {
            before = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(const void *)output));
            values = _mm_add_ps(before, values);
        }
        _mm_storel_epi64((__m128i *)(void *)output, _mm_castps_si128(values));
    }
    if (count % 2 != 0) {
        memcpy(&half, entry + 2 * (count - 1), sizeof half);
        value = _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
        output += 4 * (count - 1);
        if (add) {
            memcpy(&earlier, output, sizeof earlier);
            value = earlier + value;
        }
        memcpy(output, &value, sizeof value);
    }
}

EEB_INLINE EEB_AVX2_TARGET void eeb_codebook_entry_avx2(const uint8_t *entry, eeb_type type, size_t count, uint8_t *output, int add)
{
    const size_t bytes = type == EEB_FLOAT16 ? 2 : 4;
    size_t at = 0;

    for (; count - at >= 8; at += 8) {
        const void *from = entry + bytes * at;
        float *to = (float *)(void *)(output + 4 * at);
        __m256 values =
            type == EEB_FLOAT16 ? _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)) : _mm256_loadu_ps((const float *)from);

        _mm256_storeu_ps(to, add ? _mm256_add_ps(_mm256_loadu_ps(to), values) : values);
    }
    if (count - at >= 4) {
        const void *from = entry + bytes * at;
        float *to = (float *)(void *)(output + 4 * at);
        __m128 values = type == EEB_FLOAT16 ? _mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)from)) : _mm_loadu_ps((const float *)from);

        _mm_storeu_ps(to, add ? _mm_add_ps(_mm_loadu_ps(to), values) : values);
        at += 4;
    }
    if (at != count) {
        eeb_codebook_tail_avx2(entry + bytes * at, type, count - at, output + 4 * at, add);
    }
}

EEB_INLINE EEB_AVX2_TARGET void eeb_codebook_pair_avx2(const uint8_t *left, const uint8_t *right, uint8_t *output)
{
    const __m128i low = _mm_loadl_epi64((const __m128i *)(const void *)left);
    const __m128i high = _mm_loadl_epi64((const __m128i *)(const void *)right);

    _mm256_storeu_ps((float *)(void *)output, _mm256_cvtph_ps(_mm_unpacklo_epi64(low, high)));
}

#define EEB_ISA(name) name##_avx2
#define EEB_ISA_TARGET EEB_AVX2_TARGET
#define EEB_ISA_PARTS
#include "rows.h"

#endif
