/* ShortlistTop: the k best of the products of a vector with the rows of a table, of which only a shortlist is computed.
 *
 * CONTENTS   eeb_shortlist_memory(list, size)                        bytes for a prepared query, which is the caller's
 *            eeb_shortlist_prepare(list, hidden, memory, query)      the sums that a row's codes stand for
 *            eeb_shortlist_scan_{serial,neon,avx2,avx512}            the candidates of a range of blocks
 *            eeb_shortlist_variant(variant)                          the same, as a pointer
 *            eeb_shortlist_exact(...)                                the logits of the candidates
 *            eeb_shortlist_job_{size,begin,range,end}                all of it for one vector, in ranges that threads may share
 *
 * VALUE      A row is rotated, brought to the length sqrt(dim) and coded: `part` elements at a time, by the nearest of 16 entries of one
 * codebook. Rotated elements are alike, and so one codebook serves all parts. The rotation is fixed: dim is padded with zeros to a multiple
 *            of 64; signs; a Walsh-Hadamard transform of each 64 elements, divided by 8; element 64 b + i goes to i * blocks + b; other
 *            signs; and the transform again. The sign of element e, of turn t (0 or 1), is that of bit 0 of eeb_shortlist_mix(e + 65536 t).
 *
 *            A query is divided by its largest magnitude, rotated, and multiplied with the codebook: product[p][c] = q[0] * c[0] + q[1] *
 * c[1]
 *            ..., in order, each product and sum rounded. low[p] is the least of them, low the sum of all low[p] in order, range the
 * largest product[p][c] - low[p]. entry[p][c] = (product - low[p]) * (127 / range), rounded to the nearest, ties to even. step = range /
 * 127. Both low and step are then multiplied with the largest magnitude.
 *
 *            score[v] = (float32(sum over p of entry[p][code[v][p]]) * step + low) * scale[v] (+ bias[v]), rounded after each of them.
 *            The candidates are the rows with the highest scores, in the order of top.h; of these alone logits are computed, as in
 * logits.h. A vector with a NaN or an infinity gives NaN and the first rows; one whose largest magnitude is below 2^-100 counts as zero.
 *
 * ERROR      bench/heads.py reports which part of the best rows is among the candidates.
 *
 * LAYOUT     codes uint8[ceil(rows / 64)][pairs][64]: rows in blocks of 64, parts in pairs, of which the even one has the low nibbles. Byte
 * 4 j + c holds row 16 c + j of the block, so that sums of 16 bits widen in the order of rows. scales float32[ceil(rows / 64) * 64];
 *            codebook float32[16][part]. What is behind the last row or part is any code; the entries of a part that is not there are 0.
 *            Pointers need no alignment.
 *
 * BOUNDS     0 < dim <= 65536, 1 <= part <= 8, 0 <= rows < 2^31.
 *
 * COST       rows * pairs bytes are read. With 16 entries a part the sums are looked up in registers (PSHUFB, TBL): 64 rows at a time with
 *            AVX-512. See Andre, Kermarrec, Le Scouarnec 2015, "Cache locality is not enough", for such scans; for codes after a rotation
 * see Gao and Long 2024, "RaBitQ".
 */
#ifndef EEB_SHORTLIST_H
#define EEB_SHORTLIST_H

#include "top.h"

#define EEB_SHORTLIST_BLOCK 64
#define EEB_SHORTLIST_ENTRIES 16
#define EEB_SHORTLIST_MOST 127.0f
/* Pairs whose sums stay below 2^16. */
#define EEB_SHORTLIST_RUN 256
/* Candidates whose logits are computed at a time. */
#define EEB_SHORTLIST_ROWS 256

typedef struct eeb_shortlist {
    const void *codes, *scales, *codebook;
    int64_t rows;
    int32_t dim, part;
} eeb_shortlist;

/* A prepared query: its entries uint8[pairs][2][16]. */
typedef struct eeb_shortlist_query {
    const uint8_t *entries;
    float step, low;
} eeb_shortlist_query;

/* The candidates of the blocks first ... first + blocks - 1 go to `found`. bias float32[rows] or NULL. */
typedef void (*eeb_shortlist_function)(
    const eeb_shortlist *list, const eeb_shortlist_query *query, const void *bias, size_t first, size_t blocks, eeb_selection *found);

EEB_INLINE size_t eeb_shortlist_padded(const eeb_shortlist *list)
{
    return ((size_t)list->dim + EEB_SHORTLIST_BLOCK - 1) / EEB_SHORTLIST_BLOCK * EEB_SHORTLIST_BLOCK;
}

