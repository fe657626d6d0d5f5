/* The lookups as TFLite and TFLM call them, with tensors of any type, shape and size: none is read or written beyond its bytes. */
#include "tflite/lookups.h"
#include "reader.h"

enum { MOST_BYTES = 1 << 14 };

static const int types[] = {TFL_FLOAT32, TFL_INT32, TFL_UINT8, TFL_INT64, TFL_INT16, TFL_FLOAT16, 0, 9};

/* A tensor with as many bytes as its shape takes, or a few less, or none. */
static edgeemb_tensor take_tensor(reader *input, int *dims, int type, int rank, int rows, int columns, int depth)
{
    edgeemb_tensor tensor = {NULL, dims, rank, type, 0, 0, 0};
    const uint32_t wrong = take(input, 1);
    size_t bytes;
    int axis;

    dims[0] = wrong == 1 ? take_size(input) : rows;
    dims[1] = wrong == 2 ? take_size(input) : columns;
    dims[2] = wrong == 3 ? take_size(input) : depth;
    tensor.type = wrong == 4 ? types[take(input, 1) % 8] : type;
    tensor.rank = wrong == 5 ? (int)(take(input, 1) % 6) - 1 : rank;
    tensor.sparse = wrong == 6;
    tensor.constant = wrong == 7;
    bytes = edgeemb_element_bytes(tensor.type);
    for (axis = 0; axis < tensor.rank && axis < 4; ++axis) {
        bytes = dims[axis] > 0 && dims[axis] <= MOST_BYTES && bytes <= MOST_BYTES ? bytes * (size_t)dims[axis] : 0;
    }
    bytes = bytes > 4 * MOST_BYTES ? 16 : bytes;
    bytes -= wrong == 8 && bytes != 0;
    tensor.bytes = bytes;
    tensor.data = take_bytes(input, bytes);
    if (wrong == 9) {
        tensor.dims = NULL;
    }
    return tensor;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#define EDGEEMB_OP(name, op) &edgeemb_##name##_op,
    static const edgeemb_op *const ops[] = {EDGEEMB_LOOKUPS(EDGEEMB_OP)};
#undef EDGEEMB_OP
    reader input = {data, size};
    const uint32_t which = take(&input, 1) % 3;
    const edgeemb_op *op = ops[which];
    int32_t options[2 + EDGEEMB_MOST_OPTIONS] = {0};
    int dims[EDGEEMB_MOST_INPUTS + 1][4] = {{0}};
    edgeemb_tensor tensors[EDGEEMB_MOST_INPUTS + 1];
    edgeemb_table table;
    edgeemb_result result;
    const int count = (int)(take(&input, 1) % 20), rows = (int)(take(&input, 1) % 30), dim = 4 * (int)(take(&input, 1) % 24) + 4;
    const int flag = (int)(take(&input, 1) % 2), ids_type = take(&input, 1) % 2 ? TFL_INT32 : TFL_INT64;
    const int number_type = take(&input, 1) % 2 ? TFL_FLOAT16 : TFL_FLOAT32;
    const uint32_t wrong = take(&input, 1);
    void *content[EDGEEMB_MOST_INPUTS + 1];
    size_t length;
    int at;

    options[0] = 1;
    tensors[0] = take_tensor(&input, dims[0], ids_type, 1, count, 1, 1);
    if (which == 0) {
        const int bits = (int[]){8, 4, 2, 1}[take(&input, 1) % 4], planes = (int)(take(&input, 1) % 3) + 1;

        options[1] = bits;
        options[2] = dim;
        options[3] = flag ? dim / 4 : 0;
        options[4] = planes;
        tensors[1] = take_tensor(&input, dims[1], TFL_UINT8, 2, rows, planes * ((dim + 8 / bits - 1) / (8 / bits)), 1);
        tensors[2] = take_tensor(&input, dims[2], number_type, 2, rows, planes * (flag ? 4 : 1), 1);
    } else if (which == 1) {
        options[1] = dim;
        options[2] = flag;
        tensors[1] = take_tensor(&input, dims[1], TFL_UINT8, 2, rows, 4, 1);
        tensors[2] = take_tensor(&input, dims[2], number_type, 3, 4, 256, flag ? dim : dim / 4);
    } else {
        options[1] = (int32_t)(take(&input, 1) % 4) + 1;
        options[2] = dim;
        tensors[1] = take_tensor(&input, dims[1], TFL_UINT8, 1, 200, 1, 1);
        tensors[2] = take_tensor(&input, dims[2], TFL_INT32, 1, rows + 1, 1, 1);
        tensors[3] = take_tensor(&input, dims[3], TFL_INT16, 1, dim, 1, 1);
        tensors[4] = take_tensor(&input, dims[4], TFL_INT16, 1, 4, 1, 1);
    }
    tensors[op->inputs] = take_tensor(&input, dims[op->inputs], TFL_FLOAT32, 2, count, dim, 1);
    for (at = 0; at <= op->inputs; ++at) {
        content[at] = tensors[at].data;
    }
    /* What a model would say if it were whole: ids in bounds, starts that rise, constants below the modulus. */
    for (at = 0; wrong < 200 && rows > 0 && tensors[0].type == ids_type && (size_t)at < tensors[0].bytes / (ids_type == TFL_INT32 ? 4 : 8);
         ++at) {
        memset((uint8_t *)tensors[0].data + (size_t)at * (ids_type == TFL_INT32 ? 4 : 8), 0, ids_type == TFL_INT32 ? 4 : 8);
        ((uint8_t *)tensors[0].data)[(size_t)at * (ids_type == TFL_INT32 ? 4 : 8)] = (uint8_t)(at * 5 % rows);
    }
    for (at = 3; which == 2 && wrong < 200 && at <= 4; ++at) {
        size_t place;

        for (place = 0; place + 2 <= tensors[at].bytes; place += 2) {
            ((uint8_t *)tensors[at].data)[place + 1] &= 0x0e;
            ((uint8_t *)tensors[at].data)[place] |= 1;
        }
    }
    for (at = 0; which == 2 && wrong < 200 && (size_t)at < tensors[2].bytes / 4; ++at) {
        const int32_t start = at * 6;

        memcpy((uint8_t *)tensors[2].data + 4 * at, &start, sizeof start);
    }
    if (wrong >= 200 && wrong < 220) {
        options[take(&input, 1) % 6] = take_size(&input);
    }
    length = wrong == 220 ? take(&input, 1) : 4 * (size_t)(1 + op->options);
    length = length > sizeof options ? sizeof options : length;
    if (edgeemb_read_options(op, wrong == 221 ? NULL : (const void *)options, length, &table) == EEB_OK) {
        if (wrong % 16 == 0) {
            tensors[take(&input, 1) % (uint32_t)(op->inputs + 1)].data = NULL;
        }
        (void)edgeemb_prepare(op, tensors, &tensors[op->inputs], &table);
        result = edgeemb_run(op, tensors, &tensors[op->inputs], &table);
        require(result.status != EEB_OK || result.bound, "what ran was bound");
    }
    for (at = 0; at <= op->inputs; ++at) {
        free(content[at]);
    }
    return 0;
}
