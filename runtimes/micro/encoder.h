/* A transformer encoder over one sequence, two rows at a time.
 *
 * LAYERS   Attention and MLP each add to the rows, and either the sum is normalised (BERT), or what they read of the rows is (ModernBERT):
 * see `before`. Positions are in the rows, or turn queries and keys (rotary positions, arXiv 2104.09864). The values between the linear
 *          layers of an MLP may be multiplied by a gate (GEGLU and SwiGLU, arXiv 2002.05202), and attention may see a window alone.
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
    eem_linear up, gate, down; /* gate without weights where there is none */
    eem_norm mlp_norm;
    eem_activation activation;
    int before;            /* whether norms stand in front of attention and MLP; else the sum behind each is normalised */
    const float *rotation; /* [tokens][head]: by token the cosines, then the sines that its queries and keys are turned by; NULL for none */
    uint32_t window;       /* tokens to either side that a query sees; UINT32_MAX for all */
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
    float *wide;         /* [2][elements between up and down], and as many behind them for a gate */
    uint32_t *pair;      /* for the widest input of a linear layer, or the capacity */
} eem_memory;

/* The keys [first, end) of `count` that a query sees. It may be that of a token behind them, to which no other attends, if all of them are
 * within its window. */
EEM_INLINE uint32_t eem_first_key(uint32_t window, uint32_t token)
{
    return token > window ? token - window : 0;
}

EEM_INLINE uint32_t eem_end_key(uint32_t window, uint32_t token, uint32_t count)
{
    return token < count && window < count - token ? token + window + 1 : count;
}

/* The score of a key that a query does not see: its probability is 0. */
#define EEM_UNSEEN -3.0e38f

/* Turn the queries or keys of a token, in place: element i of a head together with that half a head behind it. */
EEM_FUNCTION void eem_rotate(const eem_shape *shape, const float *rotation, uint32_t token, float *row)
{
    const uint32_t half = shape->head / 2;
    const float *cosine = rotation + (size_t)token * shape->head, *sine = cosine + half;
    uint32_t number, at;

    for (number = 0; number < shape->heads; ++number, row += shape->head) {
        for (at = 0; at < half; ++at) {
            const float low = row[at], high = row[half + at];

            row[at] = low * cosine[at] - high * sine[at];
            row[half + at] = high * cosine[at] + low * sine[at];
        }
    }
}

/* What a block reads of a row: the row itself, or its norm, which is written to `to`. A NULL row is NULL. */
EEM_FUNCTION const float *eem_before(const eem_layer *layer, const eem_norm *norm, const float *row, float *to)
{
    if (row == NULL || !layer->before || norm->gain == NULL) {
        return row;
    }
    memcpy(to, row, norm->size * sizeof *to);
    eem_norm_run(norm, to);
    return to;
}

/* Add what a block gives to a row, which may be NULL. */
EEM_FUNCTION void eem_after(const eem_layer *layer, const eem_norm *norm, float *row, const float *result)
{
    if (row != NULL) {
        eem_add_scaled(row, norm->scale, result, norm->size);
        if (!layer->before) {
            eem_norm_run(norm, row);
        }
    }
}

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

/* Attention of two queries over `count` tokens; the first is that of token `token`, the second may be NULL. output [2][dim]. Scores exist
 * for the tokens [begin, end) that either sees. */
