/* libedgeemb_onnxruntime: the ops of domain `edgeemb` for ONNX Runtime. See README.md of this folder for their signatures.
 *
 * An adapter: it reads shapes, checks them, hands pointers to the kernels and words their errors. It holds no arithmetic. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/quantized.h"
#include "ort_abi.h"

#define MOST_DIMENSIONS 16
/* Bytes of output that are worth a thread: a part takes about 5 microseconds, as long as it takes to wake one. */
#define PART_BYTES ((size_t)256 << 10)

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
    int32_t bits; /* that the name implies; 0: the attribute says */
    int parallel; /* whether the runtime that it is registered with has ParallelFor */
} Op;

/* ONNX Runtime hands an op back by the address of its first member. */
static const Op *whole_op(const OrtCustomOp *op)
{
    return (const Op *)(const void *)op;
}

typedef struct QuantizedKernel {
    OrtApi *api;
    int parallel;
    int32_t bits, dim, block, planes;
} QuantizedKernel;

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

/* The output float32[ids..., dim]. */
static OrtStatus *make_output(OrtApi *api, OrtKernelContext *context, const Tensor *ids, int64_t dim, void **data)
{
    int64_t dims[MOST_DIMENSIONS];
    OrtValue *value = NULL;
    OrtStatus *status;

    memcpy(dims, ids->dims, ids->rank * sizeof dims[0]);
    dims[ids->rank] = dim;
    status = ((OrtOutput)api[SLOT_OUTPUT])(context, 0, dims, ids->rank + 1, &value);
    return status != NULL ? status : ((OrtTensorData)api[SLOT_TENSOR_DATA])(value, data);
}

static OrtStatus *quantized_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    QuantizedKernel made = {0};
    eeb_quantized_table table = {0};
    const int32_t bits = whole_op(op)->bits;
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
    made.api = api;
    made.parallel = whole_op(op)->parallel;
    *kernel = malloc(sizeof made);
    if (*kernel == NULL) {
        return failure(api, ORT_FAIL, "QuantizedLookup: out of memory");
    }
    memcpy(*kernel, &made, sizeof made);
    return NULL;
}