EEB_INLINE size_t eeb_shortlist_parts(const eeb_shortlist *list)
{
    return (eeb_shortlist_padded(list) + (size_t)list->part - 1) / (size_t)list->part;
}

EEB_INLINE size_t eeb_shortlist_pairs(const eeb_shortlist *list)
{
    return (eeb_shortlist_parts(list) + 1) / 2;
}

EEB_INLINE size_t eeb_shortlist_blocks(const eeb_shortlist *list)
{
    return ((size_t)list->rows + EEB_SHORTLIST_BLOCK - 1) / EEB_SHORTLIST_BLOCK;
}

EEB_FUNCTION eeb_status eeb_shortlist_check(const eeb_shortlist *list)
{
    const int fits = list->dim > 0 && list->dim <= 65536 && list->part >= 1 && list->part <= 8 && list->rows >= 0 &&
                     (uint64_t)list->rows <= 0x7fffffffu && (uint64_t)list->rows <= SIZE_MAX / 2 / 65536;

    return fits ? EEB_OK : EEB_BAD_SHAPE;
}

EEB_FUNCTION eeb_status eeb_shortlist_memory(const eeb_shortlist *list, size_t *size)
{
    const eeb_status status = eeb_shortlist_check(list);

    if (status == EEB_OK) {
        *size = 2 * (eeb_shortlist_padded(list) + 8) * sizeof(float) +
                eeb_shortlist_pairs(list) * 2 * EEB_SHORTLIST_ENTRIES * (1 + sizeof(float));
    }
    return status;
}

#include "shortlist/prepare.h"
#include "shortlist/serial.h"
#if EEB_HAS_NEON
#include "shortlist/neon.h"
#endif
#if EEB_HAS_X86
#include "shortlist/avx2.h"
#include "shortlist/avx512.h"
#endif

EEB_FUNCTION eeb_shortlist_function eeb_shortlist_variant(eeb_variant variant)
{
    if (!eeb_cpu_can(variant)) {
        return NULL;
    }
    switch (variant) {
#if EEB_HAS_NEON
    case EEB_NEON: return eeb_shortlist_scan_neon;
#endif
#if EEB_HAS_X86
    case EEB_AVX2: return eeb_shortlist_scan_avx2;
    case EEB_AVX512: return eeb_shortlist_scan_avx512;
#endif
    default: return eeb_shortlist_scan_serial;
    }
}

/* Bytes of working memory for eeb_shortlist_exact. */
EEB_FUNCTION size_t eeb_shortlist_work(const eeb_quantized_table *table)
{
    const size_t codes = (size_t)eeb_quantized_row_bytes(table->bits, table->dim, table->planes);
    const size_t scales = (size_t)eeb_quantized_row_scales(table->dim, table->block, table->planes);

    return EEB_SHORTLIST_ROWS * (codes + 4 * scales + 8);
}

/* The logits of one vector with the candidates: to `best`, which has begun. `memory` is what eeb_logits_prepare filled for that vector. */
EEB_FUNCTION eeb_status eeb_shortlist_exact(
    const eeb_quantized_table *table, const void *memory, const void *bias, const eeb_selection *candidates, eeb_selection *best,
    uint8_t *work, eeb_logits_function logits)
{
    const size_t code_bytes = (size_t)eeb_quantized_row_bytes(table->bits, table->dim, table->planes);
    const size_t scale_bytes =
        (size_t)eeb_quantized_row_scales(table->dim, table->block, table->planes) * (table->scale_type == EEB_FLOAT16 ? 2 : 4);
    float *found = (float *)(void *)work, *biases = found + EEB_SHORTLIST_ROWS;
    uint8_t *scales = work + 8 * EEB_SHORTLIST_ROWS, *codes = scales + EEB_SHORTLIST_ROWS * scale_bytes;
    eeb_quantized_table some = *table;
    eeb_logits_call call;
    size_t from, at;

    some.codes = codes;
    some.scales = scales;
    call.memory = memory;
    call.count = 1;
    call.bias = bias == NULL ? NULL : biases;
    call.first = 0;
    call.output = found;
    for (from = 0; from < candidates->count; from += call.rows) {
        eeb_status status;

        call.rows = candidates->count - from < EEB_SHORTLIST_ROWS ? candidates->count - from : EEB_SHORTLIST_ROWS;
        some.rows = (int64_t)call.rows;
        for (at = 0; at < call.rows; ++at) {
            const size_t row = eeb_top_row(candidates->keys[from + at]);

            memcpy(codes + at * code_bytes, (const uint8_t *)table->codes + row * code_bytes, code_bytes);
            memcpy(scales + at * scale_bytes, (const uint8_t *)table->scales + row * scale_bytes, scale_bytes);
            if (bias != NULL) {
                memcpy(biases + at, (const uint8_t *)bias + 4 * row, sizeof *biases);
            }
        }
        status = logits(&some, &call);
        if (status != EEB_OK) {
            return status;
        }
        for (at = 0; at < call.rows; ++at) {
            eeb_selection_add(best, found[at], eeb_top_row(candidates->keys[from + at]));
        }
    }
    return EEB_OK;
}

