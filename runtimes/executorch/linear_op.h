/* Ops quantized_linear8 and quantized_linear4: a layer of the body, rows times weights of 8 or 4 bits in panels; see
 * ../panels/quantized_linear.h. A layer is divided among the threads of the runtime's pool where the build has one (ET_USE_THREADPOOL). */
#ifndef EDGEEMB_LINEAR_OP_H
#define EDGEEMB_LINEAR_OP_H

#include <executorch/runtime/kernel/thread_parallel_interface.h>

#include <cinttypes>

#define EEP_PRODUCTS_ALONE
#include "../panels/quantized_linear.h"
#include "tensors.h"

namespace edgeemb
{

inline void run_turns(void *, size_t count, void (*task)(void *context, size_t index), void *context)
{
    executorch::extension::parallel_for(0, static_cast<int64_t>(count), 1, [task, context](int64_t from, int64_t to) {
        for (int64_t index = from; index < to; ++index) {
            task(context, static_cast<size_t>(index));
        }
    });
}

/* Describes a layer but for its arrays; false if the numbers cannot be. A block of 0 says that the weights have 8 bits. */
inline bool linear_layer(int64_t inputs, int64_t outputs, int64_t activation, int64_t block, eep_quantized_linear *op)
{
    if (inputs < 1 || inputs > EEP_MOST_INPUTS || outputs < 1 || outputs > EEP_MOST_OUTPUTS || activation < EEM_IDENTITY ||
        activation > EEM_GELU_TANH || block < 0 || block > inputs) {
        return false;
    }
    *op = {};
    op->layer.inputs = static_cast<uint32_t>(inputs);
    op->layer.outputs = static_cast<uint32_t>((outputs + EEP_COLUMNS - 1) / EEP_COLUMNS * EEP_COLUMNS);
    op->layer.block = static_cast<uint32_t>(block);
    op->outputs = static_cast<uint32_t>(outputs);
    op->activation = static_cast<eem_activation>(activation);
    return eep_quantized_linear_check(op) == EEB_OK;
}

/* Whether a tensor has a value of 4 bytes for each output of whole panels. */
inline bool is_by_output(const Tensor &tensor, ScalarType type, const eep_quantized_linear &op)
{
    return is_array(tensor, type) && static_cast<uint32_t>(tensor.size(0)) == op.layer.outputs && is_aligned(tensor);
}

/* Whether a tensor has the panels of a layer, with `second` and `third` elements along these axes. */
inline bool is_panels(const Tensor &weight, ScalarType type, ssize_t rank, uint32_t second, uint32_t third, const eep_quantized_linear &op)
{
    return weight.dim() == rank && weight.scalar_type() == type && is_laid_out(weight) &&
           static_cast<uint32_t>(weight.size(0)) == op.layer.outputs / EEP_COLUMNS && static_cast<uint32_t>(weight.size(1)) == second &&
           static_cast<uint32_t>(weight.size(2)) == third;
}

/* The rows of a layer that has been checked. */
inline Tensor &run_linear(KernelRuntimeContext &context, const char *name, const eep_quantized_linear &op, const Tensor &rows, Tensor &out)
{
    const ssize_t last = rows.dim() - 1;
    const eep_parallel parallel = {run_turns, nullptr};

    /* The output comes first: in a hostile program it may be the rows, which then have another size. */
    ET_KERNEL_CHECK_MSG(
        context, last >= 0 && resize_output(rows, last, op.outputs, out) && is_aligned(out), InvalidArgument, out,
        "%s: the output cannot hold the results of these rows", name);
    ET_KERNEL_CHECK_MSG(
        context, is_vectors(rows, op.layer.inputs) && is_aligned(rows), InvalidArgument, out,
        "%s: the rows must be float32 with %" PRIu32 " elements each", name, op.layer.inputs);
    const size_t count = static_cast<size_t>(rows.numel()) / op.layer.inputs, size = eep_quantized_linear_bytes(&op);
    if (count == 0) {
        return out;
    }
    const auto memory = context.allocate_temp(size, EEM_ALIGNMENT);
    ET_KERNEL_CHECK_MSG(
        context, memory.ok(), MemoryAllocationFailed, out, "%s: %zu bytes of memory for quantised rows are not there", name, size);
    eep_quantized_linear_run(&op, rows.const_data_ptr<float>(), count, out.mutable_data_ptr<float>(), memory.get(), &parallel);
    return out;
}

inline Tensor &quantized_linear8_out(
    KernelRuntimeContext &context, const Tensor &rows, const Tensor &weight, const Tensor &scale, const Tensor &sums, const Tensor &bias,
    int64_t inputs, int64_t outputs, int64_t activation, Tensor &out)
{
    eep_quantized_linear op;

    ET_KERNEL_CHECK_MSG(
        context,
        linear_layer(inputs, outputs, activation, 0, &op) &&
            is_panels(weight, ScalarType::Char, 4, EEM_PADDED(op.layer.inputs) / 4, EEP_COLUMNS, op) && weight.size(3) == 4 &&
            is_by_output(scale, ScalarType::Float, op) && is_by_output(sums, ScalarType::Int, op) &&
            is_by_output(bias, ScalarType::Float, op),
        InvalidArgument, out,
        "QuantizedLinear8: weight, scale, sums, bias, %" PRId64 " inputs, %" PRId64 " outputs, activation %" PRId64 " do not fit together",
        inputs, outputs, activation);
    op.layer.weight = weight.const_data_ptr<int8_t>();
    op.layer.scale = scale.const_data_ptr<float>();
    op.layer.sums = sums.const_data_ptr<int32_t>();
    op.layer.bias = bias.const_data_ptr<float>();
    return run_linear(context, "QuantizedLinear8", op, rows, out);
}

inline Tensor &quantized_linear4_out(
    KernelRuntimeContext &context, const Tensor &rows, const Tensor &weight, const Tensor &totals, const Tensor &bias, int64_t inputs,
    int64_t outputs, int64_t activation, int64_t block, Tensor &out)
{
    eep_quantized_linear op;

    ET_KERNEL_CHECK_MSG(
        context,
        block > 0 && linear_layer(inputs, outputs, activation, block, &op) &&
            is_panels(weight, ScalarType::Byte, 3, op.layer.inputs / op.layer.block, EEP_COLUMNS * (2 + op.layer.block / 2), op) &&
            is_by_output(totals, ScalarType::Float, op) && is_by_output(bias, ScalarType::Float, op),
        InvalidArgument, out,
        "QuantizedLinear4: weight, totals, bias, %" PRId64 " inputs, %" PRId64 " outputs, activation %" PRId64 ", block %" PRId64
        " do not fit together",
        inputs, outputs, activation, block);
    op.layer.weight = reinterpret_cast<const int8_t *>(weight.const_data_ptr<uint8_t>());
    op.layer.totals = totals.const_data_ptr<float>();
    op.layer.bias = bias.const_data_ptr<float>();
    return run_linear(context, "QuantizedLinear4", op, rows, out);
}

} // namespace edgeemb

#endif
