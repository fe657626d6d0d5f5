/* NgramLookup: rows computed from the bytes of tokens, as float32. Nothing is stored of a row.
 *
 * CONTENTS   eeb_ngram_lookup(table, ids, output, position)             rows of tokens that the table holds, by id
 *            eeb_ngram_bytes(table, bytes, count, width, output)        rows of tokens that come as their bytes
 *            eeb_ngram_row(table, token, length, output)                one row, nothing checked: for bare metal
 *            each also as _{serial,neon,avx2,avx512}                    one instruction set
 *            eeb_ngram_variant(variant)                                 the first two, as pointers
 *            eeb_ngram_check, eeb_ngram_low
 *
 * VALUE      With B = 4093 and C = 2046: the hash of an n-gram in a lane with base a is h = (h * a + byte + 1) mod B over its bytes, from
 *            h = 0. Element j of the part of its size is the sum of (h * seeds[j] mod B) - C over the n-grams of that size, an integer,
 *            times the float32 1 / (C * n-grams). It takes the hashes of lane j mod lanes. A token shorter than the size has one n-gram of
 *            it: itself. A token without bytes is the row of zeros. Every variant gives the same bits.
 *
 * LAYOUT     tokens  uint8[total], end to end; token i is tokens[starts[i]] to tokens[starts[i + 1] - 1], at most 32 bytes
 *            starts  int32[rows + 1]
 *            seeds   int16[dim], each in [1, B)
 *            bases   int16[lanes], each in [1, B)
 *            ids     int32 or int64 [count], each in [0, rows)
 *            bytes   uint8[count][width]; a zero ends a token before the width does, and only 32 bytes count
 *            output  float32[count][dim]; the sizes 1 to n share the elements 1 : 2 : ... : n, see eeb_ngram_low
 *                n 1, lanes 1, dim 1, seeds [3], bases [257], the token "ab": hashes 98 and 99,
 *                (98 * 3 - 2046) + (99 * 3 - 2046) = -3501, times 1 / 4092 -> -0.855572
 *            No pointer needs any alignment. Numbers are little-endian. output overlaps no input.
 *
 * BOUNDS     1 <= n <= 8; lanes 1, 2, 4, 8 or 16; dim <= 32768, a multiple of lanes, and no size without elements; 1 <= width;
 *            0 <= rows, total; each array's size in bytes fits ptrdiff_t.
 *
 * ERRORS     a status of status.h. All ids, and then the bounds of all tokens asked for, are checked first: after any error the output is
 *            as it was. For EEB_ID_OUT_OF_RANGE, and EEB_CODE_OUT_OF_RANGE where a token's bounds fall, lie outside [0, total] or more than
 *            32 apart, the first wrong position among the ids goes to *position (which may be NULL). A seed or a base out of range is
 *            EEB_BAD_SHAPE. count = 0 is legal, with any pointers to ids, bytes and output.
 *
 * COST       no allocation, no state, no libc but memcpy and memset; less than 4 KiB of stack. Safe from any number of threads. A token
 *            that comes again in one call is copied from its earlier row, unless one of EEB_NGRAM_MEMO slots was taken meanwhile.
 *            Multiplications modulo B take no division: see eeb_ngram_times.
 *
 * VARIANTS   serial   any processor with 8-bit bytes, little-endian; the reference
 *            neon     AArch64, chosen at compile time
 *            avx2     chosen at run time
 *            avx512   F, BW, VL and DQ; chosen at run time; tails are masked
 */
#ifndef EEB_NGRAM_H
#define EEB_NGRAM_H

#include "cpu.h"
#include "ids.h"
#include "status.h"

/* Slots of the memory that finds a repeated token; a power of two, four bytes of stack each. */
#ifndef EEB_NGRAM_MEMO
#define EEB_NGRAM_MEMO 256
#endif

enum {
    EEB_NGRAM_MODULUS = 4093,
    EEB_NGRAM_CENTRE = 2046,
    EEB_NGRAM_BYTES = 32, /* of a token that count */
    EEB_NGRAM_MOST = 8,   /* the longest n-gram */
    EEB_NGRAM_LANES = 16  /* that a row of hashes has room for */
};

