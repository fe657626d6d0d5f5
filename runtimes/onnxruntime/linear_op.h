/* Op QuantizedLinear: float32 rows times weights of 8 or 4 bits in panels. The name QuantizedLinear<activation><bits> implies both, its
 * detail. */
#ifndef EDGEEMB_ORT_LINEAR_OP_H
#define EDGEEMB_ORT_LINEAR_OP_H

#define EEP_PRODUCTS_ALONE
#include "../panels/quantized_linear.h"
#include "lookup.h"

/* What the name of an op implies. */
#define LINEAR_DETAIL(bits, activation) ((bits) + 16 * (activation))

typedef struct LinearKernel {
    Kernel base;
    int32_t bits, outputs, block;
    eem_activation activation;
} LinearKernel;

static OrtStatus *linear_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    LinearKernel made;
    OrtStatus *status = read_attribute(api, info, "N", -1, &made.outputs);
    char text[160];

    made.bits = whole_op(op)->detail % 16;
    made.activation = (eem_activation)(whole_op(op)->detail / 16);
    if (status == NULL) {
        status = read_attribute(api, info, "block", 0, &made.block);
    }
    if (status != NULL) {
        return status;
    }
    if ((made.bits == 4) != (made.block != 0)) {
        snprintf(text, sizeof text, "%s: block %d must be 0 but for 4 bits", whole_op(op)->name, (int)made.block);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    return keep_kernel(op, api, &made, sizeof made, kernel);
}

/* Input `index`, which must have `count` elements of `type`. */
static OrtStatus *linear_vector(
    const LinearKernel *kernel, const OrtKernelContext *context, size_t index, int type, uint32_t count, const void **data)
{
    Tensor tensor;
    OrtStatus *status = read_input(kernel->base.api, context, index, &tensor);
    char text[160];

    if (status == NULL && (tensor.type != type || tensor.rank != 1 || tensor.dims[0] != count)) {
        snprintf(
            text, sizeof text, "%s: input %zu must be %s[%u]", kernel->base.name, index, type == ORT_INT32 ? "int32" : "float32",
            (unsigned)count);
        status = failure(kernel->base.api, ORT_INVALID_ARGUMENT, text);
    }
    *data = tensor.data;
    return status;
}

/* Reads the weights, int8[panels, width / 4, EEP_COLUMNS, 4] or uint8[panels, blocks, EEP_COLUMNS * (2 + block / 2)]. */
static OrtStatus *linear_weights(const LinearKernel *kernel, const OrtKernelContext *context, int64_t inputs, eep_quantized_linear *op)
{
    const int64_t panels = ((int64_t)kernel->outputs + EEP_COLUMNS - 1) / EEP_COLUMNS, block = kernel->block;
    Tensor weight;
    OrtStatus *status = read_input(kernel->base.api, context, 1, &weight);
    char text[200];
    int fits;

    if (status != NULL) {
        return status;
    }
    fits = inputs > 0 && inputs <= (int64_t)EEP_MOST_INPUTS && panels > 0 && weight.rank == (kernel->bits == 8 ? 4 : 3) &&
           weight.dims[0] == panels;
    if (kernel->bits == 8) {
        fits = fits && weight.type == ORT_INT8 && weight.dims[1] == (int64_t)EEM_PADDED((uint32_t)inputs) / 4 &&
               weight.dims[2] == (int64_t)EEP_COLUMNS && weight.dims[3] == 4;
    } else {
        fits = fits && weight.type == ORT_UINT8 && inputs % block == 0 && weight.dims[1] == inputs / block &&
               weight.dims[2] == (int64_t)EEP_COLUMNS * (2 + block / 2);
    }
    if (!fits) {
        snprintf(
            text, sizeof text, "%s: the weights do not have the shape of panels for rows of %" PRId64 " and %d outputs", kernel->base.name,
            inputs, (int)kernel->outputs);
        return failure(kernel->base.api, ORT_INVALID_ARGUMENT, text);
    }
    op->layer.weight = (const int8_t *)weight.data;
    op->layer.inputs = (uint32_t)inputs;
    op->layer.outputs = (uint32_t)panels * EEP_COLUMNS;
    op->layer.block = (uint32_t)block;
    op->outputs = (uint32_t)kernel->outputs;
    op->activation = kernel->activation;
    if (eep_quantized_linear_check(op) != EEB_OK) {
        snprintf(text, sizeof text, "%s: rows of %" PRId64 " and blocks of %d do not fit", kernel->base.name, inputs, (int)block);
        return failure(kernel->base.api, ORT_INVALID_ARGUMENT, text);
    }
    return NULL;
}

