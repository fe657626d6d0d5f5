/* Custom op `edgeemb.QuantizedLogits`: the products of vectors with every row of packed codes with scales; see ../kernels/logits.h.
 *
 * Options: version, bits, dim, block, planes. Inputs: vectors float32 [..., dim]; codes and scales as QuantizedLookup takes them. Output:
 * float32 [..., V]. The quantised vectors take memory of the C library while the op runs, which TensorFlow Lite Micro does not have: this
 * op is LiteRT's alone. */
#ifndef EDGEEMB_LOGITS_OP_H
#define EDGEEMB_LOGITS_OP_H

#include <stdlib.h>

#include "../kernels/logits.h"
#include "quantized_op.h"

EEB_FUNCTION eeb_status edgeemb_logits_bind(const edgeemb_tensor *inputs, void *table, edgeemb_size *size)
{
    const eeb_status status = edgeemb_quantized_bind(inputs, table, size);

    return status != EEB_OK ? status : edgeemb_by_rows(&inputs[0], size);
}

EEB_FUNCTION eeb_status edgeemb_logits_rows(const void *table, const eeb_ids *vectors, void *output, size_t *position)
{
    const eeb_quantized_table *own = (const eeb_quantized_table *)table;
    eeb_logits_call call;
    size_t size = 0;
    eeb_status status = eeb_logits_memory(own, vectors->count, &size);
    void *memory;

    (void)position;
    if (status != EEB_OK || vectors->count == 0 || own->rows == 0) {
        return status;
    }
    memory = malloc(size);
    if (memory == NULL) {
        return EEB_BAD_SHAPE;
    }
    memset(&call, 0, sizeof call);
    call.memory = memory;
    call.count = vectors->count;
    call.rows = (size_t)own->rows;
    call.output = output;
    status = eeb_logits_prepare(own, vectors->data, vectors->count, memory);
    if (status == EEB_OK) {
        status = eeb_quantized_logits(own, &call);
    }
    free(memory);
    return status;
}

static const edgeemb_op edgeemb_logits_op = {
    "edgeemb.QuantizedLogits", 3, 4, "", edgeemb_quantized_read, edgeemb_logits_bind, edgeemb_logits_rows, 1,
};

#endif
