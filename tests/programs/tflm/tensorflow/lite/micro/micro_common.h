// What edgeemb_tflm.cc uses of TensorFlow Lite Micro, whose sources are in no package: a stand-in with the same names and one node.
#ifndef STAND_IN_MICRO_COMMON_H
#define STAND_IN_MICRO_COMMON_H

#include <cstddef>
#include <cstdint>

enum TfLiteType {
    kTfLiteNoType = 0,
    kTfLiteFloat32 = 1,
    kTfLiteInt32 = 2,
    kTfLiteUInt8 = 3,
    kTfLiteInt64 = 4,
    kTfLiteInt16 = 7,
    kTfLiteFloat16 = 10
};
enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

struct TfLiteIntArray {
    int size;
    int data[9];
};
union TfLitePtrUnion {
    char *raw;
    void *data;
};
struct TfLiteEvalTensor {
    TfLitePtrUnion data;
    TfLiteIntArray *dims;
    TfLiteType type;
};
struct TfLiteContext {
    TfLiteEvalTensor *tensors;
    void *(*AllocatePersistentBuffer)(TfLiteContext *context, size_t bytes);
};
struct TfLiteNode {
    TfLiteIntArray *inputs;
    TfLiteIntArray *outputs;
    void *user_data;
};
struct TFLMRegistration {
    void *(*init)(TfLiteContext *context, const char *buffer, size_t length);
    TfLiteStatus (*prepare)(TfLiteContext *context, TfLiteNode *node);
    TfLiteStatus (*invoke)(TfLiteContext *context, TfLiteNode *node);
};

#endif
