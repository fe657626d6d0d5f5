// The custom op `edgeemb.QuantizedLookup` for firmware that builds TensorFlow Lite Micro from its sources.
//
// Compile this file with TFLM's include paths and the folder `runtimes` of edgeemb, then:
//
//     #include "tflm/edgeemb_tflm.h"
//     tflite::MicroMutableOpResolver<12> resolver;
//     resolver.AddCustom(edgeemb::kQuantizedLookupName, edgeemb::RegisterQuantizedLookup());
//
// An adapter: it reads shapes, checks them and hands pointers to the kernels. It holds no arithmetic.
#include "edgeemb_tflm.h"

#include "../tflite/lookup_options.h"
#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/micro_log.h"

namespace edgeemb
{
namespace
{

constexpr int kIds = 0;
constexpr int kCodes = 1;
constexpr int kScales = 2;

void *Init(TfLiteContext *context, const char *buffer, size_t length)
{
    void *memory = context->AllocatePersistentBuffer(context, sizeof(eeb_quantized_table));
    auto *table = static_cast<eeb_quantized_table *>(memory);
    return table != nullptr && edgeemb_read_options(buffer, length, table) == EEB_OK ? table : nullptr;
}

TfLiteStatus Prepare(TfLiteContext *context, TfLiteNode *node)
{
    TF_LITE_ENSURE(context, node->user_data != nullptr);
    TF_LITE_ENSURE_EQ(context, node->inputs->size, 3);
    TF_LITE_ENSURE_EQ(context, node->outputs->size, 1);
    return kTfLiteOk;
}

TfLiteStatus Invoke(TfLiteContext *context, TfLiteNode *node)
{
    auto *table = static_cast<eeb_quantized_table *>(node->user_data);
    const TfLiteEvalTensor *ids_tensor = tflite::micro::GetEvalInput(context, node, kIds);
    const TfLiteEvalTensor *codes = tflite::micro::GetEvalInput(context, node, kCodes);
    const TfLiteEvalTensor *scales = tflite::micro::GetEvalInput(context, node, kScales);
    TfLiteEvalTensor *output = tflite::micro::GetEvalOutput(context, node, 0);

    TF_LITE_ENSURE_EQ(context, ids_tensor->type, kTfLiteInt32);
    TF_LITE_ENSURE_EQ(context, codes->type, kTfLiteUInt8);
    TF_LITE_ENSURE(context, scales->type == kTfLiteFloat16 || scales->type == kTfLiteFloat32);
    TF_LITE_ENSURE_EQ(context, ids_tensor->dims->size, 1);
    TF_LITE_ENSURE_EQ(context, codes->dims->size, 2);
    TF_LITE_ENSURE_EQ(context, scales->dims->size, 2);
    TF_LITE_ENSURE(
        context, edgeemb_shapes_fit(table, codes->dims->data[0], codes->dims->data[1], scales->dims->data[0], scales->dims->data[1]));
    eeb_ids ids = {ids_tensor->data.raw, static_cast<size_t>(ids_tensor->dims->data[0]), EEB_INT32};
    table->codes = codes->data.raw;
    table->scales = scales->data.raw;
    table->rows = codes->dims->data[0];
    table->scale_type = scales->type == kTfLiteFloat16 ? EEB_FLOAT16 : EEB_FLOAT32;
    size_t position = 0;
    const eeb_status status = eeb_quantized_lookup(table, &ids, output->data.raw, &position);
    if (status == EEB_ID_OUT_OF_RANGE) {
        MicroPrintf(
            "%s: id %d at position %d is outside [0, %d), the rows of the table", kQuantizedLookupName,
            static_cast<int>(eeb_id_at(&ids, position)), static_cast<int>(position), static_cast<int>(table->rows));
    }
    return status == EEB_OK ? kTfLiteOk : kTfLiteError;
}

} // namespace

const char kQuantizedLookupName[] = EDGEEMB_LOOKUP_NAME;

const TFLMRegistration *RegisterQuantizedLookup()
{
    static const TFLMRegistration registration = tflite::micro::RegisterOp(Init, Prepare, Invoke);
    return &registration;
}

} // namespace edgeemb
