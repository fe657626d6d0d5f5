/* Custom op `edgeemb.CodebookLookup`: rows put together from codebooks; see ../kernels/codebook.h.
 *
 * Options: version, dim, additive (1 where entries are added up, 0 where they stand side by side). Inputs: ids; codes uint8 [V, M];
 * codebooks float16 or float32 [M, K, dim / M], with additive 1 [M, K, dim]. */
#ifndef EDGEEMB_CODEBOOK_OP_H
#define EDGEEMB_CODEBOOK_OP_H

#include "../kernels/codebook.h"
#include "lookup_op.h"

typedef struct edgeemb_codebook {
    eeb_codebook_table table;
    int32_t dim; /* as the options say: the tensors must agree */
} edgeemb_codebook;

EEB_FUNCTION eeb_status edgeemb_codebook_read(const int32_t *options, void *table)
{
    edgeemb_codebook *codebook = (edgeemb_codebook *)table;

    memset(codebook, 0, sizeof *codebook);
    codebook->dim = options[0];
    codebook->table.additive = options[1];
    return options[0] >= 1 && (options[1] == 0 || options[1] == 1) ? EEB_OK : EEB_BAD_SHAPE;
}

EEB_FUNCTION eeb_status edgeemb_codebook_bind(const edgeemb_tensor *inputs, void *table, edgeemb_size *size)
{
    edgeemb_codebook *codebook = (edgeemb_codebook *)table;
    eeb_codebook_table *own = &codebook->table;
    const edgeemb_tensor *codes = &inputs[1], *books = &inputs[2];

    if (codes->type != TFL_UINT8 || edgeemb_read_float(books->type, &own->book_type) != EEB_OK) {
        return EEB_BAD_TYPE;
    }
    if (codes->rank != 2 || books->rank != 3 || codes->dims[1] != books->dims[0]) {
        return EEB_BAD_SHAPE;
    }
    own->codes = codes->data;
    own->codebooks = books->data;
    own->rows = codes->dims[0];
    own->books = books->dims[0];
    own->entries = books->dims[1];
    own->part = books->dims[2];
    if (eeb_codebook_check(own, 0) != EEB_OK || eeb_codebook_dim(own) != (uint64_t)codebook->dim) {
        return EEB_BAD_SHAPE;
    }
    size->rows = own->rows;
    size->dim = codebook->dim;
    return EEB_OK;
}

EEB_FUNCTION eeb_status edgeemb_codebook_rows(const void *table, const eeb_ids *ids, void *output, size_t *position)
{
    return eeb_codebook_lookup(&((const edgeemb_codebook *)table)->table, ids, output, position);
}

static const edgeemb_op edgeemb_codebook_op = {
    "edgeemb.CodebookLookup", 3, 2, "holds a code that its codebook does not have", edgeemb_codebook_read, edgeemb_codebook_bind,
    edgeemb_codebook_rows,    0,
};

#endif
