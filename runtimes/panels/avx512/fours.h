/* Weights of 4 bits with AVX-512 VNNI: bits 0 ... 15 are the unsigned operand of VPDPBUSD and the row's codes less 128 the signed one.
 * Part of ../avx512.h, which names its macros. */
#ifndef EEP_AVX512_FOURS_H
#define EEP_AVX512_FOURS_H

EEP_OP int32_t EEP(sum_codes)(const uint8_t *codes, uint32_t count)
{
    __m256i total = _mm256_setzero_si256();
    uint32_t at;
    __m128i four, two;

    for (at = 0; at < count; at += 32) {
        total = _mm256_dpbusd_epi32(total, _mm256_set1_epi8(1), _mm256_loadu_si256((const __m256i *)(const void *)(codes + at)));
    }
    four = _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
    two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

/* Four elements of a row in each word. */
EEP_OP __m512i EEP(four_bytes)(const uint8_t *codes)
{
    int32_t four;

    memcpy(&four, codes, 4);
    return _mm512_set1_epi32(four);
}

/* 16 scales. */
EEP_OP __m512 EEP(shorts)(const uint8_t *from)
{
    const __m256i halves = _mm256_loadu_si256((const __m256i *)(const void *)from);

    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

/* total + sum * scale, rounded after the product and after the sum. Up to 64 inputs a product is exact, since a sum has 16 bits and a scale
 * 8: then the one rounding of a fused sum is the same. */
EEP_OP __m512 EEP(add_product)(__m512 total, __m512 sum, __m512 scale, const int exact)
{
    return exact ? _mm512_fmadd_ps(sum, scale, total) : _mm512_add_ps(total, _mm512_mul_ps(sum, scale));
}

/* 16 columns of a panel, from `first` on. `rows` and `exact` are constants. */
EEP_OP void EEP(product_fours_of)(
    const uint8_t *panel, uint32_t columns, uint32_t first, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts,
    const uint32_t rows, const int exact, float *sums)
{
    const uint32_t width = block * blocks;
    const __m512i mask = _mm512_set1_epi8(15);
    __m512 total[EEP_ROWS];
    uint32_t number, at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        total[row] = _mm512_setzero_ps();
    }
    for (number = 0; number < blocks; ++number) {
        const __m512 scale = EEP(shorts)(panel + 2 * first);
        const uint8_t *four = panel + 2 * columns + 4 * first;
        __m512i sum[EEP_ROWS];

        panel += columns * (2 + (size_t)block / 2);
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            sum[row] = _mm512_set1_epi32(starts[row * blocks + number]);
        }
        for (at = 0; at < block; at += 8, four += 4 * columns, codes += 8) {
            const __m512i both = _mm512_loadu_si512(four);
            const __m512i x = _mm512_and_si512(both, mask), y = _mm512_and_si512(_mm512_srli_epi16(both, 4), mask);

            _mm_prefetch((const char *)four + 1536, _MM_HINT_T0);
            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                sum[row] = _mm512_dpbusd_epi32(sum[row], x, EEP(four_bytes)(codes + (size_t)row * width));
                sum[row] = _mm512_dpbusd_epi32(sum[row], y, EEP(four_bytes)(codes + (size_t)row * width + 4));
            }
        }
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            total[row] = EEP(add_product)(total[row], _mm512_cvtepi32_ps(sum[row]), scale, exact);
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        _mm512_storeu_ps(sums + row * EEP_COLUMNS, total[row]);
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: codes less 128 [rows][blocks * block] times a panel of 4 bits; starts [rows][blocks]. */
EEP_TARGET EEM_FUNCTION void EEP(product_fours)(
    const uint8_t *panel, uint32_t columns, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts, uint32_t rows,
    float *sums)
{
    uint32_t at;

    for (at = 0; at < columns; at += 16) {
#define EEP_PART(n, exact) EEP(product_fours_of)(panel, columns, at, block, blocks, codes, starts, n, exact, sums + at)
#define EEP_CALL(n) EEP_PART(n, 1)
#define EEP_CALL_LONG(n) EEP_PART(n, 0)
        if (block <= 64) {
            EEP_FOR_ROWS(EEP_CALL, rows)
        } else {
            EEP_FOR_ROWS(EEP_CALL_LONG, rows)
        }
#undef EEP_PART
#undef EEP_CALL
#undef EEP_CALL_LONG
    }
}

#endif
