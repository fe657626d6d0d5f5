/* The op library of ONNX Runtime, registered and called as ONNX Runtime does, with attributes of any value and tensors of any type and
 * shape: none is read or written beyond its bytes, and a call cut into parts gives what one whole gives. */
#include "onnx_host.h"
/* Small parts, so that small tables are cut. */
#define PART_BYTES ((size_t)64)
#define TOP_RANGE 64
#define LISTED_RANGE 1
/* Shapes are checked before a variant gets them; tests/programs/panels/linear.c runs each variant under the sanitizers. */
#define EEP_VARIANT eep_kernels_serial
#include "onnxruntime/edgeemb_onnxruntime.c"

static const int any_type[] = {ORT_FLOAT, ORT_UINT8, ORT_INT16, ORT_INT32, ORT_INT64, ORT_FLOAT16, ORT_INT8, 9};

/* Where the ops of a kind begin in the library's list. */
enum { LOOKUPS = 0, LOGITS_OPS = 5, LINEAR_OPS = 10, CODEBOOKS = 18, NGRAM_OPS = 20, TOP_OPS = 38, ALL_OPS = 46 };

/* A tensor of that type and shape, or one that is wrong somewhere. */
static void take_value(
    reader *input, struct OrtValue *value, int type, size_t rank, int64_t first, int64_t second, int64_t third, int64_t fourth)
{
    const uint32_t wrong = take(input, 1);
    size_t axis;

    value->type = wrong == 1 ? any_type[take(input, 1) % 8] : type;
    value->rank = wrong == 2 ? take(input, 1) % HOST_DIMENSIONS : rank;
    for (axis = 0; axis < HOST_DIMENSIONS; ++axis) {
        value->dims[axis] = 1;
    }
    value->dims[0] = wrong == 3 ? take_size(input) : first;
    value->dims[1] = wrong == 4 ? take_size(input) : second;
    value->dims[2] = wrong == 5 ? take_size(input) : third;
    value->dims[3] = fourth;
    value->bytes = host_element_bytes(value->type);
    for (axis = 0; axis < value->rank; ++axis) {
        /* ONNX Runtime has no tensor with a size below zero, nor one without memory for it. */
        value->dims[axis] = value->dims[axis] < 0 || value->dims[axis] > HOST_BYTES / 8 ? 3 : value->dims[axis];
        value->dims[axis] = value->bytes > HOST_BYTES / 8 && value->dims[axis] > 8 ? 2 : value->dims[axis];
        value->bytes *= (size_t)value->dims[axis];
    }
    value->data = take_bytes(input, value->bytes);
}

/* Ids in bounds, starts that rise, constants below the modulus: what tensors hold where the model is whole. */
static void make_whole(struct OrtValue *value, int64_t modulus, int rising)
{
    const size_t width = host_element_bytes(value->type);
    size_t at, number;
    int64_t made;

    for (at = 0; modulus > 0 && at < value->bytes / width; ++at) {
        made = rising ? (int64_t)at * 5 % modulus : 1 + (int64_t)(value->data[at * width] + 17 * at) % (modulus - 1 > 0 ? modulus - 1 : 1);
        made = rising || modulus != 1 ? made : 0;
        for (number = 0; number < width; ++number) {
            value->data[at * width + number] = (uint8_t)(made >> 8 * number);
        }
    }
}

/* One call of an op from a runtime of that version; gives its error. */
static OrtStatus *call(uint32_t version, size_t which, const OrtKernelInfo *info, OrtKernelContext *context)
{
    OrtSessionOptions options = {NULL};
    const OrtCustomOp *op;
    void *kernel = NULL;
    OrtStatus *status;

    host_begin(version);
    status = RegisterCustomOps(&options, &host_base);
    require((status == NULL) == (version >= ORT_ABI_VERSION), "a runtime that is too old is told so, and no other");
    if (status != NULL) {
        return status;
    }
    op = options.domain->ops[which % options.domain->count];
    require(op->input_count(op) <= HOST_INPUTS && op->output_count(op) <= HOST_OUTPUTS && op->name(op) != NULL, "an op says what it takes");
    context->count = op->input_count(op);
    context->results = op->output_count(op);
    status = op->create(op, host_table, info, &kernel);
    if (status == NULL) {
        status = op->run(kernel, context);
        op->destroy(kernel);
    }
    require(host_shapes == 0 && host_errors == (status != NULL), "what is asked for is given back");
    return status;
}

