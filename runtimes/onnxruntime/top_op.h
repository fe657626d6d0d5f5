/* Ops QuantizedTop and ShortlistTop: the k best products of vectors with the rows of packed codes with scales, as QuantizedLookup takes
 * them: of all rows, or of those that a scan of a shortlist takes for the best. The names QuantizedTop<bits> and ShortlistTop<bits> imply
 * the bits, their detail. */
#ifndef EDGEEMB_ORT_TOP_OP_H
#define EDGEEMB_ORT_TOP_OP_H

#include "../kernels/shortlist.h"
#include "quantized_op.h"

/* Rows of a range that a thread searches, and how many ranges there are at most: each has a selection of its own. */
#ifndef TOP_RANGE
#define TOP_RANGE 2048
#endif
#define TOP_RANGES 16
/* Blocks of a range that a thread scans. */
#ifndef LISTED_RANGE
#define LISTED_RANGE 512
#endif
/* Vectors that are searched for at a time. */
#define TOP_VECTORS 16

typedef struct TopKernel {
    QuantizedKernel quantized; /* which it begins with, as all that works on packed codes */
    int32_t top, candidates;   /* candidates are 0 where all rows are computed */
} TopKernel;

/* One call: what goes in, and where the results go. */
typedef struct Top {
    eeb_quantized_table table;
    eeb_shortlist list;
    const void *bias;
    size_t count;
    const uint8_t *hidden;
    uint8_t *values, *ids;
} Top;

static OrtStatus *top_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    void *quantized = NULL;
    OrtStatus *status = quantized_create(op, api, info, &quantized);
    TopKernel made;

    if (status != NULL) {
        return status;
    }
    memcpy(&made.quantized, quantized, sizeof made.quantized);
    free(quantized);
    status = read_attribute(api, info, "top", -1, &made.top);
    if (status == NULL) {
        status = read_attribute(api, info, "candidates", 0, &made.candidates);
    }
    if (status == NULL && made.top == 0) {
        status = failure(api, ORT_INVALID_ARGUMENT, "edgeemb: the attribute top is 0: it must be 1 or more");
    }
    return status != NULL ? status : keep_kernel(op, api, &made, sizeof made, kernel);
}

/* The bias, if there is one: float32[V]; float32[1] stands for none. */
static OrtStatus *top_bias(const Kernel *kernel, const OrtKernelContext *context, size_t input, Top *top)
{
    Tensor bias;
    OrtStatus *status = read_input(kernel->api, context, input, &bias);
    char text[160];
    float none;

    if (status != NULL) {
        return status;
    }
    if (bias.type == ORT_FLOAT && bias.rank == 1 && bias.dims[0] == 1 && top->table.rows != 1) {
        memcpy(&none, bias.data, sizeof none);
        if (none == 0) {
            return NULL;
        }
    } else if (bias.type == ORT_FLOAT && bias.rank == 1 && bias.dims[0] == top->table.rows) {
        top->bias = bias.data;
        return NULL;
    }
    snprintf(text, sizeof text, "%s: bias must be float32[%" PRId64 "], or a single 0", kernel->name, top->table.rows);
    return failure(kernel->api, ORT_INVALID_ARGUMENT, text);
}

/* The codes of a shortlist, inputs 4 to 6. */
static OrtStatus *top_list(const Kernel *kernel, const OrtKernelContext *context, Top *top)
{
    Tensor codes, scales, codebook;
    OrtStatus *status = read_input(kernel->api, context, 4, &codes);
    char text[200];
    int64_t blocks;

    if (status == NULL) {
        status = read_input(kernel->api, context, 5, &scales);
    }
    if (status == NULL) {
        status = read_input(kernel->api, context, 6, &codebook);
    }
    if (status != NULL) {
        return status;
    }
    if (codebook.type != ORT_FLOAT || codebook.rank != 2 || codebook.dims[0] != EEB_SHORTLIST_ENTRIES || codebook.dims[1] < 1 ||
        codebook.dims[1] > 8) {
        snprintf(text, sizeof text, "%s: the codebook of the shortlist must be float32[16, 1 to 8]", kernel->name);
        return failure(kernel->api, ORT_INVALID_ARGUMENT, text);
    }
    top->list.codes = codes.data;
    top->list.scales = scales.data;
    top->list.codebook = codebook.data;
    top->list.rows = top->table.rows;
    top->list.dim = top->table.dim;
    top->list.part = (int32_t)codebook.dims[1];
    if (eeb_shortlist_check(&top->list) != EEB_OK) {
        snprintf(text, sizeof text, "%s: a shortlist takes rows of up to 65536 elements", kernel->name);
        return failure(kernel->api, ORT_INVALID_ARGUMENT, text);
    }
    blocks = (int64_t)eeb_shortlist_blocks(&top->list);
    if (codes.type != ORT_UINT8 || codes.rank != 3 || codes.dims[0] != blocks ||
        codes.dims[1] != (int64_t)eeb_shortlist_pairs(&top->list) || codes.dims[2] != EEB_SHORTLIST_BLOCK || scales.type != ORT_FLOAT ||
        scales.rank != 1 || scales.dims[0] != blocks * EEB_SHORTLIST_BLOCK) {
        snprintf(
            text, sizeof text, "%s: the shortlist must be uint8[%" PRId64 ", %zu, 64] and float32[%" PRId64 "] for this table",
            kernel->name, blocks, eeb_shortlist_pairs(&top->list), blocks * EEB_SHORTLIST_BLOCK);
        return failure(kernel->api, ORT_INVALID_ARGUMENT, text);
    }
    return NULL;
}

