/* QuantizedLookup: rows of a table of 8, 4, 2 or 1 bit codes with a scale per row or per block, as float32.
 *
 * CONTENTS   eeb_quantized_lookup(table, ids, output, position)          the best variant for this processor
 *            eeb_quantized_lookup_b{8,4,2,1}_{serial,neon,mve,avx2,avx512}   one bit width, one instruction set
 *            eeb_quantized_variant(bits, variant)                        the same, as a pointer
 *            eeb_quantized_check, eeb_quantized_row_bytes, eeb_quantized_row_scales
 *
 * VALUE      row[e] = sum over planes of (float32(code[e]) - zero) * float32(scale[e / block])
 *            zero = 128, 8, 1.5, 0.5 for 8, 4, 2, 1 bits, so that 4 bits reach -8 ... 7 and 1 bit is -0.5 or 0.5.
 *            The sum starts from plane 0 and adds plane 1, 2, ... in order, in float32. Each product is rounded before it is added: never
 *            a fused multiply-add. Every variant gives the same bits for finite scales. float16 scales are converted exactly. The
 *            floating-point environment is the default one: with subnormals flushed to zero, tiny scales differ.
 *
 * LAYOUT     codes  uint8[rows][planes][width], width = ceil(dim / p), p = 8 / bits
 *            A row is planar: byte j holds the elements j, j + width, j + 2 width ... from its low bits up.
 *                4 bits, codes [1, 2, 3, 4]                      -> 0x31 0x42
 *                2 bits, codes [0, 1, 2, 3, 3, 2, 1, 0]          -> 0x78 0x2d   (bytes hold elements 0 2 4 6 and 1 3 5 7)
 *                1 bit,  codes [1, 0, 0, 0, 0, 0, 0, 1, 1]       -> 0x11 0x08   (dim 9: byte 0 holds 0 2 4 6 8, byte 1 holds 1 3 5 7)
 *            Elements past dim, in the last byte columns, may hold anything. A plane follows the one before it without a gap, and so
 *            does a row.
 *            scales float16 or float32 [rows][planes][dim / block]; block divides dim; block = 0 stands for dim, one scale a row.
 *            ids    int32 or int64 [count], each in [0, rows)
 *            output float32[count][dim]
 *            No pointer needs any alignment. Bytes are little-endian. output overlaps no input.
 *
 * BOUNDS     bits in {8, 4, 2, 1}; 1 <= dim, planes <= 2^31 - 1; 0 <= rows; the table's size in bytes fits ptrdiff_t.
 *
 * ERRORS     a status of status.h. All ids are checked first: after any error the output is as it was. For EEB_ID_OUT_OF_RANGE the first
 *            wrong position goes to *position (which may be NULL). count = 0 is legal, with any pointers.
 *
 * COST       no allocation, no state, no libc but memcpy; 256 bytes of stack beside the spills. Safe from any number of threads.
 *            Rows are prefetched EEB_QUANTIZED_AHEAD ids ahead: a table is larger than the caches, and the ids know what comes.
 *
 * VARIANTS   serial   any processor with 8-bit bytes, little-endian; the reference
 *            neon     AArch64, chosen at compile time
 *            mve      Armv8.1-M with Helium and floats, chosen at compile time
 *            avx2     with F16C;           chosen at run time; codes of 1 and 2 bits index the levels in a register (vpermps)
 *            avx512   F, BW, VL and DQ;    chosen at run time; so do codes of 4 bits; tails are masked
 */
#ifndef EEB_QUANTIZED_H
#define EEB_QUANTIZED_H

#include "cpu.h"
#include "half.h"
#include "ids.h"
#include "status.h"

/* Scales of a row that a variant keeps at hand; rows with more take the general path. */
#define EEB_QUANTIZED_NEAR 64

#ifndef EEB_QUANTIZED_AHEAD
#define EEB_QUANTIZED_AHEAD 8
#endif

typedef struct eeb_quantized_table {
    const void *codes;
    const void *scales;
    int64_t rows;
    int32_t bits;
    int32_t dim;
    int32_t block; /* 0: dim */
    int32_t planes;
    eeb_type scale_type; /* EEB_FLOAT16 or EEB_FLOAT32 */
} eeb_quantized_table;

typedef eeb_status (*eeb_quantized_function)(const eeb_quantized_table *table, const eeb_ids *ids, void *output, size_t *position);

