/* Op quantized_top: the k best products of vectors with the rows of a table, and their rows, without a place for all of them; see
 * ../kernels/top.h. */
#ifndef EDGEEMB_TOP_OP_H
#define EDGEEMB_TOP_OP_H

#include <cinttypes>
#include <cstring>

#include "../kernels/top.h"
#include "tensors.h"

namespace edgeemb
{

/* Vectors that are searched for at a time. */
constexpr size_t top_vectors = 16;

/* Gives the outputs room for the best of each vector. Ops do this before they look at the vectors: in a hostile program an output may be
 * the vectors, which then have another size. */
inline bool resize_best(const Tensor &hidden, int64_t top, Tensor &values, Tensor &tokens)
{
    const ssize_t last = hidden.dim() - 1;

    return last >= 0 && resize_output(hidden, last, top, values) && resize_output(hidden, last, top, tokens, ScalarType::Long);
}

/* What is added to the products: float32[rows], or a single 0 for nothing. */
inline bool top_bias(const Tensor &bias, int64_t rows, const void **data)
{
    const bool single = is_array(bias, ScalarType::Float) && bias.size(0) == 1 && rows != 1;

    *data = single ? nullptr : bias.const_data_ptr();
    if (single) {
        float none;

        std::memcpy(&none, bias.const_data_ptr(), sizeof none);
        return none == 0.0f;
    }
    return is_array(bias, ScalarType::Float) && bias.size(0) == rows;
}

inline Tensor &quantized_top_out(
    KernelRuntimeContext &context, const Tensor &hidden, const Tensor &codes, const Tensor &scales, const Tensor &bias, int64_t bits,
    int64_t dim, int64_t block, int64_t planes, int64_t top, Tensor &values, Tensor &tokens)
{
    eeb_quantized_table table;
    eeb_top_call call = {};
    size_t prepared = 0, size = 0;

    ET_KERNEL_CHECK_MSG(
        context, quantized_table(codes, scales, bits, dim, block, planes, &table) && top_bias(bias, table.rows, &call.bias),
        InvalidArgument, values,
        "QuantizedTop: codes, scales, bias, bits %" PRId64 ", dim %" PRId64 ", block %" PRId64 ", planes %" PRId64 " do not fit together",
        bits, dim, block, planes);
    ET_KERNEL_CHECK_MSG(
        context, top >= 1 && top <= table.rows, InvalidArgument, values, "QuantizedTop: top %" PRId64 " is not in [1, %" PRId64 "]", top,
        table.rows);
    ET_KERNEL_CHECK_MSG(
        context, resize_best(hidden, top, values, tokens), InvalidArgument, values,
        "QuantizedTop: the outputs cannot hold the best of these vectors");
    ET_KERNEL_CHECK_MSG(
        context, is_vectors(hidden, dim), InvalidArgument, values,
        "QuantizedTop: the vectors must be float32 with %" PRId64 " elements each", dim);
    const size_t count = static_cast<size_t>(hidden.numel() / dim), some = count < top_vectors ? count : top_vectors;
    if (count == 0) {
        return values;
    }
    call.top = static_cast<size_t>(top);
    call.rows = static_cast<size_t>(table.rows);
    ET_KERNEL_CHECK_MSG(
        context, eeb_logits_memory(&table, some, &prepared) == EEB_OK && eeb_top_work(some, call.top, &size) == EEB_OK, InvalidArgument,
        values, "QuantizedTop: the vectors, the table and top %" PRId64 " are too large together", top);
    const auto memory = context.allocate_temp(prepared);
    const auto work = context.allocate_temp(size, alignof(eeb_selection));
    ET_KERNEL_CHECK_MSG(
        context, memory.ok() && work.ok(), MemoryAllocationFailed, values, "QuantizedTop: %zu bytes of memory are not there",
        prepared + size);
    call.memory = memory.get();
    call.work = work.get();
    for (size_t first = 0; first < count; first += call.count) {
        call.count = count - first < some ? count - first : some;
        (void)eeb_logits_prepare(&table, hidden.const_data_ptr<float>() + first * static_cast<size_t>(dim), call.count, memory.get());
        const eeb_status status = eeb_quantized_top(&table, &call);
        ET_KERNEL_CHECK_MSG(
            context, status == EEB_OK, Internal, values, "QuantizedTop: the kernel refused the call with status %d",
            static_cast<int>(status));
        for (size_t at = 0; at < call.count; ++at) {
            eeb_selection *best = eeb_top_join(call.work, 1, 0, at);

            eeb_selection_sort(best);
            eeb_selection_write(
                best, values.mutable_data_ptr<float>() + (first + at) * call.top,
                tokens.mutable_data_ptr<int64_t>() + (first + at) * call.top);
        }
    }
    return values;
}

} // namespace edgeemb

#endif
