/* libedgeemb_tflite: the custom ops of lookups.h, logits_op.h, codebook_logits_op.h and linear_op.h as an external delegate of TensorFlow
 * Lite.
 *
 * An adapter: it claims the nodes of those names, hands their tensors to the kernels and words their errors. It holds no arithmetic. Every
 * other node is left to the runtime, XNNPACK included. One library serves tflite-runtime and ai-edge-litert.
 *
 * The option "threads", from 1 to EEW_MOST, says among how many threads a layer of the body is divided. On Android, whose threads the
 * library is not linked with, there is no option. */
#include <inttypes.h>
#include <stdlib.h>

#if !defined(__ANDROID__)
#include "../threads/pool.h"
#define EDGEEMB_POOL
#endif

#include "codebook_logits_op.h"
#include "linear_op.h"
#include "logits_op.h"
#include "lookups.h"
#include "tflite_abi.h"

#if defined(_WIN32)
#define EDGEEMB_EXPORT __declspec(dllexport)
#else
#define EDGEEMB_EXPORT __attribute__((visibility("default")))
#endif

/* Room for the options and arrays of any op. */
typedef union Table {
    edgeemb_table lookup;
    edgeemb_linear linear;
} Table;

/* The delegate, and its threads; the pool is NULL for those of the caller alone. */
typedef struct Delegate {
    TflDelegate base; /* first: the runtime knows this alone */
    eep_parallel parallel;
} Delegate;

/* One claimed node: its op, places of its tensors, and its options. */
typedef struct Lookup {
    const edgeemb_op *op;
    int inputs[EDGEEMB_MOST_INPUTS];
    int output;
    Table table;
} Lookup;

/* The op of a node; NULL if it is none of ours. */
static const edgeemb_op *op_of(const TflRegistration *registration)
{
#define EDGEEMB_OP(name, op) &edgeemb_##name##_op,
    static const edgeemb_op *const ops[] = {
        &edgeemb_linear8_op, &edgeemb_linear4_op, &edgeemb_logits_op, &edgeemb_codebook_logits_op, EDGEEMB_LOOKUPS(EDGEEMB_OP)};
#undef EDGEEMB_OP
    size_t at;

    if (registration->builtin_code != TFL_CUSTOM || registration->custom_name == NULL) {
        return NULL;
    }
    for (at = 0; at < sizeof ops / sizeof ops[0]; ++at) {
        if (strcmp(registration->custom_name, ops[at]->name) == 0) {
            return ops[at];
        }
    }
    return NULL;
}

static int read_lookup(TflContext *context, int index, Lookup *lookup)
{
    TflNode *node = NULL;
    TflRegistration *registration = NULL;

    if (context->get_node_and_registration(context, index, &node, &registration) != TFL_OK) {
        return TFL_ERROR;
    }
    lookup->op = op_of(registration);
    if (lookup->op == NULL) {
        return TFL_ERROR;
    }
    if (node->inputs->size != lookup->op->inputs || node->outputs->size != 1 || node->custom_initial_data_size < 0 ||
        edgeemb_read_options(lookup->op, node->custom_initial_data, (size_t)node->custom_initial_data_size, &lookup->table) != EEB_OK) {
        context->report_error(context, EDGEEMB_SAYS_VERSION, lookup->op->name);
        return TFL_ERROR;
    }
    memcpy(lookup->inputs, node->inputs->data, (size_t)lookup->op->inputs * sizeof lookup->inputs[0]);
    lookup->output = node->outputs->data[0];
    return TFL_OK;
}

static void *kernel_init(TflContext *context, const char *buffer, size_t length)
{
    const TflDelegateParams *params = (const TflDelegateParams *)(const void *)buffer;
    Lookup *lookup = (Lookup *)malloc(sizeof *lookup);

    (void)length;
    if (lookup != NULL &&
        (params->nodes_to_replace->size != 1 || read_lookup(context, params->nodes_to_replace->data[0], lookup) != TFL_OK)) {
        free(lookup);
        return NULL;
    }
    if (lookup != NULL && (lookup->op == &edgeemb_linear8_op || lookup->op == &edgeemb_linear4_op)) {
        const Delegate *delegate = (const Delegate *)(const void *)params->delegate;

        lookup->table.linear.parallel = delegate->parallel.pool == NULL ? NULL : &delegate->parallel;
    }
    return lookup;
}

static void kernel_free(TflContext *context, void *buffer)
{
    (void)context;
    free(buffer);
}

