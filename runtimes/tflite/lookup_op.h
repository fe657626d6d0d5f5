/* What a lookup of ours is to TensorFlow Lite and to TensorFlow Lite Micro: one description of each op that every adapter reads.
 *
 * Options of an op, as the writer puts them into the model, are little-endian int32, the first of them the version, 1. Its first input is
 * the ids, int32 or int64 [N], or vectors, float32 [..., d]; its one output is float32 [N, dim] or [..., dim]. The header of an op says the
 * rest; lookups.h lists the ops. */
#ifndef EDGEEMB_LOOKUP_OP_H
#define EDGEEMB_LOOKUP_OP_H

#include "../kernels/ids.h"
#include "../kernels/status.h"

#define EDGEEMB_OPTIONS_VERSION 1
/* Inputs of an op, the ids included. */
#define EDGEEMB_MOST_INPUTS 8

/* What both runtimes call their element types (TfLiteType). */
enum { TFL_FLOAT32 = 1, TFL_INT32 = 2, TFL_UINT8 = 3, TFL_INT64 = 4, TFL_INT16 = 7, TFL_INT8 = 9, TFL_FLOAT16 = 10 };

/* For a runtime that always gives a tensor the memory that its type and shape take. */
#define EDGEEMB_BYTES_OF_SHAPE SIZE_MAX

/* A tensor as its runtime shows it. Nothing in it is trusted: models come from anywhere. */
typedef struct edgeemb_tensor {
    void *data;      /* NULL until the runtime has put it somewhere */
    const int *dims; /* NULL: there is no such tensor, as where an optional input is left out */
    int rank;
    int type;
    size_t bytes; /* of data */
    int sparse;   /* data is not an array of its shape */
    int constant; /* data must not be written */
} edgeemb_tensor;

/* What an adapter has to know of a table: how many rows it has, and how long they are. */
typedef struct edgeemb_size {
    int64_t rows;
    int32_t dim;
} edgeemb_size;

typedef struct edgeemb_op {
    const char *name;
    int inputs;
    /* Reads `count` options behind the version into a table. */
    int options;
    /* What is wrong with a row that its arrays cannot make: EEB_CODE_OUT_OF_RANGE in words. */
    const char *broken;
    eeb_status (*read)(const int32_t *options, void *table);
    /* Completes a table with all inputs, which edgeemb_check_tensor has passed and of which the first is the ids. A table whose options do
     * not fit its tensors is refused. */
    eeb_status (*bind)(const edgeemb_tensor *inputs, void *table, edgeemb_size *size);
    eeb_status (*rows)(const void *table, const eeb_ids *ids, void *output, size_t *position);
    /* Whether the first input holds vectors, float32 [..., d], in the place of ids. The table, whose `dim` is then the width of the output,
     * is handed them as `ids` of the type EEB_FLOAT32. */
    int vectors;
} edgeemb_op;

#define EDGEEMB_MOST_OPTIONS 15

/* What the adapters say; `number` is the conversion of an id, a position and the rows. */
#define EDGEEMB_SAYS_VERSION "%s: its inputs or options are of another version: update edgeemb"
#define EDGEEMB_SAYS_TENSORS "%s: types, shapes, sizes and options of its inputs and its output do not fit together"
#define EDGEEMB_SAYS_ID(number) "%s: id %" number " at position %" number " is outside [0, %" number "), the rows of the table"
#define EDGEEMB_SAYS_ROW(number) "%s: row %" number " %s"
#define EDGEEMB_SAYS_STATUS "%s: the kernel refused the call with status %d"

/* Reads an op's options into a table without data; EEB_BAD_SHAPE if they are of another version or do not fit together. */
EEB_FUNCTION eeb_status edgeemb_read_options(const edgeemb_op *op, const void *buffer, size_t length, void *table)
{
    int32_t values[1 + EDGEEMB_MOST_OPTIONS];

    if (buffer == NULL || length > sizeof values || length != (1 + (size_t)op->options) * sizeof values[0]) {
        return EEB_BAD_SHAPE;
    }
    memcpy(values, buffer, length);
    return values[0] == EDGEEMB_OPTIONS_VERSION ? op->read(values + 1, table) : EEB_BAD_SHAPE;
}

/* Bytes of an element; 0 for a type that no tensor of ours has. */
EEB_FUNCTION size_t edgeemb_element_bytes(int type)
{
    switch (type) {
    case TFL_UINT8:
    case TFL_INT8: return 1;
    case TFL_INT16:
    case TFL_FLOAT16: return 2;
    case TFL_FLOAT32:
    case TFL_INT32: return 4;
    case TFL_INT64: return 8;
    default: return 0;
    }
}

