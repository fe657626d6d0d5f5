/* QuantizedLogits: the products of vectors with every row of a table, over the very arrays that QuantizedLookup reads.
 *
 * CONTENTS   eeb_logits_memory(table, count, size)                       bytes of working memory, which is the caller's
 *            eeb_logits_prepare(table, hidden, count, memory)            quantises the vectors, once for all rows
 *            eeb_quantized_logits(table, call)                           the best variant for this processor
 *            eeb_quantized_logits_b{8,4,2,1}_{serial,neon,avx2,avx512}   one bit width, one instruction set
 *            eeb_logits_variant(bits, variant)                           the same, as a pointer
 *
 * VALUE      logits[n][v] = sum over e of hidden[n][e] * row[v][e]  (+ bias[v]), with row as QuantizedLookup defines it. In detail:
 *
 *            A vector is quantised by itself to integers: q[e] = hidden[e] * (32639 / max |hidden|), rounded to the nearest, ties to even;
 *            step = max |hidden| / 32639. 32639 = 127 * 256 + 127 makes two signed bytes of q. A vector whose largest magnitude is
 *            below 2^-100 counts as zero; one with a NaN or an infinity gives NaN for each of its logits.
 *
 *            Elements are taken in the order of their bytes: columns in chunks of 64, and for each chunk its p = 8 / bits parts. Column j
 *            of a chunk belongs to lane j / 4, of which there are 16. The sum of q[e] * (code[e] - zero) over the elements that a lane
 *            has of a chunk's part, at most 4, is exact: below 2^24 in magnitude. Where these lie in several blocks, each block has a
 *            sum of its own, in order.
 *
 *            Over planes, chunks and parts in this order, from lanes that are zero: lane += float32(sum) * float32(scale). The product,
 *            then the addition, is rounded to float32: never fused. Lanes are added up as a tree: l and l + 8, then l and l + 4,
 *            l and l + 2, l and l + 1. Then logits[n][v] = total * step, and + bias[v] if there is a bias.
 *
 *            At 2 and 1 bits, where zero is 1.5 and 0.5, sums are of 2 (code - zero) and the step is halved, both exactly. Every variant
 *            gives the same bits where scales and hidden are finite and no sum overflows.
 *
 * ERROR      Of q, at most half a step for each element: relative to the largest magnitude of a vector 1.6e-5. That is 15 bits:
 *            with 8 bits the logits of all-MiniLM-L6-v2's own states are off by 250 times as much, and 0.5% of the best tokens differ
 *            (bench/heads.py).
 *
 * LAYOUT     hidden float32[count][dim]; output float32[count][table.rows]; bias float32[table.rows] or NULL. The table is that of
 *            quantized.h. No pointer needs any alignment. output overlaps no input.
 *            A call writes the columns first ... first + rows - 1 of the output: threads share a table by ranges of its rows, and the
 *            prepared vectors, which they only read.
 *
 * BOUNDS     those of eeb_quantized_check; 0 <= first, 0 <= rows, first + rows <= table.rows; count may be 0.
 *
 * ERRORS     a status of status.h; after any error the output is as it was.
 *
 * COST       no allocation, no state, no libc but memcpy and memset; 5 KiB of stack. A vector is loaded once for up to four rows.
 *
 * VARIANTS   serial   any processor with 8-bit bytes, little-endian; the reference. Rows whose blocks or columns are not multiples of 4,
 *                     or of more than 256 blocks, go there in every variant. So does all of Helium.
 *            neon     AArch64, chosen at compile time; SDOT where the target has it
 *            avx2     with F16C;                    chosen at run time
 *            avx512   F, BW, VL, DQ and VNNI;       chosen at run time
 */
#ifndef EEB_LOGITS_H
#define EEB_LOGITS_H

#include "quantized.h"

/* Columns of a chunk, its lanes, and the columns of a lane. */
#define EEB_LOGITS_CHUNK 64
#define EEB_LOGITS_LANES 16
#define EEB_LOGITS_GROUP 4
/* Scales of a plane of a row that a variant keeps at hand; rows with more go to the serial kernel. */
#define EEB_LOGITS_NEAR 256
#define EEB_LOGITS_MOST 32639.0f
#define EEB_LOGITS_LEAST 7.888609052210118e-31f /* 2^-100 */

typedef struct eeb_logits_call {
    const void *memory; /* what eeb_logits_prepare filled */
    size_t count;       /* vectors in it */
    const void *bias;   /* float32[table.rows], or NULL */
    size_t first, rows; /* columns to write */
    void *output;       /* float32[count][table.rows] */
} eeb_logits_call;

typedef eeb_status (*eeb_logits_function)(const eeb_quantized_table *table, const eeb_logits_call *call);

/* Where the lanes of a chunk's part find their scales. */
typedef struct eeb_logits_place {
    int32_t first;                   /* block of the first lane */
    uint32_t used;                   /* a bit for each lane that has an element */
    int32_t after[EEB_LOGITS_LANES]; /* blocks from there on; -1 for a lane without an element */
} eeb_logits_place;

/* A chunk's part of a vector: its integers, their high and low bytes, and what their products with unsigned codes need to be added: minus
 * zero times the sum of those that share a lane. */
typedef struct eeb_logits_part {
    int16_t whole[EEB_LOGITS_CHUNK];
    int8_t high[EEB_LOGITS_CHUNK];
    int8_t low[EEB_LOGITS_CHUNK];
    int32_t excess[EEB_LOGITS_LANES];
} eeb_logits_part;

