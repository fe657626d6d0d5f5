/* Ops NgramLookup and NgramBytes: rows computed from the bytes of tokens, by id or as bytes. The name NgramLookup<n> implies the longest
 * n-gram, its detail. */
#ifndef EDGEEMB_ORT_NGRAM_OP_H
#define EDGEEMB_ORT_NGRAM_OP_H

#include "../kernels/ngram.h"
#include "lookup.h"

typedef struct NgramKernel {
    Kernel base;
    int32_t n;
} NgramKernel;

static OrtStatus *ngram_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    NgramKernel made;
    const int32_t n = whole_op(op)->detail;
    OrtStatus *status = read_attribute(api, info, "n", n != 0 ? n : -1, &made.n);
    char text[96];

    if (status != NULL) {
        return status;
    }
    if (made.n < 1 || made.n > EEB_NGRAM_MOST || (n != 0 && made.n != n)) {
        snprintf(
            text, sizeof text, "%s: n %d must lie in [1, %d] and be what the name says", whole_op(op)->name, (int)made.n, EEB_NGRAM_MOST);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    return keep_kernel(op, api, &made, sizeof made, kernel);
}

static OrtStatus *ngram_bytes_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    return ngram_create(op, api, info, kernel);
}

/* Reads seeds and bases, which begin at input `first`, and checks the form that they have together. */
static OrtStatus *ngram_constants(
    const NgramKernel *kernel, const OrtKernelContext *context, size_t first, size_t count, eeb_ngram_table *table)
{
    OrtApi *api = kernel->base.api;
    Tensor seeds, bases;
    OrtStatus *status = read_input(api, context, first, &seeds);
    char text[200];

    if (status == NULL) {
        status = read_input(api, context, first + 1, &bases);
    }
    if (status != NULL) {
        return status;
    }
    table->seeds = seeds.data;
    table->bases = bases.data;
    table->n = kernel->n;
    table->lanes = bases.count < INT32_MAX ? (int32_t)bases.count : 0;
    table->dim = seeds.count < INT32_MAX ? (int32_t)seeds.count : 0;
    if (seeds.type != ORT_INT16 || bases.type != ORT_INT16 || seeds.rank != 1 || bases.rank != 1 ||
        eeb_ngram_check(table, count) != EEB_OK) {
        snprintf(
            text, sizeof text,
            "%s: seeds must be int16[dim] and bases int16[lanes], all in [1, %d), in a form that the op takes: n %d, %" PRId64
            " seeds and %" PRId64 " bases are none",
            kernel->base.name, EEB_NGRAM_MODULUS, (int)kernel->n, seeds.count, bases.count);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    return NULL;
}

/* Reads tokens and starts. */
static OrtStatus *ngram_tokens(const NgramKernel *kernel, const OrtKernelContext *context, eeb_ngram_table *table)
{
    OrtApi *api = kernel->base.api;
    Tensor tokens, starts;
    OrtStatus *status = read_input(api, context, 1, &tokens);
    char text[96];

    if (status == NULL) {
        status = read_input(api, context, 2, &starts);
    }
    if (status != NULL) {
        return status;
    }
    if (tokens.type != ORT_UINT8 || tokens.rank != 1 || starts.type != ORT_INT32 || starts.rank != 1 || starts.count < 1) {
        snprintf(text, sizeof text, "%s: tokens must be uint8[total] and starts int32[V + 1]", kernel->base.name);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    table->tokens = tokens.data;
    table->starts = starts.data;
    table->total = tokens.count;
    table->rows = starts.count - 1;
    return NULL;
}

static eeb_status ngram_rows(const Lookup *lookup, size_t first, size_t count, void *output, size_t *position)
{
    const eeb_ids ids = eeb_ids_part(&lookup->ids, first, count);

    return eeb_ngram_lookup((const eeb_ngram_table *)lookup->table, &ids, output, position);
}

static OrtStatus *ngram_run(void *opaque, OrtKernelContext *context)
{
    const NgramKernel *kernel = (const NgramKernel *)opaque;
    eeb_ngram_table table = {0};
    Lookup lookup = {0};
    Tensor ids;
    char text[160];
    OrtStatus *status = read_ids(kernel->base.api, context, &ids, &lookup.ids);

    if (status == NULL) {
        status = ngram_tokens(kernel, context, &table);
    }
    if (status == NULL) {
        status = ngram_constants(kernel, context, 3, lookup.ids.count, &table);
    }
    if (status != NULL) {
        return status;
    }
    lookup.rows = ngram_rows;
    lookup.table = &table;
    lookup.table_rows = table.rows;
    lookup.dim = (size_t)table.dim;
    status = run_lookup(&kernel->base, context, &ids, &lookup);
    if (status == NULL && lookup.status == EEB_CODE_OUT_OF_RANGE) {
        snprintf(
            text, sizeof text, "%s: token %" PRId64 " does not span 0 to %d of the %" PRId64 " bytes", kernel->base.name,
            eeb_id_at(&lookup.ids, lookup.position), EEB_NGRAM_BYTES, table.total);
        return failure(kernel->base.api, ORT_INVALID_ARGUMENT, text);
    }
    return status == NULL && lookup.status != EEB_OK ? refused(&kernel->base, lookup.status) : status;
}

/* What the rows of tokens that come as bytes are computed from. */
typedef struct PaddedTokens {
    eeb_ngram_table table;
    const uint8_t *bytes;
    size_t width;
} PaddedTokens;

static eeb_status ngram_bytes_rows(const Lookup *lookup, size_t first, size_t count, void *output, size_t *position)
{
    const PaddedTokens *tokens = (const PaddedTokens *)lookup->table;

    (void)position;
    return eeb_ngram_bytes(&tokens->table, tokens->bytes + first * tokens->width, count, tokens->width, output);
}

static OrtStatus *ngram_bytes_run(void *opaque, OrtKernelContext *context)
{
    const NgramKernel *kernel = (const NgramKernel *)opaque;
    PaddedTokens tokens = {{0}, NULL, 0};
    Lookup lookup = {0};
    Tensor padded;
    char text[96];
    OrtStatus *status = read_input(kernel->base.api, context, 0, &padded);

    if (status != NULL) {
        return status;
    }
    if (padded.type != ORT_UINT8 || padded.rank < 1 || padded.dims[padded.rank - 1] < 1) {
        snprintf(text, sizeof text, "%s: the tokens must be uint8[..., L] with L at least 1", kernel->base.name);
        return failure(kernel->base.api, ORT_INVALID_ARGUMENT, text);
    }
    --padded.rank;
    tokens.bytes = (const uint8_t *)padded.data;
    tokens.width = (size_t)padded.dims[padded.rank];
    lookup.count = (size_t)padded.count / tokens.width;
    status = ngram_constants(kernel, context, 1, lookup.count, &tokens.table);
    if (status != NULL) {
        return status;
    }
    lookup.rows = ngram_bytes_rows;
    lookup.table = &tokens;
    lookup.dim = (size_t)tokens.table.dim;
    status = run_rows(&kernel->base, context, &padded, &lookup);
    return status == NULL && lookup.status != EEB_OK ? refused(&kernel->base, lookup.status) : status;
}

#endif
