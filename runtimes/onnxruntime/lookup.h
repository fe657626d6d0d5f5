/* What the ops of the adapter share: tensors and attributes in, worded errors out, and rows written in parts by the session's threads. */
#ifndef EDGEEMB_ORT_LOOKUP_H
#define EDGEEMB_ORT_LOOKUP_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

#include "../kernels/ids.h"
#include "ort_abi.h"

#define MOST_DIMENSIONS 16
/* Bytes of output that are worth a thread: a part takes about 5 microseconds, as long as it takes to wake one. */
#ifndef PART_BYTES
#define PART_BYTES ((size_t)256 << 10)
#endif

typedef struct Tensor {
    void *data;
    int64_t dims[MOST_DIMENSIONS];
    size_t rank;
    int64_t count;
    int type;
} Tensor;

/* An op as ONNX Runtime knows it, and what tells it from its siblings. */
typedef struct Op {
    OrtCustomOp ort;
    const char *name;
    int32_t detail; /* what the name implies; each op says what it is */
    size_t inputs;
    size_t bytes;   /* the input that must be uint8 */
    int parallel;   /* whether the runtime that it is registered with has ParallelFor */
    size_t outputs; /* values, and with a second one the ids of rows */
} Op;

/* ONNX Runtime hands an op back by the address of its first member. */
static const Op *whole_op(const OrtCustomOp *op)
{
    return (const Op *)(const void *)op;
}

/* What every kernel begins with: the state that ONNX Runtime keeps for a node. */
typedef struct Kernel {
    OrtApi *api;
    const char *name; /* of the op */
    int parallel;
} Kernel;

static OrtStatus *failure(OrtApi *api, int code, const char *message)
{
    return ((OrtCreateStatus)api[SLOT_CREATE_STATUS])(code, message);
}

/* A tensor's address, type and shape. */
static OrtStatus *read_value(OrtApi *api, OrtValue *value, Tensor *tensor)
{
    OrtTensorTypeAndShapeInfo *info = NULL;
    OrtStatus *status = ((OrtTypeAndShape)api[SLOT_TYPE_AND_SHAPE])(value, &info);
    size_t axis;

    if (status == NULL) {
        status = ((OrtElementType)api[SLOT_ELEMENT_TYPE])(info, &tensor->type);
    }
    if (status == NULL) {
        status = ((OrtRank)api[SLOT_RANK])(info, &tensor->rank);
    }
    if (status == NULL && tensor->rank >= MOST_DIMENSIONS) {
        status = failure(api, ORT_INVALID_ARGUMENT, "edgeemb: an input has more than 15 dimensions: reshape it first");
    }
    if (status == NULL) {
        status = ((OrtDimensions)api[SLOT_DIMENSIONS])(info, tensor->dims, tensor->rank);
    }
    if (status == NULL) {
        status = ((OrtTensorData)api[SLOT_TENSOR_DATA])(value, &tensor->data);
    }
    if (info != NULL) {
        ((OrtReleaseTypeAndShape)api[SLOT_RELEASE_TYPE_AND_SHAPE])(info);
    }
    tensor->count = 1;
    for (axis = 0; status == NULL && axis < tensor->rank; ++axis) {
        tensor->count *= tensor->dims[axis];
    }
    return status;
}

static OrtStatus *read_input(OrtApi *api, const OrtKernelContext *context, size_t index, Tensor *tensor)
{
    const OrtValue *value = NULL;
    OrtStatus *status = ((OrtInput)api[SLOT_INPUT])(context, index, &value);

    /* The entry that gives a tensor's address takes it as writable; nothing is written through it. */
    return status != NULL ? status : read_value(api, (OrtValue *)(uintptr_t)value, tensor);
}

/* An int attribute that must lie in [0, 2^31). `otherwise` stands for a missing one; negative: it is required. */
static OrtStatus *read_attribute(OrtApi *api, const OrtKernelInfo *info, const char *name, int32_t otherwise, int32_t *value)
{
    int64_t wide = 0;
    OrtStatus *status = ((OrtAttributeInt)api[SLOT_ATTRIBUTE_INT])(info, name, &wide);
    char text[128];

    if (status != NULL) {
        if (otherwise < 0) {
            return status;
        }
        ((OrtReleaseStatus)api[SLOT_RELEASE_STATUS])(status);
        wide = otherwise;
    }
    if (wide < 0 || wide > INT32_MAX) {
        snprintf(text, sizeof text, "edgeemb: the attribute %s is %" PRId64 ": it must lie in [0, 2^31)", name, wide);
        return failure(api, ORT_INVALID_ARGUMENT, text);
    }
    *value = (int32_t)wide;
    return NULL;
}