/* Checks the vectors against the table, and makes the outputs: values float32[..., k] and ids int64[..., k]. */
static OrtStatus *top_outputs(const TopKernel *kernel, OrtKernelContext *context, Top *top)
{
    const Kernel *base = &kernel->quantized.base;
    Tensor hidden;
    OrtStatus *status = read_input(base->api, context, 0, &hidden);
    void *made[2];
    char text[160];
    size_t at;

    if (status != NULL) {
        return status;
    }
    if (hidden.type != ORT_FLOAT || hidden.rank == 0 || hidden.dims[hidden.rank - 1] != kernel->quantized.dim) {
        snprintf(text, sizeof text, "%s: the vectors must be float32[..., %d] for this dim", base->name, (int)kernel->quantized.dim);
        return failure(base->api, ORT_INVALID_ARGUMENT, text);
    }
    if (kernel->top > top->table.rows || kernel->candidates > top->table.rows) {
        snprintf(
            text, sizeof text, "%s: top %d and candidates %d are more than the %" PRId64 " rows of the table", base->name, (int)kernel->top,
            (int)kernel->candidates, top->table.rows);
        return failure(base->api, ORT_INVALID_ARGUMENT, text);
    }
    top->hidden = (const uint8_t *)hidden.data;
    top->count = (size_t)(hidden.count / kernel->quantized.dim);
    for (at = 0; status == NULL && at < 2; ++at) {
        status = make_output(base->api, context, at, &hidden, hidden.rank - 1, kernel->top, &made[at]);
    }
    if (status == NULL) {
        top->values = (uint8_t *)made[0];
        top->ids = (uint8_t *)made[1];
    }
    return status;
}

/* Rows of a range, a multiple of a block. */
static size_t top_range_rows(size_t rows)
{
    const size_t even = (rows / TOP_RANGES / EEB_SHORTLIST_BLOCK + 1) * EEB_SHORTLIST_BLOCK;

    return even < TOP_RANGE ? TOP_RANGE : even;
}

typedef struct FullTop {
    const eeb_quantized_table *table;
    eeb_top_call call;
    uint8_t *work;
    size_t range_rows, stride;
} FullTop;

static void full_range(void *data, size_t index)
{
    const FullTop *full = (const FullTop *)data;
    eeb_top_call call = full->call;
    const size_t left = (size_t)full->table->rows - index * full->range_rows;

    call.first = index * full->range_rows;
    call.rows = left < full->range_rows ? left : full->range_rows;
    call.work = full->work + index * full->stride;
    (void)eeb_quantized_top(full->table, &call); /* what could be refused was checked before */
}

/* The best of all rows, for some vectors at a time. */
static OrtStatus *full_top(const TopKernel *kernel, OrtKernelContext *context, const Top *top)
{
    const Kernel *base = &kernel->quantized.base;
    const size_t rows = (size_t)top->table.rows, k = (size_t)kernel->top, some = top->count < TOP_VECTORS ? top->count : TOP_VECTORS;
    size_t ranges, prepared = 0, first, at;
    OrtStatus *status = NULL;
    void *memory;
    FullTop full;

    memset(&full, 0, sizeof full);
    full.table = &top->table;
    full.range_rows = top_range_rows(rows);
    ranges = (rows + full.range_rows - 1) / full.range_rows;
    if (eeb_top_work(some, k, &full.stride) != EEB_OK || eeb_logits_memory(&top->table, some, &prepared) != EEB_OK ||
        ranges > SIZE_MAX / full.stride) {
        return failure(base->api, ORT_FAIL, "edgeemb: out of memory");
    }
    memory = malloc(prepared);
    full.work = (uint8_t *)malloc(ranges * full.stride);
    if (memory == NULL || full.work == NULL) {
        status = failure(base->api, ORT_FAIL, "edgeemb: out of memory");
    }
    full.call.memory = memory;
    full.call.bias = top->bias;
    full.call.top = k;
    for (first = 0; status == NULL && first < top->count; first += full.call.count) {
        full.call.count = top->count - first < some ? top->count - first : some;
        if (eeb_logits_prepare(&top->table, top->hidden + 4 * first * (size_t)top->table.dim, full.call.count, memory) != EEB_OK) {
            status = refused(base, EEB_BAD_SHAPE);
            break;
        }
        status = run_parts(base, context, full_range, ranges, &full);
        for (at = 0; status == NULL && at < full.call.count; ++at) {
            eeb_selection *best = eeb_top_join(full.work, ranges, full.stride, at);

            eeb_selection_sort(best);
            eeb_selection_write(best, top->values + 4 * (first + at) * k, top->ids + 8 * (first + at) * k);
        }
    }
    free(full.work);
    free(memory);
    return status;
}

