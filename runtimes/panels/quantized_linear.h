/* QuantizedLinear: float32 rows times a matrix of 8 or 4 bits in panels, each row quantised by itself; the op of every runtime's adapter.
 *
 * VALUE     output[n] = activation(layer(quantize(rows[n]))), with the grid of rows, the sums and the order of additions of panels.h: the
 *           bits are those of a C export's linear layer, whatever the instruction set, the number of rows or of threads.
 * LAYER     weights, scales, sums or totals, and biases as panels.h packs them, but every panel has EEP_COLUMNS outputs: those behind
 *           the last are zeros, and are not written.
 * ROWS      float32[count][layer.inputs] and output float32[count][outputs], both dense; aligned to 4 bytes, as are scales, sums, totals
 * and biases. MEMORY    eep_quantized_linear_bytes(op), the caller's, for a call; aligned to EEM_ALIGNMENT. THREADS   of `parallel`, or the
 * caller's alone where that is NULL. Calls with different memory may run at the same time. ERRORS    eep_quantized_linear_check(op) before
 * anything else; after that, none. */
#ifndef EEP_QUANTIZED_LINEAR_H
#define EEP_QUANTIZED_LINEAR_H

#include "parallel.h"

/* The largest row, for which sums of 255 * 127 still fit in an int32, and the most outputs. */
#define EEP_MOST_INPUTS 65536u
#define EEP_MOST_OUTPUTS 0x1000000u

typedef struct eep_quantized_linear {
    eem_linear layer; /* outputs as padded: a multiple of EEP_COLUMNS */
    uint32_t outputs; /* that are written: at most EEP_COLUMNS - 1 fewer */
    eem_activation activation;
} eep_quantized_linear;

EEM_FUNCTION eeb_status eep_quantized_linear_check(const eep_quantized_linear *op)
{
    const eem_linear *layer = &op->layer;
    const uint32_t inputs = layer->inputs, outputs = layer->outputs, block = layer->block;

    if (inputs == 0 || inputs > EEP_MOST_INPUTS || outputs == 0 || outputs > EEP_MOST_OUTPUTS || outputs % EEP_COLUMNS != 0) {
        return EEB_BAD_SHAPE;
    }
    if (op->outputs == 0 || op->outputs > outputs || outputs - op->outputs >= EEP_COLUMNS || op->activation > EEM_SIGMOID) {
        return EEB_BAD_SHAPE;
    }
    /* A block of 4 bits is a whole number of the steps of every variant. */
    return block != 0 && (block % 32 != 0 || inputs % block != 0) ? EEB_BAD_SHAPE : EEB_OK;
}

/* Bytes of a block of rows: `size` elements of 4 bytes each. */
EEM_INLINE size_t eep_words(uint32_t size)
{
    return (size_t)EEP_BLOCK * size * 4;
}

/* Rows whose size is no multiple of EEM_BLOCK are copied, and those of an output that is narrower than its panels. */
EEM_FUNCTION size_t eep_quantized_linear_bytes(const eep_quantized_linear *op)
{
    const eem_linear *layer = &op->layer;
    const uint32_t width = EEM_PADDED(layer->inputs);
    size_t bytes = (size_t)EEP_BLOCK * width + eep_words(2);

    if (layer->block != 0) {
        bytes += eep_words(layer->inputs / layer->block);
    }
    if (width != layer->inputs) {
        bytes += eep_words(width);
    }
    if (layer->outputs != op->outputs) {
        bytes += eep_words(layer->outputs);
    }
    return bytes;
}

/* `count` rows of `size` elements, from one stride to another; what lies behind a row's elements in `to` is set to zeros. */
EEM_FUNCTION void eep_copy_rows(const float *from, uint32_t from_stride, float *to, uint32_t to_stride, uint32_t size, uint32_t count)
{
    uint32_t row;

    for (row = 0; row < count; ++row, from += from_stride, to += to_stride) {
        memcpy(to, from, size * sizeof *to);
        memset(to + size, 0, (to_stride - size) * sizeof *to);
    }
}

EEM_FUNCTION void eep_quantized_linear_run(
    const eep_quantized_linear *op, const float *rows, size_t count, float *output, void *memory, const eep_parallel *parallel)
{
    const eep_kernels *kernels = eep_best();
    const eem_linear *layer = &op->layer;
    const uint32_t width = EEM_PADDED(layer->inputs);
    const int copied = width != layer->inputs, narrow = layer->outputs != op->outputs;
    eep_memory own;
    uint8_t *base = (uint8_t *)memory;
    float *wide, *results;
    size_t at;

    memset(&own, 0, sizeof own);
    own.parallel = parallel;
    own.codes.scale = (float *)(void *)base;
    own.codes.zero = (int32_t *)(void *)(base + eep_words(1));
    base += eep_words(2);
    own.codes.starts = (int32_t *)(void *)base;
    base += layer->block == 0 ? 0 : eep_words(layer->inputs / layer->block);
    wide = (float *)(void *)base;
    base += copied ? eep_words(width) : 0;
    results = (float *)(void *)base;
    own.codes.codes = base + (narrow ? eep_words(layer->outputs) : 0);
    for (at = 0; at < count; at += EEP_BLOCK) {
        const uint32_t part = count - at < EEP_BLOCK ? (uint32_t)(count - at) : EEP_BLOCK;
        const float *from = rows + at * layer->inputs;
        float *to = output + at * op->outputs;

        if (copied) {
            eep_copy_rows(from, layer->inputs, wide, width, layer->inputs, part);
        }
        eep_quantize(kernels, &own, copied ? wide : from, width, part, layer->inputs);
        eep_linear(kernels, &own, layer, part, op->activation, narrow ? results : to, layer->outputs);
        if (narrow) {
            eep_copy_rows(results, layer->outputs, to, op->outputs, op->outputs, part);
        }
    }
}

#endif
