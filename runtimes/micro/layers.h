/* The layers of an encoder on float32 rows: linear with int8 weights, layer normalisation, softmax, activations, pooling.
 *
 * WEIGHTS   int8[ceil(outputs / 2)][padded inputs / EEM_BLOCK][2][EEM_BLOCK]: two neighbouring outputs lie side by side, block by block, so
 *           that one pointer walks through both; padding is zero. value = code * scale[output], -127 ... 127.
 * LINEAR    rows are quantised when they are read, each with its own scale, and accumulated in int32:
 *           output = (float)sum * (row scale * scale[output]) + bias[output] */
#ifndef EEM_LAYERS_H
#define EEM_LAYERS_H

#include "dot.h"

typedef struct eem_linear {
    const int8_t *weight;
    const float *scale; /* [outputs] */
    const float *bias;  /* [outputs] */
    uint32_t inputs;
    uint32_t outputs;
} eem_linear;

typedef struct eem_norm {
    const float *gain; /* [size] */
    const float *bias; /* [size] */
    float epsilon;
    uint32_t size;
} eem_norm;

typedef enum eem_activation { EEM_IDENTITY, EEM_RELU, EEM_GELU, EEM_GELU_TANH, EEM_TANH, EEM_SIGMOID } eem_activation;

/* Two rows through a linear layer. `second` and its output may be NULL: one row then. `pair` has 4 * padded inputs bytes. */
EEM_FUNCTION void eem_linear_run(
    const eem_linear *layer, const float *first, const float *second, float *first_output, float *second_output, uint32_t *pair)
{
    const uint32_t width = EEM_PADDED(layer->inputs);
    const int8_t *weight = layer->weight;
    const float first_scale = eem_quantize(pair, width, 0, first, layer->inputs, 0);
    const float second_scale = eem_quantize(pair, width, 1, second, layer->inputs, 0);
    uint32_t at, column;
    int32_t sums[4];

    for (at = 0; at < layer->outputs; at += 2, weight += 2 * width) {
        eem_dot(pair, width, weight, weight + EEM_BLOCK, 2 * EEM_BLOCK, 0, sums);
        for (column = 0; column < 2 && at + column < layer->outputs; ++column) {
            const float scale = layer->scale[at + column], bias = layer->bias[at + column];

            first_output[at + column] = (float)sums[column] * (first_scale * scale) + bias;
            if (second_output != NULL) {
                second_output[at + column] = (float)sums[2 + column] * (second_scale * scale) + bias;
            }
        }
    }
}

/* row = norm(row), in place. */
EEM_FUNCTION void eem_norm_run(const eem_norm *norm, float *row)
{
    float sum = 0.0f, squares = 0.0f, mean, factor;
    uint32_t at;

    for (at = 0; at < norm->size; ++at) {
        sum = sum + row[at];
    }
    mean = sum / (float)norm->size;
    for (at = 0; at < norm->size; ++at) {
        row[at] = row[at] - mean;
        squares = squares + row[at] * row[at];
    }
    factor = eem_inverse_root(squares / (float)norm->size + norm->epsilon);
    for (at = 0; at < norm->size; ++at) {
        row[at] = row[at] * factor * norm->gain[at] + norm->bias[at];
    }
}

EEM_FUNCTION void eem_add(float *row, const float *other, uint32_t size)
{
    uint32_t at;

    for (at = 0; at < size; ++at) {
        row[at] = row[at] + other[at];
    }
}

/* In place: exponentials of the distance to the largest score, divided by their sum. */
EEM_FUNCTION void eem_softmax(float *scores, uint32_t count)
{
    float largest = scores[0], sum = 0.0f, factor;
    uint32_t at;

    for (at = 1; at < count; ++at) {
        largest = scores[at] > largest ? scores[at] : largest;
    }
    for (at = 0; at < count; ++at) {
        scores[at] = eem_exp(scores[at] - largest);
        sum = sum + scores[at];
    }
    factor = 1.0f / sum;
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
        case EEM_IDENTITY: return;
        case EEM_RELU: row[at] = x > 0.0f ? x : 0.0f; break;
        case EEM_GELU: row[at] = eem_gelu(x); break;
        case EEM_GELU_TANH: row[at] = eem_gelu_tanh(x); break;
        case EEM_TANH: row[at] = eem_tanh(x); break;
        case EEM_SIGMOID: row[at] = 0.5f + 0.5f * eem_tanh(0.5f * x); break;
        }
    }
}

/* Scale a row to length 1; zeros stay zeros. */
EEM_FUNCTION void eem_unit(float *row, uint32_t size)
{
    float squares = 0.0f, factor;
    uint32_t at;

    for (at = 0; at < size; ++at) {
        squares = squares + row[at] * row[at];
    }
    factor = squares > 1e-24f ? eem_inverse_root(squares) : 1e12f;
    for (at = 0; at < size; ++at) {
        row[at] = row[at] * factor;
    }
}

#endif