/* The kernels' name for an element type; -1 for one that they do not know. */
static eeb_type kernel_type(int type)
{
    switch (type) {
    case ORT_INT32: return EEB_INT32;
    case ORT_INT64: return EEB_INT64;
    case ORT_FLOAT16: return EEB_FLOAT16;
    case ORT_FLOAT: return EEB_FLOAT32;
    default: return -1;
    }
}

/* Reads the ids and checks their type. */
static OrtStatus *read_ids(OrtApi *api, const OrtKernelContext *context, Tensor *tensor, eeb_ids *ids)
{
    OrtStatus *status = read_input(api, context, 0, tensor);

    if (status == NULL) {
        ids->data = tensor->data;
        ids->count = (size_t)tensor->count;
        ids->type = kernel_type(tensor->type);
        if (ids->type != EEB_INT32 && ids->type != EEB_INT64) {
            status = failure(api, ORT_INVALID_ARGUMENT, "edgeemb: the ids must be int32 or int64");
        }
    }
    return status;
}

/* Checks the ids against a table of `rows` rows, for `op`. */
static OrtStatus *check_ids(OrtApi *api, const char *op, const eeb_ids *ids, int64_t rows)
{
    size_t position = 0;
    char text[160];

    if (eeb_check_ids(ids, rows, &position) == EEB_OK) {
        return NULL;
    }
    snprintf(
        text, sizeof text, "%s: id %" PRId64 " at position %zu is outside [0, %" PRId64 "), the rows of the table", op,
        eeb_id_at(ids, position), position, rows);
    return failure(api, ORT_INVALID_ARGUMENT, text);
}

/* Output `index`, whose dimensions are the first `axes` of a tensor and `last`. */
static OrtStatus *make_output(
    OrtApi *api, OrtKernelContext *context, size_t index, const Tensor *tensor, size_t axes, int64_t last, void **data)
{
    int64_t dims[MOST_DIMENSIONS];
    OrtValue *value = NULL;
    OrtStatus *status;

    memcpy(dims, tensor->dims, axes * sizeof dims[0]);
    dims[axes] = last;
    status = ((OrtOutput)api[SLOT_OUTPUT])(context, index, dims, axes + 1, &value);
    return status != NULL ? status : ((OrtTensorData)api[SLOT_TENSOR_DATA])(value, data);
}

/* Hands ONNX Runtime a kernel of its own. `made` begins with a Kernel, which is filled in here. */
static OrtStatus *keep_kernel(const OrtCustomOp *op, OrtApi *api, void *made, size_t size, void **kernel)
{
    Kernel base;

    base.api = api;
    base.name = whole_op(op)->name;
    base.parallel = whole_op(op)->parallel;
    memcpy(made, &base, sizeof base);
    *kernel = malloc(size);
    if (*kernel == NULL) {
        return failure(api, ORT_FAIL, "edgeemb: out of memory");
    }
    memcpy(*kernel, made, size);
    return NULL;
}

static void destroy_kernel(void *kernel)
{
    free(kernel);
}

/* Runs `part` for each of `count` parts, at the same time where the runtime can. */
static OrtStatus *run_parts(
    const Kernel *kernel, const OrtKernelContext *context, void (*part)(void *data, size_t index), size_t count, void *data)
{
    size_t index;

    if (kernel->parallel && count > 1) {
        return ((OrtParallelFor)kernel->api[SLOT_PARALLEL_FOR])(context, part, count, 0, data);
    }
    for (index = 0; index < count; ++index) {
        part(data, index);
    }
    return NULL;
}

struct Lookup;

/* Writes `count` rows from the `first` one on. */
typedef eeb_status (*LookupRows)(const struct Lookup *lookup, size_t first, size_t count, void *output, size_t *position);

/* One call, cut into parts that run at the same time. */
typedef struct Lookup {
    LookupRows rows;
    const void *table;
    int64_t table_rows;
    size_t dim;
    size_t count; /* rows to write */
    eeb_ids ids;  /* as many, where rows are asked for by id */
    uint8_t *output;
    size_t part_rows;
    size_t position; /* of an id whose row the kernel refused; set before the status */
    eeb_status status;
} Lookup;