/* Sizes that follow from a table's; the table must be in bounds. */
typedef struct eeb_logits_sizes {
    size_t dim, block, blocks, width, chunks;
    int parts;
    size_t places_bytes, vector_bytes;
} eeb_logits_sizes;

EEB_FUNCTION eeb_logits_sizes eeb_logits_size(const eeb_quantized_table *table)
{
    eeb_logits_sizes sizes;

    sizes.parts = 8 / table->bits;
    sizes.dim = (size_t)table->dim;
    sizes.block = table->block == 0 ? sizes.dim : (size_t)table->block;
    sizes.blocks = sizes.dim / sizes.block;
    sizes.width = (sizes.dim + (size_t)sizes.parts - 1) / (size_t)sizes.parts;
    sizes.chunks = (sizes.width + EEB_LOGITS_CHUNK - 1) / EEB_LOGITS_CHUNK;
    sizes.places_bytes = sizes.chunks * (size_t)sizes.parts * sizeof(eeb_logits_place);
    sizes.vector_bytes = sizeof(float) + sizes.chunks * (size_t)sizes.parts * sizeof(eeb_logits_part);
    return sizes;
}

/* Bytes that `count` prepared vectors take. */
EEB_FUNCTION eeb_status eeb_logits_memory(const eeb_quantized_table *table, size_t count, size_t *size)
{
    const eeb_status status = eeb_quantized_check(table, 0);
    uint64_t places, vector, parts;

    if (status != EEB_OK) {
        return status;
    }
    parts = (uint64_t)table->dim / EEB_LOGITS_CHUNK + 16; /* at least as many as there are, whatever the bits */
    places = parts * sizeof(eeb_logits_place);
    vector = parts * sizeof(eeb_logits_part) + sizeof(float);
    if (places > SIZE_MAX / 4 || vector > SIZE_MAX / 4 || (uint64_t)count > SIZE_MAX / 4 / vector) {
        return EEB_BAD_SHAPE;
    }
    *size = eeb_logits_size(table).places_bytes + count * eeb_logits_size(table).vector_bytes;
    return EEB_OK;
}

/* Whether the vector kernels take the table: no lane's elements lie in two blocks. */
EEB_FUNCTION int eeb_logits_even(const eeb_logits_sizes *sizes)
{
    return sizes->width % EEB_LOGITS_GROUP == 0 && sizes->block % EEB_LOGITS_GROUP == 0 && sizes->blocks <= EEB_LOGITS_NEAR;
}

EEB_INLINE float eeb_logits_bias(const eeb_logits_call *call, size_t row, float value)
{
    float bias;

    if (call->bias == NULL) {
        return value;
    }
    memcpy(&bias, (const uint8_t *)call->bias + 4 * row, sizeof bias);
    EEB_ROUNDED(value);
    return value + bias;
}

EEB_INLINE void eeb_logits_put(
    const eeb_quantized_table *table, const eeb_logits_call *call, size_t vector, size_t row, float total, float step)
{
    const float value = eeb_logits_bias(call, row, total * step);

    memcpy((uint8_t *)call->output + 4 * (vector * (size_t)table->rows + row), &value, sizeof value);
}

/* EEB_OK if a call stays within a table of so many rows, and its output can be addressed. */
EEB_FUNCTION eeb_status eeb_logits_within(const eeb_logits_call *call, int64_t rows)
{
    const uint64_t most = SIZE_MAX / 2 / 4;

    if ((uint64_t)call->first > (uint64_t)rows || (uint64_t)call->rows > (uint64_t)rows - call->first) {
        return EEB_BAD_SHAPE;
    }
    return rows > 0 && (uint64_t)call->count > most / (uint64_t)rows ? EEB_BAD_SHAPE : EEB_OK;
}

/* EEB_OK if a call keeps the bounds above. */
EEB_FUNCTION eeb_status eeb_logits_check(const eeb_quantized_table *table, const eeb_logits_call *call, int bits)
{
    const eeb_status status = table->bits == bits ? eeb_quantized_check(table, 0) : EEB_BAD_TYPE;

    return status != EEB_OK ? status : eeb_logits_within(call, table->rows);
}

#include "logits/prepare.h"
#include "logits/serial.h"
#if EEB_HAS_NEON
#include "logits/neon.h"
#endif
#if EEB_HAS_X86
#include "logits/avx2.h"
#include "logits/avx512.h"
#endif

/* The kernel for a bit width and a variant; NULL if there is none, or this processor cannot run it. */
EEB_FUNCTION eeb_logits_function eeb_logits_variant(int32_t bits, eeb_variant variant)
{
    if (!eeb_cpu_can(variant)) {
        return NULL;
    }
    switch (variant) {
    case EEB_SERIAL: return eeb_logits_choose_serial(bits);
#if EEB_HAS_NEON
    case EEB_NEON: return eeb_logits_choose_neon(bits);
#endif
#if EEB_HAS_MVE
    case EEB_MVE: return eeb_logits_choose_serial(bits);
#endif
#if EEB_HAS_X86
    case EEB_AVX2: return eeb_logits_choose_avx2(bits);
    case EEB_AVX512: return eeb_cpu_has_vnni() ? eeb_logits_choose_avx512(bits) : eeb_logits_choose_avx2(bits);
#endif
    default: return NULL;
    }
}

EEB_FUNCTION eeb_status eeb_quantized_logits(const eeb_quantized_table *table, const eeb_logits_call *call)
{
    const eeb_logits_function logits = eeb_logits_variant(table->bits, eeb_cpu_best());

    return logits == NULL ? EEB_BAD_TYPE : logits(table, call);
}

#endif
