// As TFLM's, these give no tensor for an optional input that is left out.
#ifndef STAND_IN_KERNEL_UTIL_H
#define STAND_IN_KERNEL_UTIL_H

#include "tensorflow/lite/micro/micro_common.h"

namespace tflite
{
namespace micro
{

inline const TfLiteEvalTensor *GetEvalInput(const TfLiteContext *context, const TfLiteNode *node, int index)
{
    const int tensor = node->inputs->data[index];
    return tensor < 0 ? nullptr : &context->tensors[tensor];
}

inline TfLiteEvalTensor *GetEvalOutput(const TfLiteContext *context, const TfLiteNode *node, int index)
{
    const int tensor = node->outputs->data[index];
    return tensor < 0 ? nullptr : &context->tensors[tensor];
}

inline TFLMRegistration RegisterOp(
    void *(*init)(TfLiteContext *, const char *, size_t), TfLiteStatus (*prepare)(TfLiteContext *, TfLiteNode *),
    TfLiteStatus (*invoke)(TfLiteContext *, TfLiteNode *))
{
    return {init, prepare, invoke};
}

} // namespace micro
} // namespace tflite

#endif