/* Blocks of a range. A scan is fast, and the more ranges there are the more candidates each of them finds in vain. */
static size_t listed_range_blocks(size_t blocks)
{
    const size_t even = blocks / TOP_RANGES + 1;

    return even < LISTED_RANGE ? LISTED_RANGE : even;
}

static void listed_range(void *data, size_t index)
{
    eeb_shortlist_job_range((const eeb_shortlist_job *)data, index, eeb_shortlist_variant(eeb_cpu_best()));
}

/* The best of a shortlist, one vector after another. */
static OrtStatus *listed_top(const TopKernel *kernel, OrtKernelContext *context, const Top *top)
{
    const Kernel *base = &kernel->quantized.base;
    const eeb_logits_function logits = eeb_logits_variant(top->table.bits, eeb_cpu_best());
    const size_t k = (size_t)kernel->top;
    size_t prepared = 0, size = 0, at;
    OrtStatus *status = NULL;
    eeb_shortlist_job job;
    void *memory;

    memset(&job, 0, sizeof job);
    job.list = top->list;
    job.table = top->table;
    job.bias = top->bias;
    job.top = k;
    job.candidates = (size_t)kernel->candidates;
    job.range_blocks = listed_range_blocks(eeb_shortlist_blocks(&top->list));
    if (eeb_shortlist_job_size(&job, &size) != EEB_OK || eeb_logits_memory(&top->table, 1, &prepared) != EEB_OK) {
        return refused(base, EEB_BAD_SHAPE);
    }
    memory = malloc(prepared);
    job.work = malloc(size);
    if (memory == NULL || job.work == NULL) {
        status = failure(base->api, ORT_FAIL, "edgeemb: out of memory");
    }
    for (at = 0; status == NULL && at < top->count; ++at) {
        const uint8_t *hidden = top->hidden + 4 * at * (size_t)top->table.dim;

        if (eeb_logits_prepare(&top->table, hidden, 1, memory) != EEB_OK) {
            status = refused(base, EEB_BAD_SHAPE);
            break;
        }
        eeb_shortlist_job_begin(&job, hidden);
        status = run_parts(base, context, listed_range, job.ranges, &job);
        if (status == NULL && eeb_shortlist_job_end(&job, memory, logits, top->values + 4 * at * k, top->ids + 8 * at * k) != EEB_OK) {
            status = refused(base, EEB_BAD_SHAPE);
        }
    }
    free(job.work);
    free(memory);
    return status;
}

static OrtStatus *top_run(void *opaque, OrtKernelContext *context)
{
    const TopKernel *kernel = (const TopKernel *)opaque;
    const Kernel *base = &kernel->quantized.base;
    Top top;
    OrtStatus *status;

    memset(&top, 0, sizeof top);
    status = quantized_table(&kernel->quantized, context, &top.table);
    if (status == NULL) {
        status = top_bias(base, context, 3, &top);
    }
    if (status == NULL && kernel->candidates != 0) {
        status = top_list(base, context, &top);
    }
    if (status == NULL) {
        status = top_outputs(kernel, context, &top);
    }
    if (status != NULL || top.count == 0) {
        return status;
    }
    return kernel->candidates != 0 ? listed_top(kernel, context, &top) : full_top(kernel, context, &top);
}

static OrtStatus *shortlist_create(const OrtCustomOp *op, OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    OrtStatus *status = top_create(op, api, info, kernel);
    const TopKernel *made = (const TopKernel *)*kernel;
    char text[128];

    if (status != NULL || made->candidates >= made->top) {
        return status;
    }
    snprintf(text, sizeof text, "%s: candidates %d are fewer than top %d", whole_op(op)->name, (int)made->candidates, (int)made->top);
    free(*kernel);
    *kernel = NULL;
    return failure(api, ORT_INVALID_ARGUMENT, text);
}

/* As top_run: of a shortlist there are candidates. */
static OrtStatus *shortlist_run(void *opaque, OrtKernelContext *context)
{
    return top_run(opaque, context);
}

#endif
