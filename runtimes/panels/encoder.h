/* A transformer encoder over the rows of one or several texts, EEP_BLOCK at a time: the twin of micro/encoder.h on application processors,
 * to the bit. A text's result does not depend on the texts beside it: they share the rows of a block of products, and nothing else.
 *
 * Queries, keys and values of a layer exist for all rows; everything else for a block of them, which the next step reads while it is in the
 * caches. */
#ifndef EEP_ENCODER_H
#define EEP_ENCODER_H

#include "parallel.h"

/* Quantise what a block of a layer reads of rows: the rows themselves, or their norm, which is written to `to`. */
EEM_FUNCTION void eep_before(
    const eep_kernels *kernels, const eem_layer *layer, const eem_norm *norm, const eep_memory *memory, float *rows, float *to,
    uint32_t stride, uint32_t count)
{
    const int normalised = layer->before && norm->gain != NULL;

    if (normalised) {
        eep_norm(kernels, memory, norm, rows, NULL, to, stride, count);
    }
    eep_quantize(kernels, memory, normalised ? to : rows, stride, count, norm->size);
}

/* Add what a block gives to rows. */
EEM_FUNCTION void eep_after(
    const eep_kernels *kernels, const eem_layer *layer, const eem_norm *norm, const eep_memory *memory, float *rows, const float *results,
    uint32_t stride, uint32_t count)
{
    eep_norm(kernels, memory, norm, rows, results, layer->before ? NULL : rows, stride, count);
}

/* Turn `count` queries or keys of a text from token `first` on, where the layer does: before threads share the queries, whose
 * vectors reach past the last head of a row. */
EEM_FUNCTION void eep_rotate(const eem_layer *layer, const eem_shape *shape, uint32_t first, float *rows, uint32_t stride, uint32_t count)
{
    uint32_t row;

    for (row = 0; row < count && layer->rotation != NULL; ++row) {
        eem_rotate(shape, layer->rotation, first + row, rows + (size_t)row * stride);
    }
}

/* The rows and what attention gives for them: see eem_attention_run. */
EEM_FUNCTION void eep_attention_run(
    const eep_kernels *kernels, const eem_layer *layer, const eem_shape *shape, const eep_memory *memory, const eep_texts *texts)
{
    const uint32_t stride = EEM_PADDED(shape->dim);
    const eem_norm *norm = &layer->attention_norm;
    float *keys = memory->wide, *values = memory->wide + (size_t)EEP_BLOCK * stride;
    uint32_t at, count, number, from;

    for (at = 0; at < texts->rows; at += count) {
        float *queries = memory->queries + (size_t)at * stride;

        count = eep_block(texts, at);
        eep_before(kernels, layer, norm, memory, memory->rows + (size_t)at * stride, queries, stride, count);
        eep_project(kernels, memory, layer, count, queries, keys, values, stride);
        for (number = 0; number < texts->count; ++number) {
            const eep_text *text = texts->text + number;
            const uint32_t part = eep_part(text, at, count, &from);

            if (part != 0) {
                const eep_memory own = eep_memory_of(shape, memory, text);
                const size_t offset = (size_t)(from - at) * stride;
                const uint32_t first = from - text->first, left = text->attended > first ? text->attended - first : 0;
                const uint32_t kept = part < left ? part : left;

                eep_rotate(layer, shape, first, queries + offset, stride, part);
                eep_rotate(layer, shape, first, keys + offset, stride, kept);
                kernels->keep(shape, &own, first, kept, text->attended, keys + offset, values + offset);
            }
        }
    }
    for (at = 0; at < texts->rows; at += count) {
        float *queries = memory->queries + (size_t)at * stride;

        count = texts->rows - at < EEP_BLOCK ? texts->rows - at : EEP_BLOCK;
        eep_attend(kernels, layer, shape, memory, texts, at, count);
        eep_quantize(kernels, memory, memory->wide, stride, count, shape->dim);
        eep_linear(kernels, memory, &layer->output, count, EEM_IDENTITY, queries, stride);
        eep_after(kernels, layer, norm, memory, memory->rows + (size_t)at * stride, queries, stride, count);
    }
}

/* The rows and what the MLP gives for them: see eem_mlp_run. */
EEM_FUNCTION void eep_mlp_run(
    const eep_kernels *kernels, const eem_layer *layer, const eem_shape *shape, const eep_memory *memory, uint32_t tokens)
{
    const uint32_t stride = EEM_PADDED(shape->dim), wide = EEM_PADDED(layer->up.outputs);
    uint32_t at, count;

    for (at = 0; at < tokens; at += count) {
        float *rows = memory->rows + (size_t)at * stride;

        count = tokens - at < EEP_BLOCK ? tokens - at : EEP_BLOCK;
        eep_before(kernels, layer, &layer->mlp_norm, memory, rows, memory->queries, stride, count);
        eep_linear(kernels, memory, &layer->up, count, layer->activation, memory->wide, wide);
        if (layer->gate.weight != NULL) {
            eep_linear(kernels, memory, &layer->gate, count, EEM_TIMES, memory->wide, wide);
        }
        eep_quantize(kernels, memory, memory->wide, wide, count, layer->up.outputs);
        eep_linear(kernels, memory, &layer->down, count, EEM_IDENTITY, memory->queries, stride);
        eep_after(kernels, layer, &layer->mlp_norm, memory, rows, memory->queries, stride, count);
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
