/* Linear layers and attention, and what is done row by row (rows.h), divided among the threads of a caller that has some: eep_parallel in
 * panels.h.
 *
 * DIVISION  a linear layer by its panels, attention by blocks of EEP_ROWS queries. A part writes elements that no other touches, and
 *           computes them as one thread does: the bits are the same for any number of threads.
 * MEMORY    none beyond the arena: attention on several threads works in what it leaves free of `wide`. */
#ifndef EEP_PARALLEL_H
#define EEP_PARALLEL_H

#include "rows.h"

typedef struct eep_linear_job {
    const eep_kernels *kernels;
    const eem_linear *layer;
    const eep_codes *codes;
    uint32_t count;
    eem_activation activation;
    float *output;
    uint32_t stride;
    uint32_t columns; /* of a part, a multiple of EEP_COLUMNS */
} eep_linear_job;

/* The outputs [from, from + count) of a layer; `from` is a multiple of EEP_COLUMNS. */
EEM_FUNCTION eem_linear eep_outputs_of(const eem_linear *layer, uint32_t from, uint32_t count)
{
    const size_t width = EEM_PADDED(layer->inputs);
    const size_t bytes = layer->block == 0 ? width : 2 * (width / layer->block) + width / 2;
    eem_linear part = *layer;

    part.weight += from * bytes;
    part.bias += from;
    part.outputs = count;
    if (layer->block == 0) {
        part.scale += from;
        part.sums += from;
    } else {
        part.totals += from;
    }
    return part;
}

EEM_FUNCTION void eep_linear_part(void *context, size_t index)
{
    const eep_linear_job *job = (const eep_linear_job *)context;
    const uint32_t from = (uint32_t)index * job->columns, left = job->layer->outputs - from;
    const eem_linear part = eep_outputs_of(job->layer, from, left < job->columns ? left : job->columns);

    job->kernels->linear(&part, job->codes, job->count, job->activation, job->output + from, job->stride);
}

/* Columns of a part that is worth a thread's while. */
EEM_INLINE uint32_t eep_part_columns(const eem_linear *layer, uint32_t count)
{
    const uint32_t panel = EEP_COLUMNS * EEM_PADDED(layer->inputs) * count;

    return (EEP_TASK + panel - 1) / panel * EEP_COLUMNS;
}

/* output [count][stride] = activation(layer(codes of memory)) */
EEM_FUNCTION void eep_linear(
    const eep_kernels *kernels, const eep_memory *memory, const eem_linear *layer, uint32_t count, eem_activation activation, float *output,
    uint32_t stride)
{
    const eep_codes *codes = &memory->codes;
    eep_linear_job job = {kernels, layer, codes, count, activation, output, stride, 0};

    job.columns = eep_part_columns(layer, count);
    kernels->prepare(layer, codes, count);
    if (memory->parallel != NULL && job.columns < layer->outputs) {
        memory->parallel->run(memory->parallel->pool, (layer->outputs + job.columns - 1) / job.columns, eep_linear_part, &job);
    } else {
        kernels->linear(layer, codes, count, activation, output, stride);
    }
    kernels->restore(layer, codes, count);
}

/* Layers with the same inputs and as many outputs, one behind the other. */
typedef struct eep_linears_job {
    eep_linear_job layer[3];
    size_t turns; /* of each */
} eep_linears_job;

EEM_FUNCTION void eep_linears_part(void *context, size_t index)
{
    eep_linears_job *job = (eep_linears_job *)context;

    eep_linear_part(&job->layer[index / job->turns], index % job->turns);
}

/* Queries, keys and values [count][stride]: in one loop where all three read their rows in the same way. */
EEM_FUNCTION void eep_project(
    const eep_kernels *kernels, const eep_memory *memory, const eem_layer *layer, uint32_t count, float *queries, float *keys,
    float *values, uint32_t stride)
{
    const uint32_t block = layer->query.block, outputs = layer->query.outputs;
    const uint32_t columns = eep_part_columns(&layer->query, count);
    const int alike = layer->key.block == block && layer->value.block == block;

    if (memory->parallel == NULL || !alike || columns >= outputs) {
        eep_linear(kernels, memory, &layer->query, count, EEM_IDENTITY, queries, stride);
        eep_linear(kernels, memory, &layer->key, count, EEM_IDENTITY, keys, stride);
        eep_linear(kernels, memory, &layer->value, count, EEM_IDENTITY, values, stride);
    } else {
        const eep_codes *codes = &memory->codes;
        eep_linears_job job = {
            {{kernels, &layer->query, codes, count, EEM_IDENTITY, queries, stride, columns},
             {kernels, &layer->key, codes, count, EEM_IDENTITY, keys, stride, columns},
             {kernels, &layer->value, codes, count, EEM_IDENTITY, values, stride, columns}},
            (outputs + columns - 1) / columns};

        kernels->prepare(&layer->query, codes, count);
        memory->parallel->run(memory->parallel->pool, 3 * job.turns, eep_linears_part, &job);
        kernels->restore(&layer->query, codes, count);
    }
}

