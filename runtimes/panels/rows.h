/* What is done row by row, divided among the threads of a caller that has some. A row's result does not depend on the others, nor on the
 * number of threads. */
#ifndef EEP_ROWS_H
#define EEP_ROWS_H

#include "texts.h"

/* Elements of rows below which a part is not worth a thread's while: each takes about as long as 64 multiply-adds. */
#define EEP_ROWS_TASK ((EEP_TASK + 63u) / 64u)

typedef struct eep_rows_job {
    const eep_kernels *kernels;
    float *rows;
    uint32_t stride, count, inputs;
    uint32_t part;          /* rows of a turn */
    const eep_codes *codes; /* to quantise to */
    const eem_norm *norm;   /* to normalise with, and what is added first */
    const float *others;
    float *to;
} eep_rows_job;

EEM_INLINE uint32_t eep_rows_left(const eep_rows_job *job, uint32_t from)
{
    return job->count - from < job->part ? job->count - from : job->part;
}

EEM_FUNCTION void eep_quantize_part(void *context, size_t index)
{
    const eep_rows_job *job = (const eep_rows_job *)context;
    const uint32_t from = (uint32_t)index * job->part;
    eep_codes codes = *job->codes;

    codes.codes += (size_t)from * EEM_PADDED(job->inputs);
    codes.scale += from;
    codes.zero += from;
    job->kernels->quantize(job->rows + (size_t)from * job->stride, job->stride, eep_rows_left(job, from), job->inputs, &codes);
}

EEM_FUNCTION void eep_norm_part(void *context, size_t index)
{
    const eep_rows_job *job = (const eep_rows_job *)context;
    const uint32_t from = (uint32_t)index * job->part;
    const size_t offset = (size_t)from * job->stride;

    job->kernels->norm(
        job->norm, job->rows + offset, job->others == NULL ? NULL : job->others + offset, job->to == NULL ? NULL : job->to + offset,
        job->stride, eep_rows_left(job, from));
}

EEM_FUNCTION void eep_rows_run(const eep_memory *memory, eep_rows_job *job, void (*task)(void *context, size_t index))
{
    job->part = (EEP_ROWS_TASK + job->inputs - 1) / job->inputs;
    if (memory->parallel != NULL && job->part < job->count) {
        memory->parallel->run(memory->parallel->pool, (job->count + job->part - 1) / job->part, task, job);
    } else {
        job->part = job->count;
        task(job, 0);
    }
}

/* Quantise `count` rows of `inputs` elements to the codes of memory. */
EEM_FUNCTION void eep_quantize(
    const eep_kernels *kernels, const eep_memory *memory, const float *rows, uint32_t stride, uint32_t count, uint32_t inputs)
{
    /* Only eep_norm writes to the rows of a job. */
    eep_rows_job job = {kernels, (float *)(uintptr_t)rows, stride, count, inputs, 0, &memory->codes, NULL, NULL, NULL};

    eep_rows_run(memory, &job, eep_quantize_part);
}

/* rows = norm.scale * rows + others; to = norm(rows). Either may be left out: see norm in panels.h. */
EEM_FUNCTION void eep_norm(
    const eep_kernels *kernels, const eep_memory *memory, const eem_norm *norm, float *rows, const float *others, float *to,
    uint32_t stride, uint32_t count)
{
    eep_rows_job job = {kernels, rows, stride, count, norm->size, 0, NULL, norm, others, to};

    eep_rows_run(memory, &job, eep_norm_part);
}

#endif
