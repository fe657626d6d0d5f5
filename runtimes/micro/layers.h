/* The layers of an encoder on float32 rows: linear with weights of 8 or 4 bits, layer normalisation, softmax, activations, pooling.
 *
 * WEIGHTS   int8[ceil(outputs / 2)][padded inputs / EEM_BLOCK][2][EEM_BLOCK]: two neighbouring outputs lie side by side, block by block, so
 *           that one pointer walks through both; padding is zero. value = code * scale[output], -127 ... 127. Of 4 bits: see fours.h.
 * LINEAR    rows are quantised when they are read, each with a grid of its own, and accumulated in int32:
 *           8 bits    output = (float)(sum - zero * sums[output]) * (row scale * scale[output]) + bias[output]
 *           4 bits    output = (sum over blocks, in order, of (float)sum * scale - (float)zero * totals[output]) * row scale + bias[output]
 * SUMS      of floats have 16 lanes, so that every instruction set adds in one order: element i goes to lane i % 16, and then the upper
 * half of the lanes is added to the lower until one is left. */
#ifndef EEM_LAYERS_H
#define EEM_LAYERS_H

#include "fours.h"

typedef struct eem_linear {
    const int8_t *weight;
    const float *scale;  /* [outputs]: 8 bits; NULL for 4, whose scales lie among the weights */
    const float *bias;   /* [outputs] */
    const int32_t *sums; /* [outputs]: of the codes of the weights, 8 bits; NULL for 4 */
    const float *totals; /* [outputs]: of the values of the weights, 4 bits; NULL for 8 */
    uint32_t inputs;
    uint32_t outputs;
    uint32_t block; /* inputs that share a scale, 4 bits; 0 for 8 */
} eem_linear;

typedef struct eem_norm {
    const float *gain;  /* [size]; NULL where rows stay as they are: the first layer of those that normalise in front of attention */
    const float *bias;  /* [size] */
    const float *scale; /* [size]: multiplies the rows in the sum around a block, eem_add_scaled; NULL for 1 */
    float epsilon;
    uint32_t size;
} eem_norm;

typedef enum eem_activation {
    EEM_IDENTITY,
    EEM_RELU,
    EEM_GELU,
    EEM_GELU_TANH,
    EEM_TANH,
    EEM_SIGMOID,
    EEM_SILU,
    EEM_TIMES /* of linear layers in panels alone: their result multiplies what the output holds */
} eem_activation;

/* The same with weights of 4 bits. What lies behind the pair is written: see eem_pair_sums. */
EEM_FUNCTION void eem_linear_fours(
    const eem_linear *layer, uint32_t *pair, const eem_grid grids[2], float *first_output, float *second_output)
{
    const uint32_t width = layer->inputs, block = layer->block;
    const int32_t *starts = eem_pair_sums(pair, width, block);
    const uint8_t *weight = (const uint8_t *)layer->weight;
    uint32_t at, from, column;
    int32_t sums[4];

    for (at = 0; at < layer->outputs; at += 2) {
        float totals[4] = {0.0f, 0.0f, 0.0f, 0.0f};

        for (from = 0; from < width; from += block, weight += EEM_FOURS_BYTES(block)) {
            const float first = eem_short(weight), second = eem_short(weight + 2);

            eem_dot_fours(pair, width, from, weight + 4, block, starts + from / block * 2, sums);
            totals[0] = totals[0] + (float)sums[0] * first;
            totals[1] = totals[1] + (float)sums[1] * second;
            totals[2] = totals[2] + (float)sums[2] * first;
            totals[3] = totals[3] + (float)sums[3] * second;
        }
        for (column = 0; column < 2 && at + column < layer->outputs; ++column) {
            const float all = layer->totals[at + column], bias = layer->bias[at + column];

            first_output[at + column] = (totals[column] - (float)grids[0].zero * all) * grids[0].scale + bias;
            if (second_output != NULL) {
                second_output[at + column] = (totals[2 + column] - (float)grids[1].zero * all) * grids[1].scale + bias;
            }
        }
    }
}

/* Two quantised rows through a linear layer. second_output may be NULL: one row then. */
EEM_FUNCTION void eem_linear_pair(
    const eem_linear *layer, uint32_t *pair, const eem_grid grids[2], float *first_output, float *second_output)
{
    const uint32_t width = EEM_PADDED(layer->inputs);
    const int8_t *weight = layer->weight;
    uint32_t at, column;
    int32_t sums[4];

    if (layer->block != 0) {
        eem_linear_fours(layer, pair, grids, first_output, second_output);
        return;
    }
    for (at = 0; at < layer->outputs; at += 2, weight += 2 * width) {
        eem_dot(pair, width, weight, weight + EEM_BLOCK, 2 * EEM_BLOCK, 0, sums);
        for (column = 0; column < 2 && at + column < layer->outputs; ++column) {
            const float scale = layer->scale[at + column], bias = layer->bias[at + column];
            const int32_t sum = layer->sums[at + column];

            first_output[at + column] = (float)(sums[column] - grids[0].zero * sum) * (grids[0].scale * scale) + bias;
            if (second_output != NULL) {
                second_output[at + column] = (float)(sums[2 + column] - grids[1].zero * sum) * (grids[1].scale * scale) + bias;
            }
        }
    }
}

