/* A transformer encoder over the rows of one or several texts, EEP_BLOCK at a time: the twin of micro/encoder.h on application processors,
 * to the bit. A text's result does not depend on the texts beside it: they share the rows of a block of products, and nothing else.
 *
 * Queries, keys and values of a layer exist for all rows; everything else for a block of them, which the next step reads while it is in the
 * caches. */
#ifndef EEP_ENCODER_H
#define EEP_ENCODER_H

#include "parallel.h"

/* rows = norm(scale * rows + output(attention(rows))) */
EEM_FUNCTION void eep_attention_run(
    const eep_kernels *kernels, const eem_layer *layer, const eem_shape *shape, const eep_memory *memory, const eep_texts *texts)
{
    const uint32_t stride = EEM_PADDED(shape->dim);
    float *keys = memory->wide, *values = memory->wide + (size_t)EEP_BLOCK * stride;
    uint32_t at, count, number, from;

    for (at = 0; at < texts->rows; at += count) {
        count = eep_block(texts, at);
        eep_quantize(kernels, memory, memory->rows + (size_t)at * stride, stride, count, shape->dim);
        eep_project(kernels, memory, layer, count, memory->queries + (size_t)at * stride, keys, values, stride);
        for (number = 0; number < texts->count; ++number) {
            const eep_text *text = texts->text + number;
            const uint32_t part = eep_part(text, at, count, &from);

            if (part != 0) {
                const eep_memory own = eep_memory_of(shape, memory, text);
                const size_t offset = (size_t)(from - at) * stride;

                kernels->keep(shape, &own, from - text->first, part, text->tokens, keys + offset, values + offset);
            }
        }
    }
    for (at = 0; at < texts->rows; at += count) {
        float *queries = memory->queries + (size_t)at * stride;

        count = texts->rows - at < EEP_BLOCK ? texts->rows - at : EEP_BLOCK;
        eep_attend(kernels, shape, memory, texts, at, count);
        eep_quantize(kernels, memory, memory->wide, stride, count, shape->dim);
        eep_linear(kernels, memory, &layer->output, count, EEM_IDENTITY, queries, stride);
        eep_norm(kernels, memory, &layer->attention_norm, memory->rows + (size_t)at * stride, queries, stride, count);
    }
}

/* rows = norm(scale * rows + down(activation(up(rows)))) */
EEM_FUNCTION void eep_mlp_run(
    const eep_kernels *kernels, const eem_layer *layer, const eem_shape *shape, const eep_memory *memory, uint32_t tokens)
{
    const uint32_t stride = EEM_PADDED(shape->dim), wide = EEM_PADDED(layer->up.outputs);
    uint32_t at, count;

    for (at = 0; at < tokens; at += count) {
        float *rows = memory->rows + (size_t)at * stride;

        count = tokens - at < EEP_BLOCK ? tokens - at : EEP_BLOCK;
        eep_quantize(kernels, memory, rows, stride, count, shape->dim);
        eep_linear(kernels, memory, &layer->up, count, layer->activation, memory->wide, wide);
        eep_quantize(kernels, memory, memory->wide, wide, count, layer->up.outputs);
        eep_linear(kernels, memory, &layer->down, count, EEM_IDENTITY, memory->queries, stride);
        eep_norm(kernels, memory, &layer->mlp_norm, rows, memory->queries, stride, count);
    }
}

/* Rows through a linear layer, in place: the output is at least as wide as the input. */
EEM_FUNCTION void eep_widen(const eep_kernels *kernels, const eem_linear *layer, const eep_memory *memory, uint32_t stride, uint32_t tokens)
{
    uint32_t at, count;

    for (at = 0; at < tokens; at += count) {
        float *rows = memory->rows + (size_t)at * stride;

        count = tokens - at < EEP_BLOCK ? tokens - at : EEP_BLOCK;
        eep_quantize(kernels, memory, rows, stride, count, layer->inputs);
        eep_linear(kernels, memory, layer, count, EEM_IDENTITY, rows, stride);
    }
}

/* A single row through a linear layer of a head; output is padded to EEP_LANES. */
EEM_FUNCTION void eep_linear_run(
    const eep_kernels *kernels, const eem_linear *layer, const eep_memory *memory, const float *row, eem_activation activation,
    float *output)
{
    kernels->quantize(row, EEM_PADDED(layer->inputs), 1, layer->inputs, &memory->codes);
    eep_linear(kernels, memory, layer, 1, activation, output, EEM_PADDED(layer->outputs));
}

#endif
