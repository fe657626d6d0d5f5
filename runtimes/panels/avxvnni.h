/* Panels with AVX2 and VPDPBUSD at 256 bits: AVX-VNNI (Intel since Alder Lake, Zen 5). The row's codes are the unsigned operand.
 *
 * -DEEP_VNNI_EVEX encodes the instruction as AVX-512 VNNI with vector lengths has it, for tests on a processor that has only that. */
#ifndef EEP_AVXVNNI_H
#define EEP_AVXVNNI_H

#include "avx2/halves.h"

#if defined(EEP_VNNI_EVEX)
#define EEP_TARGET EEB_TARGET("avx2,f16c,avx512f,avx512vl,avx512vnni")
#define EEP_DOT(sum, unsigned_bytes, signed_bytes) _mm256_dpbusd_epi32(sum, unsigned_bytes, signed_bytes)
#else
#define EEP_TARGET EEB_TARGET("avx2,f16c,avxvnni")
#define EEP_DOT(sum, unsigned_bytes, signed_bytes) _mm256_dpbusd_avx_epi32(sum, unsigned_bytes, signed_bytes)
#endif
#define EEP(name) eep_##name##_avxvnni
#define EEP_NAME "avxvnni"
#define EEP_FLOATS eep_floats_avx2
#define EEP_INTS eep_ints_avx2
#define EEP_OFFSET 0
#define EEP_OP EEP_TARGET EEM_INLINE

/* Rows that share the loads of a tile's columns: 2 sums each. */
#define EEP_TALL 5u
#define EEP_TILE 16u

#include "avx2/lanes.h"

/* EEP_TILE columns. `rows` is a constant. */
EEP_OP void EEP(product_of)(const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, const uint32_t rows, int32_t *sums)
{
    __m256i low[EEP_TALL], high[EEP_TALL];
    uint32_t at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        low[row] = high[row] = _mm256_setzero_si256();
    }
    for (at = 0; at < width; at += 4, panel += 4 * columns) {
        const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)panel);
        const __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(panel + 32));

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            const __m256i code = EEP(four_bytes)(codes + (size_t)row * width + at);

            low[row] = EEP_DOT(low[row], code, x);
            high[row] = EEP_DOT(high[row], code, y);
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        _mm256_storeu_si256((__m256i *)(void *)(sums + row * EEP_COLUMNS), low[row]);
        _mm256_storeu_si256((__m256i *)(void *)(sums + row * EEP_COLUMNS + 8), high[row]);
    }
}

#include "avx2/tiles.h"

EEP_OP int32_t EEP(sum_codes)(const uint8_t *codes, uint32_t count)
{
    __m256i total = _mm256_setzero_si256();
    uint32_t at;

    for (at = 0; at < count; at += 32) {
        total = EEP_DOT(total, _mm256_set1_epi8(1), _mm256_loadu_si256((const __m256i *)(const void *)(codes + at)));
    }
    return EEP(total)(total);
}

/* 8 columns of a panel of 4 bits, from `first` on: its bits are the unsigned operand here, and the row's codes less 128 the signed one.
 * `rows` is a constant. */
EEP_OP void EEP(product_fours_of)(
    const uint8_t *panel, uint32_t columns, uint32_t first, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts,
    const uint32_t rows, float *sums)
{
    const uint32_t width = block * blocks;
    const __m256i mask = _mm256_set1_epi8(15);
    __m256 total[EEP_TALL];
    uint32_t number, at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        total[row] = _mm256_setzero_ps();
    }
    for (number = 0; number < blocks; ++number) {
        const __m256i halves = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(panel + 2 * first)));
        const __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(halves, 16));
        const uint8_t *four = panel + 2 * columns + 4 * first;
        __m256i sum[EEP_TALL];

        panel += columns * (2 + (size_t)block / 2);
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            sum[row] = _mm256_set1_epi32(starts[row * blocks + number]);
        }
        for (at = 0; at < block; at += 8, four += 4 * columns, codes += 8) {
            const __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)four);
            const __m256i x = _mm256_and_si256(both, mask), y = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);

            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                sum[row] = EEP_DOT(sum[row], x, EEP(four_bytes)(codes + (size_t)row * width));
                sum[row] = EEP_DOT(sum[row], y, EEP(four_bytes)(codes + (size_t)row * width + 4));
            }
        }
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            total[row] = _mm256_add_ps(total[row], _mm256_mul_ps(_mm256_cvtepi32_ps(sum[row]), scale));
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        _mm256_storeu_ps(sums + row * EEP_COLUMNS, total[row]);
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: codes less 128 [rows][blocks * block] times a panel of 4 bits; starts [rows][blocks]. */
EEP_TARGET EEM_FUNCTION void EEP(product_fours)(
    const uint8_t *panel, uint32_t columns, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts, uint32_t rows,
    float *sums)
{
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row, high;

    for (at = 0; at < columns; at += 8) {
        for (row = 0; row < rows; row += tall) {
            high = rows - row < tall ? rows - row : tall;
#define EEP_CALL(n)                                                                                                                        \
    EEP(product_fours_of)(                                                                                                                 \
        panel, columns, at, block, blocks, codes + (size_t)row * block * blocks, starts + (size_t)row * blocks, n,                         \
        sums + row * EEP_COLUMNS + at)
            EEP_FOR_FIVE(EEP_CALL, high)
#undef EEP_CALL
        }
    }
}

#include "body.h"

#undef EEP_TALL
#undef EEP_TILE
#undef EEP_TARGET
#undef EEP
#undef EEP_NAME
#undef EEP_FLOATS
#undef EEP_INTS
#undef EEP_OFFSET
#undef EEP_OP
#undef EEP_DOT

#endif