/* What an op for the best logits takes: a table whose rows fill several ranges, and for every other op a shortlist of them. */
static void take_top(reader *input, uint32_t kind, int64_t dim, int64_t count, struct OrtValue *inputs, OrtKernelInfo *info)
{
    const int64_t bits = (int64_t[]){8, 4, 2, 1}[kind / 2], rows = take(input, 1), planes = 1 + take(input, 1) % 2;
    const int64_t top = 1 + take(input, 1) % 40, part = 1 + take(input, 1) % 4, block = take(input, 1) % 2 ? dim / 4 : 0;
    const int64_t padded = (dim + 63) / 64 * 64, pairs = ((padded + part - 1) / part + 1) / 2, blocks = (rows + 63) / 64;

    *info = (OrtKernelInfo){
        {"bits", "dim", "block", "planes", "top", "candidates"}, {bits, dim, block, planes, top, top + take(input, 1) % 20}, 6};
    info->count -= kind % 2 == 0;
    take_value(input, &inputs[0], ORT_FLOAT, 2, count, dim, 1, 1);
    take_value(input, &inputs[1], ORT_UINT8, 2, rows, planes * ((dim + 8 / bits - 1) / (8 / bits)), 1, 1);
    take_value(input, &inputs[2], ORT_FLOAT16, 2, rows, planes * (block != 0 ? 4 : 1), 1, 1);
    take_value(input, &inputs[3], ORT_FLOAT, 1, take(input, 1) % 2 ? 1 : rows, 1, 1, 1);
    take_value(input, &inputs[4], ORT_UINT8, 3, blocks, pairs, 64, 1);
    take_value(input, &inputs[5], ORT_FLOAT, 1, 64 * blocks, 1, 1, 1);
    take_value(input, &inputs[6], ORT_FLOAT, 2, 16, part, 1, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reader input = {data, size};
    const uint32_t which = take(&input, 1) % ALL_OPS, wrong = take(&input, 1), old = take(&input, 1);
    const int64_t rows = take(&input, 1) % 30, dim = 4 * (int64_t)(take(&input, 1) % 24) + 4;
    const int ids_type = take(&input, 1) % 2 ? ORT_INT32 : ORT_INT64, number_type = take(&input, 1) % 2 ? ORT_FLOAT16 : ORT_FLOAT;
    const int64_t count = take(&input, 1) % 20;
    OrtKernelInfo info = {{NULL}, {0}, 0};
    OrtKernelContext contexts[2];
    OrtStatus *statuses[2];
    struct OrtValue *inputs = contexts[0].inputs;
    size_t at;

    memset(contexts, 0, sizeof contexts);
    if (which >= TOP_OPS) {
        take_top(&input, which - TOP_OPS, dim, count, inputs, &info);
    } else if (which < LINEAR_OPS) {
        const uint32_t kind = which % LOGITS_OPS;
        const int64_t bits = kind == 0 ? 8 >> take(&input, 1) % 4 : (int64_t[]){8, 4, 2, 1}[kind - 1];
        const int64_t planes = 1 + take(&input, 1) % 3, block = take(&input, 1) % 2 ? dim / 4 : 0;

        info = (OrtKernelInfo){{"bits", "dim", "block", "planes"}, {bits, dim, block, planes}, 4};
        if (which < LOGITS_OPS) {
            take_value(&input, &inputs[0], ids_type, 1 + take(&input, 1) % 2, count, 2, 1, 1);
        } else {
            take_value(&input, &inputs[0], ORT_FLOAT, 2, count, dim, 1, 1);
        }
        take_value(&input, &inputs[1], ORT_UINT8, 2, rows, planes * ((dim + 8 / bits - 1) / (8 / bits)), 1, 1);
        take_value(&input, &inputs[2], number_type, 2, rows, planes * (block != 0 ? 4 : 1), 1, 1);
    } else if (which < CODEBOOKS) {
        const int bits = which < LINEAR_OPS + 4 ? 8 : 4;
        const int64_t inner = bits == 8 ? 1 + take(&input, 1) % 70 : 32 * (1 + take(&input, 1) % 3);
        const int64_t outputs = 1 + take(&input, 1) % 70, panels = (outputs + 31) / 32, block = bits == 8 ? 0 : inner % 64 == 0 ? 64 : 32;

        info = (OrtKernelInfo){{"K", "N", "block"}, {inner, outputs, block}, 3};
        take_value(&input, &inputs[0], ORT_FLOAT, 1 + take(&input, 1) % 3, inner, inner, inner, 1);
        if (bits == 8) {
            take_value(&input, &inputs[1], ORT_INT8, 4, panels, (inner + 15) / 16 * 4, 32, 4);
            take_value(&input, &inputs[3], ORT_INT32, 1, 32 * panels, 1, 1, 1);
        } else {
            take_value(&input, &inputs[1], ORT_UINT8, 3, panels, inner / block, 32 * (2 + block / 2), 1);
        }
        take_value(&input, &inputs[2], ORT_FLOAT, 1, 32 * panels, 1, 1, 1);
        take_value(&input, &inputs[bits == 8 ? 4 : 3], ORT_FLOAT, 1, 32 * panels, 1, 1, 1);
    } else if (which < NGRAM_OPS) {
        const int64_t entries = 1 + take(&input, 1);

        info = (OrtKernelInfo){{"dim"}, {dim}, 1};
        take_value(&input, &inputs[0], ids_type, 1, count, 1, 1, 1);
        take_value(&input, &inputs[1], ORT_UINT8, 2, rows, 4, 1, 1);
        take_value(&input, &inputs[2], number_type, 3, 4, entries, which == CODEBOOKS + 1 ? dim : dim / 4, 1);
        if (wrong < 200) {
            make_whole(&inputs[1], inputs[2].dims[1], 1);
        }
    } else {
        const uint32_t kind = which - NGRAM_OPS;
        const int bytes = kind % 2 == 1;
        const int64_t n = kind < 2 ? 1 + take(&input, 1) % 8 : kind / 2, lanes = (int64_t[]){1, 2, 4}[take(&input, 1) % 3];
        const size_t first = bytes ? 1 : 3;

        info = (OrtKernelInfo){{"n"}, {n}, 1};
        if (bytes) {
            take_value(&input, &inputs[0], ORT_UINT8, 2, count, 1 + take(&input, 1) % 40, 1, 1);
        } else {
            take_value(&input, &inputs[0], ids_type, 1, count, 1, 1, 1);
            take_value(&input, &inputs[1], ORT_UINT8, 1, 6 * rows, 1, 1, 1);
            take_value(&input, &inputs[2], ORT_INT32, 1, rows + 1, 1, 1, 1);
            if (wrong < 200 && inputs[2].bytes != 0) {
                make_whole(&inputs[2], 5 * (rows + 1), 1);
            }
        }
        take_value(&input, &inputs[first], ORT_INT16, 1, dim, 1, 1, 1);
        take_value(&input, &inputs[first + 1], ORT_INT16, 1, lanes, 1, 1, 1);
        if (wrong < 240) {
            make_whole(&inputs[first], EEB_NGRAM_MODULUS, 0);
            make_whole(&inputs[first + 1], EEB_NGRAM_MODULUS, 0);
        }
    }
    if (wrong < 200 && inputs[0].type == ids_type && (which < LOGITS_OPS || (which >= CODEBOOKS && which < TOP_OPS))) {
        make_whole(&inputs[0], rows, 1);
    } else if (wrong >= 230 && wrong < 245) {
        info.values[wrong % HOST_ATTRIBUTES] =
            take(&input, 1) < 128 ? take_size(&input) : (int64_t)((uint64_t)take(&input, 4) << 32 | take(&input, 4));
    } else if (wrong >= 245) {
        info.count -= 1;
    }
    memcpy(contexts[1].inputs, contexts[0].inputs, sizeof contexts[0].inputs);
    statuses[0] = call(old < 4 ? 12 + old : 16, which, &info, &contexts[0]);
    host_errors = 0;
    statuses[1] = call(17 + old % 8, which, &info, &contexts[1]);
    if (old >= 4) {
        require((statuses[0] == NULL) == (statuses[1] == NULL), "parts fail where the whole fails");
        for (at = 0; statuses[0] == NULL && at < contexts[0].results; ++at) {
            const struct OrtValue *whole = &contexts[0].outputs[at], *parts = &contexts[1].outputs[at];

            require(whole->bytes == parts->bytes && memcmp(whole->data, parts->data, whole->bytes) == 0, "parts give what the whole gives");
        }
    }
    for (at = 0; at < HOST_INPUTS; ++at) {
        free(inputs[at].data);
    }
    for (at = 0; at < 2; ++at) {
        free(contexts[at].outputs[0].data);
        free(contexts[at].outputs[1].data);
        free(statuses[at]);
    }
    host_errors = 0;
    return 0;
}
