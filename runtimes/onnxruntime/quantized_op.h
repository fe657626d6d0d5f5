/* Op QuantizedLookup: rows of packed codes with scales. The name QuantizedLookup<bits> implies the bits, its detail. */
#ifndef EDGEEMB_ORT_QUANTIZED_OP_H
#define EDGEEMB_ORT_QUANTIZED_OP_H

#include "../kernels/quantized.h"
#include "lookup.h"

typedef struct QuantizedKernel {
    Kernel base;
    int32_t bits, dim, block, planes;
} QuantizedKernel;

static OrtStatus *quantized_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    QuantizedKernel made;
    eeb_quantized_table table = {0};
    const int32_t bits = whole_op(op)->detail;
    OrtStatus *status = read_attribute(api, info, "bits", bits != 0 ? bits : -1, &made.bits);
    char text[200];

    if (status == NULL) {
        status = read_attribute(api, info, "dim", -1, &made.dim);
    }
    if (status == NULL) {
        status = read_attribute(api, info, "block", 0, &made.block);
    }
    if (status == NULL) {
        status = read_attribute(api, info, "planes", 1, &made.planes);
    }
    if (status != NULL) {
        return status;
    }
    table.bits = made.bits;
    table.dim = made.dim;
    table.block = made.block;
    table.planes = made.planes;
    table.scale_type = EEB_FLOAT32;
    if (eeb_quantized_check(&table, 0) != EEB_OK || (bits != 0 && made.bits != bits)) {
        snprintf(
            text, sizeof text, "%s: bits %d, dim %d, block %d, planes %d do not fit together: bits is 8, 4, 2 or 1; block divides dim",
            whole_op(op)->name, (int)made.bits, (int)made.dim, (int)made.block, (int)made.planes);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    return keep_kernel(op, api, &made, sizeof made, kernel);
}

/* Reads codes and scales, and checks them against the attributes. */
static OrtStatus *quantized_table(const QuantizedKernel *kernel, const OrtKernelContext *context, eeb_quantized_table *table)
{
    const uint64_t row_bytes = eeb_quantized_row_bytes(kernel->bits, kernel->dim, kernel->planes);
    const uint64_t row_scales = eeb_quantized_row_scales(kernel->dim, kernel->block, kernel->planes);
    const char *op = kernel->base.name;
    Tensor codes, scales;
    OrtStatus *status = read_input(kernel->base.api, context, 1, &codes);
    char text[200];

    if (status == NULL) {
        status = read_input(kernel->base.api, context, 2, &scales);
    }
    if (status != NULL) {
        return status;
    }
    if (codes.type != ORT_UINT8 || codes.rank != 2 || (uint64_t)codes.dims[1] != row_bytes) {
        snprintf(text, sizeof text, "%s: codes must be uint8[V, %" PRIu64 "] for these attributes", op, row_bytes);
        return failure(kernel->base.api, ORT_INVALID_ARGUMENT, text);
    }
    if ((scales.type != ORT_FLOAT16 && scales.type != ORT_FLOAT) || scales.rank != 2 || scales.dims[0] != codes.dims[0] ||
        (uint64_t)scales.dims[1] != row_scales) {
        snprintf(
            text, sizeof text, "%s: scales must be float16 or float32[%" PRId64 ", %" PRIu64 "] for these codes", op, codes.dims[0],
            row_scales);
        return failure(kernel->base.api, ORT_INVALID_ARGUMENT, text);
    }
    table->codes = codes.data;
    table->scales = scales.data;
    table->rows = codes.dims[0];
    table->bits = kernel->bits;
    table->dim = kernel->dim;
    table->block = kernel->block;
    table->planes = kernel->planes;
    table->scale_type = kernel_type(scales.type);
    return NULL;
}

static eeb_status quantized_rows(const Lookup *lookup, size_t first, size_t count, void *output, size_t *position)
{
    const eeb_ids ids = eeb_ids_part(&lookup->ids, first, count);

    return eeb_quantized_lookup((const eeb_quantized_table *)lookup->table, &ids, output, position);
}

static OrtStatus *quantized_run(void *opaque, OrtKernelContext *context)
{
    const QuantizedKernel *kernel = (const QuantizedKernel *)opaque;
    eeb_quantized_table table;
    Lookup lookup = {0};
    Tensor ids;
    OrtStatus *status = read_ids(kernel->base.api, context, &ids, &lookup.ids);

    if (status == NULL) {
        status = quantized_table(kernel, context, &table);
    }
    if (status != NULL) {
        return status;
    }
    lookup.rows = quantized_rows;
    lookup.table = &table;
    lookup.table_rows = table.rows;
    lookup.dim = (size_t)kernel->dim;
    status = run_lookup(&kernel->base, context, &ids, &lookup);
    return status == NULL && lookup.status != EEB_OK ? refused(&kernel->base, lookup.status) : status;
}

#endif
