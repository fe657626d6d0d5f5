/* 16 lanes of AVX2 in two halves, their operations, and the mixing of values: what the variants with 256 bits share. A variant names its
 * macros, EEP_TALL among them, the rows that share the loads of columns. No include guard. */

/* An operation on both halves. */
#define EEP_BOTH(type, name, arguments, first, second)                                                                                     \
    EEP_OP type EEP(name) arguments                                                                                                        \
    {                                                                                                                                      \
        type out;                                                                                                                          \
                                                                                                                                           \
        out.low = first;                                                                                                                   \
        out.high = second;                                                                                                                 \
        return out;                                                                                                                        \
    }
#define EEP_PAIR(type, name, operation) EEP_BOTH(type, name, (type a, type b), operation(a.low, b.low), operation(a.high, b.high))

EEP_BOTH(EEP_FLOATS, load, (const float *from), _mm256_loadu_ps(from), _mm256_loadu_ps(from + 8))
EEP_BOTH(
    EEP_INTS, load_int, (const int32_t *from), _mm256_loadu_si256((const __m256i *)(const void *)from),
    _mm256_loadu_si256((const __m256i *)(const void *)(from + 8)))
EEP_BOTH(EEP_FLOATS, set, (float x), _mm256_set1_ps(x), _mm256_set1_ps(x))
EEP_BOTH(EEP_INTS, set_int, (int32_t x), _mm256_set1_epi32(x), _mm256_set1_epi32(x))
EEP_PAIR(EEP_FLOATS, add, _mm256_add_ps)
EEP_PAIR(EEP_FLOATS, sub, _mm256_sub_ps)
EEP_PAIR(EEP_FLOATS, mul, _mm256_mul_ps)
EEP_PAIR(EEP_FLOATS, div, _mm256_div_ps)
EEP_PAIR(EEP_FLOATS, min, _mm256_min_ps)
EEP_PAIR(EEP_FLOATS, max, _mm256_max_ps)
EEP_PAIR(EEP_INTS, add_int, _mm256_add_epi32)
EEP_PAIR(EEP_INTS, sub_int, _mm256_sub_epi32)
EEP_PAIR(EEP_INTS, mul_int, _mm256_mullo_epi32)
EEP_BOTH(EEP_FLOATS, abs, (EEP_FLOATS a), _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.low), _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.high))
EEP_BOTH(EEP_FLOATS, from_int, (EEP_INTS a), _mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high))

EEP_OP void EEP(store)(float *to, EEP_FLOATS x)
{
    _mm256_storeu_ps(to, x.low);
    _mm256_storeu_ps(to + 8, x.high);
}

EEP_OP __m256i EEP(round_half)(__m256 a)
{
    return _mm256_sub_epi32(_mm256_castps_si256(_mm256_add_ps(a, _mm256_set1_ps(EEM_ROUNDER))), _mm256_set1_epi32(EEM_ROUNDER_BITS));
}

EEP_BOTH(EEP_INTS, round, (EEP_FLOATS a), EEP(round_half)(a.low), EEP(round_half)(a.high))

/* All ones in the lanes from `at` on that are below `count`. */
EEP_OP __m256 EEP(below)(int32_t at, uint32_t count)
{
    const __m256i lane = _mm256_add_epi32(_mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0), _mm256_set1_epi32(at));

    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)count), lane));
}

/* The first `count` lanes; zeros or b behind. */
EEP_BOTH(
    EEP_FLOATS, first, (EEP_FLOATS a, uint32_t count), _mm256_and_ps(a.low, EEP(below)(0, count)),
    _mm256_and_ps(a.high, EEP(below)(8, count)))
EEP_BOTH(
    EEP_FLOATS, first_or, (EEP_FLOATS a, uint32_t count, EEP_FLOATS b), _mm256_blendv_ps(b.low, a.low, EEP(below)(0, count)),
    _mm256_blendv_ps(b.high, a.high, EEP(below)(8, count)))

/* a where x > bound, else 0 */
EEP_BOTH(
    EEP_FLOATS, zero_below, (EEP_FLOATS x, float bound, EEP_FLOATS a),
    _mm256_and_ps(a.low, _mm256_cmp_ps(x.low, _mm256_set1_ps(bound), _CMP_GT_OQ)),
    _mm256_and_ps(a.high, _mm256_cmp_ps(x.high, _mm256_set1_ps(bound), _CMP_GT_OQ)))

