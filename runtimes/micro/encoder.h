/* A transformer encoder over one sequence, two rows at a time.
 *
 * MEMORY   What grows with the length L of a sequence of rows of D elements: the rows themselves (float32), and the keys and values of one
 *          layer (int8, with a scale per token and head). Scores exist for two queries at a time, so that nothing grows with L^2; queries,
 *          the attention's output and the wide rows of the MLP exist for two rows. Rows are overwritten in place: once keys and values of
 *          the layer are there, a row is read for itself alone. (The score matrix never as a whole: MCUBERT, arXiv 2410.17957.)
 * SUMS     Queries and keys are int8 with a scale per token and head. A probability is multiplied by its value's scale and quantised to
 *          12 bits per query, since small ones add up. */
#ifndef EEM_ENCODER_H
#define EEM_ENCODER_H

#include "layers.h"

typedef struct eem_layer {
    eem_linear query, key, value, output;
    eem_norm attention_norm;
    eem_linear up, down;
    eem_norm mlp_norm;
    eem_activation activation;
} eem_layer;

/* Sizes of an encoder. */
typedef struct eem_shape {
    uint32_t dim; /* elements of a row; heads * head */
    uint32_t heads;
    uint32_t head;     /* elements of a head, even */
    uint32_t capacity; /* tokens of the longest sequence, padded to EEM_BLOCK */
    float temperature; /* 1 / sqrt(head), or as the model has it */
    /* [heads][2 * capacity]: added to the score of key k and query q, at k - q + capacity - 1; NULL for nothing */
    const float *relative;
} eem_shape;

/* Working memory, all of it in the arena. */
typedef struct eem_memory {
    float *rows;         /* [capacity][dim] */
    int8_t *keys;        /* [heads][capacity][padded head] */
    int8_t *values;      /* [heads][head][capacity] */
    float *key_scales;   /* [heads][capacity] */
    float *value_scales; /* [heads][capacity] */
    float *scores;       /* [2][capacity] */
    float *projected;    /* [4][dim]: queries or keys, then context or values */
    float *wide;         /* [2][elements between up and down] */
    uint32_t *pair;      /* for the widest input of a linear layer, or the capacity */
} eem_memory;

/* Quantise a token's key and value, head by head. */
EEM_FUNCTION void eem_keep(const eem_shape *shape, const eem_memory *memory, uint32_t token, const float *key, const float *value)
{
    const uint32_t width = EEM_PADDED(shape->head);
    uint32_t number, at;

    for (number = 0; number < shape->heads; ++number, key += shape->head, value += shape->head) {
        const float largest_key = eem_largest(key, shape->head), largest_value = eem_largest(value, shape->head);
        const float key_factor = largest_key > 1e-30f ? EEM_NARROW / largest_key : 0.0f;
        const float value_factor = largest_value > 1e-30f ? EEM_NARROW / largest_value : 0.0f;
        int8_t *keys = memory->keys + (number * shape->capacity + token) * width;
        int8_t *values = memory->values + number * shape->head * shape->capacity + token;

        for (at = 0; at < shape->head; ++at) {
            keys[at] = (int8_t)eem_round(key[at] * key_factor);
            values[at * shape->capacity] = (int8_t)eem_round(value[at] * value_factor);
        }
        for (; at < width; ++at) {
            keys[at] = 0;
        }
        memory->key_scales[number * shape->capacity + token] = key_factor != 0.0f ? largest_key / EEM_NARROW : 0.0f;
        memory->value_scales[number * shape->capacity + token] = value_factor != 0.0f ? largest_value / EEM_NARROW : 0.0f;
    }
}

