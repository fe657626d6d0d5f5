/* What a lookup of ours is to TensorFlow Lite and to TensorFlow Lite Micro: one description of each op that every adapter reads.
 *
 * Options of an op, as the writer puts them into the model, are little-endian int32, the first of them the version, 1. Its first input is
 * the ids, int32 or int64 [N]; its one output is float32 [N, dim]. The header of an op says the rest; lookups.h lists the ops. */
#ifndef EDGEEMB_LOOKUP_OP_H
#define EDGEEMB_LOOKUP_OP_H

#include "../kernels/ids.h"
#include "../kernels/status.h"

#define EDGEEMB_OPTIONS_VERSION 1
/* Inputs of an op, the ids included. */
#define EDGEEMB_MOST_INPUTS 8

/* What both runtimes call their element types (TfLiteType). */
enum { TFL_FLOAT32 = 1, TFL_INT32 = 2, TFL_UINT8 = 3, TFL_INT64 = 4, TFL_INT16 = 7, TFL_FLOAT16 = 10 };

/* A tensor as its runtime shows it; without data until the runtime has put it somewhere. */
typedef struct edgeemb_tensor {
    const void *data;
    const int *dims;
    int rank;
    int type;
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
    /* Completes a table with all inputs, of which the first is the ids. A table whose options do not fit its tensors is refused. */
    eeb_status (*bind)(const edgeemb_tensor *inputs, void *table, edgeemb_size *size);
    eeb_status (*rows)(const void *table, const eeb_ids *ids, void *output, size_t *position);
} edgeemb_op;

#define EDGEEMB_MOST_OPTIONS 15

/* What the adapters say; `number` is the conversion of an id, a position and the rows. */
#define EDGEEMB_SAYS_VERSION "%s: its inputs or options are of another version: update edgeemb"
#define EDGEEMB_SAYS_INPUTS "%s: types, shapes and options of its inputs do not fit together"
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

/* The ids of a lookup. */
EEB_FUNCTION eeb_status edgeemb_read_ids(const edgeemb_tensor *tensor, eeb_ids *ids)
{
    if (tensor->type != TFL_INT32 && tensor->type != TFL_INT64) {
        return EEB_BAD_TYPE;
    }
    if (tensor->rank != 1 || tensor->dims[0] < 0) {
        return EEB_BAD_SHAPE;
    }
    ids->data = tensor->data;
    ids->count = (size_t)tensor->dims[0];
    ids->type = tensor->type == TFL_INT32 ? EEB_INT32 : EEB_INT64;
    return EEB_OK;
}

/* The kernels' name of a type of scales or codebooks. */
EEB_FUNCTION eeb_status edgeemb_read_float(int type, eeb_type *kernels)
{
    *kernels = type == TFL_FLOAT16 ? EEB_FLOAT16 : EEB_FLOAT32;
    return type == TFL_FLOAT16 || type == TFL_FLOAT32 ? EEB_OK : EEB_BAD_TYPE;
}

#endif
