/* libedgeemb_tflm: the custom ops of ../tflite/lookups.h for the `tflite-micro` wheel, registered by symbol.
 *
 * An adapter: it hands tensors to the lookups and words their errors. It holds no arithmetic. */
#include "../tflite/lookups.h"
#include "tflm_abi.h"

static TflmGetEvalTensor get_eval_tensor;
static TflmPrint print;

/* A tensor of a node. While the graph is being prepared only the constants, which lie in the model, have an address. */
static edgeemb_tensor read_tensor(const TflmContext *context, int index, int placed)
{
    edgeemb_tensor found = {NULL, NULL, 0, 0, 0, 0, 0};
    const TflmEvalTensor *tensor = index < 0 ? NULL : get_eval_tensor(context, index);

    if (tensor != NULL && tensor->dims != NULL) {
        found.data = tensor->data;
        found.dims = tensor->dims->data;
        found.rank = tensor->dims->size;
        found.type = tensor->type;
        found.bytes = EDGEEMB_BYTES_OF_SHAPE;
        found.constant = !placed && tensor->data != NULL;
    }
    return found;
}

/* Reads a node's options and tensors; the output comes last. */
static int read_node(
    const TflmContext *context, const TflmNode *node, const edgeemb_op *op, int placed, void *table, edgeemb_tensor *tensors)
{
    int at;

    if (node->inputs->size != op->inputs || node->outputs->size != 1 || node->custom_initial_data_size < 0 ||
        edgeemb_read_options(op, node->custom_initial_data, (size_t)node->custom_initial_data_size, table) != EEB_OK) {
        print(EDGEEMB_SAYS_VERSION, op->name);
        return TFL_ERROR;
    }
    for (at = 0; at < op->inputs; ++at) {
        tensors[at] = read_tensor(context, node->inputs->data[at], placed);
    }
    tensors[op->inputs] = read_tensor(context, node->outputs->data[0], placed);
    return TFL_OK;
}

static int lookup_prepare(TflmContext *context, const TflmNode *node, const edgeemb_op *op)
{
    edgeemb_tensor tensors[EDGEEMB_MOST_INPUTS + 1];
    edgeemb_table table;

    if (read_node(context, node, op, 0, &table, tensors) != TFL_OK) {
        return TFL_ERROR;
    }
    if (edgeemb_prepare(op, tensors, &tensors[op->inputs], &table) != EEB_OK) {
        print(EDGEEMB_SAYS_TENSORS, op->name);
        return TFL_ERROR;
    }
    return TFL_OK;
}

static int lookup_invoke(TflmContext *context, const TflmNode *node, const edgeemb_op *op)
{
    edgeemb_tensor tensors[EDGEEMB_MOST_INPUTS + 1];
    edgeemb_table table;
    edgeemb_result result;

    if (read_node(context, node, op, 1, &table, tensors) != TFL_OK) {
        return TFL_ERROR;
    }
    result = edgeemb_run(op, tensors, &tensors[op->inputs], &table);
    if (!result.bound) {
        print(EDGEEMB_SAYS_TENSORS, op->name);
    } else if (result.status == EEB_ID_OUT_OF_RANGE) {
        print(EDGEEMB_SAYS_ID("d"), op->name, (int)result.id, (int)result.position, (int)result.size.rows);
    } else if (result.status == EEB_CODE_OUT_OF_RANGE) {
        print(EDGEEMB_SAYS_ROW("d"), op->name, (int)result.id, op->broken);
    } else if (result.status != EEB_OK) {
        print(EDGEEMB_SAYS_STATUS, op->name, (int)result.status);
    }
    return result.status == EEB_OK ? TFL_OK : TFL_ERROR;
}

/* A node does not say which op it is: each op has functions of its own. */
#define EDGEEMB_FUNCTIONS(name, op)                                                                                                        \
    static int name##_prepare(TflmContext *context, TflmNode *node)                                                                        \
    {                                                                                                                                      \
        return lookup_prepare(context, node, &edgeemb_##name##_op);                                                                        \
    }                                                                                                                                      \
    static int name##_invoke(TflmContext *context, TflmNode *node)                                                                         \
    {                                                                                                                                      \
        return lookup_invoke(context, node, &edgeemb_##name##_op);                                                                         \
    }
EDGEEMB_LOOKUPS(EDGEEMB_FUNCTIONS)
#undef EDGEEMB_FUNCTIONS

#if defined(_WIN32)
#define EDGEEMB_EXPORT __declspec(dllexport)
#else
#define EDGEEMB_EXPORT __attribute__((visibility("default")))
#endif

EDGEEMB_EXPORT void edgeemb_bind_tflm(TflmGetEvalTensor get, TflmPrint put);
EDGEEMB_EXPORT bool edgeemb_register_tflm(void *resolver);

/* Hands in the wheel's functions `MicroContextGetEvalTensor` and `MicroPrintf`; must come first. */
void edgeemb_bind_tflm(TflmGetEvalTensor get, TflmPrint put)
{
    get_eval_tensor = get;
    print = put;
}

typedef int (*NodeFunction)(TflmContext *context, TflmNode *node);

static bool add_op(TflmResolver *ops, const edgeemb_op *op, NodeFunction prepare, NodeFunction invoke)
{
    TflmRegistration entry = {0};

    if (!tflm_resolver_fits(ops)) {
        return false;
    }
    entry.prepare = prepare;
    entry.invoke = invoke;
    entry.builtin_code = TFL_CUSTOM;
    entry.custom_name = op->name;
    ops->entries[ops->count++] = entry;
    return true;
}

/* What tflite_micro's Interpreter looks up by name in `custom_op_registerers`. */
bool edgeemb_register_tflm(void *resolver)
{
    TflmResolver *ops = (TflmResolver *)resolver;

#define EDGEEMB_ADD(name, op) &&add_op(ops, &edgeemb_##name##_op, name##_prepare, name##_invoke)
    return get_eval_tensor != NULL && print != NULL EDGEEMB_LOOKUPS(EDGEEMB_ADD);
#undef EDGEEMB_ADD
}