typedef struct eeb_ngram_table {
    const void *tokens; /* NULL where tokens come as bytes, as is starts */
    const void *starts;
    const void *seeds;
    const void *bases;
    int64_t rows;
    int64_t total; /* bytes of tokens */
    int32_t n;
    int32_t lanes;
    int32_t dim;
} eeb_ngram_table;

typedef eeb_status (*eeb_ngram_lookup_function)(const eeb_ngram_table *table, const eeb_ids *ids, void *output, size_t *position);
typedef eeb_status (*eeb_ngram_bytes_function)(const eeb_ngram_table *table, const void *bytes, size_t count, size_t width, void *output);

/* A variant's two forms; NULL both if there is none. */
typedef struct eeb_ngram_functions {
    eeb_ngram_lookup_function lookup;
    eeb_ngram_bytes_function bytes;
} eeb_ngram_functions;

/* First element of the part of the n-grams of `size`; one past the last element for size n + 1. */
EEB_FUNCTION size_t eeb_ngram_low(const eeb_ngram_table *table, int32_t size)
{
    const uint32_t share = (uint32_t)(size * (size - 1) / 2), shares = (uint32_t)(table->n * (table->n + 1) / 2);
    const uint32_t lanes = (uint32_t)table->lanes;

    return (uint32_t)table->dim * share / shares / lanes * lanes;
}

/* Number `index` of an array of int16, as the unsigned number that it is. */
EEB_INLINE uint32_t eeb_ngram_at(const void *array, size_t index)
{
    uint16_t value;

    memcpy(&value, (const uint8_t *)array + index * sizeof value, sizeof value);
    return value;
}

/* Whether `count` numbers all lie in [1, B). */
EEB_INLINE int eeb_ngram_below(const void *array, size_t count)
{
    uint32_t wrong = 0;
    size_t at;

    for (at = 0; at < count; ++at) {
        wrong |= (uint32_t)(eeb_ngram_at(array, at) - 1u >= EEB_NGRAM_MODULUS - 1u);
    }
    return wrong == 0;
}

/* EEB_OK if the table keeps the bounds above and `count` rows can be addressed. */
EEB_FUNCTION eeb_status eeb_ngram_check(const eeb_ngram_table *table, size_t count)
{
    const uint64_t most = SIZE_MAX / 2;
    int32_t size;

    if (table->n < 1 || table->n > EEB_NGRAM_MOST || table->lanes < 1 || table->lanes > EEB_NGRAM_LANES ||
        (table->lanes & (table->lanes - 1)) != 0) {
        return EEB_BAD_SHAPE;
    }
    if (table->dim < 1 || table->dim > 1 << 15 || table->dim % table->lanes != 0 || table->rows < 0 || table->total < 0) {
        return EEB_BAD_SHAPE;
    }
    for (size = 1; size <= table->n; ++size) {
        if (eeb_ngram_low(table, size) == eeb_ngram_low(table, size + 1)) {
            return EEB_BAD_SHAPE;
        }
    }
    if ((uint64_t)count > most / 4 / (uint64_t)table->dim || (uint64_t)table->rows >= most / 4 || (uint64_t)table->total > most) {
        return EEB_BAD_SHAPE;
    }
    if (!eeb_ngram_below(table->seeds, (size_t)table->dim) || !eeb_ngram_below(table->bases, (size_t)table->lanes)) {
        return EEB_BAD_SHAPE;
    }
    return EEB_OK;
}

/* floor(s * 2^16 / B) or one less, for s in [0, B): 2^16 = 16 * B + 48, and 48 * s / B = 3 * s / 2^8 but for 0.04. */
EEB_INLINE uint32_t eeb_ngram_quotient(uint32_t s)
{
    return 16u * s + (3u * s >> 8);
}

/* h * s modulo B, for h and s in [0, B) and the quotient of s. The factor of B that the quotient gives is the right one or one less, so
 * that the difference lies in [0, 2 * B) (Shoup's multiplication), in 16 bits as in 32. */
EEB_INLINE uint32_t eeb_ngram_times(uint32_t h, uint32_t s, uint32_t quotient)
{
    const uint32_t difference = h * s - (h * quotient >> 16) * EEB_NGRAM_MODULUS;

    return difference >= EEB_NGRAM_MODULUS ? difference - EEB_NGRAM_MODULUS : difference;
}

