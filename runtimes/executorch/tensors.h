/* What the ops ask of a program's tensors, types, sizes and layouts: a program comes from anywhere. */
#ifndef EDGEEMB_TENSORS_H
#define EDGEEMB_TENSORS_H

#include <executorch/runtime/core/exec_aten/util/tensor_util.h>
#include <executorch/runtime/kernel/kernel_includes.h>

#include <cstddef>
#include <cstdint>

#include "../kernels/quantized.h"

namespace edgeemb
{

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::aten::Tensor;
using executorch::runtime::KernelRuntimeContext;

constexpr ssize_t most_dimensions = 16;

/* The kernels' name for an element type; -1 for one that they do not know. */
inline eeb_type kernel_type(ScalarType type)
{
    switch (type) {
    case ScalarType::Int: return EEB_INT32;
    case ScalarType::Long: return EEB_INT64;
    case ScalarType::Half: return EEB_FLOAT16;
    case ScalarType::Float: return EEB_FLOAT32;
    default: return -1;
    }
}

/* Whether a tensor's elements lie one behind the other, where the program says that they are. */
inline bool is_laid_out(const Tensor &tensor)
{
    return (tensor.numel() == 0 || tensor.const_data_ptr() != nullptr) && executorch::runtime::tensor_is_contiguous(tensor);
}

inline bool is_array(const Tensor &tensor, ScalarType type)
{
    return tensor.dim() == 1 && tensor.scalar_type() == type && is_laid_out(tensor);
}

/* Whether a tensor's elements may be read as those of an array of a type of 4 bytes. */
inline bool is_aligned(const Tensor &tensor)
{
    return reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % 4 == 0;
}

/* Gives the output the shape [the first axes of the input..., dim]. */
inline bool resize_output(const Tensor &input, ssize_t rank, int64_t dim, Tensor &out, ScalarType type = ScalarType::Float)
{
    SizesType sizes[most_dimensions];

    if (rank >= most_dimensions || out.dim() != rank + 1 || out.scalar_type() != type) {
        return false;
    }
    for (ssize_t axis = 0; axis < rank; ++axis) {
        sizes[axis] = input.size(axis);
    }
    sizes[rank] = static_cast<SizesType>(dim);
    return resize_tensor(out, executorch::aten::ArrayRef<SizesType>(sizes, static_cast<size_t>(rank) + 1)) ==
               executorch::runtime::Error::Ok &&
           is_laid_out(out);
}

/* Whether a tensor, of at least one axis, holds vectors of so many elements. */
inline bool is_vectors(const Tensor &tensor, int64_t dim)
{
    return tensor.scalar_type() == ScalarType::Float && tensor.size(tensor.dim() - 1) == dim && is_laid_out(tensor);
}

inline bool is_table(const Tensor &tensor, uint64_t columns)
{
    return tensor.dim() == 2 && static_cast<uint64_t>(tensor.size(1)) == columns;
}

/* Describes the table of a quantised lookup; false if the arguments do not fit together. */
inline bool quantized_table(
    const Tensor &codes, const Tensor &scales, int64_t bits, int64_t dim, int64_t block, int64_t planes, eeb_quantized_table *table)
{
    if (!is_laid_out(codes) || !is_laid_out(scales) || bits < 1 || bits > 8 || dim < 1 || dim > INT32_MAX || block < 0 || block > dim ||
        planes < 1 || planes > INT32_MAX) {
        return false;
    }
    table->codes = codes.const_data_ptr();
    table->scales = scales.const_data_ptr();
    table->rows = codes.dim() == 2 ? codes.size(0) : -1;
    table->bits = static_cast<int32_t>(bits);
    table->dim = static_cast<int32_t>(dim);
    table->block = static_cast<int32_t>(block);
    table->planes = static_cast<int32_t>(planes);
    table->scale_type = kernel_type(scales.scalar_type());
    return eeb_quantized_check(table, 0) == EEB_OK && codes.scalar_type() == ScalarType::Byte &&
           is_table(codes, eeb_quantized_row_bytes(table->bits, table->dim, table->planes)) &&
           is_table(scales, eeb_quantized_row_scales(table->dim, table->block, table->planes)) && scales.size(0) == codes.size(0);
}

} // namespace edgeemb

#endif
