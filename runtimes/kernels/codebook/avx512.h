/* CodebookLookup with AVX-512 F, BW, VL and DQ. See codebook.h for the contract. */
#ifndef EEB_CODEBOOK_AVX512_H
#define EEB_CODEBOOK_AVX512_H

#include <immintrin.h>

#include "../codebook.h"
#include "avx2.h"

EEB_INLINE EEB_AVX512_TARGET unsigned eeb_codebook_most_avx512(const uint8_t *codes, size_t count)
{
    __m512i most = _mm512_setzero_si512();
    __m256i half;
    __m128i folded;
    size_t at = 0;

    for (; count - at >= 64; at += 64) {
        most = _mm512_max_epu8(most, _mm512_loadu_si512(codes + at));
    }
    if (at != count) {
        most = _mm512_max_epu8(most, _mm512_maskz_loadu_epi8(~(__mmask64)0 >> (64 - (count - at)), codes + at));
    }
    half = _mm256_max_epu8(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64(most, 1));
    folded = _mm_max_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    folded = _mm_max_epu8(folded, _mm_srli_si128(folded, 8));
    folded = _mm_max_epu8(folded, _mm_srli_si128(folded, 4));
    folded = _mm_max_epu8(folded, _mm_srli_si128(folded, 2));
    folded = _mm_max_epu8(folded, _mm_srli_si128(folded, 1));
    return (unsigned)_mm_cvtsi128_si32(folded) & 0xffu;
}

EEB_INLINE EEB_AVX512_TARGET __m512 eeb_codebook_values_avx512(const uint8_t *entry, eeb_type type, __mmask16 mask)
{
    return type == EEB_FLOAT16 ? _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, entry)) : _mm512_maskz_loadu_ps(mask, entry);
}

EEB_INLINE EEB_AVX512_TARGET void eeb_codebook_entry_avx512(const uint8_t *entry, eeb_type type, size_t count, uint8_t *output, int add)
{
    const size_t bytes = type == EEB_FLOAT16 ? 2 : 4;
    size_t at = 0;

    if (count <= 8) { /* half a register or less */
        eeb_codebook_entry_avx2(entry, type, count, output, add);
        return;
    }
    for (; count - at >= 16; at += 16) {
        __m512 values = eeb_codebook_values_avx512(entry + bytes * at, type, 0xffff);

        _mm512_storeu_ps(output + 4 * at, add ? _mm512_add_ps(_mm512_loadu_ps(output + 4 * at), values) : values);
    }
    if (at != count) {
        const __mmask16 mask = (__mmask16)(0xffffu >> (16 - (count - at)));
        __m512 values = eeb_codebook_values_avx512(entry + bytes * at, type, mask);

        _mm512_mask_storeu_ps(output + 4 * at, mask, add ? _mm512_add_ps(_mm512_maskz_loadu_ps(mask, output + 4 * at), values) : values);
    }
}

/* Four entries in one register were slower than two in half of one. */
EEB_INLINE EEB_AVX512_TARGET void eeb_codebook_pair_avx512(const uint8_t *left, const uint8_t *right, uint8_t *output)
{
    eeb_codebook_pair_avx2(left, right, output);
}

#define EEB_ISA(name) name##_avx512
#define EEB_ISA_TARGET EEB_AVX512_TARGET
#define EEB_ISA_PARTS
#include "rows.h"

#endif
