// The custom ops of ../tflite/lookups.h for firmware that builds TensorFlow Lite Micro from its sources.
//
// Compile this file with TFLM's include paths and the folder `runtimes` of edgeemb, then:
//
//     #include "tflm/edgeemb_tflm.h"
//     tflite::MicroMutableOpResolver<12> resolver;
//     resolver.AddCustom("edgeemb.QuantizedLookup", edgeemb::RegisterQuantizedLookup());
//
// An adapter: it hands tensors to the lookups and words their errors. It holds no arithmetic.
#include "edgeemb_tflm.h"

#include "../tflite/lookups.h"
#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/micro_log.h"

namespace edgeemb
{
namespace
{

static_assert(
    TFL_FLOAT32 == static_cast<int>(kTfLiteFloat32) && TFL_INT32 == static_cast<int>(kTfLiteInt32) &&
        TFL_UINT8 == static_cast<int>(kTfLiteUInt8) && TFL_INT64 == static_cast<int>(kTfLiteInt64) &&
        TFL_INT16 == static_cast<int>(kTfLiteInt16) && TFL_FLOAT16 == static_cast<int>(kTfLiteFloat16),
    "the numbers of TensorFlow Lite's types have changed");

template <const edgeemb_op *op> void *Init(TfLiteContext *context, const char *buffer, size_t length)
{
    void *table = context->AllocatePersistentBuffer(context, sizeof(edgeemb_table));
    return table != nullptr && edgeemb_read_options(op, buffer, length, table) == EEB_OK ? table : nullptr;
}

// A tensor; without one, an optional input that is left out. While the graph is being prepared only the constants, which lie in the model,
// have an address.
edgeemb_tensor Describe(const TfLiteEvalTensor *tensor, bool placed)
{
    edgeemb_tensor found = {nullptr, nullptr, 0, 0, 0, 0, 0};

    if (tensor != nullptr && tensor->dims != nullptr) {
        found.data = tensor->data.data;
        found.dims = tensor->dims->data;
        found.rank = tensor->dims->size;
        found.type = static_cast<int>(tensor->type);
        found.bytes = EDGEEMB_BYTES_OF_SHAPE;
        found.constant = !placed && tensor->data.data != nullptr;
    }
    return found;
}

// The tensors of a node; the output comes last.
template <const edgeemb_op *op> void Describe(TfLiteContext *context, TfLiteNode *node, bool placed, edgeemb_tensor *tensors)
{
    for (int at = 0; at < op->inputs; ++at) {
        tensors[at] = Describe(tflite::micro::GetEvalInput(context, node, at), placed);
    }
    tensors[op->inputs] = Describe(tflite::micro::GetEvalOutput(context, node, 0), placed);
}

template <const edgeemb_op *op> TfLiteStatus Prepare(TfLiteContext *context, TfLiteNode *node)
{
    edgeemb_tensor tensors[EDGEEMB_MOST_INPUTS + 1];

    if (node->user_data == nullptr || node->inputs->size != op->inputs || node->outputs->size != 1) {
        MicroPrintf(EDGEEMB_SAYS_VERSION, op->name);
        return kTfLiteError;
    }
    Describe<op>(context, node, false, tensors);
    if (edgeemb_prepare(op, tensors, &tensors[op->inputs], node->user_data) != EEB_OK) {
        MicroPrintf(EDGEEMB_SAYS_TENSORS, op->name);
        return kTfLiteError;
    }
    return kTfLiteOk;
}

template <const edgeemb_op *op> TfLiteStatus Invoke(TfLiteContext *context, TfLiteNode *node)
{
    edgeemb_tensor tensors[EDGEEMB_MOST_INPUTS + 1];

    Describe<op>(context, node, true, tensors);
    const edgeemb_result result = edgeemb_run(op, tensors, &tensors[op->inputs], node->user_data);
    if (!result.bound) {
        MicroPrintf(EDGEEMB_SAYS_TENSORS, op->name);
    } else if (result.status == EEB_ID_OUT_OF_RANGE) {
        MicroPrintf(
            EDGEEMB_SAYS_ID("d"), op->name, static_cast<int>(result.id), static_cast<int>(result.position),
            static_cast<int>(result.size.rows));
    } else if (result.status == EEB_CODE_OUT_OF_RANGE) {
        MicroPrintf(EDGEEMB_SAYS_ROW("d"), op->name, static_cast<int>(result.id), op->broken);
    } else if (result.status != EEB_OK) {
        MicroPrintf(EDGEEMB_SAYS_STATUS, op->name, static_cast<int>(result.status));
    }
    return result.status == EEB_OK ? kTfLiteOk : kTfLiteError;
}

} // namespace

#define EDGEEMB_REGISTER(name, op)                                                                                                         \
    const TFLMRegistration *Register##op()                                                                                                 \
    {                                                                                                                                      \
        static const TFLMRegistration registration =                                                                                       \
            tflite::micro::RegisterOp(Init<&edgeemb_##name##_op>, Prepare<&edgeemb_##name##_op>, Invoke<&edgeemb_##name##_op>);            \
        return &registration;                                                                                                              \
    }
EDGEEMB_LOOKUPS(EDGEEMB_REGISTER)
#undef EDGEEMB_REGISTER

} // namespace edgeemb