/* One vector from beginning to end: begin, the ranges of blocks in any order or at the same time, end. */
typedef struct eeb_shortlist_job {
    eeb_shortlist list;
    eeb_quantized_table table;
    const void *bias;       /* float32[rows], or NULL */
    size_t candidates, top; /* 1 <= top <= candidates <= rows */
    size_t range_blocks;    /* blocks of a range, at least 1 */
    void *work;             /* eeb_shortlist_job_size bytes, aligned to 8 */
    /* Set by eeb_shortlist_job_size: */
    size_t ranges, stride, best_stride;
    eeb_shortlist_query query;
} eeb_shortlist_job;

EEB_FUNCTION eeb_status eeb_shortlist_job_size(eeb_shortlist_job *job, size_t *size)
{
    eeb_status status = eeb_quantized_check(&job->table, 0);
    size_t query = 0;

    if (status == EEB_OK) {
        status = eeb_shortlist_memory(&job->list, &query);
    }
    if (status != EEB_OK) {
        return status;
    }
    if (job->list.rows != job->table.rows || job->list.dim != job->table.dim || job->top < 1 || job->candidates < job->top ||
        (uint64_t)job->candidates > (uint64_t)job->table.rows || job->range_blocks < 1 ||
        eeb_top_work(1, job->candidates, &job->stride) != EEB_OK || eeb_top_work(1, job->top, &job->best_stride) != EEB_OK) {
        return EEB_BAD_SHAPE;
    }
    job->stride = (job->stride + 7) / 8 * 8;
    job->best_stride = (job->best_stride + 7) / 8 * 8;
    job->ranges = (eeb_shortlist_blocks(&job->list) + job->range_blocks - 1) / job->range_blocks;
    if (job->ranges > SIZE_MAX / 2 / job->stride) {
        return EEB_BAD_SHAPE;
    }
    *size = job->ranges * job->stride + job->best_stride + (query + 7) / 8 * 8 + eeb_shortlist_work(&job->table);
    return EEB_OK;
}

EEB_INLINE uint8_t *eeb_shortlist_job_best(const eeb_shortlist_job *job)
{
    return (uint8_t *)job->work + job->ranges * job->stride;
}

EEB_FUNCTION void eeb_shortlist_job_begin(eeb_shortlist_job *job, const void *hidden)
{
    eeb_shortlist_prepare(&job->list, hidden, eeb_shortlist_job_best(job) + job->best_stride, &job->query);
}

EEB_FUNCTION void eeb_shortlist_job_range(const eeb_shortlist_job *job, size_t range, eeb_shortlist_function scan)
{
    eeb_selection *found = (eeb_selection *)(void *)((uint8_t *)job->work + range * job->stride);
    const size_t first = range * job->range_blocks, left = eeb_shortlist_blocks(&job->list) - first;

    (void)eeb_top_begin(found, 1, job->candidates);
    scan(&job->list, &job->query, job->bias, first, left < job->range_blocks ? left : job->range_blocks, found);
    eeb_selection_cut(found);
}

/* Writes values float32[top] and rows int64[top]. `memory` is what eeb_logits_prepare filled for the vector. */
EEB_FUNCTION eeb_status
eeb_shortlist_job_end(const eeb_shortlist_job *job, const void *memory, eeb_logits_function logits, void *values, void *rows)
{
    const eeb_selection *candidates = eeb_top_join(job->work, job->ranges, job->stride, 0);
    eeb_selection *best = (eeb_selection *)(void *)eeb_shortlist_job_best(job);
    size_t query = 0;
    eeb_status status = eeb_shortlist_memory(&job->list, &query);

    if (status != EEB_OK) {
        return status;
    }
    (void)eeb_top_begin(best, 1, job->top);
    status = eeb_shortlist_exact(
        &job->table, memory, job->bias, candidates, best, eeb_shortlist_job_best(job) + job->best_stride + (query + 7) / 8 * 8, logits);
    if (status == EEB_OK) {
        eeb_selection_sort(best);
        eeb_selection_write(best, values, rows);
    }
    return status;
}

#endif
