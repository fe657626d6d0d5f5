/* Panels with AVX-512 and its dot products of int8 and int16 (VNNI: Ice Lake, Zen 4 and later).
 *
 * A tile is 8 rows by 32 columns: 16 sums, 2 registers of weights and one of a row's 4 elements. The row's codes are the unsigned operand.
 */
#ifndef EEP_AVX512_H
#define EEP_AVX512_H

#include <immintrin.h>

#define EEP_TARGET EEB_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,f16c")
#define EEP(name) eep_##name##_avx512
#define EEP_NAME "avx512vnni"
#define EEP_FLOATS __m512
#define EEP_INTS __m512i
#define EEP_OFFSET 0
#define EEP_OP EEP_TARGET EEM_INLINE

/* clang-format off */
EEP_OP __m512 EEP(load)(const float *from) { return _mm512_loadu_ps(from); }
EEP_OP __m512i EEP(load_int)(const int32_t *from) { return _mm512_loadu_si512(from); }
EEP_OP void EEP(store)(float *to, __m512 x) { _mm512_storeu_ps(to, x); }
EEP_OP __m512 EEP(set)(float x) { return _mm512_set1_ps(x); }
EEP_OP __m512i EEP(set_int)(int32_t x) { return _mm512_set1_epi32(x); }
EEP_OP __m512 EEP(add)(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
EEP_OP __m512 EEP(sub)(__m512 a, __m512 b) { return _mm512_sub_ps(a, b); }
EEP_OP __m512 EEP(mul)(__m512 a, __m512 b) { return _mm512_mul_ps(a, b); }
EEP_OP __m512 EEP(div)(__m512 a, __m512 b) { return _mm512_div_ps(a, b); }
EEP_OP __m512 EEP(min)(__m512 a, __m512 b) { return _mm512_min_ps(a, b); }
EEP_OP __m512 EEP(max)(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
EEP_OP __m512 EEP(abs)(__m512 a) { return _mm512_abs_ps(a); }
EEP_OP __m512i EEP(add_int)(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
EEP_OP __m512i EEP(sub_int)(__m512i a, __m512i b) { return _mm512_sub_epi32(a, b); }
EEP_OP __m512i EEP(mul_int)(__m512i a, __m512i b) { return _mm512_mullo_epi32(a, b); }
EEP_OP __m512 EEP(from_int)(__m512i a) { return _mm512_cvtepi32_ps(a); }
EEP_OP __m512i EEP(round)(__m512 a) { return _mm512_cvt_roundps_epi32(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/* clang-format on */

/* The first `count` lanes; zeros or `other` behind. */
EEP_OP __m512 EEP(first)(__m512 a, uint32_t count)
{
    return _mm512_maskz_mov_ps((__mmask16)((1u << count) - 1u), a);
}

EEP_OP __m512 EEP(first_or)(__m512 a, uint32_t count, __m512 other)
{
    return _mm512_mask_mov_ps(other, (__mmask16)((1u << count) - 1u), a);
}

/* a where x > bound, else 0 */
EEP_OP __m512 EEP(zero_below)(__m512 x, float bound, __m512 a)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(bound), _CMP_GT_OQ), a);
}

/* a times 2^k; whole = k + EEM_ROUNDER */
EEP_OP __m512 EEP(scale)(__m512 a, __m512 whole)
{
    const __m512i power = _mm512_sub_epi32(_mm512_castps_si512(whole), _mm512_set1_epi32(EEM_ROUNDER_BITS));

    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_slli_epi32(power, 23)));
}

/* a, or -a where x < 0 */
EEP_OP __m512 EEP(signed_as)(__m512 a, __m512 x)
{
    return _mm512_mask_xor_ps(a, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), a, _mm512_set1_ps(-0.0f));
}

EEP_OP float EEP(sum)(__m512 a)
{
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

EEP_OP float EEP(largest)(__m512 a)
{
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* To 8 bits without and with a sign, and to 16; above 255 stays 255. */
EEP_OP void EEP(store_codes)(uint8_t *to, __m512i a)
{
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtusepi32_epi8(a));
}

EEP_OP void EEP(store_narrow)(int8_t *to, __m512i a)
{
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8(a));
}

EEP_OP void EEP(store_wide)(int16_t *to, __m512i a)
{
    _mm256_storeu_si256((__m256i *)(void *)to, _mm512_cvtepi32_epi16(a));
}

/* To 16 bits, lanes of a and b in turn. */
EEP_OP void EEP(store_pairs)(int16_t *to, __m512i a, __m512i b)
{
    _mm512_storeu_si512(to, _mm512_mask_blend_epi16(0xaaaaaaaau, a, _mm512_slli_epi32(b, 16)));
}