/* a times 2^k; whole = k + EEM_ROUNDER */
EEP_OP __m256 EEP(scale_half)(__m256 a, __m256 whole)
{
    const __m256i power = _mm256_sub_epi32(_mm256_castps_si256(whole), _mm256_set1_epi32(EEM_ROUNDER_BITS));

    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(power, 23)));
}

EEP_PAIR(EEP_FLOATS, scale, EEP(scale_half))

/* a, or -a where x < 0 */
EEP_OP __m256 EEP(signed_half)(__m256 a, __m256 x)
{
    const __m256 below = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ);

    return _mm256_xor_ps(a, _mm256_and_ps(below, _mm256_set1_ps(-0.0f)));
}

EEP_PAIR(EEP_FLOATS, signed_as, EEP(signed_half))

EEP_OP float EEP(sum)(EEP_FLOATS a)
{
    const __m256 eight = _mm256_add_ps(a.low, a.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

EEP_OP float EEP(largest)(EEP_FLOATS a)
{
    const __m256 eight = _mm256_max_ps(a.low, a.high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* To 16 bits, in order. */
EEP_OP __m256i EEP(to_wide)(EEP_INTS a)
{
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(a.low, a.high), 0xd8);
}

EEP_OP void EEP(store_wide)(int16_t *to, EEP_INTS a)
{
    _mm256_storeu_si256((__m256i *)(void *)to, EEP(to_wide)(a));
}

/* To 8 bits: codes, of which those above 255 stay 255, less EEP_OFFSET; and with a sign. */
EEP_OP void EEP(store_codes)(uint8_t *to, EEP_INTS a)
{
    const __m256i wide = EEP(to_wide)(a);
    const __m128i codes = _mm_packus_epi16(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));

    _mm_storeu_si128((__m128i *)(void *)to, EEP_OFFSET == 0 ? codes : _mm_xor_si128(codes, _mm_set1_epi8(-128)));
}

EEP_OP void EEP(store_narrow)(int8_t *to, EEP_INTS a)
{
    const __m256i wide = EEP(to_wide)(a);

    _mm_storeu_si128((__m128i *)(void *)to, _mm_packs_epi16(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1)));
}

/* To 16 bits, lanes of a and b in turn. */
EEP_OP void EEP(store_pairs)(int16_t *to, EEP_INTS a, EEP_INTS b)
{
    const __m256i low = _mm256_blend_epi16(a.low, _mm256_slli_epi32(b.low, 16), 0xaa);
    const __m256i high = _mm256_blend_epi16(a.high, _mm256_slli_epi32(b.high, 16), 0xaa);

    _mm256_storeu_si256((__m256i *)(void *)to, low);
    _mm256_storeu_si256((__m256i *)(void *)(to + 16), high);
}

/* Four elements of a row in each word. */
EEP_OP __m256i EEP(four_bytes)(const uint8_t *codes)
{
    int32_t four;

    memcpy(&four, codes, 4);
    return _mm256_set1_epi32(four);
}

/* The sum of 8 words. */
EEP_OP int32_t EEP(total)(__m256i words)
{
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));

    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

EEP_OP void EEP(mix_of)(
    const int16_t *values, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, const uint32_t rows, int32_t *sums)
{
    __m256i low[EEP_TALL], high[EEP_TALL];
    uint32_t at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        low[row] = high[row] = _mm256_setzero_si256();
    }
    for (at = 0; at < pairs; ++at, values += step) {
        const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)values);
        const __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(values + 16));

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            int32_t two;
            __m256i share;

            memcpy(&two, shares + (size_t)row * stride + 2 * at, 4);
            share = _mm256_set1_epi32(two);
            low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(share, x));
            high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(share, y));
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        _mm256_storeu_si256((__m256i *)(void *)(sums + row * EEP_COLUMNS), low[row]);
        _mm256_storeu_si256((__m256i *)(void *)(sums + row * EEP_COLUMNS + 8), high[row]);
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: shares [rows][stride] times the values of `pairs` tokens; `step` lies between two pairs. */
EEP_TARGET EEM_FUNCTION void EEP(mix)(
    const int16_t *values, uint32_t columns, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, uint32_t rows,
    int32_t *sums)
{
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row, high;

#define EEP_CALL(n) EEP(mix_of)(values + 2 * at, step, pairs, shares + (size_t)row * stride, stride, n, sums + row * EEP_COLUMNS + at)
    EEP_FIVES(16, EEP_CALL)
#undef EEP_CALL
}

#undef EEP_BOTH
#undef EEP_PAIR
