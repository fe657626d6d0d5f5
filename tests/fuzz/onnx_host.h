/* What stands in for ONNX Runtime around the op library: the functions of its C interface that the library calls, over tensors of any type
 * and shape whose memory is as large as that says and no larger. It fails where a caller asks for what the real one has not. */
#ifndef EDGEEMB_FUZZ_ONNX_HOST_H
#define EDGEEMB_FUZZ_ONNX_HOST_H

#include "onnxruntime/ort_abi.h"
#include "reader.h"

enum {
    HOST_DIMENSIONS = 16,
    HOST_INPUTS = 7,
    HOST_ATTRIBUTES = 6,
    HOST_OUTPUTS = 2,
    HOST_OPS = 64,
    HOST_SLOTS = SLOT_PARALLEL_FOR + 1,
    HOST_BYTES = 1 << 16
};

struct OrtValue {
    int type;
    size_t rank;
    int64_t dims[HOST_DIMENSIONS];
    size_t bytes;
    uint8_t *data;
};

struct OrtKernelInfo {
    const char *names[HOST_ATTRIBUTES];
    int64_t values[HOST_ATTRIBUTES];
    size_t count;
};

struct OrtKernelContext {
    struct OrtValue inputs[HOST_INPUTS];
    size_t count;
    struct OrtValue outputs[HOST_OUTPUTS];
    size_t results;
};

struct OrtCustomOpDomain {
    const struct OrtCustomOp *ops[HOST_OPS];
    size_t count;
};

struct OrtSessionOptions {
    struct OrtCustomOpDomain *domain;
};

/* What is alive: shapes that were asked for, and errors. */
static size_t host_shapes, host_errors;
static uint32_t host_version;
static char host_version_text[16];
static OrtApi *host_table;

static inline size_t host_element_bytes(int type)
{
    switch (type) {
    case ORT_FLOAT:
    case ORT_INT32: return 4;
    case ORT_INT16:
    case ORT_FLOAT16: return 2;
    case ORT_INT64: return 8;
    default: return 1;
    }
}

static OrtStatus *host_create_status(int code, const char *message)
{
    char *kept = (char *)malloc(strlen(message) + 1);

    require(code == ORT_FAIL || code == ORT_INVALID_ARGUMENT, "an error has a code");
    require(message[0] != 0 && strchr(message, '\n') == NULL, "an error is one line");
    memcpy(kept, message, strlen(message) + 1);
    ++host_errors;
    return (OrtStatus *)(void *)kept;
}

static void host_release_status(OrtStatus *status)
{
    require(status != NULL, "an error that is released is one");
    --host_errors;
    free(status);
}

static OrtStatus *host_create_domain(const char *name, OrtCustomOpDomain **domain)
{
    static OrtCustomOpDomain made;

    require(strcmp(name, "edgeemb") == 0, "the domain has its name");
    made.count = 0;
    *domain = &made;
    return NULL;
}

static OrtStatus *host_domain_add(OrtCustomOpDomain *domain, const OrtCustomOp *op)
{
    require(domain->count < HOST_OPS && op->version == ORT_ABI_VERSION, "an op is of the version that was asked for");
    domain->ops[domain->count++] = op;
    return NULL;
}

static OrtStatus *host_add_domain(OrtSessionOptions *options, OrtCustomOpDomain *domain)
{
    options->domain = domain;
    return NULL;
}

static OrtStatus *host_tensor_data(OrtValue *value, void **data)
{
    *data = value->data;
    return NULL;
}

static OrtStatus *host_type_and_shape(const OrtValue *value, OrtTensorTypeAndShapeInfo **info)
{
    const OrtValue **made = (const OrtValue **)malloc(sizeof *made);

    *made = value;
    *info = (OrtTensorTypeAndShapeInfo *)(void *)made;
    ++host_shapes;
    return NULL;
}

static const OrtValue *host_value(const OrtTensorTypeAndShapeInfo *info)
{
    return *(const OrtValue *const *)(const void *)info;
}

static OrtStatus *host_element_type(const OrtTensorTypeAndShapeInfo *info, int *type)
{
    *type = host_value(info)->type;
    return NULL;
}

static OrtStatus *host_rank(const OrtTensorTypeAndShapeInfo *info, size_t *rank)
{
    *rank = host_value(info)->rank;
    return NULL;
}

static OrtStatus *host_dimensions(const OrtTensorTypeAndShapeInfo *info, int64_t *dims, size_t rank)
{
    memcpy(dims, host_value(info)->dims, rank * sizeof dims[0]);
    return NULL;
}

