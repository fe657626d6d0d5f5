/* QuantizedLogits with AVX2 and F16C. See logits.h for the contract.
 *
 * Up to 4 bits VPMADDUBSW adds pairs of products in 16 bits, without saturation: at most 2 * 15 * 128. Codes of 8 bits are widened. */
#ifndef EEB_LOGITS_AVX2_H
#define EEB_LOGITS_AVX2_H

#include <immintrin.h>

#include "../logits.h"

typedef struct eeb_logits_lanes_avx2 {
    __m256 low, high;
} eeb_logits_lanes_avx2;

typedef struct eeb_logits_codes_avx2 {
    __m256i low, high;
} eeb_logits_codes_avx2;

typedef eeb_logits_codes_avx2 eeb_logits_levels_avx2; /* bytes: codes, doubled at 1 and 2 bits */

EEB_INLINE EEB_AVX2_TARGET eeb_logits_lanes_avx2 eeb_logits_zero_avx2(void)
{
    eeb_logits_lanes_avx2 lanes;

    lanes.low = lanes.high = _mm256_setzero_ps();
    return lanes;
}

EEB_INLINE EEB_AVX2_TARGET eeb_logits_codes_avx2 eeb_logits_load_avx2(const uint8_t *codes, size_t left)
{
    eeb_logits_codes_avx2 loaded;

    if (left >= 64) {
        loaded.low = _mm256_loadu_si256((const __m256i *)(const void *)codes);
        loaded.high = _mm256_loadu_si256((const __m256i *)(const void *)(codes + 32));
    } else {
        uint8_t end[64] = {0};

        memcpy(end, codes, left);
        loaded.low = _mm256_loadu_si256((const __m256i *)(const void *)end);
        loaded.high = _mm256_loadu_si256((const __m256i *)(const void *)(end + 32));
    }
    return loaded;
}

EEB_INLINE EEB_AVX2_TARGET __m256i eeb_logits_half_avx2(__m256i codes, int part, int bits)
{
    const int shift = part * bits - (bits < 4 ? 1 : 0);

    if (bits == 8) {
        return codes;
    }
    codes = shift < 0 ? _mm256_slli_epi16(codes, 1) : _mm256_srl_epi16(codes, _mm_cvtsi32_si128(shift));
    return _mm256_and_si256(codes, _mm256_set1_epi8(bits == 4 ? 15 : bits == 2 ? 6 : 2));
}

EEB_INLINE EEB_AVX2_TARGET eeb_logits_levels_avx2 eeb_logits_unpack_avx2(eeb_logits_codes_avx2 codes, int part, int bits)
{
    codes.low = eeb_logits_half_avx2(codes.low, part, bits);
    codes.high = eeb_logits_half_avx2(codes.high, part, bits);
    return codes;
}

EEB_INLINE EEB_AVX2_TARGET eeb_logits_lanes_avx2 eeb_logits_spread_avx2(float scale)
{
    eeb_logits_lanes_avx2 lanes;

    lanes.low = lanes.high = _mm256_set1_ps(scale);
    return lanes;
}

typedef struct eeb_logits_near_avx2 {
    float values[EEB_LOGITS_NEAR + EEB_LOGITS_LANES];
} eeb_logits_near_avx2;

EEB_INLINE EEB_AVX2_TARGET void eeb_logits_read_avx2(
    eeb_logits_near_avx2 *near, const uint8_t *scales, eeb_type type, size_t count, int whole)
{
    (void)whole;
    eeb_quantized_scales_avx2(scales, type, count, near->values);
}

/* Eight lanes: their blocks, of which the first may be any of the sixteen, are told from the first of the eight. Floats that were stored a
 * moment ago are slow to load across the bounds of their stores, and so a scale that all share is loaded by itself. */
