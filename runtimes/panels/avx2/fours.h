/* Weights of 4 bits with AVX2. Bits 0 ... 15 times int8 fit VPMADDUBSW, two products an int16, of which eight fit int16 again: a sum of 32
 * inputs is widened once. Part of ../avx2.h, which names its macros. */
#ifndef EEP_AVX2_FOURS_H
#define EEP_AVX2_FOURS_H

EEP_OP int32_t EEP(sum_codes)(const uint8_t *codes, uint32_t count)
{
    __m256i total = _mm256_setzero_si256();
    uint32_t at;

    for (at = 0; at < count; at += 32) {
        const __m256i code = _mm256_loadu_si256((const __m256i *)(const void *)(codes + at));

        total = _mm256_add_epi32(total, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), code), _mm256_set1_epi16(1)));
    }
    return EEP(total)(total);
}

/* 8 columns of a panel, from `first` on. `rows` and `groups`, the blocks of 32 in a block, or 0 for any number of them, are constants. */
EEP_OP void EEP(product_fours_of)(
    const uint8_t *panel, uint32_t columns, uint32_t first, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts,
    const uint32_t rows, const uint32_t groups, float *sums)
{
    const uint32_t width = block * blocks, many = groups == 0 ? block / 32 : groups;
    const __m256i mask = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    __m256 total[EEP_TALL];
    uint32_t number, group, at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        total[row] = _mm256_setzero_ps();
    }
    for (number = 0; number < blocks; ++number) {
        const __m256i halves = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(panel + 2 * first)));
        const __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(halves, 16));
        const uint8_t *four = panel + 2 * columns + 4 * first;
        __m256i whole[EEP_TALL];

        panel += columns * (2 + (size_t)block / 2);
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            whole[row] = _mm256_set1_epi32(starts[row * blocks + number]);
        }
        for (group = 0; group < many; ++group) {
            __m256i half[EEP_TALL];

            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                half[row] = _mm256_setzero_si256();
            }
            for (at = 0; at < 4; ++at, four += 4 * columns, codes += 8) {
                const __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)four);
                const __m256i low = _mm256_and_si256(both, mask), high = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);

                EEP_UNROLL
                for (row = 0; row < rows; ++row) {
                    const uint8_t *code = codes + (size_t)row * width;

                    half[row] = _mm256_add_epi16(half[row], _mm256_maddubs_epi16(low, EEP(four_bytes)(code)));
                    half[row] = _mm256_add_epi16(half[row], _mm256_maddubs_epi16(high, EEP(four_bytes)(code + 4)));
                }
            }
            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                whole[row] = _mm256_add_epi32(whole[row], _mm256_madd_epi16(half[row], ones));
            }
        }
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            total[row] = _mm256_add_ps(total[row], _mm256_mul_ps(_mm256_cvtepi32_ps(whole[row]), scale));
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
#define EEP_PART(n, groups)                                                                                                                \
    EEP(product_fours_of)(                                                                                                                 \
        panel, columns, at, block, blocks, codes + (size_t)row * block * blocks, starts + (size_t)row * blocks, n, groups,                 \
        sums + row * EEP_COLUMNS + at)
#define EEP_CALL(n) EEP_PART(n, 1)
#define EEP_CALL_LONG(n) EEP_PART(n, 0)
            if (block == 32) {
                EEP_FOR_FIVE(EEP_CALL, high)
            } else {
                EEP_FOR_FIVE(EEP_CALL_LONG, high)
            }
#undef EEP_PART
#undef EEP_CALL
#undef EEP_CALL_LONG
        }
    }
}

#endif