/* Two rows of floats through a linear layer. `second` and its output may be NULL: one row then. `pair` has room for the inputs, and at 4
 * bits for what stands behind them: see eem_pair_sums. */
EEM_FUNCTION void eem_linear_run(
    const eem_linear *layer, const float *first, const float *second, float *first_output, float *second_output, uint32_t *pair)
{
    const uint32_t width = EEM_PADDED(layer->inputs);
    eem_grid grids[2];

    grids[0] = eem_quantize_steps(pair, width, 0, first, layer->inputs);
    grids[1] = eem_quantize_steps(pair, width, 1, second, layer->inputs);
    eem_linear_pair(layer, pair, grids, first_output, second_output);
}

#define EEM_LANES 16u

/* The sum of the lanes, which are overwritten. */
EEM_INLINE float eem_lanes_sum(float lanes[EEM_LANES])
{
    uint32_t half, at;

    for (half = EEM_LANES / 2; half != 0; half /= 2) {
        for (at = 0; at < half; ++at) {
            lanes[at] = lanes[at] + lanes[at + half];
        }
    }
    return lanes[0];
}

/* The sum of a row, or of its squares. */
EEM_FUNCTION float eem_row_sum(const float *row, uint32_t size, int squares)
{
    float lanes[EEM_LANES] = {0.0f};
    uint32_t at, lane;

    for (at = 0; at < size; at += EEM_LANES) {
        const uint32_t end = size - at < EEM_LANES ? size - at : EEM_LANES;

        for (lane = 0; lane < end; ++lane) {
            lanes[lane] = lanes[lane] + (squares ? row[at + lane] * row[at + lane] : row[at + lane]);
        }
    }
    return eem_lanes_sum(lanes);
}

/* row = norm(row), in place. */
EEM_FUNCTION void eem_norm_run(const eem_norm *norm, float *row)
{
    const float mean = eem_row_sum(row, norm->size, 0) / (float)norm->size;
    float factor;
    uint32_t at;

    for (at = 0; at < norm->size; ++at) {
        row[at] = row[at] - mean;
    }
    factor = eem_inverse_root(eem_row_sum(row, norm->size, 1) / (float)norm->size + norm->epsilon);
    for (at = 0; at < norm->size; ++at) {
        row[at] = row[at] * factor * norm->gain[at] + norm->bias[at];
    }
}

/* Rows [count][size] = norm(row), in place. */
EEM_FUNCTION void eem_norm_rows(const eem_norm *norm, float *rows, uint32_t count)
{
    uint32_t row;

    for (row = 0; row < count; ++row) {
        eem_norm_run(norm, rows + (size_t)row * norm->size);
    }
}

EEM_FUNCTION void eem_add(float *row, const float *other, uint32_t size)
{
    uint32_t at;

    for (at = 0; at < size; ++at) {
        row[at] = row[at] + other[at];
    }
}

EEM_FUNCTION void eem_multiply(float *row, const float *other, uint32_t size)
{
    uint32_t at;

    for (at = 0; at < size; ++at) {
        row[at] = row[at] * other[at];
    }
}

/* row = row * scale + other; without a scale it is 1. */
EEM_FUNCTION void eem_add_scaled(float *row, const float *scale, const float *other, uint32_t size)
{
    uint32_t at;

    if (scale == NULL) {
        eem_add(row, other, size);
        return;
    }
    for (at = 0; at < size; ++at) {
        const float value = row[at] * scale[at];

        row[at] = value + other[at];
    }
}

/* In place: exponentials of the distance to the largest score, divided by their sum. */
EEM_FUNCTION void eem_softmax(float *scores, uint32_t count)
{
    float largest = scores[0], factor;
    uint32_t at;

    for (at = 1; at < count; ++at) {
        largest = scores[at] > largest ? scores[at] : largest;
    }
    for (at = 0; at < count; ++at) {
        scores[at] = eem_exp(scores[at] - largest);
    }
    factor = 1.0f / eem_row_sum(scores, count, 0);
    for (at = 0; at < count; ++at) {
        scores[at] = scores[at] * factor;
    }
}

EEM_FUNCTION void eem_activate(eem_activation kind, float *row, uint32_t size)
{
    uint32_t at;

    for (at = 0; at < size; ++at) {
        const float x = row[at];

        switch (kind) {
        case EEM_IDENTITY:
        case EEM_TIMES: return;
        case EEM_RELU: row[at] = x > 0.0f ? x : 0.0f; break;
        case EEM_GELU: row[at] = eem_gelu(x); break;
        case EEM_GELU_TANH: row[at] = eem_gelu_tanh(x); break;
        case EEM_TANH: row[at] = eem_tanh(x); break;
        case EEM_SIGMOID: row[at] = 0.5f + 0.5f * eem_tanh(0.5f * x); break;
        case EEM_SILU: row[at] = 0.5f * x * (1.0f + eem_tanh(0.5f * x)); break;
        }
    }
}

/* Scale a row to length 1; zeros stay zeros. */
EEM_FUNCTION void eem_unit(float *row, uint32_t size)
{
    const float squares = eem_row_sum(row, size, 1);
    float factor;
    uint32_t at;

    factor = squares > 1e-24f ? eem_inverse_root(squares) : 1e12f;
    for (at = 0; at < size; ++at) {
        row[at] = row[at] * factor;
    }
}

#endif