/* Bytes of codes in a row; the arguments must be in bounds. */
EEB_FUNCTION uint64_t eeb_quantized_row_bytes(int32_t bits, int32_t dim, int32_t planes)
{
    const uint64_t per_byte = 8u / (unsigned)bits;

    return (uint64_t)planes * (((uint64_t)dim + per_byte - 1) / per_byte);
}

/* Scales in a row; the arguments must be in bounds. */
EEB_FUNCTION uint64_t eeb_quantized_row_scales(int32_t dim, int32_t block, int32_t planes)
{
    return (uint64_t)planes * (block == 0 ? 1u : (uint64_t)(dim / block));
}

/* EEB_OK if the table keeps the bounds above and `count` of its rows can be addressed. */
EEB_FUNCTION eeb_status eeb_quantized_check(const eeb_quantized_table *table, size_t count)
{
    const uint64_t most = SIZE_MAX / 2;
    uint64_t bytes;

    if (table->bits != 8 && table->bits != 4 && table->bits != 2 && table->bits != 1) {
        return EEB_BAD_TYPE;
    }
    if (table->scale_type != EEB_FLOAT16 && table->scale_type != EEB_FLOAT32) {
        return EEB_BAD_TYPE;
    }
    if (table->dim < 1 || table->planes < 1 || table->rows < 0 || table->block < 0) {
        return EEB_BAD_SHAPE;
    }
    if (table->block != 0 && table->dim % table->block != 0) {
        return EEB_BAD_SHAPE;
    }
    bytes = 4 * eeb_quantized_row_scales(table->dim, table->block, table->planes);
    if (bytes < eeb_quantized_row_bytes(table->bits, table->dim, table->planes)) {
        bytes = eeb_quantized_row_bytes(table->bits, table->dim, table->planes);
    }
    if ((uint64_t)table->rows > most / bytes || (uint64_t)count > most / 4 / (uint64_t)table->dim) {
        return EEB_BAD_SHAPE;
    }
    return EEB_OK;
}

/* The code that stands for zero. */
EEB_INLINE float eeb_quantized_zero(int bits)
{
    return bits == 8 ? 128.0f : bits == 4 ? 8.0f : bits == 2 ? 1.5f : 0.5f;
}

/* How far a count of chunks of 16 elements is shifted to count blocks, if every chunk of a row lies in one block and one byte column
 * range; else -1: the row needs the general path. One scale a row is a block without an end; at 8 bits the general path does that. */
EEB_INLINE int eeb_quantized_chunks_to_block(size_t block, size_t blocks, size_t width, int bits)
{
    int shift = 0;

    if (width % 16 != 0 || blocks > EEB_QUANTIZED_NEAR) {
        return -1;
    }
    if (blocks == 1) {
        return bits == 8 ? -1 : 31;
    }
    while ((size_t)16 << shift < block) {
        ++shift;
    }
    return (size_t)16 << shift == block ? shift : -1;
}

#include "quantized/serial.h"
#if EEB_HAS_NEON
#include "quantized/neon.h"
#endif
#if EEB_HAS_MVE
#include "quantized/mve.h"
#endif
#if EEB_HAS_X86
#include "quantized/avx2.h"
#include "quantized/avx512.h"
#endif

/* The kernel for a bit width and a variant; NULL if there is none, or this processor cannot run it. */
EEB_FUNCTION eeb_quantized_function eeb_quantized_variant(int32_t bits, eeb_variant variant)
{
    if (!eeb_cpu_can(variant)) {
        return NULL;
    }
    switch (variant) {
    case EEB_SERIAL: return eeb_quantized_choose_serial(bits);
#if EEB_HAS_NEON
    case EEB_NEON: return eeb_quantized_choose_neon(bits);
#endif
#if EEB_HAS_MVE
    case EEB_MVE: return eeb_quantized_choose_mve(bits);
#endif
#if EEB_HAS_X86
    case EEB_AVX2: return eeb_quantized_choose_avx2(bits);
    case EEB_AVX512: return eeb_quantized_choose_avx512(bits);
#endif
    default: return NULL;
    }
}

EEB_FUNCTION eeb_status eeb_quantized_lookup(const eeb_quantized_table *table, const eeb_ids *ids, void *output, size_t *position)
{
    const eeb_quantized_function lookup = eeb_quantized_variant(table->bits, eeb_cpu_best());

    return lookup == NULL ? EEB_BAD_TYPE : lookup(table, ids, output, position);
}

#endif
