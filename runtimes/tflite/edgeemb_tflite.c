/* libedgeemb_tflite: the custom op `edgeemb.QuantizedLookup` as an external delegate of TensorFlow Lite.
 *
 * An adapter: it claims the nodes of that name, reads shapes, checks them, hands pointers to the kernels and words their errors. It holds
 * no arithmetic. Every other node is left to the runtime, XNNPACK included. One library serves tflite-runtime and ai-edge-litert. */
#include <inttypes.h>
#include <stdlib.h>

#include "lookup_options.h"
#include "tflite_abi.h"

#if defined(_WIN32)
#define EDGEEMB_EXPORT __declspec(dllexport)
#else
#define EDGEEMB_EXPORT __attribute__((visibility("default")))
#endif

enum { IDS = 0, CODES = 1, SCALES = 2, INPUTS = 3 };

/* One claimed node: places of its tensors, and its options. */
typedef struct Lookup {
    int inputs[INPUTS];
    int output;
    eeb_quantized_table table;
} Lookup;

/* The nodes of one partition, in the order of the plan. */
typedef struct Lookups {
    size_t count;
    Lookup items[];
} Lookups;

static int is_lookup(const TflRegistration *registration)
{
    return registration->builtin_code == TFL_CUSTOM && registration->custom_name != NULL &&
           strcmp(registration->custom_name, EDGEEMB_LOOKUP_NAME) == 0;
}

static int read_lookup(TflContext *context, int index, Lookup *lookup)
{
    TflNode *node = NULL;
    TflRegistration *registration = NULL;

    if (context->get_node_and_registration(context, index, &node, &registration) != TFL_OK) {
        return TFL_ERROR;
    }
    if (node->inputs->size != INPUTS || node->outputs->size != 1 || node->custom_initial_data_size < 0 ||
        edgeemb_read_options(node->custom_initial_data, (size_t)node->custom_initial_data_size, &lookup->table) != EEB_OK) {
        context->report_error(context, "%s: its inputs or options are of another version: update edgeemb", EDGEEMB_LOOKUP_NAME);
        return TFL_ERROR;
    }
    memcpy(lookup->inputs, node->inputs->data, sizeof lookup->inputs);
    lookup->output = node->outputs->data[0];
    return TFL_OK;
}

static void *kernel_init(TflContext *context, const char *buffer, size_t length)
{
    const TflDelegateParams *params = (const TflDelegateParams *)(const void *)buffer;
    const size_t count = (size_t)params->nodes_to_replace->size;
    Lookups *lookups = (Lookups *)malloc(sizeof *lookups + count * sizeof lookups->items[0]);
    size_t at;

    (void)length;
    if (lookups == NULL) {
        return NULL;
    }
    lookups->count = count;
    for (at = 0; at < count; ++at) {
        if (read_lookup(context, params->nodes_to_replace->data[at], &lookups->items[at]) != TFL_OK) {
            free(lookups);
            return NULL;
        }
    }
    return lookups;
}

static void kernel_free(TflContext *context, void *buffer)
{
    (void)context;
    free(buffer);
}

static int64_t element_count(const TflIntArray *dims)
{
    int64_t count = 1;
    int axis;

    for (axis = 0; axis < dims->size; ++axis) {
        count *= dims->data[axis];
    }
    return count;
}

/* Checks types and shapes, and completes the table with what they say. */
static int check_tensors(TflContext *context, Lookup *lookup)
{
    const TflTensor *ids = &context->tensors[lookup->inputs[IDS]];
    const TflTensor *codes = &context->tensors[lookup->inputs[CODES]];
    const TflTensor *scales = &context->tensors[lookup->inputs[SCALES]];

    if ((ids->type != TFL_INT32 && ids->type != TFL_INT64) || codes->type != TFL_UINT8 ||
        (scales->type != TFL_FLOAT16 && scales->type != TFL_FLOAT32)) {
        context->report_error(context, "%s: wants ids int32 or int64, codes uint8, scales float16 or float32", EDGEEMB_LOOKUP_NAME);
        return TFL_ERROR;
    }
    if (ids->dims->size != 1 || codes->dims->size != 2 || scales->dims->size != 2 ||
        !edgeemb_shapes_fit(&lookup->table, codes->dims->data[0], codes->dims->data[1], scales->dims->data[0], scales->dims->data[1])) {
        context->report_error(context, "%s: the shapes of its inputs do not fit its options", EDGEEMB_LOOKUP_NAME);
        return TFL_ERROR;
    }
    lookup->table.rows = codes->dims->data[0];
    lookup->table.scale_type = scales->type == TFL_FLOAT16 ? EEB_FLOAT16 : EEB_FLOAT32;
    return TFL_OK;
}

