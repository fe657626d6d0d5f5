/* Custom op `edgeemb.NgramLookup`: rows computed from the bytes of tokens; see ../kernels/ngram.h.
 *
 * Options: version, n, dim. Inputs: ids; tokens uint8 [total]; starts int32 [V + 1]; seeds int16 [dim]; bases int16 [lanes]. */
#ifndef EDGEEMB_NGRAM_OP_H
#define EDGEEMB_NGRAM_OP_H

#include "../kernels/ngram.h"
#include "lookup_op.h"

EEB_FUNCTION eeb_status edgeemb_ngram_read(const int32_t *options, void *table)
{
    eeb_ngram_table *own = (eeb_ngram_table *)table;

    memset(own, 0, sizeof *own);
    own->n = options[0];
    own->dim = options[1];
    return own->n >= 1 && own->n <= EEB_NGRAM_MOST && own->dim >= 1 ? EEB_OK : EEB_BAD_SHAPE;
}

EEB_FUNCTION eeb_status edgeemb_ngram_bind(const edgeemb_tensor *inputs, void *table, edgeemb_size *size)
{
    eeb_ngram_table *own = (eeb_ngram_table *)table;
    const edgeemb_tensor *tokens = &inputs[1], *starts = &inputs[2], *seeds = &inputs[3], *bases = &inputs[4];

    if (tokens->type != TFL_UINT8 || starts->type != TFL_INT32 || seeds->type != TFL_INT16 || bases->type != TFL_INT16) {
        return EEB_BAD_TYPE;
    }
    if (tokens->rank != 1 || starts->rank != 1 || seeds->rank != 1 || bases->rank != 1 || starts->dims[0] < 1 ||
        seeds->dims[0] != own->dim) {
        return EEB_BAD_SHAPE;
    }
    own->tokens = tokens->data;
    own->starts = starts->data;
    own->seeds = seeds->data;
    own->bases = bases->data;
    own->total = tokens->dims[0];
    own->rows = starts->dims[0] - 1;
    own->lanes = bases->dims[0];
    size->rows = own->rows;
    size->dim = own->dim;
    return own->seeds == NULL || own->bases == NULL ? EEB_OK : eeb_ngram_check(own, 0);
}

EEB_FUNCTION eeb_status edgeemb_ngram_rows(const void *table, const eeb_ids *ids, void *output, size_t *position)
{
    return eeb_ngram_lookup((const eeb_ngram_table *)table, ids, output, position);
}

static const edgeemb_op edgeemb_ngram_op = {
    "edgeemb.NgramLookup", 5, 2, "has no token: its bounds are none", edgeemb_ngram_read, edgeemb_ngram_bind, edgeemb_ngram_rows, 0,
};

#endif
