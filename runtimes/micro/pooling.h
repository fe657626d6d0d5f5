/* One vector from the rows of a sequence. rows [count][stride], of which dim count; output [dim]. */
#ifndef EEM_POOLING_H
#define EEM_POOLING_H

#include "layers.h"

typedef enum eem_pooling { EEM_CLS, EEM_MAX, EEM_MEAN, EEM_MEAN_SQRT, EEM_WEIGHTED_MEAN, EEM_LAST } eem_pooling;

EEM_FUNCTION void eem_pool(eem_pooling kind, const float *rows, uint32_t stride, uint32_t count, uint32_t dim, float *output)
{
    float total = 0.0f;
    uint32_t token, at;

    if (kind == EEM_CLS || kind == EEM_LAST) {
        memcpy(output, rows + (kind == EEM_CLS ? 0 : (count - 1) * stride), dim * sizeof *output);
        return;
    }
    memset(output, 0, dim * sizeof *output);
    for (token = 0; token < count; ++token, rows += stride) {
        const float weight = kind == EEM_WEIGHTED_MEAN ? (float)(token + 1) : 1.0f;

        total = total + weight;
        for (at = 0; at < dim; ++at) {
            if (kind == EEM_MAX) {
                output[at] = token == 0 || rows[at] > output[at] ? rows[at] : output[at];
            } else {
                output[at] = output[at] + rows[at] * weight;
            }
        }
    }
    if (kind != EEM_MAX) {
        const float factor = kind == EEM_MEAN_SQRT ? eem_inverse_root(total) : 1.0f / total;

        for (at = 0; at < dim; ++at) {
            output[at] = output[at] * factor;
        }
    }
}

#endif