static void host_release_type_and_shape(OrtTensorTypeAndShapeInfo *info)
{
    --host_shapes;
    free(info);
}

static OrtStatus *host_attribute_int(const OrtKernelInfo *info, const char *name, int64_t *value)
{
    size_t at;

    for (at = 0; at < info->count; ++at) {
        if (strcmp(info->names[at], name) == 0) {
            *value = info->values[at];
            return NULL;
        }
    }
    return host_create_status(ORT_FAIL, "no attribute of that name");
}

static OrtStatus *host_input(const OrtKernelContext *context, size_t index, const OrtValue **value)
{
    require(index < context->count, "an input that is read is one of the op");
    *value = &context->inputs[index];
    return NULL;
}

static OrtStatus *host_output(OrtKernelContext *context, size_t index, const int64_t *dims, size_t rank, OrtValue **value)
{
    OrtValue *output = &context->outputs[index];
    size_t axis, bytes = index == 0 ? 4 : 8;

    require(index < context->results && rank >= 1 && rank <= HOST_DIMENSIONS && output->data == NULL, "an output of the op is made once");
    for (axis = 0; axis < rank; ++axis) {
        require(dims[axis] >= 0, "a dimension of the output is none below zero");
        bytes = dims[axis] <= HOST_BYTES && bytes <= 16 * HOST_BYTES ? bytes * (size_t)dims[axis] : (size_t)64 * HOST_BYTES;
    }
    if (bytes > 16 * HOST_BYTES) {
        return host_create_status(ORT_FAIL, "no memory for the output");
    }
    output->type = index == 0 ? ORT_FLOAT : ORT_INT64;
    output->rank = rank;
    memcpy(output->dims, dims, rank * sizeof dims[0]);
    output->bytes = bytes;
    output->data = (uint8_t *)calloc(bytes != 0 ? bytes : 1, 1);
    *value = output;
    return NULL;
}

/* The parts, one after another, from the last one on. */
static OrtStatus *host_parallel_for(
    const OrtKernelContext *context, void (*part)(void *data, size_t index), size_t parts, size_t batches, void *data)
{
    (void)context;
    (void)batches;
    while (parts-- != 0) {
        part(data, parts);
    }
    return NULL;
}

static OrtApi *host_get_api(uint32_t version)
{
    return version <= host_version ? host_table : NULL;
}

static const char *host_get_version(void)
{
    return host_version_text;
}

/* Be ONNX Runtime 1.`version`: its table ends where that version's does. */
static inline void host_begin(uint32_t version)
{
    const size_t slots = version >= 17 ? HOST_SLOTS : HOST_SLOTS - 1;
    void (**table)(void) = (void (**)(void))calloc(slots, sizeof *table);

    free((void *)(uintptr_t)host_table);
    host_version = version;
    snprintf(host_version_text, sizeof host_version_text, "1.%u.0", (unsigned)version);
#define HOST_SLOT(slot, function) table[slot] = (void (*)(void))(function)
    HOST_SLOT(SLOT_CREATE_STATUS, host_create_status);
    HOST_SLOT(SLOT_CREATE_DOMAIN, host_create_domain);
    HOST_SLOT(SLOT_DOMAIN_ADD, host_domain_add);
    HOST_SLOT(SLOT_ADD_DOMAIN, host_add_domain);
    HOST_SLOT(SLOT_TENSOR_DATA, host_tensor_data);
    HOST_SLOT(SLOT_ELEMENT_TYPE, host_element_type);
    HOST_SLOT(SLOT_RANK, host_rank);
    HOST_SLOT(SLOT_DIMENSIONS, host_dimensions);
    HOST_SLOT(SLOT_TYPE_AND_SHAPE, host_type_and_shape);
    HOST_SLOT(SLOT_ATTRIBUTE_INT, host_attribute_int);
    HOST_SLOT(SLOT_INPUT, host_input);
    HOST_SLOT(SLOT_OUTPUT, host_output);
    HOST_SLOT(SLOT_RELEASE_STATUS, host_release_status);
    HOST_SLOT(SLOT_RELEASE_TYPE_AND_SHAPE, host_release_type_and_shape);
    if (version >= 17) {
        HOST_SLOT(SLOT_PARALLEL_FOR, host_parallel_for);
    }
#undef HOST_SLOT
    host_table = (OrtApi *)table;
}

static const OrtApiBase host_base = {host_get_api, host_get_version};

#endif
