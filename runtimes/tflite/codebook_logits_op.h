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

    if (status != EEB_OK) {
        return status;
    }
    if (inputs[0].dims[inputs[0].rank - 1] != size->dim || size->rows > INT32_MAX) {
        return EEB_BAD_SHAPE;
    }
    size->dim = (int32_t)size->rows;
    return EEB_OK;
}

/* One vector after another: a scan expects the products of one in a cache. */
EEB_FUNCTION eeb_status edgeemb_codebook_logits_rows(const void *table, const eeb_ids *vectors, void *output, size_t *position)
{
    const edgeemb_codebook *codebook = (const edgeemb_codebook *)table;
    const eeb_codebook_table *own = &codebook->table;
    eeb_logits_call call;
    size_t size = 0, at;
    eeb_status status;
    void *memory;

    memset(&call, 0, sizeof call);
    call.count = vectors->count;
    call.rows = (size_t)own->rows;
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
    call.memory = memory;
    call.count = 1;
    for (at = 0; status == EEB_OK && at < vectors->count; ++at) {
        call.output = (uint8_t *)output + 4 * (size_t)own->rows * at;
        status = eeb_codebook_logits_prepare(own, (const uint8_t *)vectors->data + 4 * (size_t)codebook->dim * at, 1, memory);
        if (status == EEB_OK) {
            eeb_codebook_logits(own, &call);
        }
    }
    free(memory);
    return status;
}

static const edgeemb_op edgeemb_codebook_logits_op = {
    "edgeemb.CodebookLogits",     3, 2, "holds a code that its codebook does not have", edgeemb_codebook_read, edgeemb_codebook_logits_bind,
    edgeemb_codebook_logits_rows, 1,
};

#endif
