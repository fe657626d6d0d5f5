/* Vectors of texts as an index stores them, and how similar two are. The layouts are those of edgeemb/vectors.
 *
 *     int8     code = value / scale                          bytes = dim
 *     int4     code = 7 * value / largest of the vector      bytes = dim / 2       dim is even
 *     binary   bit = value > 0                               bytes = dim / 8       dim is a multiple of 8
 *     planes   binary, then the bits of what it leaves over  bytes = 2 * dim / 8
 *
 * Codes are rounded to the nearest, halves away from zero. At 4 bits 8 is added, and byte j holds elements j (its low bits) and j + dim/2:
 * [1, 2, 3, 4] -> [0xb9, 0xca]. Bits begin with the highest of the first byte: signs [+ - - - - - - +] -> [0x81].
 *
 * Every value fits its code: what lies beyond the range is cut, NaN gives the lowest code. Sums of int8 products, of codes of -128 too,
 * hold up to EEB_VECTORS_LONGEST dimensions.
 * Memory is the caller's, and nothing needs to be aligned but floats. The same bits come out of numpy, Java and Swift. */
#ifndef EEB_VECTORS_H
#define EEB_VECTORS_H

#include "cpu.h"

#define EEB_VECTORS_LONGEST 131071

/* Scales are used as they are stored: value / scale is value * (1 / scale), in float32. */
EEB_INLINE int32_t eeb_vectors_code(float value, float factor, float largest)
{
    float scaled = value * factor;

    EEB_ROUNDED(scaled);
    scaled = scaled > -largest ? scaled : -largest;
    scaled = scaled < largest ? scaled : largest;
    return (int32_t)(scaled < 0.0f ? scaled - 0.5f : scaled + 0.5f);
}

/* values [dim] -> codes [dim] */
EEB_FUNCTION void eeb_vectors_int8(const float *values, size_t dim, float scale, int8_t *codes)
{
    const float factor = 1.0f / scale;
    size_t at;

    for (at = 0; at < dim; ++at) {
        codes[at] = (int8_t)eeb_vectors_code(values[at], factor, 127.0f);
    }
}

/* values [dim] -> codes [dim / 2] */
EEB_FUNCTION void eeb_vectors_int4(const float *values, size_t dim, uint8_t *codes)
{
    float largest = 0.0f, factor;
    size_t at;

    for (at = 0; at < dim; ++at) {
        const float size = values[at] < 0.0f ? -values[at] : values[at];

        largest = size > largest ? size : largest;
    }
    factor = largest > 1e-30f ? 7.0f / largest : 0.0f;
    for (at = 0; at < dim / 2; ++at) {
        const int32_t low = eeb_vectors_code(values[at], factor, 7.0f) + 8;
        const int32_t high = eeb_vectors_code(values[at + dim / 2], factor, 7.0f) + 8;

        codes[at] = (uint8_t)(low | high << 4);
    }
}

/* values [dim] -> bits [dim / 8] */
EEB_FUNCTION void eeb_vectors_binary(const float *values, size_t dim, uint8_t *bits)
{
    size_t at;

    memset(bits, 0, dim / 8);
    for (at = 0; at < dim; ++at) {
        bits[at / 8] = (uint8_t)(bits[at / 8] | (values[at] > 0.0f ? 0x80u >> at % 8 : 0u));
    }
}

/* values [dim] -> bits [2][dim / 8]; scale is that of the first plane. */
EEB_FUNCTION void eeb_vectors_planes(const float *values, size_t dim, float scale, uint8_t *bits)
{
    uint8_t *rest = bits + dim / 8;
    size_t at;

    eeb_vectors_binary(values, dim, bits);
    memset(rest, 0, dim / 8);
    for (at = 0; at < dim; ++at) {
        const float left = values[at] > 0.0f ? values[at] - scale : values[at] + scale;

        rest[at / 8] = (uint8_t)(rest[at / 8] | (left > 0.0f ? 0x80u >> at % 8 : 0u));
    }
}

/* The inner product of two vectors of int8 codes. */
EEB_FUNCTION int32_t eeb_vectors_dot_int8(const int8_t *left, const int8_t *right, size_t dim)
{
    int32_t sum = 0;
    size_t at;

    for (at = 0; at < dim; ++at) {
        sum += (int32_t)left[at] * right[at];
    }
    return sum;
}

/* The inner product of two vectors of int4 codes. */
EEB_FUNCTION int32_t eeb_vectors_dot_int4(const uint8_t *left, const uint8_t *right, size_t dim)
{
    int32_t sum = 0;
    size_t at;

    for (at = 0; at < dim / 2; ++at) {
        sum += ((left[at] & 15) - 8) * ((right[at] & 15) - 8) + ((left[at] >> 4) - 8) * ((right[at] >> 4) - 8);
    }
    return sum;
}

/* The inner product of floats with the signs that bits stand for: a float query against a binary store. */
EEB_FUNCTION float eeb_vectors_dot_binary(const float *values, const uint8_t *bits, size_t dim)
{
    float sum = 0.0f;
    size_t at;

    for (at = 0; at < dim; ++at) {
        sum += (bits[at / 8] << at % 8 & 0x80) != 0 ? values[at] : -values[at];
    }
    return sum;
}

/* How many bits differ, for each of `rows` vectors that lie `stride` bytes apart; `count` of each row's bytes are compared. */
typedef void (*eeb_vectors_hamming_function)(
    const uint8_t *query, const uint8_t *store, size_t rows, size_t stride, size_t count, uint32_t *differ);

/* The inner product of a vector of codes with each of `rows` others, and of each of these with itself: what a cosine takes. */
typedef void (*eeb_vectors_dots_function)(
    const uint8_t *query, const uint8_t *store, size_t rows, size_t dim, int32_t *dots, int32_t *squares);

#include "vectors/serial.h"
#if EEB_HAS_NEON
#include "vectors/neon.h"
#endif
#if EEB_HAS_X86
#include "vectors/avx2.h"
#endif

/* The fastest for a variant; NULL if this processor cannot run it. */
EEB_FUNCTION eeb_vectors_hamming_function eeb_vectors_hamming_variant(eeb_variant variant)
{
    if (!eeb_cpu_can(variant)) {
        return NULL;
    }
    switch (variant) {
#if EEB_HAS_NEON
    case EEB_NEON: return eeb_vectors_hamming_neon;
#endif
#if EEB_HAS_X86
    case EEB_AVX2:
    case EEB_AVX512: return eeb_vectors_hamming_avx2;
#endif
    default: return eeb_vectors_hamming_serial;
    }
}

/* The fastest for 8 or 4 bits and a variant; NULL if there is none, or this processor cannot run it. */
EEB_FUNCTION eeb_vectors_dots_function eeb_vectors_dots_variant(int32_t bits, eeb_variant variant)
{
    if (!eeb_cpu_can(variant) || (bits != 8 && bits != 4)) {
        return NULL;
    }
#if EEB_HAS_X86
    if (variant == EEB_AVX2 || variant == EEB_AVX512) {
        return bits == 8 ? eeb_vectors_dots_int8_avx2 : eeb_vectors_dots_int4_avx2;
    }
#endif
    return bits == 8 ? eeb_vectors_dots_int8_serial : eeb_vectors_dots_int4_serial;
}

/* How many bits of two vectors differ. */
EEB_FUNCTION uint32_t eeb_vectors_hamming(const uint8_t *left, const uint8_t *right, size_t bytes)
{
    uint32_t differ;

    eeb_vectors_hamming_variant(eeb_cpu_best())(left, right, 1, bytes, bytes, &differ);
    return differ;
}

#endif
