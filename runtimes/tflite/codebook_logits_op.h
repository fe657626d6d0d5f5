/* Custom op `edgeemb.CodebookLogits`: the products of vectors with every row of a table of codebooks; see ../kernels/codebook_logits.h.
 *
 * Options: version, dim, additive. Inputs: vectors float32 [..., dim]; codes and codebooks as CodebookLookup takes them. Output: float32
 * [..., V]. The products with the entries take memory of the C library while the op runs, which TensorFlow Lite Micro does not have: this
 * op is LiteRT's alone. */
#ifndef EDGEEMB_CODEBOOK_LOGITS_OP_H
#define EDGEEMB_CODEBOOK_LOGITS_OP_H

#include <stdlib.h>

#include "../kernels/codebook_logits.h"
#include "codebook_op.h"

EEB_FUNCTION eeb_status edgeemb_codebook_logits_bind(const edgeemb_tensor *inputs, void *table, edgeemb_size *size)
{
    const eeb_status status = edgeemb_codebook_bind(inputs, table, size);

    return status != EEB_OK ? status : edgeemb_by_rows(&inputs[0], size);
}

EEB_FUNCTION eeb_status edgeemb_codebook_logits_rows(const void *table, const eeb_ids *vectors, void *output, size_t *position)
{
    const eeb_codebook_table *own = &((const edgeemb_codebook *)table)->table;
    eeb_logits_call call;
    size_t size = 0;
    eeb_status status;
    void *memory;

    memset(&call, 0, sizeof call);
    call.count = vectors->count;
    call.rows = (size_t)own->rows;
    call.output = output;
    status = eeb_codebook_logits_check(own, &call, position);
    if (status == EEB_OK) {
        status = eeb_codebook_logits_memory(own, 1, &size);
    }
    if (status != EEB_OK || vectors->count == 0 || own->rows == 0) {
        return status;
    }
    memory = malloc(size);
    if (memory == NULL) {
        return EEB_BAD_SHAPE;
    }
    eeb_codebook_logits_each(own, &call, vectors->data, memory);
    free(memory);
    return EEB_OK;
}

static const edgeemb_op edgeemb_codebook_logits_op = {
    "edgeemb.CodebookLogits",     3, 2, "holds a code that its codebook does not have", edgeemb_codebook_read, edgeemb_codebook_logits_bind,
    edgeemb_codebook_logits_rows, 1,
};

#endif
