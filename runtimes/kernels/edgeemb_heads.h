/* The part of edgeemb_kernels.c for the products of vectors with a table, which includes it where find_variant, table_of and books_of are
 * known. */
#ifndef EDGEEMB_HEADS_H
#define EDGEEMB_HEADS_H

#include <stdlib.h>

#include "codebook_logits.h"
#include "shortlist.h"

EDGEEMB_EXPORT int64_t edgeemb_logits_memory(int32_t bits, int32_t dim, int32_t block, int64_t count);
EDGEEMB_EXPORT int32_t edgeemb_quantized_logits(
    const char *variant, const void *codes, const void *scales, int32_t scale_type, int64_t rows, int32_t bits, int32_t dim, int32_t block,
    int32_t planes, const void *hidden, int64_t count, const void *bias, int64_t first, int64_t asked, void *memory, void *output);
EDGEEMB_EXPORT int32_t edgeemb_quantized_top(
    const char *variant, const void *codes, const void *scales, int32_t scale_type, int64_t rows, int32_t bits, int32_t dim, int32_t block,
    int32_t planes, const void *hidden, int64_t count, const void *bias, int64_t top, int64_t range_rows, void *memory, void *values,
    void *ids);
EDGEEMB_EXPORT int32_t edgeemb_shortlist_top(
    const char *variant, const void *codes, const void *scales, int32_t scale_type, int64_t rows, int32_t bits, int32_t dim, int32_t block,
    int32_t planes, const void *hidden, const void *bias, int64_t top, const void *list_codes, const void *list_scales,
    const void *codebook, int32_t part, int64_t candidates, int64_t range_blocks, void *memory, void *values, void *ids);
EDGEEMB_EXPORT int32_t edgeemb_codebook_logits(
    const void *codes, const void *codebooks, int32_t book_type, int64_t rows, int32_t books, int32_t entries, int32_t part,
    int32_t additive, const void *hidden, int64_t count, const void *bias, int64_t first, int64_t asked, void *output, int64_t *position);

/* Bytes of working memory that edgeemb_quantized_logits takes for `count` vectors; -1 if the sizes do not fit together. */
int64_t edgeemb_logits_memory(int32_t bits, int32_t dim, int32_t block, int64_t count)
{
    const eeb_quantized_table table = table_of(NULL, NULL, EEB_FLOAT32, 0, bits, dim, block, 1);
    size_t size = 0;

    return count < 0 || eeb_logits_memory(&table, (size_t)count, &size) != EEB_OK ? -1 : (int64_t)size;
}

/* eeb_logits_prepare and eeb_quantized_logits of logits.h, by a variant's name (NULL: the fastest); columns first ... first + asked - 1. */
int32_t edgeemb_quantized_logits(
    const char *variant, const void *codes, const void *scales, int32_t scale_type, int64_t rows, int32_t bits, int32_t dim, int32_t block,
    int32_t planes, const void *hidden, int64_t count, const void *bias, int64_t first, int64_t asked, void *memory, void *output)
{
    const eeb_variant chosen = find_variant(variant);
    const eeb_quantized_table table = table_of(codes, scales, scale_type, rows, bits, dim, block, planes);
    eeb_logits_function logits;
    eeb_logits_call call;
    eeb_status status;

    if (chosen < 0) {
        return EEB_NO_VARIANT;
    }
    if (count < 0 || first < 0 || asked < 0) {
        return EEB_BAD_SHAPE;
    }
    logits = eeb_logits_variant(bits, chosen);
    if (logits == NULL) {
        return EEB_BAD_TYPE;
    }
    call.memory = memory;
    call.count = (size_t)count;
    call.bias = bias;
    call.first = (size_t)first;
    call.rows = (size_t)asked;
    call.output = output;
    status = eeb_logits_check(&table, &call, bits);
    if (status == EEB_OK) {
        status = eeb_logits_prepare(&table, hidden, (size_t)count, memory);
    }
    return status == EEB_OK ? logits(&table, &call) : status;
}

/* Working memory of `ranges` ranges, `stride` bytes each; NULL if there is too little. */
static uint8_t *ranges_of(size_t ranges, size_t count, size_t top, size_t *stride)
{
    return eeb_top_work(count, top, stride) != EEB_OK || ranges > SIZE_MAX / *stride ? NULL : (uint8_t *)malloc(ranges * *stride);
}

/* eeb_quantized_top of top.h over ranges of `range_rows` rows, joined: values float32[count][top] and ids int64[count][top], for 1 <= top
 * <= rows. `memory` has the bytes that edgeemb_logits_memory says. */