/* Attention of two queries over `count` tokens; the first is that of token `token`, the second may be NULL. output [2][dim]. */
EEM_FUNCTION void eem_attend(
    const eem_shape *shape, const eem_memory *memory, uint32_t count, uint32_t token, const float *first, const float *second,
    float *output)
{
    const uint32_t width = EEM_PADDED(shape->head), padded = EEM_PADDED(count), rows = second == NULL ? 1 : 2;
    uint32_t number, at, row;
    int32_t sums[4];
    float scales[2];

    for (number = 0; number < shape->heads; ++number) {
        const uint32_t from = number * shape->head;
        const int8_t *keys = memory->keys + number * shape->capacity * width;
        const int8_t *values = memory->values + from * shape->capacity;
        const float *key_scales = memory->key_scales + number * shape->capacity;
        const float *value_scales = memory->value_scales + number * shape->capacity;

        scales[0] = eem_quantize(memory->pair, width, 0, first + from, shape->head, 0) * shape->temperature;
        scales[1] = eem_quantize(memory->pair, width, 1, second == NULL ? NULL : second + from, shape->head, 0) * shape->temperature;
        for (at = 0; at < count; at += 2, keys += 2 * width) {
            eem_dot(memory->pair, width, keys, keys + width, EEM_BLOCK, 0, sums);
            for (row = 0; row < rows; ++row) {
                float *scores = memory->scores + row * shape->capacity + at;

                scores[0] = (float)sums[2 * row] * (scales[row] * key_scales[at]);
                if (at + 1 < count) {
                    scores[1] = (float)sums[2 * row + 1] * (scales[row] * key_scales[at + 1]);
                }
            }
        }
        scales[1] = 0.0f;
        for (row = 0; row < 2; ++row) {
            float *scores = memory->scores + row * shape->capacity;

            if (row < rows && shape->relative != NULL) {
                eem_add(scores, shape->relative + (2 * number + 1) * shape->capacity - 1 - token - row, count);
            }
            if (row < rows) {
                eem_softmax(scores, count);
                for (at = 0; at < count; ++at) {
                    scores[at] = scores[at] * value_scales[at];
                }
            }
            scales[row] = eem_quantize(memory->pair, padded, row, row < rows ? scores : NULL, count, 1);
        }
        for (at = 0; at < shape->head; at += 2, values += 2 * shape->capacity) {
            eem_dot(memory->pair, padded, values, values + shape->capacity, EEM_BLOCK, 1, sums);
            for (row = 0; row < rows; ++row) {
                output[row * shape->dim + from + at] = (float)sums[2 * row] * scales[row];
                output[row * shape->dim + from + at + 1] = (float)sums[2 * row + 1] * scales[row];
            }
        }
    }
}

/* rows = norm(scale * rows + output(attention(rows))) */
EEM_FUNCTION void eem_attention_run(const eem_layer *layer, const eem_shape *shape, const eem_memory *memory, uint32_t count)
{
    const uint32_t dim = shape->dim, width = EEM_PADDED(dim);
    float *low = memory->projected, *high = memory->projected + 2 * dim;
    eem_grid grids[2];
    uint32_t at;

    for (at = 0; at < count; at += 2) {
        float *first = memory->rows + at * dim, *second = at + 1 < count ? first + dim : NULL;

        grids[0] = eem_quantize_steps(memory->pair, width, 0, first, dim);
        grids[1] = eem_quantize_steps(memory->pair, width, 1, second, dim);
        eem_linear_pair(&layer->key, memory->pair, grids, low, second == NULL ? NULL : low + dim);
        eem_linear_pair(&layer->value, memory->pair, grids, high, second == NULL ? NULL : high + dim);
        eem_keep(shape, memory, at, low, high);
        if (second != NULL) {
            eem_keep(shape, memory, at + 1, low + dim, high + dim);
        }
    }
    for (at = 0; at < count; at += 2) {
        float *first = memory->rows + at * dim, *second = at + 1 < count ? first + dim : NULL;
        float *low_second = second == NULL ? NULL : low + dim, *high_second = second == NULL ? NULL : high + dim;

        eem_linear_run(&layer->query, first, second, low, low_second, memory->pair);
        eem_attend(shape, memory, count, at, low, low_second, high);
        eem_linear_run(&layer->output, high, high_second, low, low_second, memory->pair);
        eem_add_scaled(first, layer->attention_norm.scale, low, dim);
        eem_norm_run(&layer->attention_norm, first);
        if (second != NULL) {
            eem_add_scaled(second, layer->attention_norm.scale, low_second, dim);
            eem_norm_run(&layer->attention_norm, second);
        }
    }
}

/* rows = norm(scale * rows + down(activation(up(rows)))) */
EEM_FUNCTION void eem_mlp_run(const eem_layer *layer, const eem_shape *shape, const eem_memory *memory, uint32_t count)
{
    const uint32_t dim = shape->dim, wide = layer->up.outputs;
    uint32_t at;

    for (at = 0; at < count; at += 2) {
        float *first = memory->rows + at * dim, *second = at + 1 < count ? first + dim : NULL;
        float *wide_second = second == NULL ? NULL : memory->wide + wide;
        float *low_second = second == NULL ? NULL : memory->projected + dim;

        eem_linear_run(&layer->up, first, second, memory->wide, wide_second, memory->pair);
        eem_activate(layer->activation, memory->wide, second == NULL ? wide : 2 * wide);
        eem_linear_run(&layer->down, memory->wide, wide_second, memory->projected, low_second, memory->pair);
        eem_add_scaled(first, layer->mlp_norm.scale, memory->projected, dim);
        eem_norm_run(&layer->mlp_norm, first);
        if (second != NULL) {
            eem_add_scaled(second, layer->mlp_norm.scale, low_second, dim);
            eem_norm_run(&layer->mlp_norm, second);
        }
    }
}

#endif