EEB_INLINE EEB_AVX2_TARGET __m256 eeb_logits_eight_avx2(const float *near, const int32_t *after)
{
    const int32_t first = after[0] < 0 ? 0 : after[0];
    __m256i blocks;
    __m256 scales;

    if (after[7] == after[0] && after[0] >= 0) {
        return _mm256_broadcast_ss(near + first);
    }
    blocks = _mm256_loadu_si256((const __m256i *)(const void *)after);
    scales = _mm256_permutevar8x32_ps(_mm256_loadu_ps(near + first), _mm256_sub_epi32(blocks, _mm256_set1_epi32(first)));
    return _mm256_andnot_ps(_mm256_castsi256_ps(_mm256_srai_epi32(blocks, 31)), scales);
}

EEB_INLINE EEB_AVX2_TARGET eeb_logits_lanes_avx2 eeb_logits_scale_avx2(const eeb_logits_near_avx2 *near, const uint8_t *from)
{
    eeb_logits_lanes_avx2 lanes;
    eeb_logits_place place;

    memcpy(&place, from, sizeof place);
    lanes.low = eeb_logits_eight_avx2(near->values + place.first, place.after);
    lanes.high = eeb_logits_eight_avx2(near->values + place.first, place.after + 8);
    return lanes;
}

/* Eight lanes at a time are read where they are used: there are too few registers for more. */
typedef const uint8_t *eeb_logits_vector_avx2;

EEB_INLINE EEB_AVX2_TARGET eeb_logits_vector_avx2 eeb_logits_operands_avx2(const uint8_t *from, int bits)
{
    (void)bits;
    return from;
}

EEB_INLINE EEB_AVX2_TARGET __m256i eeb_logits_bytes_avx2(const uint8_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

/* The sums of eight lanes: of 32 codes. */
EEB_INLINE EEB_AVX2_TARGET __m256i eeb_logits_sums_avx2(__m256i levels, const uint8_t *from, size_t half, int bits)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i high, low, sums;

    if (bits == 8) {
        const __m256i first = eeb_logits_bytes_avx2(from + offsetof(eeb_logits_part, whole) + 64 * half);
        const __m256i second = eeb_logits_bytes_avx2(from + offsetof(eeb_logits_part, whole) + 64 * half + 32);

        levels = _mm256_xor_si256(levels, _mm256_set1_epi8(-128));
        low = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_castsi256_si128(levels)), first);
        high = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_extracti128_si256(levels, 1)), second);
        return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
    }
    sums = eeb_logits_bytes_avx2(from + offsetof(eeb_logits_part, excess) + 32 * half);
    high = _mm256_maddubs_epi16(levels, eeb_logits_bytes_avx2(from + offsetof(eeb_logits_part, high) + 32 * half));
    low = _mm256_maddubs_epi16(levels, eeb_logits_bytes_avx2(from + offsetof(eeb_logits_part, low) + 32 * half));
    high = _mm256_slli_epi32(_mm256_madd_epi16(high, ones), 8);
    return _mm256_add_epi32(_mm256_add_epi32(high, _mm256_madd_epi16(low, ones)), sums);
}

EEB_INLINE EEB_AVX2_TARGET __m256 eeb_logits_more_avx2(__m256 lanes, __m256i sums, __m256 scale)
{
    __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scale);

    EEB_ROUNDED(product);
    return _mm256_add_ps(lanes, product);
}

EEB_INLINE EEB_AVX2_TARGET eeb_logits_lanes_avx2 eeb_logits_add_avx2(
    eeb_logits_lanes_avx2 lanes, eeb_logits_levels_avx2 levels, const eeb_logits_vector_avx2 *vector, eeb_logits_lanes_avx2 scale, int bits)
{
    lanes.low = eeb_logits_more_avx2(lanes.low, eeb_logits_sums_avx2(levels.low, *vector, 0, bits), scale.low);
    lanes.high = eeb_logits_more_avx2(lanes.high, eeb_logits_sums_avx2(levels.high, *vector, 1, bits), scale.high);
    return lanes;
}

EEB_INLINE EEB_AVX2_TARGET float eeb_logits_total_avx2(eeb_logits_lanes_avx2 lanes)
{
    const __m256 eight = _mm256_add_ps(lanes.low, lanes.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

#define EEB_ISA(name) name##_avx2
#define EEB_ISA_TARGET EEB_AVX2_TARGET
#define EEB_ISA_ROWS 2
#include "rows.h"

#endif