int32_t edgeemb_quantized_top(
    const char *variant, const void *codes, const void *scales, int32_t scale_type, int64_t rows, int32_t bits, int32_t dim, int32_t block,
    int32_t planes, const void *hidden, int64_t count, const void *bias, int64_t top, int64_t range_rows, void *memory, void *values,
    void *ids)
{
    const eeb_variant chosen = find_variant(variant);
    const eeb_quantized_table table = table_of(codes, scales, scale_type, rows, bits, dim, block, planes);
    eeb_logits_function logits;
    size_t ranges, range, stride = 0, at;
    eeb_top_call call;
    eeb_status status;
    uint8_t *work;

    if (chosen < 0) {
        return EEB_NO_VARIANT;
    }
    logits = eeb_logits_variant(bits, chosen);
    if (logits == NULL) {
        return EEB_BAD_TYPE;
    }
    if (count < 0 || top < 1 || top > rows || range_rows < 1) {
        return EEB_BAD_SHAPE;
    }
    ranges = (size_t)((rows - 1) / range_rows + 1);
    work = ranges_of(ranges, (size_t)count + 1, (size_t)top, &stride);
    if (work == NULL) {
        return EEB_BAD_SHAPE;
    }
    call.memory = memory;
    call.count = (size_t)count;
    call.bias = bias;
    call.top = (size_t)top;
    status = eeb_logits_prepare(&table, hidden, (size_t)count, memory);
    for (range = 0; status == EEB_OK && range < ranges; ++range) {
        call.first = range * (size_t)range_rows;
        call.rows = (size_t)rows - call.first < (size_t)range_rows ? (size_t)rows - call.first : (size_t)range_rows;
        call.work = work + range * stride;
        status = eeb_quantized_top_by(&table, &call, logits);
    }
    for (at = 0; status == EEB_OK && at < (size_t)count; ++at) {
        eeb_selection *best = eeb_top_join(work, ranges, stride, at);

        eeb_selection_sort(best);
        eeb_selection_write(best, (uint8_t *)values + 4 * at * (size_t)top, (uint8_t *)ids + 8 * at * (size_t)top);
    }
    free(work);
    return status;
}

/* The shortlist of shortlist.h for one vector, found in ranges of `range_blocks` blocks: values float32[top] and ids int64[top], for
 * 1 <= top <= candidates <= rows. */
int32_t edgeemb_shortlist_top(
    const char *variant, const void *codes, const void *scales, int32_t scale_type, int64_t rows, int32_t bits, int32_t dim, int32_t block,
    int32_t planes, const void *hidden, const void *bias, int64_t top, const void *list_codes, const void *list_scales,
    const void *codebook, int32_t part, int64_t candidates, int64_t range_blocks, void *memory, void *values, void *ids)
{
    const eeb_variant chosen = find_variant(variant);
    const eeb_quantized_table table = table_of(codes, scales, scale_type, rows, bits, dim, block, planes);
    eeb_logits_function logits;
    eeb_shortlist_job job;
    size_t size = 0, range;
    eeb_status status;

    if (chosen < 0) {
        return EEB_NO_VARIANT;
    }
    logits = eeb_logits_variant(bits, chosen);
    if (logits == NULL) {
        return EEB_BAD_TYPE;
    }
    if (top < 1 || candidates < top || range_blocks < 1) {
        return EEB_BAD_SHAPE;
    }
    job.list.codes = list_codes;
    job.list.scales = list_scales;
    job.list.codebook = codebook;
    job.list.rows = rows;
    job.list.dim = dim;
    job.list.part = part;
    job.table = table;
    job.bias = bias;
    job.candidates = (size_t)candidates;
    job.top = (size_t)top;
    job.range_blocks = (size_t)range_blocks;
    status = eeb_shortlist_job_size(&job, &size);
    if (status != EEB_OK) {
        return status;
    }
    job.work = malloc(size);
    if (job.work == NULL) {
        return EEB_BAD_SHAPE;
    }
    status = eeb_logits_prepare(&table, hidden, 1, memory);
    if (status == EEB_OK) {
        eeb_shortlist_job_begin(&job, hidden);
        for (range = 0; range < job.ranges; ++range) {
            eeb_shortlist_job_range(&job, range, eeb_shortlist_variant(chosen));
        }
        status = eeb_shortlist_job_end(&job, memory, logits, values, ids);
    }
    free(job.work);
    return status;
}

/* codebook_logits.h, over the columns first ... first + asked - 1; `position` is set on EEB_CODE_OUT_OF_RANGE only. */
int32_t edgeemb_codebook_logits(
    const void *codes, const void *codebooks, int32_t book_type, int64_t rows, int32_t books, int32_t entries, int32_t part,
    int32_t additive, const void *hidden, int64_t count, const void *bias, int64_t first, int64_t asked, void *output, int64_t *position)
{
    const eeb_codebook_table table = books_of(codes, codebooks, book_type, rows, books, entries, part, additive);
    eeb_logits_call call;
    size_t size = 0, at = 0;
    eeb_status status;
    void *memory;

    if (count < 0 || first < 0 || asked < 0) {
        return EEB_BAD_SHAPE;
    }
    call.count = (size_t)count;
    call.bias = bias;
    call.first = (size_t)first;
    call.rows = (size_t)asked;
    call.output = output;
    status = eeb_codebook_logits_check(&table, &call, &at);
    if (status == EEB_OK) {
        status = eeb_codebook_logits_memory(&table, call.count, &size);
    }
    if (status != EEB_OK) {
        return told(status, at, position);
    }
    memory = malloc(size == 0 ? 1 : size);
    if (memory == NULL) {
        return EEB_BAD_SHAPE;
    }
    call.memory = memory;
    status = eeb_codebook_logits_prepare(&table, hidden, call.count, memory);
    if (status == EEB_OK) {
        eeb_codebook_logits(&table, &call);
    }
    free(memory);
    return status;
}

#endif
