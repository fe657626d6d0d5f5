/* Ops CodebookLookup and CodebookSumLookup: rows put together from codebooks; the detail of an op is 1 where entries are added up. */
#ifndef EDGEEMB_ORT_CODEBOOK_OP_H
#define EDGEEMB_ORT_CODEBOOK_OP_H

#include "../kernels/codebook.h"
#include "lookup.h"

typedef struct CodebookKernel {
    Kernel base;
    int32_t additive, dim;
} CodebookKernel;

static OrtStatus *codebook_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    CodebookKernel made;
    OrtStatus *status = read_attribute(api, info, "dim", -1, &made.dim);
    char text[96];

    if (status != NULL) {
        return status;
    }
    if (made.dim < 1) {
        snprintf(text, sizeof text, "%s: dim %d must lie in [1, 2^31)", whole_op(op)->name, (int)made.dim);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    made.additive = whole_op(op)->detail;
    return keep_kernel(op, api, &made, sizeof made, kernel);
}

/* Reads codes and codebooks, and checks them against each other and the attribute. */
static OrtStatus *codebook_table(const CodebookKernel *kernel, const OrtKernelContext *context, eeb_codebook_table *table)
{
    OrtApi *api = kernel->base.api;
    const char *name = kernel->base.name;
    Tensor codes, books;
    OrtStatus *status = read_input(api, context, 1, &codes);
    int64_t count;
    char text[200];

    if (status == NULL) {
        status = read_input(api, context, 2, &books);
    }
    if (status != NULL) {
        return status;
    }
    if (codes.type != ORT_UINT8 || codes.rank != 2 || codes.dims[1] < 1 || codes.dims[1] > INT32_MAX) {
        snprintf(text, sizeof text, "%s: codes must be uint8[V, M]", name);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    count = kernel->additive ? 1 : codes.dims[1]; /* entries side by side in a row */
    if ((books.type != ORT_FLOAT16 && books.type != ORT_FLOAT) || books.rank != 3 || books.dims[0] != codes.dims[1] || books.dims[1] < 1 ||
        books.dims[1] > 256 || kernel->dim % count != 0 || books.dims[2] != kernel->dim / count) {
        snprintf(
            text, sizeof text, "%s: codebooks must be float16 or float32[%" PRId64 ", K, %s] with K in [1, 256], for dim %d", name,
            codes.dims[1], kernel->additive ? "dim" : "dim / M", (int)kernel->dim);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    table->codes = codes.data;
    table->codebooks = books.data;
    table->rows = codes.dims[0];
    table->books = (int32_t)codes.dims[1];
    table->entries = (int32_t)books.dims[1];
    table->part = (int32_t)books.dims[2];
    table->additive = kernel->additive;
    table->book_type = kernel_type(books.type);
    return NULL;
}

static eeb_status codebook_rows(const Lookup *lookup, size_t first, size_t count, void *output, size_t *position)
{
    const eeb_ids ids = eeb_ids_part(&lookup->ids, first, count);

    return eeb_codebook_lookup((const eeb_codebook_table *)lookup->table, &ids, output, position);
}

static OrtStatus *codebook_run(void *opaque, OrtKernelContext *context)
{
    const CodebookKernel *kernel = (const CodebookKernel *)opaque;
    eeb_codebook_table table;
    Lookup lookup = {0};
    Tensor ids;
    char text[160];
    OrtStatus *status = read_ids(kernel->base.api, context, &ids, &lookup.ids);

    if (status == NULL) {
        status = codebook_table(kernel, context, &table);
    }
    if (status != NULL) {
        return status;
    }
    lookup.rows = codebook_rows;
    lookup.table = &table;
    lookup.table_rows = table.rows;
    lookup.dim = (size_t)kernel->dim;
    status = run_lookup(&kernel->base, context, &ids, &lookup);
    if (status == NULL && lookup.status == EEB_CODE_OUT_OF_RANGE) {
        snprintf(
            text, sizeof text, "%s: row %" PRId64 " of codes holds a code outside [0, %d), the entries of a codebook", kernel->base.name,
            eeb_id_at(&lookup.ids, lookup.position), (int)table.entries);
        return failure(kernel->base.api, ORT_INVALID_ARGUMENT, text);
    }
    return status == NULL && lookup.status != EEB_OK ? refused(&kernel->base, lookup.status) : status;
}

#endif
