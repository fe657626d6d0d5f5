/* libedgeemb_tflm: the custom op `edgeemb.QuantizedLookup` for the `tflite-micro` wheel, registered by symbol.
 *
 * An adapter: it reads shapes, checks them and hands pointers to the kernels. It holds no arithmetic. */
#include <inttypes.h>

#include "../tflite/lookup_options.h"
#include "tflm_abi.h"

enum { IDS = 0, CODES = 1, SCALES = 2, INPUTS = 3 };

static TflmGetEvalTensor get_eval_tensor;
static TflmPrint print;

/* Reads options, types and shapes into a table; 0 if they do not fit together. */
static int read_table(TflmContext *context, const TflmNode *node, eeb_quantized_table *table)
{
    const TflmEvalTensor *codes, *scales;

    if (node->inputs->size != INPUTS || node->outputs->size != 1 || node->custom_initial_data_size < 0 ||
        edgeemb_read_options(node->custom_initial_data, (size_t)node->custom_initial_data_size, table) != EEB_OK) {
        return 0;
    }
    codes = get_eval_tensor(context, node->inputs->data[CODES]);
    scales = get_eval_tensor(context, node->inputs->data[SCALES]);
    if (codes->type != TFL_UINT8 || codes->dims->size != 2 || (scales->type != TFL_FLOAT16 && scales->type != TFL_FLOAT32) ||
        scales->dims->size != 2 ||
        !edgeemb_shapes_fit(table, codes->dims->data[0], codes->dims->data[1], scales->dims->data[0], scales->dims->data[1])) {
        return 0;
    }
    table->codes = codes->data;
    table->scales = scales->data;
    table->rows = codes->dims->data[0];
    table->scale_type = scales->type == TFL_FLOAT16 ? EEB_FLOAT16 : EEB_FLOAT32;
    return 1;
}

/* Tensors are there when the graph runs: shapes are checked then. */
static int lookup_prepare(TflmContext *context, TflmNode *node)
{
    (void)context;
    (void)node;
    return TFL_OK;
}

static int lookup_invoke(TflmContext *context, TflmNode *node)
{
    eeb_quantized_table table;
    const TflmEvalTensor *ids_tensor;
    eeb_ids ids;
    size_t position = 0;
    eeb_status status;

    if (!read_table(context, node, &table)) {
        print("%s: its options, or types or shapes of its inputs, are not what it wants", EDGEEMB_LOOKUP_NAME);
        return TFL_ERROR;
    }
    ids_tensor = get_eval_tensor(context, node->inputs->data[IDS]);
    if (ids_tensor->type != TFL_INT32 || ids_tensor->dims->size != 1) {
        print("%s: wants ids int32[N]", EDGEEMB_LOOKUP_NAME);
        return TFL_ERROR;
    }
    ids.data = ids_tensor->data;
    ids.count = (size_t)ids_tensor->dims->data[0];
    ids.type = EEB_INT32;
    status = eeb_quantized_lookup(&table, &ids, get_eval_tensor(context, node->outputs->data[0])->data, &position);
    if (status == EEB_ID_OUT_OF_RANGE) {
        print(
            "%s: id %d at position %d is outside [0, %d), the rows of the table", EDGEEMB_LOOKUP_NAME, (int)eeb_id_at(&ids, position),
            (int)position, (int)table.rows);
    }
    return status == EEB_OK ? TFL_OK : TFL_ERROR;
}

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

/* What tflite_micro's Interpreter looks up by name in `custom_op_registerers`. */
bool edgeemb_register_tflm(void *resolver)
{
    TflmResolver *ops = (TflmResolver *)resolver;
    TflmRegistration lookup = {0};

    if (get_eval_tensor == NULL || print == NULL || !tflm_resolver_fits(ops)) {
        return false;
    }
    lookup.prepare = lookup_prepare;
    lookup.invoke = lookup_invoke;
    lookup.builtin_code = TFL_CUSTOM;
    lookup.custom_name = EDGEEMB_LOOKUP_NAME;
    ops->entries[ops->count++] = lookup;
    return true;
}