/* EEB_OK if a tensor is there and has every byte that its type and shape promise; `placed`: and the runtime has put it somewhere. */
EEB_FUNCTION eeb_status edgeemb_check_tensor(const edgeemb_tensor *tensor, int placed)
{
    size_t bytes = edgeemb_element_bytes(tensor->type);
    int axis;

    if (tensor->dims == NULL || tensor->rank < 0 || tensor->sparse) {
        return EEB_BAD_SHAPE;
    }
    if (bytes == 0) {
        return EEB_BAD_TYPE;
    }
    for (axis = 0; axis < tensor->rank; ++axis) {
        const int size = tensor->dims[axis];

        if (size < 0 || (size > 0 && bytes > SIZE_MAX / 2 / (size_t)size)) {
            return EEB_BAD_SHAPE;
        }
        bytes *= (size_t)size;
    }
    return bytes > tensor->bytes || (placed && bytes != 0 && tensor->data == NULL) ? EEB_BAD_SHAPE : EEB_OK;
}

/* Axes of the first input that its output has too: all of ids, all but the last of vectors. */
EEB_FUNCTION int edgeemb_shared_axes(const edgeemb_op *op, const edgeemb_tensor *first)
{
    return op->vectors ? first->rank - 1 : first->rank;
}

/* EEB_OK if a tensor may take the rows of an op with this first input, which edgeemb_bind has passed: float32 [..., dim], and writable. */
EEB_FUNCTION eeb_status
edgeemb_check_output(const edgeemb_op *op, const edgeemb_tensor *first, const edgeemb_tensor *output, int32_t dim, int placed)
{
    const eeb_status status = edgeemb_check_tensor(output, placed);
    const int axes = edgeemb_shared_axes(op, first);
    int axis;

    if (status != EEB_OK) {
        return status;
    }
    if (output->type != TFL_FLOAT32) {
        return EEB_BAD_TYPE;
    }
    for (axis = 0; axis < axes && output->rank == axes + 1; ++axis) {
        if (output->dims[axis] != first->dims[axis]) {
            return EEB_BAD_SHAPE;
        }
    }
    return output->constant || output->rank != axes + 1 || output->dims[axes] != dim ? EEB_BAD_SHAPE : EEB_OK;
}

/* The ids of a lookup, from a tensor that edgeemb_check_tensor has passed. */
EEB_FUNCTION eeb_status edgeemb_read_ids(const edgeemb_tensor *tensor, eeb_ids *ids)
{
    if (tensor->type != TFL_INT32 && tensor->type != TFL_INT64) {
        return EEB_BAD_TYPE;
    }
    if (tensor->rank != 1) {
        return EEB_BAD_SHAPE;
    }
    ids->data = tensor->data;
    ids->count = (size_t)tensor->dims[0];
    ids->type = tensor->type == TFL_INT32 ? EEB_INT32 : EEB_INT64;
    return EEB_OK;
}

/* The vectors of a product, in the place of ids. */
EEB_FUNCTION eeb_status edgeemb_read_vectors(const edgeemb_tensor *tensor, eeb_ids *vectors)
{
    int axis;

    if (tensor->type != TFL_FLOAT32) {
        return EEB_BAD_TYPE;
    }
    if (tensor->rank < 1) {
        return EEB_BAD_SHAPE;
    }
    vectors->data = tensor->data;
    vectors->count = 1;
    for (axis = 0; axis < tensor->rank - 1; ++axis) {
        vectors->count *= (size_t)tensor->dims[axis];
    }
    vectors->type = EEB_FLOAT32;
    return EEB_OK;
}

/* Makes the size of a bound table that of an op which multiplies vectors with all of its rows; the vectors must be as wide as these. */
EEB_FUNCTION eeb_status edgeemb_by_rows(const edgeemb_tensor *vectors, edgeemb_size *size)
{
    if (vectors->dims[vectors->rank - 1] != size->dim || size->rows > INT32_MAX) {
        return EEB_BAD_SHAPE;
    }
    size->dim = (int32_t)size->rows;
    return EEB_OK;
}

/* The kernels' name of a type of scales or codebooks. */
EEB_FUNCTION eeb_status edgeemb_read_float(int type, eeb_type *kernels)
{
    *kernels = type == TFL_FLOAT16 ? EEB_FLOAT16 : EEB_FLOAT32;
    return type == TFL_FLOAT16 || type == TFL_FLOAT32 ? EEB_OK : EEB_BAD_TYPE;
}

#endif
