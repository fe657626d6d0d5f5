/* Custom ops `edgeemb.QuantizedLinear8` and `edgeemb.QuantizedLinear4`: a layer of the body, rows times weights of 8 or 4 bits in panels;
 * see ../panels/quantized_linear.h.
 *
 * Options: version, inputs K, outputs, activation (0 none, 1 ReLU, 2 GELU, 3 its form by tanh); of 4 bits also block. Inputs: rows float32
 * [..., K]; weight int8 [P, width / 4, 32, 4] or uint8 [P, K / block, 64 + 16 * block], where P = ceil(outputs / 32) and width is K as
 * EEM_PADDED gives it; scale float32 [32 P] and sums int32 [32 P], of 4 bits in their place totals float32 [32 P]; bias float32 [32 P].
 * Output: float32 [..., outputs]. What is computed of a few rows takes memory of the C library while the op runs, which TensorFlow Lite
 * Micro does not have: these ops are LiteRT's alone. */
#ifndef EDGEEMB_LINEAR_OP_H
#define EDGEEMB_LINEAR_OP_H

#include <stdlib.h>

#define EEP_PRODUCTS_ALONE
#include "../panels/quantized_linear.h"
#include "lookup_op.h"

/* A layer, and the threads that its work is divided among; NULL for the caller's alone. */
typedef struct edgeemb_linear {
    eep_quantized_linear op; /* first: what reads and binds knows this alone */
    const eep_parallel *parallel;
} edgeemb_linear;

EEB_FUNCTION eeb_status edgeemb_linear_read(const int32_t *options, void *table)
{
    eep_quantized_linear *own = (eep_quantized_linear *)table;

    memset(own, 0, sizeof *own);
    if (options[0] <= 0 || (uint32_t)options[0] > EEP_MOST_INPUTS || options[1] <= 0 || (uint32_t)options[1] > EEP_MOST_OUTPUTS ||
        options[2] < 0 || options[2] > EEM_GELU_TANH) {
        return EEB_BAD_SHAPE;
    }
    own->layer.inputs = (uint32_t)options[0];
    own->outputs = (uint32_t)options[1];
    own->layer.outputs = (own->outputs + EEP_COLUMNS - 1) / EEP_COLUMNS * EEP_COLUMNS;
    own->activation = (eem_activation)options[2];
    return EEB_OK;
}

EEB_FUNCTION eeb_status edgeemb_linear4_read(const int32_t *options, void *table)
{
    const eeb_status status = edgeemb_linear_read(options, table);

    ((eep_quantized_linear *)table)->layer.block = (uint32_t)options[3];
    return options[3] <= 0 ? EEB_BAD_SHAPE : status;
}

/* Whether a tensor has a value of 4 bytes for each output, where it may be read as an array of them. */
EEB_FUNCTION int edgeemb_linear_vector(const edgeemb_tensor *tensor, int type, uint32_t outputs)
{
    return tensor->type == type && tensor->rank == 1 && (uint32_t)tensor->dims[0] == outputs && (uintptr_t)tensor->data % 4 == 0;
}

/* Takes the rows and the weights, whose shape without that of the panels' number is [second, third, fourth]; no fourth where it is 0. */
EEB_FUNCTION eeb_status
edgeemb_linear_weights(const edgeemb_tensor *inputs, int type, int64_t second, int64_t third, int64_t fourth, eep_quantized_linear *own)
{
    const edgeemb_tensor *rows = &inputs[0], *weight = &inputs[1];

    own->layer.weight = (const int8_t *)weight->data;
    if (weight->type != type || (uintptr_t)rows->data % 4 != 0) {
        return EEB_BAD_TYPE;
    }
    if (rows->dims[rows->rank - 1] != (int)own->layer.inputs || weight->rank != (fourth == 0 ? 3 : 4) ||
        weight->dims[0] != (int)(own->layer.outputs / EEP_COLUMNS) || weight->dims[1] != second || weight->dims[2] != third ||
        (fourth != 0 && weight->dims[3] != fourth)) {
        return EEB_BAD_SHAPE;
    }
    return eep_quantized_linear_check(own);
}

EEB_FUNCTION eeb_status edgeemb_linear8_bind(const edgeemb_tensor *inputs, void *table, edgeemb_size *size)
{
    eep_quantized_linear *own = (eep_quantized_linear *)table;
    const uint32_t outputs = own->layer.outputs;

    if (!edgeemb_linear_vector(&inputs[2], TFL_FLOAT32, outputs) || !edgeemb_linear_vector(&inputs[3], TFL_INT32, outputs) ||
        !edgeemb_linear_vector(&inputs[4], TFL_FLOAT32, outputs)) {
        return EEB_BAD_SHAPE;
    }
    own->layer.scale = (const float *)inputs[2].data;
    own->layer.sums = (const int32_t *)inputs[3].data;
    own->layer.bias = (const float *)inputs[4].data;
    size->rows = own->outputs;
    size->dim = (int32_t)own->outputs;
    return edgeemb_linear_weights(inputs, TFL_INT8, EEM_PADDED(own->layer.inputs) / 4, EEP_COLUMNS, 4, own);
}

EEB_FUNCTION eeb_status edgeemb_linear4_bind(const edgeemb_tensor *inputs, void *table, edgeemb_size *size)
{
    eep_quantized_linear *own = (eep_quantized_linear *)table;
    const uint32_t outputs = own->layer.outputs, block = own->layer.block;

    if (!edgeemb_linear_vector(&inputs[2], TFL_FLOAT32, outputs) || !edgeemb_linear_vector(&inputs[3], TFL_FLOAT32, outputs)) {
        return EEB_BAD_SHAPE;
    }
    own->layer.totals = (const float *)inputs[2].data;
    own->layer.bias = (const float *)inputs[3].data;
    size->rows = own->outputs;
    size->dim = (int32_t)own->outputs;
    return edgeemb_linear_weights(inputs, TFL_UINT8, own->layer.inputs / block, (int64_t)EEP_COLUMNS * (2 + block / 2), 0, own);
}

EEB_FUNCTION eeb_status edgeemb_linear_rows(const void *table, const eeb_ids *vectors, void *output, size_t *position)
{
    const edgeemb_linear *linear = (const edgeemb_linear *)table;
    const eep_quantized_linear *own = &linear->op;
    void *memory;

    (void)position;
    if (vectors->count == 0) {
        return EEB_OK;
    }
    memory = malloc(eep_quantized_linear_bytes(own));
    if (memory == NULL) {
        return EEB_BAD_SHAPE;
    }
    eep_quantized_linear_run(own, (const float *)vectors->data, vectors->count, (float *)output, memory, linear->parallel);
    free(memory);
    return EEB_OK;
}

static const edgeemb_op edgeemb_linear8_op = {
    "edgeemb.QuantizedLinear8", 5, 3, "", edgeemb_linear_read, edgeemb_linear8_bind, edgeemb_linear_rows, 1,
};
static const edgeemb_op edgeemb_linear4_op = {
    "edgeemb.QuantizedLinear4", 4, 4, "", edgeemb_linear4_read, edgeemb_linear4_bind, edgeemb_linear_rows, 1,
};

#endif
