/* Options of the custom op `edgeemb.QuantizedLookup`, as the writer puts them into the model: five little-endian int32.
 *
 *     version 1, bits, dim, block, planes       (see ../kernels/quantized.h)
 *
 * Inputs: ids int32 or int64 [N]; codes uint8 [V, row bytes]; scales float16 or float32 [V, row scales]. Output: float32 [N, dim]. */
#ifndef EDGEEMB_LOOKUP_OPTIONS_H
#define EDGEEMB_LOOKUP_OPTIONS_H

#include <string.h>

#include "../kernels/quantized.h"

#define EDGEEMB_LOOKUP_NAME "edgeemb.QuantizedLookup"
#define EDGEEMB_LOOKUP_OPTIONS 5

/* Reads the options into a table without data; EEB_BAD_SHAPE if they are of another version or do not fit together. */
EEB_FUNCTION eeb_status edgeemb_read_options(const void *buffer, size_t length, eeb_quantized_table *table)
{
    int32_t values[EDGEEMB_LOOKUP_OPTIONS];

    if (buffer == NULL || length != sizeof values) {
        return EEB_BAD_SHAPE;
    }
    memcpy(values, buffer, sizeof values);
    if (values[0] != 1) {
        return EEB_BAD_SHAPE;
    }
    memset(table, 0, sizeof *table);
    table->bits = values[1];
    table->dim = values[2];
    table->block = values[3];
    table->planes = values[4];
    table->scale_type = EEB_FLOAT32;
    return eeb_quantized_check(table, 0);
}

/* Whether arrays of these shapes belong to the options in `table`. */
EEB_FUNCTION int edgeemb_shapes_fit(
    const eeb_quantized_table *table, int64_t rows, int64_t row_bytes, int64_t scale_rows, int64_t row_scales)
{
    return rows == scale_rows && row_bytes >= 0 && row_scales >= 0 &&
           (uint64_t)row_bytes == eeb_quantized_row_bytes(table->bits, table->dim, table->planes) &&
           (uint64_t)row_scales == eeb_quantized_row_scales(table->dim, table->block, table->planes);
}

#endif