typedef struct eep_attend_job {
    const eep_kernels *kernels;
    const eem_layer *layer;
    const eem_shape *shape;
    const eep_memory *memory;
    const eep_texts *texts;
    uint32_t at, count; /* rows */
    size_t first;       /* block of queries that turn 0 takes */
} eep_attend_job;

/* Bytes of attention's own memory, a multiple of 16. */
EEM_INLINE size_t eep_attend_bytes(const eem_shape *shape)
{
    const size_t factors = (2 + EEP_ROWS) * EEM_PADDED(shape->heads) * sizeof(float);

    return EEP_ROWS * (size_t)shape->capacity * (sizeof(float) + sizeof(int16_t)) + factors +
           EEP_ROWS * (size_t)shape->heads * EEM_PADDED(shape->head);
}

/* The memory of attention number `index`: number 0 works where a single thread does. */
EEM_FUNCTION eep_memory eep_attend_memory(const eem_shape *shape, const eep_memory *memory, size_t index)
{
    eep_memory own = *memory;

    if (index != 0) {
        uint8_t *base = memory->spare + (index - 1) * eep_attend_bytes(shape);

        own.scores = (float *)(void *)base;
        base += EEP_ROWS * (size_t)shape->capacity * sizeof(float);
        own.factors = (float *)(void *)base;
        base += (2 + EEP_ROWS) * EEM_PADDED(shape->heads) * sizeof(float);
        own.shares = (int16_t *)(void *)base;
        own.codes.codes = base + EEP_ROWS * (size_t)shape->capacity * sizeof(int16_t);
    }
    return own;
}

/* Attention of the block of queries number `wanted` in [at, at + count); gives the number of blocks that there are. */
EEM_FUNCTION size_t eep_attend_block(const eep_attend_job *job, const eep_memory *memory, size_t wanted)
{
    const uint32_t stride = EEM_PADDED(job->shape->dim);
    uint32_t number, from;
    size_t blocks = 0;

    for (number = 0; number < job->texts->count; ++number) {
        const eep_text *text = job->texts->text + number;
        const uint32_t part = eep_part(text, job->at, job->count, &from);
        const size_t own_blocks = (part + EEP_ROWS - 1) / EEP_ROWS;

        if (wanted >= blocks && wanted < blocks + own_blocks) {
            const eep_memory own = eep_memory_of(job->shape, memory, text);
            const uint32_t row = (uint32_t)(wanted - blocks) * EEP_ROWS, rows = part - row < EEP_ROWS ? part - row : EEP_ROWS;
            const uint32_t first = from - text->first + row;
            const size_t offset = (size_t)(from - job->at + row) * stride;
            const float *queries = memory->queries + (size_t)job->at * stride + offset;

            job->kernels->attend(job->shape, &own, text->attended, job->layer->window, first, queries, rows, memory->wide + offset);
        }
        blocks += own_blocks;
    }
    return blocks;
}

EEM_FUNCTION void eep_attend_part(void *context, size_t index)
{
    const eep_attend_job *job = (const eep_attend_job *)context;
    const eep_memory own = eep_attend_memory(job->shape, job->memory, index);

    (void)eep_attend_block(job, &own, job->first + index);
}

/* wide [count][stride] = attention of the queries of rows [at, at + count) */
EEM_FUNCTION void eep_attend(
    const eep_kernels *kernels, const eem_layer *layer, const eem_shape *shape, const eep_memory *memory, const eep_texts *texts,
    uint32_t at, uint32_t count)
{
    const size_t most = 1 + memory->spare_bytes / eep_attend_bytes(shape);
    eep_attend_job job = {kernels, layer, shape, memory, texts, at, count, 0};
    const size_t blocks = eep_attend_block(&job, memory, (size_t)-1);

    for (job.first = 0; job.first < blocks; job.first += most) {
        const size_t left = blocks - job.first, turns = left < most ? left : most;

        if (memory->parallel != NULL && turns > 1) {
            memory->parallel->run(memory->parallel->pool, turns, eep_attend_part, &job);
        } else {
            size_t index;

            for (index = 0; index < turns; ++index) {
                (void)eep_attend_block(&job, memory, job.first + index);
            }
        }
    }
}

#endif