/* Keeps what a part failed with. Parts of other threads may do the same at once: whichever is last stays. */
static void lookup_failed(Lookup *lookup, size_t position, eeb_status status)
{
#if defined(_MSC_VER) && !defined(__clang__)
#if defined(_WIN64)
    (void)_InterlockedExchange64((volatile __int64 *)&lookup->position, (__int64)position);
#else
    (void)_InterlockedExchange((volatile long *)&lookup->position, (long)position);
#endif
    (void)_InterlockedExchange((volatile long *)&lookup->status, (long)status);
#else
    __atomic_store_n(&lookup->position, position, __ATOMIC_RELAXED);
    __atomic_store_n(&lookup->status, status, __ATOMIC_RELEASE);
#endif
}

static void lookup_part(void *data, size_t index)
{
    Lookup *lookup = (Lookup *)data;
    const size_t first = index * lookup->part_rows;
    const size_t left = lookup->count - first;
    const size_t count = left < lookup->part_rows ? left : lookup->part_rows;
    size_t position = 0;
    const eeb_status status = lookup->rows(lookup, first, count, lookup->output + first * lookup->dim * 4, &position);

    if (status != EEB_OK) {
        lookup_failed(lookup, first + position, status);
    }
}

/* Makes the output, a row for each element of `asked`, and fills it. A status of the kernel is left in `lookup`, for the op to word. */
static OrtStatus *run_rows(const Kernel *kernel, OrtKernelContext *context, const Tensor *asked, Lookup *lookup)
{
    const size_t row_bytes = lookup->dim * 4;
    void *output = NULL;
    OrtStatus *status = make_output(kernel->api, context, 0, asked, asked->rank, (int64_t)lookup->dim, &output);

    if (status != NULL || lookup->count == 0) {
        return status;
    }
    lookup->output = (uint8_t *)output;
    lookup->part_rows = row_bytes < PART_BYTES ? PART_BYTES / row_bytes : 1;
    return run_parts(kernel, context, lookup_part, (lookup->count + lookup->part_rows - 1) / lookup->part_rows, lookup);
}

/* The same for rows asked for by id, which are checked first. */
static OrtStatus *run_lookup(const Kernel *kernel, OrtKernelContext *context, const Tensor *ids, Lookup *lookup)
{
    OrtStatus *status = check_ids(kernel->api, kernel->name, &lookup->ids, lookup->table_rows);

    lookup->count = lookup->ids.count;
    return status != NULL ? status : run_rows(kernel, context, ids, lookup);
}

/* The error for a kernel's status that has no words of its own. */
static OrtStatus *refused(const Kernel *kernel, eeb_status status)
{
    char text[96];

    snprintf(text, sizeof text, "%s: the kernel refused the call with status %d", kernel->name, (int)status);
    return failure(kernel->api, ORT_FAIL, text);
}

static const char *op_name(const OrtCustomOp *op)
{
    return whole_op(op)->name;
}

static const char *cpu_provider(const OrtCustomOp *op)
{
    (void)op;
    return NULL;
}

/* Inputs that come in two types each are checked by the kernel. */
static int input_type(const OrtCustomOp *op, size_t index)
{
    return index == whole_op(op)->bytes ? ORT_UINT8 : ORT_ANY;
}

static size_t input_count(const OrtCustomOp *op)
{
    return whole_op(op)->inputs;
}

static size_t output_count(const OrtCustomOp *op)
{
    return whole_op(op)->outputs;
}

static int output_type(const OrtCustomOp *op, size_t index)
{
    (void)op;
    return index == 0 ? ORT_FLOAT : ORT_INT64;
}

static int required(const OrtCustomOp *op, size_t index)
{
    (void)op;
    (void)index;
    return ORT_REQUIRED;
}

static int default_memory(const OrtCustomOp *op, size_t index)
{
    (void)op;
    (void)index;
    return ORT_MEMORY_DEFAULT;
}

static int not_variadic(const OrtCustomOp *op)
{
    (void)op;
    return 1;
}

/* An op: its functions, name, detail, number of inputs, which of them holds bytes, and number of outputs. */
#define OP_OF(prefix, name, detail, inputs, bytes, parallel, outputs)                                                                      \
    {{ORT_ABI_VERSION, NULL, op_name, cpu_provider, input_type, input_count, output_type, output_count, NULL, destroy_kernel, required,    \
      required, default_memory, not_variadic, not_variadic, not_variadic, not_variadic, prefix##_create, prefix##_run},                    \
     name,                                                                                                                                 \
     detail,                                                                                                                               \
     inputs,                                                                                                                               \
     bytes,                                                                                                                                \
     parallel,                                                                                                                             \
     outputs}
#define OP(prefix, name, detail, inputs, bytes, parallel) OP_OF(prefix, name, detail, inputs, bytes, parallel, 1)

#endif
