/* Custom op `edgeemb.QuantizedLookup`: rows of packed codes with scales; see ../kernels/quantized.h.
 *
 * Options: version, bits, dim, block, planes. Inputs: ids; codes uint8 [V, row bytes]; scales float16 or float32 [V, row scales]. */
#ifndef EDGEEMB_QUANTIZED_OP_H
#define EDGEEMB_QUANTIZED_OP_H

#include "../kernels/quantized.h"
#include "lookup_op.h"

EEB_FUNCTION eeb_status edgeemb_quantized_read(const int32_t *options, void *table)
{
    eeb_quantized_table *own = (eeb_quantized_table *)table;

    memset(own, 0, sizeof *own);
    own->bits = options[0];
    own->dim = options[1];
    own->block = options[2];
    own->planes = options[3];
    own->scale_type = EEB_FLOAT32;
    return eeb_quantized_check(own, 0);
}

EEB_FUNCTION eeb_status edgeemb_quantized_bind(const edgeemb_tensor *inputs, void *table, edgeemb_size *size)
{
    eeb_quantized_table *own = (eeb_quantized_table *)table;
    const edgeemb_tensor *codes = &inputs[1], *scales = &inputs[2];

    if (codes->type != TFL_UINT8 || edgeemb_read_float(scales->type, &own->scale_type) != EEB_OK) {
        return EEB_BAD_TYPE;
    }
    if (codes->rank != 2 || scales->rank != 2 || codes->dims[0] != scales->dims[0] ||
        (uint64_t)codes->dims[1] != eeb_quantized_row_bytes(own->bits, own->dim, own->planes) ||
        (uint64_t)scales->dims[1] != eeb_quantized_row_scales(own->dim, own->block, own->planes)) {
        return EEB_BAD_SHAPE;
    }
    own->codes = codes->data;
    own->scales = scales->data;
    own->rows = codes->dims[0];
    size->rows = own->rows;
    size->dim = own->dim;
    return EEB_OK;
}

EEB_FUNCTION eeb_status edgeemb_quantized_rows(const void *table, const eeb_ids *ids, void *output, size_t *position)
{
    return eeb_quantized_lookup((const eeb_quantized_table *)table, ids, output, position);
}

static const edgeemb_op edgeemb_quantized_op = {
    "edgeemb.QuantizedLookup", 3, 4, "", edgeemb_quantized_read, edgeemb_quantized_bind, edgeemb_quantized_rows, 0,
};

#endif