/* Reads what belongs to each output. */
static OrtStatus *linear_outputs(const LinearKernel *kernel, const OrtKernelContext *context, eep_quantized_linear *op)
{
    const uint32_t outputs = op->layer.outputs;
    const void *factors = NULL, *bias = NULL, *sums = NULL;
    size_t index = 2;
    OrtStatus *status = linear_vector(kernel, context, index++, ORT_FLOAT, outputs, &factors);

    if (status == NULL && kernel->bits == 8) {
        status = linear_vector(kernel, context, index++, ORT_INT32, outputs, &sums);
    }
    if (status == NULL) {
        status = linear_vector(kernel, context, index, ORT_FLOAT, outputs, &bias);
    }
    if (kernel->bits == 8) {
        op->layer.scale = (const float *)factors;
        op->layer.sums = (const int32_t *)sums;
    } else {
        op->layer.totals = (const float *)factors;
    }
    op->layer.bias = (const float *)bias;
    return status;
}

/* A copy of `count` elements of 4 bytes at `*spare`, which moves on, where a vector is not aligned, as in a file that others have written.
 */
static const void *linear_aligned(const void *data, size_t count, uint8_t **spare)
{
    void *copy = *spare;

    if (data == NULL || (uintptr_t)data % 4 == 0) {
        return data;
    }
    memcpy(copy, data, count * 4);
    *spare += count * 4;
    return copy;
}

/* The session's threads, as the kernels ask for them. */
typedef struct LinearPool {
    const LinearKernel *kernel;
    OrtKernelContext *context;
    OrtStatus *status;
} LinearPool;

static void linear_parallel(void *pool, size_t count, void (*task)(void *context, size_t index), void *context)
{
    LinearPool *own = (LinearPool *)pool;
    OrtStatus *status = ((OrtParallelFor)own->kernel->base.api[SLOT_PARALLEL_FOR])(own->context, task, count, 0, context);

    if (status != NULL && own->status != NULL) {
        ((OrtReleaseStatus)own->kernel->base.api[SLOT_RELEASE_STATUS])(status);
    } else if (status != NULL) {
        own->status = status;
    }
}

static OrtStatus *linear_compute(const LinearKernel *kernel, OrtKernelContext *context, const Tensor *rows, const eep_quantized_linear *op)
{
    LinearPool pool = {kernel, context, NULL};
    const eep_parallel parallel = {linear_parallel, &pool};
    const uint32_t outputs = op->layer.outputs;
    eep_quantized_linear aligned = *op;
    uint8_t *memory, *spare;
    void *output = NULL;
    OrtStatus *status = make_output(kernel->base.api, context, 0, rows, rows->rank - 1, kernel->outputs, &output);

    if (status != NULL || rows->count == 0) {
        return status;
    }
    memory = (uint8_t *)malloc(eep_quantized_linear_bytes(op) + 12 * (size_t)outputs);
    if (memory == NULL) {
        return failure(kernel->base.api, ORT_FAIL, "edgeemb: out of memory");
    }
    spare = memory + eep_quantized_linear_bytes(op);
    aligned.layer.scale = (const float *)linear_aligned(op->layer.scale, outputs, &spare);
    aligned.layer.sums = (const int32_t *)linear_aligned(op->layer.sums, outputs, &spare);
    aligned.layer.totals = (const float *)linear_aligned(op->layer.totals, outputs, &spare);
    aligned.layer.bias = (const float *)linear_aligned(op->layer.bias, outputs, &spare);
    eep_quantized_linear_run(
        &aligned, (const float *)rows->data, (size_t)(rows->count / op->layer.inputs), (float *)output, memory,
        kernel->base.parallel ? &parallel : NULL);
    free(memory);
    return pool.status;
}

static OrtStatus *linear_run(void *opaque, OrtKernelContext *context)
{
    const LinearKernel *kernel = (const LinearKernel *)opaque;
    eep_quantized_linear op;
    Tensor rows;
    OrtStatus *status = read_input(kernel->base.api, context, 0, &rows);
    char text[96];

    memset(&op, 0, sizeof op);
    if (status == NULL && (rows.type != ORT_FLOAT || rows.rank == 0)) {
        snprintf(text, sizeof text, "%s: the rows must be float32[..., inputs]", kernel->base.name);
        status = failure(kernel->base.api, ORT_INVALID_ARGUMENT, text);
    }
    if (status == NULL) {
        status = linear_weights(kernel, context, rows.dims[rows.rank - 1], &op);
    }
    if (status == NULL) {
        status = linear_outputs(kernel, context, &op);
    }
    return status != NULL ? status : linear_compute(kernel, context, &rows, &op);
}

#endif
