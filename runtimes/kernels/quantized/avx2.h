/* QuantizedLookup with AVX2 and F16C. See quantized.h for the contract.
 *
 * Codes of 1 and 2 bits index their scaled levels in one register (vpermps reads the low 3 bits). Codes of 4 and 8 bits are centred as
 * bytes, sixteen at a time, then widened with their sign, converted and multiplied: the difference of two small integers is exact, so
 * that the order of centring and converting does not show. */
#ifndef EEB_QUANTIZED_AVX2_H
#define EEB_QUANTIZED_AVX2_H

#include <immintrin.h>

#include "../quantized.h"

typedef struct eeb_levels_avx2 {
    __m256 values; /* the scale in every lane, or the levels by code */
    float scale;
} eeb_levels_avx2;

EEB_INLINE EEB_AVX2_TARGET void eeb_quantized_scales_avx2(const uint8_t *scales, eeb_type type, size_t count, float *output)
{
    size_t at = 0;

    if (type == EEB_FLOAT16) {
        for (; count - at >= 4; at += 4) {
            _mm_storeu_ps(output + at, _mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)(const void *)(scales + 2 * at))));
        }
    }
    for (; at < count; ++at) {
        output[at] = eeb_float_at(scales, type, at);
    }
}

EEB_INLINE EEB_AVX2_TARGET eeb_levels_avx2 eeb_quantized_levels_avx2(float scale, int bits)
{
    eeb_levels_avx2 levels;

    levels.scale = scale;
    levels.values = _mm256_set1_ps(scale);
    if (bits == 2) {
        levels.values = _mm256_mul_ps(levels.values, _mm256_setr_ps(-1.5f, -0.5f, 0.5f, 1.5f, -1.5f, -0.5f, 0.5f, 1.5f));
    } else if (bits == 1) {
        levels.values = _mm256_mul_ps(levels.values, _mm256_setr_ps(-0.5f, 0.5f, -0.5f, 0.5f, -0.5f, 0.5f, -0.5f, 0.5f));
    }
    return levels;
}

typedef __m128i eeb_codes_avx2; /* sixteen bytes: centred for 8 bits, else as stored */

EEB_INLINE EEB_AVX2_TARGET eeb_codes_avx2 eeb_quantized_load_avx2(const uint8_t *codes, int bits)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)codes);

    return bits == 8 ? _mm_xor_si128(bytes, _mm_set1_epi8(-128)) : bytes;
}

EEB_INLINE EEB_AVX2_TARGET void eeb_quantized_put_avx2(__m256 values, uint8_t *output, int add)
{
    if (add) {
        EEB_ROUNDED(values);
        values = _mm256_add_ps(_mm256_loadu_ps((const float *)(const void *)output), values);
    }
    _mm256_storeu_ps((float *)(void *)output, values);
}

/* Writes or adds eight values: those of the low eight bytes. */
EEB_INLINE EEB_AVX2_TARGET void eeb_quantized_half_avx2(__m128i bytes, int part, eeb_levels_avx2 levels, uint8_t *output, int bits, int add)
{
    __m256 values;

    if (bits >= 4) {
        values = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), levels.values);
    } else {
        const __m256i index = _mm256_srlv_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(part * bits));

        values = _mm256_permutevar8x32_ps(levels.values, index);
    }
    eeb_quantized_put_avx2(values, output, add);
}

/* Writes or adds sixteen values: one part of sixteen bytes. */
EEB_INLINE EEB_AVX2_TARGET void eeb_quantized_part_avx2(
    eeb_codes_avx2 codes, int part, eeb_levels_avx2 levels, uint8_t *output, int bits, int add)
{
    if (bits == 4) {
        codes = _mm_and_si128(_mm_srl_epi16(codes, _mm_cvtsi32_si128(4 * part)), _mm_set1_epi8(15));
        codes = _mm_sub_epi8(codes, _mm_set1_epi8(8));
    }
    eeb_quantized_half_avx2(codes, part, levels, output, bits, add);
    eeb_quantized_half_avx2(_mm_srli_si128(codes, 8), part, levels, output + 32, bits, add);
}

EEB_INLINE EEB_AVX2_TARGET void eeb_quantized_chunk_avx2(eeb_codes_avx2 codes, int part, float scale, uint8_t *output, int bits, int add)
{
    eeb_quantized_part_avx2(codes, part, eeb_quantized_levels_avx2(scale, bits), output, bits, add);
}

EEB_INLINE EEB_AVX2_TARGET void eeb_quantized_run_avx2(
    const uint8_t *codes, int part, size_t count, eeb_levels_avx2 levels, uint8_t *output, int bits, int add)
{
    size_t at = 0;

    for (; count - at >= 16; at += 16) {
        eeb_quantized_part_avx2(eeb_quantized_load_avx2(codes + at, bits), part, levels, output + 4 * at, bits, add);
    }
    if (at != count) {
        eeb_quantized_run_serial(codes + at, part, count - at, levels.scale, output + 4 * at, bits, add);
    }
}

#define EEB_ISA(name) name##_avx2
#define EEB_ISA_CHUNKS
#define EEB_ISA_TARGET EEB_AVX2_TARGET
#include "rows.h"

#endif
