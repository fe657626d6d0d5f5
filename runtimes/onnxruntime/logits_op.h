/* Op QuantizedLogits: the products of vectors with every row of packed codes with scales, as QuantizedLookup takes them. The name
 * QuantizedLogits<bits> implies the bits, its detail. */
#ifndef EDGEEMB_ORT_LOGITS_OP_H
#define EDGEEMB_ORT_LOGITS_OP_H

#include "../kernels/logits.h"
#include "quantized_op.h"

/* Rows of a table that are worth a thread, for a single vector: about as long as it takes to wake one. */
#define PART_LOGITS 512

/* One call, cut into ranges of rows that run at the same time. */
typedef struct Logits {
    eeb_quantized_table table;
    eeb_logits_call call;
    size_t part_rows;
} Logits;

static void logits_part(void *data, size_t index)
{
    const Logits *logits = (const Logits *)data;
    eeb_logits_call call = logits->call;
    const size_t left = (size_t)logits->table.rows - index * logits->part_rows;

    call.first = index * logits->part_rows;
    call.rows = left < logits->part_rows ? left : logits->part_rows;
    (void)eeb_quantized_logits(&logits->table, &call); /* what could be refused was checked before */
}

/* Checks the vectors against the table, and makes the output float32[..., V]. */
static OrtStatus *logits_output(const QuantizedKernel *kernel, OrtKernelContext *context, const Tensor *hidden, Logits *logits)
{
    OrtApi *api = kernel->base.api;
    char text[160];

    if (hidden->type != ORT_FLOAT || hidden->rank == 0 || hidden->dims[hidden->rank - 1] != kernel->dim) {
        snprintf(text, sizeof text, "%s: the vectors must be float32[..., %d] for this dim", kernel->base.name, (int)kernel->dim);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    logits->call.count = (size_t)(hidden->count / kernel->dim);
    logits->call.rows = (size_t)logits->table.rows;
    if (eeb_logits_check(&logits->table, &logits->call, kernel->bits) != EEB_OK) {
        snprintf(text, sizeof text, "%s: %zu vectors and the table are too large together", kernel->base.name, logits->call.count);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    return make_output(api, context, 0, hidden, hidden->rank - 1, logits->table.rows, &logits->call.output);
}

/* Quantises the vectors and computes all rows, in parts where there are enough for several threads. */
static OrtStatus *logits_all(const QuantizedKernel *kernel, OrtKernelContext *context, const Tensor *hidden, Logits *logits)
{
    size_t size = 0, parts;
    OrtStatus *status = NULL;
    void *memory;

    if (eeb_logits_memory(&logits->table, logits->call.count, &size) != EEB_OK) {
        return failure(kernel->base.api, ORT_FAIL, "edgeemb: out of memory");
    }
    memory = malloc(size);
    if (memory == NULL) {
        return failure(kernel->base.api, ORT_FAIL, "edgeemb: out of memory");
    }
    logits->call.memory = memory;
    logits->part_rows = PART_LOGITS / logits->call.count + 1;
    parts = ((size_t)logits->table.rows + logits->part_rows - 1) / logits->part_rows;
    if (eeb_logits_prepare(&logits->table, hidden->data, logits->call.count, memory) != EEB_OK) {
        status = failure(kernel->base.api, ORT_FAIL, "edgeemb: the kernel refused the vectors");
    } else {
        status = run_parts(&kernel->base, context, logits_part, parts, logits);
    }
    free(memory);
    return status;
}

static OrtStatus *logits_run(void *opaque, OrtKernelContext *context)
{
    const QuantizedKernel *kernel = (const QuantizedKernel *)opaque;
    Logits logits = {0};
    Tensor hidden;
    OrtStatus *status = read_input(kernel->base.api, context, 0, &hidden);

    if (status == NULL) {
        status = quantized_table(kernel, context, &logits.table);
    }
    if (status == NULL) {
        status = logits_output(kernel, context, &hidden, &logits);
    }
    if (status != NULL || logits.call.count == 0 || logits.table.rows == 0) {
        return status;
    }
    return logits_all(kernel, context, &hidden, &logits);
}

/* The attributes are those of the lookup. */
static OrtStatus *logits_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    return quantized_create(op, api, info, kernel);
}

#endif
