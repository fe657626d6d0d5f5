/* Panels with AVX2. Codes and weights are widened to int16, whose pairs VPMADDWD multiplies and adds exactly: VPMADDUBSW would saturate. */
#ifndef EEP_AVX2_H
#define EEP_AVX2_H

#include "avx2/halves.h"

#define EEP_TARGET EEB_TARGET("avx2,f16c")
#define EEP(name) eep_##name##_avx2
#define EEP_NAME "avx2"
#define EEP_FLOATS eep_floats_avx2
#define EEP_INTS eep_ints_avx2
#define EEP_OFFSET 128
#define EEP_OP EEP_TARGET EEM_INLINE

/* Rows that share the loads of a tile's columns: 2 sums each. */
#define EEP_TALL 5u
#define EEP_TILE 8u

#include "avx2/lanes.h"

/* Four elements of a row as int16, in each quarter of a register. */
EEP_OP __m256i EEP(four)(const uint8_t *codes)
{
    int32_t four;

    memcpy(&four, codes, 4);
    return _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
}

/* EEP_TILE columns; a sum has its even and odd pairs of elements side by side until the end. `rows` is a constant. */
EEP_OP void EEP(product_of)(const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, const uint32_t rows, int32_t *sums)
{
    __m256i low[EEP_TALL], high[EEP_TALL];
    uint32_t at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        low[row] = high[row] = _mm256_setzero_si256();
    }
    for (at = 0; at < width; at += 4, panel += 4 * columns) {
        const __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)panel));
        const __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(panel + 16)));

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            const __m256i code = EEP(four)(codes + (size_t)row * width + at);

            low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(code, x));
            high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(code, y));
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        const __m256i both = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low[row], high[row]), 0xd8);

        _mm256_storeu_si256((__m256i *)(void *)(sums + row * EEP_COLUMNS), both);
    }
}

#include "avx2/tiles.h"

#include "avx2/fours.h"

#include "body.h"

#undef EEP_TALL
#undef EEP_TILE
#undef EEP_FOR_ROWS
#undef EEP_TARGET
#undef EEP
#undef EEP_NAME
#undef EEP_FLOATS
#undef EEP_INTS
#undef EEP_OFFSET
#undef EEP_OP

#endif
