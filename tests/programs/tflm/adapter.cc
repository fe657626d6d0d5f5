// The C++ adapter over one node of QuantizedLookup, whose tensors are changed one field at a time: prints how many nodes ran, and how many
// were refused. Every array has exactly its size, so that a sanitizer sees a step beside it.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tflm/edgeemb_tflm.h"

void MicroPrintf(const char *, ...)
{
}

namespace
{

constexpr int kCount = 3, kRows = 5, kDim = 16;
char persistent[1024];

void *Allocate(TfLiteContext *, size_t bytes)
{
    return bytes <= sizeof persistent ? persistent : nullptr;
}

struct Model {
    TfLiteIntArray dims[4] = {{1, {kCount}}, {2, {kRows, kDim / 2}}, {2, {kRows, 1}}, {2, {kCount, kDim}}};
    TfLiteType types[4] = {kTfLiteInt32, kTfLiteUInt8, kTfLiteFloat16, kTfLiteFloat32};
    size_t bytes[4] = {4 * kCount, kRows * kDim / 2, 2 * kRows, 4 * kCount * kDim};
    bool constant[4] = {false, true, true, false};
    TfLiteIntArray inputs = {3, {0, 1, 2}};
    TfLiteIntArray outputs = {1, {3}};
    int32_t options[5] = {1, 4, kDim, 0, 1};
    size_t option_bytes = sizeof options;
};

int ran = 0, refused = 0;

void Run(const Model &model)
{
    Model own = model;
    std::vector<char> content[4];
    TfLiteEvalTensor tensors[4];
    TfLiteContext context = {tensors, Allocate};
    TfLiteNode node = {&own.inputs, &own.outputs, nullptr};
    const TFLMRegistration *op = edgeemb::RegisterQuantizedLookup();

    for (int at = 0; at < 4; ++at) {
        content[at].assign(own.bytes[at], 0);
        content[at].shrink_to_fit();
        tensors[at].data.data = own.constant[at] ? content[at].data() : nullptr;
        tensors[at].dims = &own.dims[at];
        tensors[at].type = own.types[at];
    }
    node.user_data = op->init(&context, reinterpret_cast<const char *>(own.options), own.option_bytes);
    if (op->prepare(&context, &node) != kTfLiteOk) {
        ++refused;
        return;
    }
    for (int at = 0; at < 4; ++at) {
        tensors[at].data.data = content[at].data();
    }
    ++(op->invoke(&context, &node) == kTfLiteOk ? ran : refused);
}

} // namespace

int main()
{
    const Model whole;

    Run(whole);
    if (ran != 1) {
        return 1;
    }
    for (int at = 0; at < 4; ++at) {
        for (int type = 0; type < 12; ++type) {
            Model model;
            model.types[at] = static_cast<TfLiteType>(type);
            if (type != whole.types[at]) {
                model.types[at] == kTfLiteInt64 &&at == 0 ? (void)0 : Run(model);
            }
        }
        for (int size : {-1, 0, 1, 2, 4, 6, 1000, 1 << 27, INT32_MAX}) {
            for (int axis = 0; axis < whole.dims[at].size; ++axis) {
                Model model;
                model.dims[at].data[axis] = size;
                size == whole.dims[at].data[axis] ? (void)0 : Run(model);
            }
        }
        for (int rank : {0, 1, 2, 3, 8}) {
            Model model;
            model.dims[at].size = rank;
            rank == whole.dims[at].size ? (void)0 : Run(model);
        }
        for (int index : {-1, 0, 1, 2, 3}) {
            Model model;
            (at < 3 ? model.inputs.data[at] : model.outputs.data[0]) = index;
            index == at ? (void)0 : Run(model);
        }
    }
    for (int at = 0; at < 5; ++at) {
        for (int32_t value : {-1, 0, 2, 3, 1 << 30, INT32_MAX, INT32_MIN}) {
            Model model;
            model.options[at] = value;
            Run(model);
        }
    }
    for (size_t bytes : {0, 4, 19, 16}) {
        Model model;
        model.option_bytes = bytes;
        Run(model);
    }
    Model constant, fewer, more;
    constant.constant[3] = true;
    fewer.inputs.size = 2;
    more.outputs.size = 2;
    Run(constant);
    Run(fewer);
    Run(more);
    std::printf("%d ran, %d refused\n", ran, refused);
    return 0;
}
