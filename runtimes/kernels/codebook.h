/* CodebookLookup: rows put together from codebooks, by one byte of code for each book, as float32.
 *
 * CONTENTS   eeb_codebook_lookup(table, ids, output, position)          the best variant for this processor
 *            eeb_codebook_lookup_{serial,neon,mve,avx2,avx512}              one instruction set
 *            eeb_codebook_variant(variant)                              the same, as a pointer
 *            eeb_codebook_check, eeb_codebook_dim
 *
 * VALUE      entry m of a row is codebooks[m][codes[id][m]], `part` values.
 *            additive = 0   the entries of all books side by side: product quantisation; dim = books * part
 *            additive = 1   the entries of all books added up: residual codebooks;       dim = part
 *            The sum starts from book 0 and adds book 1, 2, ... in order, in float32. float16 entries are converted exactly. Every variant
 *            gives the same bits unless an entry is NaN. The floating-point environment is the default one.
 *
 * LAYOUT     codes     uint8[rows][books], each below entries
 *            codebooks float16 or float32 [books][entries][part]
 *            ids       int32 or int64 [count], each in [0, rows)
 *            output    float32[count][dim]
 *                books 2, entries 3, part 2, codebooks [[[0, 1], [2, 3], [4, 5]], [[10, 20], [30, 40], [50, 60]]], a row of codes [2, 0]
 *                additive 0  -> [4, 5, 10, 20]
 *                additive 1  -> [14, 25]
 *            No pointer needs any alignment. Bytes are little-endian. output overlaps no input.
 *
 * BOUNDS     1 <= entries <= 256; 1 <= books, part, dim <= 2^31 - 1; 0 <= rows; each array's size in bytes fits ptrdiff_t.
 *
 * ERRORS     a status of status.h. All ids, and then all codes of the rows asked for, are checked first: after any error the output is as
 * it was, and nothing beyond the codebooks was read. For EEB_ID_OUT_OF_RANGE and EEB_CODE_OUT_OF_RANGE the first wrong position among the
 * ids goes to *position (which may be NULL). With 256 entries no code can be wrong, and none is checked. count = 0 is legal, with any
 * pointers.
 *
 * COST       no allocation, no state, no libc but memcpy. Safe from any number of threads. Rows of codes are prefetched
 *            EEB_CODEBOOK_AHEAD ids ahead; the codebooks are expected to stay in a cache.
 *
 * VARIANTS   serial   any processor with 8-bit bytes, little-endian; the reference
 *            neon     AArch64, chosen at compile time
 *            mve      Armv8.1-M with Helium and floats, chosen at compile time
 *            avx2     with F16C;           chosen at run time
 *            avx512   F, BW, VL and DQ;    chosen at run time; tails are masked
 *            All but the serial one have loops of their own for float16 entries of 2, 4 and 8 values.
 */
#ifndef EEB_CODEBOOK_H
#define EEB_CODEBOOK_H

#include "cpu.h"
#include "half.h"
#include "ids.h"
#include "status.h"

#ifndef EEB_CODEBOOK_AHEAD
#define EEB_CODEBOOK_AHEAD 8
#endif

typedef struct eeb_codebook_table {
    const void *codes;
    const void *codebooks;
    int64_t rows;
    int32_t books;
    int32_t entries; /* of a book */
    int32_t part;    /* values of an entry */
    int32_t additive;
    eeb_type book_type; /* EEB_FLOAT16 or EEB_FLOAT32 */
} eeb_codebook_table;

typedef eeb_status (*eeb_codebook_function)(const eeb_codebook_table *table, const eeb_ids *ids, void *output, size_t *position);

/* Values of a row; the table must be in bounds. */
EEB_FUNCTION uint64_t eeb_codebook_dim(const eeb_codebook_table *table)
{
    return (uint64_t)table->part * (table->additive ? 1u : (uint64_t)table->books);
}

/* EEB_OK if the table keeps the bounds above and `count` of its rows can be addressed. */
EEB_FUNCTION eeb_status eeb_codebook_check(const eeb_codebook_table *table, size_t count)
{
    const uint64_t most = SIZE_MAX / 2;

    if (table->book_type != EEB_FLOAT16 && table->book_type != EEB_FLOAT32) {
        return EEB_BAD_TYPE;
    }
    if (table->books < 1 || table->part < 1 || table->rows < 0 || table->entries < 1 || table->entries > 256) {
        return EEB_BAD_SHAPE;
    }
    if (table->additive != 0 && table->additive != 1) {
        return EEB_BAD_SHAPE;
    }
    if (eeb_codebook_dim(table) > INT32_MAX || (uint64_t)count > most / 4 / eeb_codebook_dim(table)) {
        return EEB_BAD_SHAPE;
    }
    if ((uint64_t)table->rows > most / (uint64_t)table->books ||
        (uint64_t)table->books * (uint64_t)table->part > most / 4 / (uint64_t)table->entries) {
        return EEB_BAD_SHAPE;
    }
    return EEB_OK;
}

/* Asks for a row of codes ahead of its use. */
EEB_INLINE void eeb_codebook_fetch(const uint8_t *codes, size_t books)
{
    const size_t fetched = books < 1024 ? books : 1024;
    size_t offset;

    for (offset = 0; offset < fetched; offset += 64) {
        EEB_PREFETCH(codes + offset);
    }
    EEB_PREFETCH(codes + fetched - 1);
}

#include "codebook/serial.h"
#if EEB_HAS_NEON
#include "codebook/neon.h"
#endif
#if EEB_HAS_MVE
#include "codebook/mve.h"
#endif
#if EEB_HAS_X86
#include "codebook/avx2.h"
#include "codebook/avx512.h"
#endif

/* The kernel of a variant; NULL if there is none, or this processor cannot run it. */
EEB_FUNCTION eeb_codebook_function eeb_codebook_variant(eeb_variant variant)
{
    if (!eeb_cpu_can(variant)) {
        return NULL;
    }
    switch (variant) {
    case EEB_SERIAL: return eeb_codebook_lookup_serial;
#if EEB_HAS_NEON
    case EEB_NEON: return eeb_codebook_lookup_neon;
#endif
#if EEB_HAS_MVE
    case EEB_MVE: return eeb_codebook_lookup_mve;
#endif
#if EEB_HAS_X86
    case EEB_AVX2: return eeb_codebook_lookup_avx2;
    case EEB_AVX512: return eeb_codebook_lookup_avx512;
#endif
    default: return NULL;
    }
}

EEB_FUNCTION eeb_status eeb_codebook_lookup(const eeb_codebook_table *table, const eeb_ids *ids, void *output, size_t *position)
{
    return eeb_codebook_variant(eeb_cpu_best())(table, ids, output, position);
}

#endif
