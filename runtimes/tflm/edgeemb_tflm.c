/* libedgeemb_tflm: the custom ops of ../tflite/lookups.h for the `tflite-micro` wheel, registered by symbol.
 *
 * An adapter: it hands tensors to the lookups and words their errors. It holds no arithmetic. */
#include "../tflite/lookups.h"
#include "tflm_abi.h"

static TflmGetEvalTensor get_eval_tensor;
static TflmPrint print;

/* Tensors are there when the graph runs: options and shapes are checked then. */
static int lookup_prepare(TflmContext *context, TflmNode *node)
{
    (void)context;
    (void)node;
    return TFL_OK;
}

static int lookup_invoke(TflmContext *context, const TflmNode *node, const edgeemb_op *op)
{
    edgeemb_tensor inputs[EDGEEMB_MOST_INPUTS];
    edgeemb_table table;
    edgeemb_result result;
    int at;

    if (node->inputs->size != op->inputs || node->outputs->size != 1 || node->custom_initial_data_size < 0 ||
        edgeemb_read_options(op, node->custom_initial_data, (size_t)node->custom_initial_data_size, &table) != EEB_OK) {
        print(EDGEEMB_SAYS_VERSION, op->name);
        return TFL_ERROR;
    }
    for (at = 0; at < op->inputs; ++at) {
        const TflmEvalTensor *tensor = get_eval_tensor(context, node->inputs->data[at]);

        inputs[at].data = tensor->data;
        inputs[at].dims = tensor->dims->data;
        inputs[at].rank = tensor->dims->size;
        inputs[at].type = tensor->type;
    }
    result = edgeemb_run(op, inputs, &table, get_eval_tensor(context, node->outputs->data[0])->data);
    if (!result.bound) {
        print(EDGEEMB_SAYS_INPUTS, op->name);
    } else if (result.status == EEB_ID_OUT_OF_RANGE) {
        print(EDGEEMB_SAYS_ID("d"), op->name, (int)result.id, (int)result.position, (int)result.size.rows);
    } else if (result.status == EEB_CODE_OUT_OF_RANGE) {
        print(EDGEEMB_SAYS_ROW("d"), op->name, (int)result.id, op->broken);
    } else if (result.status != EEB_OK) {
        print(EDGEEMB_SAYS_STATUS, op->name, (int)result.status);
    }
    return result.status == EEB_OK ? TFL_OK : TFL_ERROR;
}

/* A node does not say which op it is: each op has a function of its own. */
#define EDGEEMB_INVOKE(name, op)                                                                                                           \
    static int name##_invoke(TflmContext *context, TflmNode *node)                                                                         \
    {                                                                                                                                      \
        return lookup_invoke(context, node, &edgeemb_##name##_op);                                                                         \
    }
EDGEEMB_LOOKUPS(EDGEEMB_INVOKE)
#undef EDGEEMB_INVOKE

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

static bool add_op(TflmResolver *ops, const edgeemb_op *op, int (*invoke)(TflmContext *, TflmNode *))
{
    TflmRegistration entry = {0};

    if (!tflm_resolver_fits(ops)) {
        return false;
    }
    entry.prepare = lookup_prepare;
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

#define EDGEEMB_ADD(name, op) &&add_op(ops, &edgeemb_##name##_op, name##_invoke)
    return get_eval_tensor != NULL && print != NULL EDGEEMB_LOOKUPS(EDGEEMB_ADD);
#undef EDGEEMB_ADD
}
