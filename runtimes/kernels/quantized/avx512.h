/* QuantizedLookup with AVX-512 F, BW, VL and DQ. See quantized.h for the contract.
 *
 * Up to 4 bits a block has at most 16 levels, which fill one register: they are scaled once for each block, and a code is its own
 * index (vpermps reads the low 4 bits and ignores the rest). Sixteen values cost a widening, a shift and a permutation; with 8 bits a
 * widening, a conversion and a product. The widening and the permutation share port 5 on Intel: two cycles for each 64 bytes. */
#ifndef EEB_QUANTIZED_AVX512_H
#define EEB_QUANTIZED_AVX512_H

#include <immintrin.h>

#include "../quantized.h"

typedef __m512 eeb_levels_avx512;

EEB_INLINE EEB_AVX512_TARGET void eeb_quantized_scales_avx512(const uint8_t *scales, eeb_type type, size_t count, float *output)
{
    const __mmask16 mask = (__mmask16)(0xffffu >> (16 - count));

    if (type == EEB_FLOAT16) {
        _mm512_storeu_ps(output, _mm512_maskz_cvtph_ps(mask, _mm256_maskz_loadu_epi16(mask, scales)));
    } else {
        _mm512_storeu_ps(output, _mm512_maskz_loadu_ps(mask, scales));
    }
}

EEB_INLINE EEB_AVX512_TARGET eeb_levels_avx512 eeb_quantized_levels_avx512(float scale, int bits)
{
    const __m512 scales = _mm512_set1_ps(scale);

    if (bits == 4) {
        return _mm512_mul_ps(scales, _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7));
    }
    if (bits == 2) {
        return _mm512_mul_ps(scales, _mm512_broadcast_f32x4(_mm_setr_ps(-1.5f, -0.5f, 0.5f, 1.5f)));
    }
    if (bits == 1) {
        return _mm512_mul_ps(scales, _mm512_broadcast_f32x4(_mm_setr_ps(-0.5f, 0.5f, -0.5f, 0.5f)));
    }
    return scales;
}

typedef __m512i eeb_codes_avx512; /* as dwords: centred for 8 bits, else as stored */

EEB_INLINE EEB_AVX512_TARGET eeb_codes_avx512 eeb_quantized_widen_avx512(__m128i bytes, int bits)
{
    return bits == 8 ? _mm512_cvtepi8_epi32(_mm_xor_si128(bytes, _mm_set1_epi8(-128))) : _mm512_cvtepu8_epi32(bytes);
}

EEB_INLINE EEB_AVX512_TARGET eeb_codes_avx512 eeb_quantized_load_avx512(const uint8_t *codes, int bits)
{
    return eeb_quantized_widen_avx512(_mm_loadu_si128((const __m128i *)(const void *)codes), bits);
}

EEB_INLINE EEB_AVX512_TARGET __m512 eeb_quantized_values_avx512(eeb_codes_avx512 codes, int part, eeb_levels_avx512 levels, int bits)
{
    if (bits == 8) {
        return _mm512_mul_ps(_mm512_cvtepi32_ps(codes), levels);
    }
    return _mm512_permutexvar_ps(_mm512_srlv_epi32(codes, _mm512_set1_epi32(part * bits)), levels);
}

EEB_INLINE EEB_AVX512_TARGET void eeb_quantized_put_avx512(__m512 values, uint8_t *output, int add)
{
    if (add) {
        EEB_ROUNDED(values);
        values = _mm512_add_ps(_mm512_loadu_ps(output), values);
    }
    _mm512_storeu_ps(output, values);
}

EEB_INLINE EEB_AVX512_TARGET void eeb_quantized_chunk_avx512(
    eeb_codes_avx512 codes, int part, float scale, uint8_t *output, int bits, int add)
{
    const eeb_levels_avx512 levels = eeb_quantized_levels_avx512(scale, bits);

    eeb_quantized_put_avx512(eeb_quantized_values_avx512(codes, part, levels, bits), output, add);
}

EEB_INLINE EEB_AVX512_TARGET void eeb_quantized_run_avx512(
    const uint8_t *codes, int part, size_t count, eeb_levels_avx512 levels, uint8_t *output, int bits, int add)
{
    size_t at = 0;

    for (; count - at >= 16; at += 16) {
        const eeb_codes_avx512 loaded = eeb_quantized_load_avx512(codes + at, bits);

        eeb_quantized_put_avx512(eeb_quantized_values_avx512(loaded, part, levels, bits), output + 4 * at, add);
    }
    if (at != count) {
        const __mmask16 mask = (__mmask16)(0xffffu >> (16 - (count - at)));
        const eeb_codes_avx512 loaded = eeb_quantized_widen_avx512(_mm_maskz_loadu_epi8(mask, codes + at), bits);
        __m512 values = eeb_quantized_values_avx512(loaded, part, levels, bits);

        if (add) {
            EEB_ROUNDED(values);
            values = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, output + 4 * at), values);
        }
        _mm512_mask_storeu_ps(output + 4 * at, mask, values);
    }
}

#define EEB_ISA(name) name##_avx512
#define EEB_ISA_CHUNKS
#define EEB_ISA_TARGET EEB_AVX512_TARGET
#include "rows.h"

#endif