EEM_FUNCTION void eem_attend(
    const eem_shape *shape, const eem_memory *memory, uint32_t count, uint32_t window, uint32_t token, const float *first,
    const float *second, float *output)
{
    const uint32_t width = EEM_PADDED(shape->head), rows = second == NULL ? 1 : 2;
    const uint32_t begin = eem_first_key(window, token) / EEM_BLOCK * EEM_BLOCK, end = eem_end_key(window, token + rows - 1, count);
    const uint32_t seen = end - begin, padded = EEM_PADDED(seen);
    uint32_t number, at, row;
    int32_t sums[4];
    float scales[2];

    for (number = 0; number < shape->heads; ++number) {
        const uint32_t from = number * shape->head;
        const int8_t *keys = memory->keys + (number * shape->capacity + begin) * width;
        const int8_t *values = memory->values + from * shape->capacity + begin;
        const float *key_scales = memory->key_scales + number * shape->capacity + begin;
        const float *value_scales = memory->value_scales + number * shape->capacity + begin;

        scales[0] = eem_quantize(memory->pair, width, 0, first + from, shape->head, 0) * shape->temperature;
        scales[1] = eem_quantize(memory->pair, width, 1, second == NULL ? NULL : second + from, shape->head, 0) * shape->temperature;
        for (at = 0; at < seen; at += 2, keys += 2 * width) {
            eem_dot(memory->pair, width, keys, keys + width, EEM_BLOCK, 0, sums);
            for (row = 0; row < rows; ++row) {
                float *scores = memory->scores + row * shape->capacity + at;

                scores[0] = (float)sums[2 * row] * (scales[row] * key_scales[at]);
                if (at + 1 < seen) {
                    scores[1] = (float)sums[2 * row + 1] * (scales[row] * key_scales[at + 1]);
                }
            }
        }
        scales[1] = 0.0f;
        for (row = 0; row < 2; ++row) {
            float *scores = memory->scores + row * shape->capacity;

            if (row < rows && shape->relative != NULL) {
                eem_add(scores, shape->relative + (2 * number + 1) * shape->capacity - 1 - token - row + begin, seen);
            }
            if (row < rows) {
                for (at = begin; at < eem_first_key(window, token + row); ++at) {
                    scores[at - begin] = EEM_UNSEEN;
                }
                for (at = eem_end_key(window, token + row, count); at < end; ++at) {
                    scores[at - begin] = EEM_UNSEEN;
                }
                eem_softmax(scores, seen);
                eem_multiply(scores, value_scales, seen);
            }
            scales[row] = eem_quantize(memory->pair, padded, row, row < rows ? scores : NULL, seen, 1);
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

/* The rows and what attention over the first `attended` of them gives for all: norm(scale * rows + output(attention(rows))), or with norms
 * in front scale * rows + output(attention(norm(rows))). */
EEM_FUNCTION void eem_attention_run(
    const eem_layer *layer, const eem_shape *shape, const eem_memory *memory, uint32_t count, uint32_t attended)
{
    const uint32_t dim = shape->dim, width = EEM_PADDED(dim);
    const eem_norm *norm = &layer->attention_norm;
    float *low = memory->projected, *high = memory->projected + 2 * dim;
    eem_grid grids[2];
    uint32_t at, row;

    for (at = 0; at < attended; at += 2) {
        const float *first = memory->rows + at * dim, *second = at + 1 < attended ? first + dim : NULL;

        grids[0] = eem_quantize_steps(memory->pair, width, 0, eem_before(layer, norm, first, low), dim);
        grids[1] = eem_quantize_steps(memory->pair, width, 1, eem_before(layer, norm, second, low), dim);
        eem_linear_pair(&layer->key, memory->pair, grids, low, second == NULL ? NULL : low + dim);
        eem_linear_pair(&layer->value, memory->pair, grids, high, second == NULL ? NULL : high + dim);
        for (row = 0; row < 2 && at + row < attended; ++row) {
            if (layer->rotation != NULL) {
                eem_rotate(shape, layer->rotation, at + row, low + row * dim);
            }
            eem_keep(shape, memory, at + row, low + row * dim, high + row * dim);
        }
    }
    for (at = 0; at < count; at += 2) {
        float *first = memory->rows + at * dim, *second = at + 1 < count ? first + dim : NULL;
        float *low_second = second == NULL ? NULL : low + dim, *high_second = second == NULL ? NULL : high + dim;

        grids[0] = eem_quantize_steps(memory->pair, width, 0, eem_before(layer, norm, first, high), dim);
        grids[1] = eem_quantize_steps(memory->pair, width, 1, eem_before(layer, norm, second, high), dim);
        eem_linear_pair(&layer->query, memory->pair, grids, low, low_second);
        for (row = 0; row < 2 && at + row < count && layer->rotation != NULL; ++row) {
            eem_rotate(shape, layer->rotation, at + row, low + row * dim);
        }
        eem_attend(shape, memory, attended, layer->window, at, low, low_second, high);
        eem_linear_run(&layer->output, high, high_second, low, low_second, memory->pair);
        eem_after(layer, norm, first, low);
        eem_after(layer, norm, second, low_second);
    }
}

/* The rows and what the MLP gives for them: norm(scale * rows + down(activation(up(rows)) * gate(rows))), or with the norm in front of it.
 */
EEM_FUNCTION void eem_mlp_run(const eem_layer *layer, const eem_shape *shape, const eem_memory *memory, uint32_t count)
{
    const uint32_t dim = shape->dim, wide = layer->up.outputs;
    const eem_norm *norm = &layer->mlp_norm;
    float *low = memory->projected, *gate = memory->wide + 2 * wide;
    eem_grid grids[2];
    uint32_t at;

    for (at = 0; at < count; at += 2) {
        float *first = memory->rows + at * dim, *second = at + 1 < count ? first + dim : NULL;
        float *wide_second = second == NULL ? NULL : memory->wide + wide;
        float *low_second = second == NULL ? NULL : low + dim;
        const uint32_t size = second == NULL ? wide : 2 * wide;

        grids[0] = eem_quantize_steps(memory->pair, EEM_PADDED(dim), 0, eem_before(layer, norm, first, low), dim);
        grids[1] = eem_quantize_steps(memory->pair, EEM_PADDED(dim), 1, eem_before(layer, norm, second, low), dim);
        eem_linear_pair(&layer->up, memory->pair, grids, memory->wide, wide_second);
        eem_activate(layer->activation, memory->wide, size);
        if (layer->gate.weight != NULL) {
            eem_linear_pair(&layer->gate, memory->pair, grids, gate, second == NULL ? NULL : gate + wide);
            eem_multiply(memory->wide, gate, size);
        }
        eem_linear_run(&layer->down, memory->wide, wide_second, low, low_second, memory->pair);
        eem_after(layer, norm, first, low);
        eem_after(layer, norm, second, low_second);
    }
}

#endif