static int kernel_prepare(TflContext *context, TflNode *node)
{
    Lookups *lookups = (Lookups *)node->user_data;
    size_t at;

    if (lookups == NULL) {
        return TFL_ERROR;
    }
    for (at = 0; at < lookups->count; ++at) {
        Lookup *lookup = &lookups->items[at];
        TflTensor *output = &context->tensors[lookup->output];
        TflIntArray *size;
        int count;

        if (check_tensors(context, lookup) != TFL_OK) {
            return TFL_ERROR;
        }
        count = context->tensors[lookup->inputs[IDS]].dims->data[0];
        if (output->dims != NULL && output->dims->size == 2 && output->dims->data[0] == count &&
            output->dims->data[1] == lookup->table.dim) {
            continue;
        }
        size = (TflIntArray *)malloc(sizeof *size + 2 * sizeof size->data[0]);
        if (size == NULL) {
            return TFL_ERROR;
        }
        size->size = 2;
        size->data[0] = count;
        size->data[1] = lookup->table.dim;
        if (context->resize_tensor(context, output, size) != TFL_OK) {
            return TFL_ERROR;
        }
    }
    return TFL_OK;
}

static int run_lookup(TflContext *context, Lookup *lookup)
{
    const TflTensor *tensors = context->tensors;
    const TflTensor *ids_tensor = &tensors[lookup->inputs[IDS]];
    eeb_ids ids;
    size_t position = 0;
    eeb_status status;

    ids.data = ids_tensor->data;
    ids.count = (size_t)element_count(ids_tensor->dims);
    ids.type = ids_tensor->type == TFL_INT32 ? EEB_INT32 : EEB_INT64;
    lookup->table.codes = tensors[lookup->inputs[CODES]].data;
    lookup->table.scales = tensors[lookup->inputs[SCALES]].data;
    status = eeb_quantized_lookup(&lookup->table, &ids, tensors[lookup->output].data, &position);
    if (status == EEB_ID_OUT_OF_RANGE) {
        context->report_error(
            context, "%s: id %" PRId64 " at position %" PRIu64 " is outside [0, %" PRId64 "), the rows of the table", EDGEEMB_LOOKUP_NAME,
            eeb_id_at(&ids, position), (uint64_t)position, lookup->table.rows);
    } else if (status != EEB_OK) {
        context->report_error(context, "%s: the kernel refused the call with status %d", EDGEEMB_LOOKUP_NAME, (int)status);
    }
    return status == EEB_OK ? TFL_OK : TFL_ERROR;
}

static int kernel_invoke(TflContext *context, TflNode *node)
{
    Lookups *lookups = (Lookups *)node->user_data;
    size_t at;

    for (at = 0; at < lookups->count; ++at) {
        if (run_lookup(context, &lookups->items[at]) != TFL_OK) {
            return TFL_ERROR;
        }
    }
    return TFL_OK;
}

/* Claims the nodes; called once for each subgraph. */
static int delegate_prepare(TflContext *context, TflDelegate *delegate)
{
    TflRegistration kernel = {0};
    TflIntArray *plan = NULL, *claimed;
    int at, status;

    if (context->get_execution_plan(context, &plan) != TFL_OK) {
        return TFL_ERROR;
    }
    claimed = (TflIntArray *)malloc(sizeof *claimed + (size_t)plan->size * sizeof claimed->data[0]);
    if (claimed == NULL) {
        return TFL_ERROR;
    }
    claimed->size = 0;
    for (at = 0; at < plan->size; ++at) {
        TflNode *node = NULL;
        TflRegistration *registration = NULL;

        if (context->get_node_and_registration(context, plan->data[at], &node, &registration) != TFL_OK) {
            free(claimed);
            return TFL_ERROR;
        }
        if (is_lookup(registration)) {
            claimed->data[claimed->size++] = plan->data[at];
        }
    }
    kernel.init = kernel_init;
    kernel.free = kernel_free;
    kernel.prepare = kernel_prepare;
    kernel.invoke = kernel_invoke;
    kernel.custom_name = "edgeemb";
    kernel.version = 1;
    status = claimed->size == 0 ? TFL_OK : context->replace_node_subsets(context, kernel, claimed, delegate);
    free(claimed);
    return status;
}

EDGEEMB_EXPORT TflDelegate *tflite_plugin_create_delegate(
    const char *const *keys, const char *const *values, size_t count, void (*report_error)(const char *message));
EDGEEMB_EXPORT void tflite_plugin_destroy_delegate(TflDelegate *delegate);

TflDelegate *tflite_plugin_create_delegate(
    const char *const *keys, const char *const *values, size_t count, void (*report_error)(const char *message))
{
    TflDelegate *delegate = (TflDelegate *)calloc(1, sizeof *delegate);

    (void)keys;
    (void)values;
    if (delegate == NULL) {
        return NULL;
    }
    if (count != 0) {
        if (report_error != NULL) {
            report_error("edgeemb: the delegate takes no options");
        }
        free(delegate);
        return NULL;
    }
    delegate->prepare = delegate_prepare;
    delegate->flags = TFL_ALLOW_DYNAMIC_TENSORS;
    return delegate;
}

void tflite_plugin_destroy_delegate(TflDelegate *delegate)
{
    free(delegate);
}