/* `rows` and `columns` are constants, so that the sums stay in registers. */
EEP_OP void EEP(product_of)(
    const int8_t *panel, const uint32_t columns, uint32_t width, const uint8_t *codes, const uint32_t rows, int32_t *sums)
{
    __m512i low[EEP_ROWS], high[EEP_ROWS];
    uint32_t at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        low[row] = high[row] = _mm512_setzero_si512();
    }
    for (at = 0; at < width; at += 4, panel += 4 * columns) {
        const __m512i x = _mm512_loadu_si512(panel), y = columns == 32 ? _mm512_loadu_si512(panel + 64) : x;

        _mm_prefetch((const char *)panel + 1536, _MM_HINT_T0);
        if (columns == 32) {
            _mm_prefetch((const char *)panel + 1600, _MM_HINT_T0);
        }
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            int32_t four;
            __m512i code;

            memcpy(&four, codes + (size_t)row * width + at, 4);
            code = _mm512_set1_epi32(four);
            low[row] = _mm512_dpbusd_epi32(low[row], code, x);
            if (columns == 32) {
                high[row] = _mm512_dpbusd_epi32(high[row], code, y);
            }
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        _mm512_storeu_si512(sums + row * EEP_COLUMNS, low[row]);
        if (columns == 32) {
            _mm512_storeu_si512(sums + row * EEP_COLUMNS + 16, high[row]);
        }
    }
}

EEP_OP void EEP(mix_of)(
    const int16_t *values, const uint32_t columns, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride,
    const uint32_t rows, int32_t *sums)
{
    __m512i low[EEP_ROWS], high[EEP_ROWS];
    uint32_t at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        low[row] = high[row] = _mm512_setzero_si512();
    }
    for (at = 0; at < pairs; ++at, values += step) {
        const __m512i x = _mm512_loadu_si512(values), y = columns == 32 ? _mm512_loadu_si512(values + 32) : x;

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            int32_t two;
            __m512i share;

            memcpy(&two, shares + (size_t)row * stride + 2 * at, 4);
            share = _mm512_set1_epi32(two);
            low[row] = _mm512_dpwssd_epi32(low[row], share, x);
            if (columns == 32) {
                high[row] = _mm512_dpwssd_epi32(high[row], share, y);
            }
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        _mm512_storeu_si512(sums + row * EEP_COLUMNS, low[row]);
        if (columns == 32) {
            _mm512_storeu_si512(sums + row * EEP_COLUMNS + 16, high[row]);
        }
    }
}

#define EEP_FOR_ROWS(call, rows)                                                                                                           \
    switch (rows) {                                                                                                                        \
    case 1: call(1); break;                                                                                                                \
    case 2: call(2); break;                                                                                                                \
    case 3: call(3); break;                                                                                                                \
    case 4: call(4); break;                                                                                                                \
    case 5: call(5); break;                                                                                                                \
    case 6: call(6); break;                                                                                                                \
    case 7: call(7); break;                                                                                                                \
    default: call(8); break;                                                                                                               \
    }

/* sums [EEP_ROWS][EEP_COLUMNS]: codes [rows][width] times a panel. */
EEP_TARGET EEM_FUNCTION void EEP(product)(
    const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, uint32_t rows, int32_t *sums)
{
#define EEP_WIDE_CALL(n) EEP(product_of)(panel, 32, width, codes, n, sums)
#define EEP_NARROW_CALL(n) EEP(product_of)(panel, 16, width, codes, n, sums)
    if (columns == 32) {
        EEP_FOR_ROWS(EEP_WIDE_CALL, rows)
    } else {
        EEP_FOR_ROWS(EEP_NARROW_CALL, rows)
    }
#undef EEP_WIDE_CALL
#undef EEP_NARROW_CALL
}

/* sums [EEP_ROWS][EEP_COLUMNS]: shares [rows][stride] times the values of `pairs` tokens; `step` lies between two pairs. */
EEP_TARGET EEM_FUNCTION void EEP(mix)(
    const int16_t *values, uint32_t columns, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, uint32_t rows,
    int32_t *sums)
{
#define EEP_WIDE_CALL(n) EEP(mix_of)(values, 32, step, pairs, shares, stride, n, sums)
#define EEP_NARROW_CALL(n) EEP(mix_of)(values, 16, step, pairs, shares, stride, n, sums)
    if (columns == 32) {
        EEP_FOR_ROWS(EEP_WIDE_CALL, rows)
    } else {
        EEP_FOR_ROWS(EEP_NARROW_CALL, rows)
    }
#undef EEP_WIDE_CALL
#undef EEP_NARROW_CALL
}

#include "avx512/fours.h"

#include "body.h"

#undef EEP_FOR_ROWS
#undef EEP_TARGET
#undef EEP
#undef EEP_NAME
#undef EEP_FLOATS
#undef EEP_INTS
#undef EEP_OFFSET
#undef EEP_OP

#endif