/* A tensor by its index, which may be none: a model marks an optional input that is left out with -1. While the graph is being prepared
 * only constants are where they will be. */
static edgeemb_tensor read_tensor(const TflContext *context, int index, int placed)
{
    edgeemb_tensor found = {NULL, NULL, 0, 0, 0, 0, 0};
    const TflTensor *tensor;

    if (index < 0 || (size_t)index >= context->tensors_size || context->tensors[index].dims == NULL) {
        return found;
    }
    tensor = &context->tensors[index];
    found.constant = tensor->allocation_type == TFL_MAPPED || tensor->allocation_type == TFL_PERSISTENT_CONSTANT;
    found.data = placed || found.constant ? tensor->data : NULL;
    found.dims = tensor->dims->data;
    found.rank = tensor->dims->size;
    found.type = tensor->type;
    found.bytes = tensor->bytes;
    found.sparse = tensor->sparsity != NULL;
    return found;
}

static void read_inputs(const TflContext *context, const Lookup *lookup, int placed, edgeemb_tensor *inputs)
{
    int at;

    for (at = 0; at < lookup->op->inputs; ++at) {
        inputs[at] = read_tensor(context, lookup->inputs[at], placed);
    }
}

/* Gives the output its shape; it must be a float32 tensor that may be written. */
static int shape_output(TflContext *context, const Lookup *lookup, const edgeemb_tensor *first, int32_t dim)
{
    const edgeemb_tensor output = read_tensor(context, lookup->output, 0);
    const int axes = edgeemb_shared_axes(lookup->op, first);
    TflIntArray *shape;

    if (output.dims == NULL || output.type != TFL_FLOAT32 || output.constant || output.sparse) {
        context->report_error(context, EDGEEMB_SAYS_TENSORS, lookup->op->name);
        return TFL_ERROR;
    }
    if (edgeemb_check_output(lookup->op, first, &output, dim, 0) == EEB_OK) {
        return TFL_OK;
    }
    shape = (TflIntArray *)malloc(sizeof *shape + (size_t)(axes + 1) * sizeof shape->data[0]);
    if (shape == NULL) {
        return TFL_ERROR;
    }
    shape->size = axes + 1;
    memcpy(shape->data, first->dims, (size_t)axes * sizeof shape->data[0]);
    shape->data[axes] = dim;
    return context->resize_tensor(context, &context->tensors[lookup->output], shape);
}

/* Checks types and shapes, and gives the output its shape. */
static int prepare_lookup(TflContext *context, Lookup *lookup)
{
    edgeemb_tensor inputs[EDGEEMB_MOST_INPUTS];
    edgeemb_size size;
    eeb_ids ids;

    read_inputs(context, lookup, 0, inputs);
    if (edgeemb_bind(lookup->op, inputs, 0, &lookup->table, &ids, &size) != EEB_OK) {
        context->report_error(context, EDGEEMB_SAYS_TENSORS, lookup->op->name);
        return TFL_ERROR;
    }
    return shape_output(context, lookup, &inputs[0], size.dim);
}

static int kernel_prepare(TflContext *context, TflNode *node)
{
    Lookup *lookup = (Lookup *)node->user_data;

    return lookup == NULL ? TFL_ERROR : prepare_lookup(context, lookup);
}

static int run_lookup(TflContext *context, Lookup *lookup)
{
    const char *name = lookup->op->name;
    const edgeemb_tensor output = read_tensor(context, lookup->output, 1);
    edgeemb_tensor inputs[EDGEEMB_MOST_INPUTS];
    edgeemb_result result;

    read_inputs(context, lookup, 1, inputs);
    result = edgeemb_run(lookup->op, inputs, &output, &lookup->table);
    if (!result.bound) {
        context->report_error(context, EDGEEMB_SAYS_TENSORS, name);
    } else if (result.status == EEB_ID_OUT_OF_RANGE) {
        context->report_error(context, EDGEEMB_SAYS_ID(PRId64), name, result.id, (int64_t)result.position, result.size.rows);
    } else if (result.status == EEB_CODE_OUT_OF_RANGE) {
        context->report_error(context, EDGEEMB_SAYS_ROW(PRId64), name, result.id, lookup->op->broken);
    } else if (result.status != EEB_OK) {
        context->report_error(context, EDGEEMB_SAYS_STATUS, name, (int)result.status);
    }
    return result.status == EEB_OK ? TFL_OK : TFL_ERROR;
}

static int kernel_invoke(TflContext *context, TflNode *node)
{
    return run_lookup(context, (Lookup *)node->user_data);
}

