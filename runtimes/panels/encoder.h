/* A transformer encoder over the rows of one or several texts, EEP_BLOCK at a time: the twin of micro/encoder.h on application processors,
 * to the bit. A text's result does not depend on the texts beside it: they share the rows of a block of products, and nothing else.
 *
 * Queries, keys and values of a layer exist for all rows; everything else for a block of them, which the next step reads while it is in the
 * caches. */
#ifndef EEP_ENCODER_H
#define EEP_ENCODER_H

#include "panels.h"

/* A text among others: its rows lie at `first`, its keys and values at `place`, a multiple of EEM_BLOCK. */
typedef struct eep_text {
    uint32_t first;
    uint32_t tokens;
    uint32_t place;
} eep_text;

typedef struct eep_texts {
    eep_text *text; /* [padded capacity / EEM_BLOCK] */
    uint32_t count;
    uint32_t rows;   /* of all of them */
    uint32_t places; /* that they take */
} eep_texts;

/* Whether a text fits beside those that are there; it is added then. */
EEM_FUNCTION int eep_texts_add(eep_texts *texts, uint32_t tokens, uint32_t capacity)
{
    eep_text *text = texts->text + texts->count;

    if (EEM_PADDED(tokens) > capacity - texts->places) {
        return 0;
    }
    text->first = texts->rows;
    text->tokens = tokens;
    text->place = texts->places;
    ++texts->count;
    texts->rows += tokens;
    texts->places += EEM_PADDED(tokens);
    return 1;
}

/* The memory of a text's own rows, keys and values. */
EEM_FUNCTION eep_memory eep_memory_of(const eem_shape *shape, const eep_memory *memory, const eep_text *text)
{
    const size_t head = (size_t)text->place * EEM_PADDED(shape->head);
    eep_memory own = *memory;

    own.rows += (size_t)text->first * EEM_PADDED(shape->dim);
    own.keys += head;
    own.values += head;
    own.key_scales += text->place;
    own.value_scales += text->place;
    own.key_sums += text->place;
    return own;
}

/* Zero what lies behind the last token of a text: it is read, and multiplied by nothing. */
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

/* Rows from `at` on that go through a layer together. Where they end within a text, they do so at an even token of it: values are kept two
 * at a time. */
EEM_FUNCTION uint32_t eep_block(const eep_texts *texts, uint32_t at)
{
    uint32_t end = at + EEP_BLOCK, number;

    if (end >= texts->rows) {
        return texts->rows - at;
    }
    for (number = 0; number < texts->count; ++number) {
        const eep_text *text = texts->text + number;

        if (text->first < end && end < text->first + text->tokens) {
            end -= (end - text->first) % 2;
        }
    }
    return end - at;
}

/* The part of a text that lies in the rows [at, at + count): its first row and number of rows, 0 for none. */
EEM_INLINE uint32_t eep_part(const eep_text *text, uint32_t at, uint32_t count, uint32_t *from)
{
    const uint32_t end = text->first + text->tokens < at + count ? text->first + text->tokens : at + count;

    *from = text->first > at ? text->first : at;
    return *from < end ? end - *from : 0;
}

/* rows = norm(scale * rows + output(attention(rows))) */
EEM_FUNCTION void eep_attention_run(
    const eep_kernels *kernels, const eem_layer *layer, const eem_shape *shape, const eep_memory *memory, const eep_texts *texts)
{
    const uint32_t stride = EEM_PADDED(shape->dim);
    const eep_codes *codes = &memory->codes;
    float *keys = memory->wide, *values = memory->wide + (size_t)EEP_BLOCK * stride;
    uint32_t at, count, number, row, from, some;

    for (at = 0; at < texts->rows; at += count) {
        const float *rows = memory->rows + (size_t)at * stride;

        count = eep_block(texts, at);
        kernels->quantize(rows, stride, count, shape->dim, codes);
        kernels->linear(&layer->query, codes, count, EEM_IDENTITY, memory->queries + (size_t)at * stride, stride);
        kernels->linear(&layer->key, codes, count, EEM_IDENTITY, keys, stride);
        kernels->linear(&layer->value, codes, count, EEM_IDENTITY, values, stride);
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
        for (number = 0; number < texts->count; ++number) {
            const eep_text *text = texts->text + number;
            const uint32_t part = eep_part(text, at, count, &from);
            const eep_memory own = eep_memory_of(shape, memory, text);

            for (row = 0; row < part; row += EEP_ROWS) {
                const size_t offset = (size_t)(from - at + row) * stride;

                some = part - row < EEP_ROWS ? part - row : EEP_ROWS;
                kernels->attend(shape, &own, text->tokens, from - text->first + row, queries + offset, some, memory->wide + offset);
            }
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