/* Where the token of an id begins, and its length; EEB_CODE_OUT_OF_RANGE if its bounds are none. */
EEB_INLINE eeb_status eeb_ngram_token(const eeb_ngram_table *table, int64_t id, size_t *start, size_t *length)
{
    int32_t bounds[2];

    memcpy(bounds, (const uint8_t *)table->starts + (size_t)id * sizeof bounds[0], sizeof bounds);
    if (bounds[0] < 0 || bounds[1] < bounds[0] || bounds[1] > table->total || bounds[1] - bounds[0] > EEB_NGRAM_BYTES) {
        return EEB_CODE_OUT_OF_RANGE;
    }
    *start = (size_t)bounds[0];
    *length = (size_t)(bounds[1] - bounds[0]);
    return EEB_OK;
}

/* EEB_OK if the bounds of all tokens asked for hold; else the first position of one whose bounds do not. */
EEB_FUNCTION eeb_status eeb_ngram_check_tokens(const eeb_ngram_table *table, const eeb_ids *ids, size_t *position)
{
    size_t at, start, length;

    for (at = 0; at < ids->count; ++at) {
        if (eeb_ngram_token(table, eeb_id_at(ids, at), &start, &length) != EEB_OK) {
            if (position != NULL) {
                *position = at;
            }
            return EEB_CODE_OUT_OF_RANGE;
        }
    }
    return EEB_OK;
}

/* Bytes of a padded token that count, and a number that is likely to tell it from others. */
EEB_INLINE size_t eeb_ngram_length(const uint8_t *token, size_t width, uint32_t *key)
{
    const size_t most = width < EEB_NGRAM_BYTES ? width : (size_t)EEB_NGRAM_BYTES;
    size_t length;

    *key = 0;
    for (length = 0; length < most && token[length] != 0; ++length) {
        *key = *key * 31u + token[length];
    }
    return length;
}

EEB_INLINE int eeb_ngram_same(const uint8_t *left, const uint8_t *right, size_t length, size_t width)
{
    size_t at;

    for (at = 0; at < length; ++at) {
        if (left[at] != right[at]) {
            return 0;
        }
    }
    return length == width || length == EEB_NGRAM_BYTES || right[length] == 0;
}

#include "ngram/serial.h"
#if EEB_HAS_NEON
#include "ngram/neon.h"
#endif
#if EEB_HAS_X86
#include "ngram/avx2.h"
#include "ngram/avx512.h"
#endif

/* The kernels of a variant; NULL if there are none, or this processor cannot run them. */
EEB_FUNCTION eeb_ngram_functions eeb_ngram_variant(eeb_variant variant)
{
    eeb_ngram_functions found = {NULL, NULL};

    if (!eeb_cpu_can(variant)) {
        return found;
    }
    switch (variant) {
    case EEB_SERIAL:
    case EEB_MVE: /* has none of its own */
        found.lookup = eeb_ngram_lookup_serial;
        found.bytes = eeb_ngram_bytes_serial;
        break;
#if EEB_HAS_NEON
    case EEB_NEON:
        found.lookup = eeb_ngram_lookup_neon;
        found.bytes = eeb_ngram_bytes_neon;
        break;
#endif
#if EEB_HAS_X86
    case EEB_AVX2:
        found.lookup = eeb_ngram_lookup_avx2;
        found.bytes = eeb_ngram_bytes_avx2;
        break;
    case EEB_AVX512:
        found.lookup = eeb_ngram_lookup_avx512;
        found.bytes = eeb_ngram_bytes_avx512;
        break;
#endif
    default: break;
    }
    return found;
}

EEB_FUNCTION eeb_status eeb_ngram_lookup(const eeb_ngram_table *table, const eeb_ids *ids, void *output, size_t *position)
{
    return eeb_ngram_variant(eeb_cpu_best()).lookup(table, ids, output, position);
}

EEB_FUNCTION eeb_status eeb_ngram_bytes(const eeb_ngram_table *table, const void *bytes, size_t count, size_t width, void *output)
{
    return eeb_ngram_variant(eeb_cpu_best()).bytes(table, bytes, count, width, output);
}

#endif
