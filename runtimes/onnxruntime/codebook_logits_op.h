/* Ops CodebookLogits and CodebookSumLogits: the products of vectors with every row of a table of codebooks, as CodebookLookup and
 * CodebookSumLookup take it. */
#ifndef EDGEEMB_ORT_CODEBOOK_LOGITS_OP_H
#define EDGEEMB_ORT_CODEBOOK_LOGITS_OP_H

#include "../kernels/codebook_logits.h"
#include "codebook_op.h"

/* Codes that are worth a thread: about as long as it takes to wake one. */
#define PART_CODES 32768
/* Vectors whose products with the entries are held at a time; those of one fill most of an L2 cache. */
#define BLOCK_VECTORS 16

/* One call, cut into ranges of rows that run at the same time. */
typedef struct CodebookLogits {
    eeb_codebook_table table;
    eeb_logits_call call;
    size_t part_rows;
} CodebookLogits;

static void codebook_logits_part(void *data, size_t index)
{
    const CodebookLogits *logits = (const CodebookLogits *)data;
    eeb_logits_call call = logits->call;
    const size_t left = (size_t)logits->table.rows - index * logits->part_rows;

    call.first = index * logits->part_rows;
    call.rows = left < logits->part_rows ? left : logits->part_rows;
    eeb_codebook_logits(&logits->table, &call);
}

/* Checks the vectors and all codes against the table, and makes the output float32[..., V]. */
static OrtStatus *codebook_logits_output(
    const CodebookKernel *kernel, OrtKernelContext *context, const Tensor *hidden, CodebookLogits *logits)
{
    OrtApi *api = kernel->base.api;
    size_t row = 0;
    eeb_status status;
    char text[200];

    if (hidden->type != ORT_FLOAT || hidden->rank == 0 || hidden->dims[hidden->rank - 1] != kernel->dim) {
        snprintf(text, sizeof text, "%s: the vectors must be float32[..., %d] for this dim", kernel->base.name, (int)kernel->dim);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    logits->call.count = (size_t)(hidden->count / kernel->dim);
    logits->call.rows = (size_t)logits->table.rows;
    status = eeb_codebook_logits_check(&logits->table, &logits->call, &row);
    if (status == EEB_CODE_OUT_OF_RANGE) {
        snprintf(
            text, sizeof text, "%s: row %zu of codes holds a code outside [0, %d), the entries of a codebook", kernel->base.name, row,
            (int)logits->table.entries);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    if (status != EEB_OK) {
        snprintf(text, sizeof text, "%s: %zu vectors and the table are too large together", kernel->base.name, logits->call.count);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    return make_output(api, context, 0, hidden, hidden->rank - 1, logits->table.rows, &logits->call.output);
}

/* All rows for one block of vectors after another, in parts where there are enough for several threads. */
static OrtStatus *codebook_logits_all(const CodebookKernel *kernel, OrtKernelContext *context, const Tensor *hidden, CodebookLogits *logits)
{
    const size_t count = logits->call.count, rows = (size_t)logits->table.rows;
    uint8_t *const output = (uint8_t *)logits->call.output;
    OrtStatus *status = NULL;
    size_t size = 0, start, parts;
    void *memory = NULL;

    if (eeb_codebook_logits_memory(&logits->table, count < BLOCK_VECTORS ? count : BLOCK_VECTORS, &size) == EEB_OK) {
        memory = malloc(size);
    }
    if (memory == NULL) {
        return failure(kernel->base.api, ORT_FAIL, "edgeemb: out of memory");
    }
    logits->call.memory = memory;
    for (start = 0; status == NULL && start < count; start += BLOCK_VECTORS) {
        logits->call.count = count - start < BLOCK_VECTORS ? count - start : BLOCK_VECTORS;
        logits->call.output = output + 4 * rows * start;
        logits->part_rows = PART_CODES / ((size_t)logits->table.books * logits->call.count) + 1;
        parts = (rows + logits->part_rows - 1) / logits->part_rows;
        if (eeb_codebook_logits_prepare(
                &logits->table, (const uint8_t *)hidden->data + 4 * (size_t)kernel->dim * start, logits->call.count, memory) != EEB_OK) {
            status = failure(kernel->base.api, ORT_FAIL, "edgeemb: the kernel refused the vectors");
        } else {
            status = run_parts(&kernel->base, context, codebook_logits_part, parts, logits);
        }
    }
    free(memory);
    return status;
}

static OrtStatus *codebook_logits_run(void *opaque, OrtKernelContext *context)
{
    const CodebookKernel *kernel = (const CodebookKernel *)opaque;
    CodebookLogits logits = {0};
    Tensor hidden;
    OrtStatus *status = read_input(kernel->base.api, context, 0, &hidden);

    if (status == NULL) {
        status = codebook_table(kernel, context, &logits.table);
    }
    if (status == NULL) {
        status = codebook_logits_output(kernel, context, &hidden, &logits);
    }
    if (status != NULL || logits.call.count == 0 || logits.table.rows == 0) {
        return status;
    }
    return codebook_logits_all(kernel, context, &hidden, &logits);
}

/* The attribute is that of the lookup. */
static OrtStatus *codebook_logits_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    return codebook_create(op, api, info, kernel);
}

#endif