/* Reads codes and scales, and checks them against the attributes. */
static OrtStatus *quantized_table(const QuantizedKernel *kernel, const OrtKernelContext *context, eeb_quantized_table *table)
{
    const uint64_t row_bytes = eeb_quantized_row_bytes(kernel->bits, kernel->dim, kernel->planes);
    const uint64_t row_scales = eeb_quantized_row_scales(kernel->dim, kernel->block, kernel->planes);
    Tensor codes, scales;
    OrtStatus *status = read_input(kernel->api, context, 1, &codes);
    char text[200];

    if (status == NULL) {
        status = read_input(kernel->api, context, 2, &scales);
    }
    if (status != NULL) {
        return status;
    }
    if (codes.type != ORT_UINT8 || codes.rank != 2 || (uint64_t)codes.dims[1] != row_bytes) {
        snprintf(text, sizeof text, "QuantizedLookup: codes must be uint8[V, %" PRIu64 "] for these attributes", row_bytes);
        return failure(kernel->api, ORT_INVALID_ARGUMENT, text);
    }
    if ((scales.type != ORT_FLOAT16 && scales.type != ORT_FLOAT) || scales.rank != 2 || scales.dims[0] != codes.dims[0] ||
        (uint64_t)scales.dims[1] != row_scales) {
        snprintf(
            text, sizeof text, "QuantizedLookup: scales must be float16 or float32[%" PRId64 ", %" PRIu64 "] for these codes",
            codes.dims[0], row_scales);
        return failure(kernel->api, ORT_INVALID_ARGUMENT, text);
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

/* Rows of one call, cut into parts that run at the same time. */
typedef struct QuantizedWork {
    eeb_quantized_table table;
    eeb_ids ids;
    uint8_t *output;
    size_t part_rows;
    eeb_status status;
} QuantizedWork;

static void quantized_part(void *data, size_t index)
{
    QuantizedWork *work = (QuantizedWork *)data;
    const size_t first = index * work->part_rows;
    const size_t left = work->ids.count - first;
    const eeb_ids ids = eeb_ids_part(&work->ids, first, left < work->part_rows ? left : work->part_rows);
    const eeb_status status = eeb_quantized_lookup(&work->table, &ids, work->output + first * (size_t)work->table.dim * 4, NULL);

    if (status != EEB_OK) {
        __atomic_store_n(&work->status, status, __ATOMIC_RELAXED);
    }
}

static OrtStatus *quantized_run(void *opaque, OrtKernelContext *context)
{
    const QuantizedKernel *kernel = (const QuantizedKernel *)opaque;
    OrtApi *api = kernel->api;
    QuantizedWork work = {0};
    Tensor ids;
    void *output = NULL;
    size_t row_bytes, parts, part;
    char text[96];
    OrtStatus *status = read_ids(api, context, &ids, &work.ids);

    if (status == NULL) {
        status = quantized_table(kernel, context, &work.table);
    }
    if (status == NULL) {
        status = check_ids(api, "QuantizedLookup", &work.ids, work.table.rows);
    }
    if (status == NULL) {
        status = make_output(api, context, &ids, kernel->dim, &output);
    }
    if (status != NULL || work.ids.count == 0) {
        return status;
    }
    work.output = (uint8_t *)output;
    row_bytes = (size_t)kernel->dim * 4;
    work.part_rows = row_bytes < PART_BYTES ? PART_BYTES / row_bytes : 1;
    parts = (work.ids.count + work.part_rows - 1) / work.part_rows;
    if (kernel->parallel && parts > 1) {
        status = ((OrtParallelFor)api[SLOT_PARALLEL_FOR])(context, quantized_part, parts, 0, &work);
    } else {
        for (part = 0; part < parts; ++part) {
            quantized_part(&work, part);
        }
    }
    if (status == NULL && work.status != EEB_OK) {
        snprintf(text, sizeof text, "QuantizedLookup: the kernel refused the call with status %d", (int)work.status);
        status = failure(api, ORT_FAIL, text);
    }
    return status;
}

static void quantized_destroy(void *kernel)
{
    free(kernel);
}

/* ids, codes, scales; ids and scales come in two types each, which the kernel checks. */
static size_t quantized_input_count(const OrtCustomOp *op)
{
    (void)op;
    return 3;
}

static int quantized_input_type(const OrtCustomOp *op, size_t index)
{
    (void)op;
    return index == 1 ? ORT_UINT8 : ORT_ANY;
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

static size_t one_output(const OrtCustomOp *op)
{
    (void)op;
    return 1;
}

static int float_output(const OrtCustomOp *op, size_t index)
{
    (void)op;
    (void)index;
    return ORT_FLOAT;
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

#define OP(prefix, name, bits, parallel)                                                                                                   \
    {{ORT_ABI_VERSION, NULL, op_name, cpu_provider, prefix##_input_type, prefix##_input_count, float_output, one_output, NULL,             \
      prefix##_destroy, required, required, default_memory, not_variadic, not_variadic, not_variadic, not_variadic, prefix##_create,       \
      prefix##_run},                                                                                                                       \
     name,                                                                                                                                 \
     bits,                                                                                                                                 \
     parallel}

/* A model-local function is known by its name alone, and the portable body depends on the bits: hence a name for each width. */
#define OPS(parallel)                                                                                                                      \
    {OP(quantized, "QuantizedLookup", 0, parallel), OP(quantized, "QuantizedLookup8", 8, parallel),                                        \
     OP(quantized, "QuantizedLookup4", 4, parallel), OP(quantized, "QuantizedLookup2", 2, parallel),                                       \
     OP(quantized, "QuantizedLookup1", 1, parallel)}

static const Op ops[2][5] = {OPS(0), OPS(1)};

/* Whether a version such as "1.17.0" is 1.17 or newer. */
static int has_parallel_for(const char *version)
{
    int major = 0, minor = 0;

    return sscanf(version, "%d.%d", &major, &minor) == 2 && (major > 1 || (major == 1 && minor >= 17));
}

#if defined(_WIN32)
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);

/* What ONNX Runtime calls for SessionOptions.register_custom_ops_library. Success without ops would let it run the portable bodies instead
 * without a word, and so a runtime too old for this table gets an error, made with its own first version. The domain is not released:
 * sessions made from the options keep a pointer to it for as long as they live. */
OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base)
{
    OrtApi *api = base->get_api(ORT_ABI_VERSION);
    OrtCustomOpDomain *domain = NULL;
    OrtStatus *status;
    const Op *set;
    size_t index;

    if (api == NULL) {
        return failure(base->get_api(1), ORT_FAIL, "edgeemb: this ONNX Runtime is too old: the library needs 1.16 or newer");
    }
    set = ops[has_parallel_for(base->version())];
    status = ((OrtCreateDomain)api[SLOT_CREATE_DOMAIN])("edgeemb", &domain);
    for (index = 0; status == NULL && index < sizeof ops[0] / sizeof ops[0][0]; ++index) {
        status = ((OrtDomainAdd)api[SLOT_DOMAIN_ADD])(domain, &set[index].ort);
    }
    return status != NULL ? status : ((OrtAddDomain)api[SLOT_ADD_DOMAIN])(options, domain);
}
