/* A transformer encoder over one sequence, EEP_BLOCK rows at a time: the twin of micro/encoder.h on application processors, to the bit.
 *
 * Queries, keys and values of a layer exist for the whole sequence; everything else for a block of rows, which the next step reads while it
 * is in the caches. */
#ifndef EEP_ENCODER_H
#define EEP_ENCODER_H

#include "panels.h"

/* Zero what lies behind the last token: it is read, and multiplied by nothing. */
EEM_FUNCTION void eep_begin(const eem_shape *shape, const eep_memory *memory, uint32_t tokens)
{
    const uint32_t end = EEM_PADDED(tokens);
    uint32_t head;

    for (head = 0; head < shape->heads; ++head) {
        const size_t from = (size_t)head * shape->capacity + tokens;

        memset(memory->key_scales + from, 0, (end - tokens) * sizeof *memory->key_scales);
        memset(memory->value_scales + from, 0, (end - tokens) * sizeof *memory->value_scales);
        memset(memory->key_sums + from, 0, (end - tokens) * sizeof *memory->key_sums);
        memset(memory->keys + (size_t)head * shape->capacity * EEM_PADDED(shape->head), 0, (size_t)end * EEM_PADDED(shape->head));
        memset(
            memory->values + (size_t)head * shape->capacity * EEM_PADDED(shape->head), 0,
            (size_t)end * EEM_PADDED(shape->head) * sizeof *memory->values);
    }
}

/* rows = norm(scale * rows + output(attention(rows))) */
EEM_FUNCTION void eep_attention_run(
    const eep_kernels *kernels, const eem_layer *layer, const eem_shape *shape, const eep_memory *memory, uint32_t tokens)
{
    const uint32_t stride = EEM_PADDED(shape->dim);
    const eep_codes *codes = &memory->codes;
    float *keys = memory->wide, *values = memory->wide + (size_t)EEP_BLOCK * stride;
    uint32_t at, count, row;

    for (at = 0; at < tokens; at += count) {
        const float *rows = memory->rows + (size_t)at * stride;

        count = tokens - at < EEP_BLOCK ? tokens - at : EEP_BLOCK;
        kernels->quantize(rows, stride, count, shape->dim, codes);
        kernels->linear(&layer->query, codes, count, EEM_IDENTITY, memory->queries + (size_t)at * stride, stride);
        kernels->linear(&layer->key, codes, count, EEM_IDENTITY, keys, stride);
        kernels->linear(&layer->value, codes, count, EEM_IDENTITY, values, stride);
        kernels->keep(shape, memory, at, count, tokens, keys, values);
    }
    for (at = 0; at < tokens; at += count) {
        float *queries = memory->queries + (size_t)at * stride;

        count = tokens - at < EEP_BLOCK ? tokens - at : EEP_BLOCK;
        for (row = 0; row < count; row += EEP_ROWS) {
            const uint32_t some = count - row < EEP_ROWS ? count - row : EEP_ROWS;

            kernels->attend(shape, memory, tokens, at + row, queries + (size_t)row * stride, some, memory->wide + (size_t)row * stride);
        }
        kernels->quantize(memory->wide, stride, count, shape->dim, codes);
        kernels->linear(&layer->output, codes, count, EEM_IDENTITY, queries, stride);
        kernels->norm(&layer->attention_norm, memory->rows + (size_t)at * stride, queries, stride, count);
    }
}

/* rows = norm(scale * rows + down(activation(up(rows)))) */
EEM_FUNCTION void eep_mlp_run(
    const eep_kernels *kernels, const eem_layer *layer, const eem_shape *shape, const eep_memory *memory, uint32_t tokens)
{
    const uint32_t stride = EEM_PADDED(shape->dim), wide = EEM_PADDED(layer->up.outputs);
    const eep_codes *codes = &memory->codes;
    uint32_t at, count;

    for (at = 0; at < tokens; at += count) {
        float *rows = memory->rows + (size_t)at * stride;

        count = tokens - at < EEP_BLOCK ? tokens - at : EEP_BLOCK;
        kernels->quantize(rows, stride, count, shape->dim, codes);
        kernels->linear(&layer->up, codes, count, layer->activation, memory->wide, wide);
        kernels->quantize(memory->wide, wide, count, layer->up.outputs, codes);
        kernels->linear(&layer->down, codes, count, EEM_IDENTITY, memory->queries, stride);
        kernels->norm(&layer->mlp_norm, rows, memory->queries, stride, count);
    }
}

/* Rows through a linear layer, in place: the output is at least as wide as the input. */
EEM_FUNCTION void eep_widen(const eep_kernels *kernels, const eem_linear *layer, const eep_memory *memory, uint32_t stride, uint32_t tokens)
{
    uint32_t at, count;

    for (at = 0; at < tokens; at += count) {
        float *rows = memory->rows + (size_t)at * stride;

        count = tokens - at < EEP_BLOCK ? tokens - at : EEP_BLOCK;
        kernels->quantize(rows, stride, count, layer->inputs, &memory->codes);
        kernels->linear(layer, &memory->codes, count, EEM_IDENTITY, rows, stride);
    }
}

/* A single row through a linear layer of a head; output is padded to EEP_LANES. */
EEM_FUNCTION void eep_linear_run(
    const eep_kernels *kernels, const eem_linear *layer, const eep_memory *memory, const float *row, eem_activation activation,
    float *output)
{
    kernels->quantize(row, EEM_PADDED(layer->inputs), 1, layer->inputs, &memory->codes);
    kernels->linear(layer, &memory->codes, 1, activation, output, EEM_PADDED(layer->outputs));
}

#endif