/* Claims the nodes; called once for each subgraph. Each becomes a kernel of its own: a runtime places what lies between kernels, and
 * nothing that lies within one. */
static int delegate_prepare(TflContext *context, TflDelegate *delegate)
{
    TflRegistration kernel = {0};
    TflIntArray *plan = NULL, *claimed, *one;
    int at, status = TFL_OK;

    if (context->get_execution_plan(context, &plan) != TFL_OK) {
        return TFL_ERROR;
    }
    claimed = (TflIntArray *)malloc(sizeof *claimed + (size_t)plan->size * sizeof claimed->data[0]);
    one = (TflIntArray *)malloc(sizeof *one + sizeof one->data[0]);
    if (claimed == NULL || one == NULL) {
        free(claimed);
        free(one);
        return TFL_ERROR;
    }
    claimed->size = 0;
    for (at = 0; at < plan->size; ++at) {
        TflNode *node = NULL;
        TflRegistration *registration = NULL;

        if (context->get_node_and_registration(context, plan->data[at], &node, &registration) != TFL_OK) {
            status = TFL_ERROR;
            break;
        }
        if (op_of(registration) != NULL) {
            claimed->data[claimed->size++] = plan->data[at];
        }
    }
    kernel.init = kernel_init;
    kernel.free = kernel_free;
    kernel.prepare = kernel_prepare;
    kernel.invoke = kernel_invoke;
    kernel.custom_name = "edgeemb";
    kernel.version = 1;
    one->size = 1;
    for (at = 0; status == TFL_OK && at < claimed->size; ++at) {
        one->data[0] = claimed->data[at];
        status = context->replace_node_subsets(context, kernel, one, delegate);
    }
    free(claimed);
    free(one);
    return status;
}

EDGEEMB_EXPORT TflDelegate *tflite_plugin_create_delegate(
    const char *const *keys, const char *const *values, size_t count, void (*report_error)(const char *message));
EDGEEMB_EXPORT void tflite_plugin_destroy_delegate(TflDelegate *delegate);

#if defined(EDGEEMB_POOL)

/* The number of threads that the options ask for; 0 if one of them is not known. */
static uint32_t read_threads(const char *const *keys, const char *const *values, size_t count)
{
    char *end = NULL;
    long threads;

    if (count == 0) {
        return 1;
    }
    threads = strtol(values[0], &end, 10);
    return count == 1 && strcmp(keys[0], "threads") == 0 && *end == '\0' && threads > 0 && threads <= (long)EEW_MOST ? (uint32_t)threads
                                                                                                                     : 0;
}

/* Opens the threads; 0 if the system gives no more. */
static int open_threads(Delegate *delegate, uint32_t threads)
{
    if (threads > 1) {
        delegate->parallel.run = eew_run;
        delegate->parallel.pool = eew_open(threads);
    }
    return threads == 1 || delegate->parallel.pool != NULL;
}

static void close_threads(Delegate *delegate)
{
    if (delegate->parallel.pool != NULL) {
        eew_close((eew_pool *)delegate->parallel.pool);
    }
}

#else

static uint32_t read_threads(const char *const *keys, const char *const *values, size_t count)
{
    (void)keys;
    (void)values;
    return count == 0;
}

static int open_threads(Delegate *delegate, uint32_t threads)
{
    (void)delegate;
    return threads == 1;
}

static void close_threads(Delegate *delegate)
{
    (void)delegate;
}

#endif

TflDelegate *tflite_plugin_create_delegate(
    const char *const *keys, const char *const *values, size_t count, void (*report_error)(const char *message))
{
    Delegate *delegate = (Delegate *)calloc(1, sizeof *delegate);
    const uint32_t threads = read_threads(keys, values, count);

    if (delegate == NULL) {
        return NULL;
    }
    if (threads == 0 || !open_threads(delegate, threads)) {
        if (report_error != NULL) {
            report_error(
                threads == 0 ? "edgeemb: the delegate takes one option, threads, a number that is not too large"
                             : "edgeemb: the system gives no more threads");
        }
        free(delegate);
        return NULL;
    }
    delegate->base.prepare = delegate_prepare;
    delegate->base.flags = TFL_ALLOW_DYNAMIC_TENSORS;
    return &delegate->base;
}

void tflite_plugin_destroy_delegate(TflDelegate *delegate)
{
    if (delegate != NULL) {
        close_threads((Delegate *)(void *)delegate);
    }
    free(delegate);
}
