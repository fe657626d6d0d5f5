/* QuantizedLogits with AVX-512 and VNNI. See logits.h for the contract.
 *
 * VPDPBUSD adds four products to a lane: codes are its unsigned operand as they are stored, the two bytes of an integer its signed ones.
 * What codes are too large by, zero times the sum of the integers of a lane, is known beforehand. */
#ifndef EEB_LOGITS_AVX512_H
#define EEB_LOGITS_AVX512_H

#include <immintrin.h>

#include "../logits.h"

#define EEB_VNNI_TARGET EEB_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,f16c")

/* EEB_ROUNDED in any of the 32 registers. */
#define EEB_LOGITS_ROUNDED(value) __asm__("" : "+v"(value))

typedef __m512 eeb_logits_lanes_avx512;
typedef __m512i eeb_logits_codes_avx512;
typedef __m512i eeb_logits_levels_avx512; /* bytes: codes, doubled at 1 and 2 bits */

EEB_INLINE EEB_VNNI_TARGET __m512 eeb_logits_zero_avx512(void)
{
    return _mm512_setzero_ps();
}

EEB_INLINE EEB_VNNI_TARGET __m512i eeb_logits_load_avx512(const uint8_t *codes, size_t left)
{
    if (left >= 64) {
        return _mm512_loadu_si512((const void *)codes);
    }
    return _mm512_maskz_loadu_epi8(~(__mmask64)0 >> (64 - left), codes);
}

EEB_INLINE EEB_VNNI_TARGET __m512i eeb_logits_unpack_avx512(__m512i codes, int part, int bits)
{
    const int shift = part * bits - (bits < 4 ? 1 : 0);

    if (bits == 8) {
        return codes;
    }
    codes = shift < 0 ? _mm512_slli_epi16(codes, 1) : _mm512_srl_epi16(codes, _mm_cvtsi32_si128(shift));
    return _mm512_and_si512(codes, _mm512_set1_epi8(bits == 4 ? 15 : bits == 2 ? 6 : 2));
}

EEB_INLINE EEB_VNNI_TARGET __m512 eeb_logits_spread_avx512(float scale)
{
    return _mm512_set1_ps(scale);
}

/* Up to 32 scales stay in two registers: floats that were stored a moment ago are slow to load across the bounds of their stores. */
typedef struct eeb_logits_near_avx512 {
    __m512 first, second;
    size_t count;
    float values[EEB_LOGITS_NEAR + EEB_LOGITS_LANES];
} eeb_logits_near_avx512;

EEB_INLINE EEB_VNNI_TARGET __m512 eeb_logits_sixteen_avx512(const uint8_t *scales, eeb_type type, size_t count)
{
    const __mmask16 mask = (__mmask16)(0xffffu >> (16 - count));

    return type == EEB_FLOAT16 ? _mm512_maskz_cvtph_ps(mask, _mm256_maskz_loadu_epi16(mask, scales)) : _mm512_maskz_loadu_ps(mask, scales);
}

EEB_INLINE EEB_VNNI_TARGET void eeb_logits_read_avx512(
    eeb_logits_near_avx512 *near, const uint8_t *scales, eeb_type type, size_t count, int whole)
{
    const size_t size = type == EEB_FLOAT16 ? 2 : 4;
    size_t at;

    near->count = count;
    near->first = eeb_logits_sixteen_avx512(scales, type, count < 16 ? count : 16);
    near->second = _mm512_setzero_ps();
    if (count > 16 && count <= 32) {
        near->second = eeb_logits_sixteen_avx512(scales + 16 * size, type, count - 16);
    }
    if (whole || count > 32) {
        _mm512_storeu_ps(near->values, near->first);
        for (at = 16; at < count; at += 16) {
            _mm512_storeu_ps(near->values + at, eeb_logits_sixteen_avx512(scales + at * size, type, count - at < 16 ? count - at : 16));
        }
    }
}

EEB_INLINE EEB_VNNI_TARGET __m512 eeb_logits_scale_avx512(const eeb_logits_near_avx512 *near, const uint8_t *from)
{
    const __m512i after = _mm512_loadu_si512((const void *)(from + offsetof(eeb_logits_place, after)));
    int32_t first;
    uint32_t used;

    memcpy(&first, from + offsetof(eeb_logits_place, first), sizeof first);
    memcpy(&used, from + offsetof(eeb_logits_place, used), sizeof used);
    if (near->count <= 32) {
        const __m512i blocks = _mm512_add_epi32(after, _mm512_set1_epi32(first));

        return _mm512_maskz_permutex2var_ps((__mmask16)used, near->first, blocks, near->second);
    }
    return _mm512_maskz_permutexvar_ps((__mmask16)used, after, _mm512_loadu_ps(near->values + first));
}

typedef struct eeb_logits_vector_avx512 {
    __m512i high, low, excess;
} eeb_logits_vector_avx512;

EEB_INLINE EEB_VNNI_TARGET eeb_logits_vector_avx512 eeb_logits_operands_avx512(const uint8_t *from, int bits)
{
    eeb_logits_vector_avx512 vector;

    (void)bits;
    vector.high = _mm512_loadu_si512((const void *)(from + offsetof(eeb_logits_part, high)));
    vector.low = _mm512_loadu_si512((const void *)(from + offsetof(eeb_logits_part, low)));
    vector.excess = _mm512_loadu_si512((const void *)(from + offsetof(eeb_logits_part, excess)));
    return vector;
}

EEB_INLINE EEB_VNNI_TARGET __m512
eeb_logits_add_avx512(__m512 lanes, __m512i levels, const eeb_logits_vector_avx512 *vector, __m512 scale, int bits)
{
    const __m512i high = _mm512_dpbusd_epi32(_mm512_setzero_si512(), levels, vector->high);
    __m512 product;

    (void)bits;
    product = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(_mm512_add_epi32(_mm512_slli_epi32(high, 8), vector->excess), levels, vector->low));
    product = _mm512_mul_ps(product, scale);
    EEB_LOGITS_ROUNDED(product);
    return _mm512_add_ps(lanes, product);
}

EEB_INLINE EEB_VNNI_TARGET float eeb_logits_total_avx512(__m512 lanes)
{
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#define EEB_ISA(name) name##_avx512
#define EEB_ISA_TARGET EEB_VNNI_TARGET
#define EEB_ISA_ROWS 4
#include "rows.h"

#endif
