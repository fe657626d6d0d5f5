/* The ops of namespace `edgeemb` for ExecuTorch. See README.md of this folder for their signatures.
 *
 * An adapter: it reads shapes, checks them, hands pointers to the kernels and words their errors. It holds no arithmetic.
 * Link this file into an application, or load the shared library: the ops register themselves, once however often that happens. */
#include <executorch/extension/kernel_util/make_boxed_from_unboxed_functor.h>
#include <executorch/runtime/core/exec_aten/util/tensor_util.h>
#include <executorch/runtime/kernel/kernel_includes.h>

#include <cinttypes>
#include <cstring>

#include "../kernels/codebook.h"
#include "../kernels/quantized.h"

namespace edgeemb
{
namespace
{

using executorch::aten::ArrayRef;
using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::aten::Tensor;
using executorch::runtime::Error;
using executorch::runtime::KernelRuntimeContext;

constexpr ssize_t most_dimensions = 16;

/* The kernels' name for an element type; -1 for one that they do not know. */
eeb_type kernel_type(ScalarType type)
{
    switch (type) {
    case ScalarType::Int: return EEB_INT32;
    case ScalarType::Long: return EEB_INT64;
    case ScalarType::Half: return EEB_FLOAT16;
    case ScalarType::Float: return EEB_FLOAT32;
    default: return -1;
    }
}

/* Gives the output the shape [ids..., dim]. */
bool resize_output(const Tensor &ids, int64_t dim, Tensor &out)
{
    SizesType sizes[most_dimensions];
    const ssize_t rank = ids.dim();

    if (rank >= most_dimensions) {
        return false;
    }
    for (ssize_t axis = 0; axis < rank; ++axis) {
        sizes[axis] = ids.size(axis);
    }
    sizes[rank] = static_cast<SizesType>(dim);
    return resize_tensor(out, ArrayRef<SizesType>(sizes, static_cast<size_t>(rank) + 1)) == Error::Ok;
}

bool is_table(const Tensor &tensor, uint64_t columns)
{
    return tensor.dim() == 2 && static_cast<uint64_t>(tensor.size(1)) == columns;
}

/* Describes the table of a quantised lookup; false if the arguments do not fit together. */
bool quantized_table(
    const Tensor &codes, const Tensor &scales, int64_t bits, int64_t dim, int64_t block, int64_t planes, eeb_quantized_table *table)
{
    if (bits < 1 || bits > 8 || dim < 1 || dim > INT32_MAX || block < 0 || block > dim || planes < 1 || planes > INT32_MAX) {
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

Tensor &quantized_lookup_out(
    KernelRuntimeContext &context, const Tensor &ids, const Tensor &codes, const Tensor &scales, int64_t bits, int64_t dim, int64_t block,
    int64_t planes, Tensor &out)
{
    eeb_quantized_table table;
    size_t position = 0;

    ET_KERNEL_CHECK_MSG(
        context, quantized_table(codes, scales, bits, dim, block, planes, &table), InvalidArgument, out,
        "QuantizedLookup: codes, scales, bits %" PRId64 ", dim %" PRId64 ", block %" PRId64 ", planes %" PRId64 " do not fit together",
        bits, dim, block, planes);
    const eeb_ids all = {ids.const_data_ptr(), static_cast<size_t>(ids.numel()), kernel_type(ids.scalar_type())};
    ET_KERNEL_CHECK_MSG(
        context, all.type == EEB_INT32 || all.type == EEB_INT64, InvalidArgument, out, "QuantizedLookup: the ids must be int32 or int64");
    ET_KERNEL_CHECK_MSG(
        context, out.scalar_type() == ScalarType::Float && resize_output(ids, dim, out), InvalidArgument, out,
        "QuantizedLookup: the output cannot hold the rows of these ids");
    const eeb_status status = eeb_quantized_lookup(&table, &all, out.mutable_data_ptr(), &position);
    ET_KERNEL_CHECK_MSG(
        context, status != EEB_ID_OUT_OF_RANGE, InvalidArgument, out,
        "QuantizedLookup: id %" PRId64 " at position %zu is outside [0, %" PRId64 "), the rows of the table", eeb_id_at(&all, position),
        position, table.rows);
    ET_KERNEL_CHECK_MSG(
        context, status == EEB_OK, Internal, out, "QuantizedLookup: the kernel refused the call with status %d", static_cast<int>(status));
    return out;
}

/* Describes the table of a codebook lookup; false if the arguments do not fit together. */
bool codebook_table(const Tensor &codes, const Tensor &codebooks, bool additive, eeb_codebook_table *table)
{
    if (codebooks.dim() != 3 || codes.dim() != 2 || codes.scalar_type() != ScalarType::Byte || codes.size(1) != codebooks.size(0)) {
        return false;
    }
    table->codes = codes.const_data_ptr();
    table->codebooks = codebooks.const_data_ptr();
    table->rows = codes.size(0);
    table->books = static_cast<int32_t>(codebooks.size(0));
    table->entries = static_cast<int32_t>(codebooks.size(1));
    table->part = static_cast<int32_t>(codebooks.size(2));
    table->additive = additive ? 1 : 0;
    table->book_type = kernel_type(codebooks.scalar_type());
    return eeb_codebook_check(table, 0) == EEB_OK;
}

Tensor &codebook_lookup_out(
    KernelRuntimeContext &context, const Tensor &ids, const Tensor &codes, const Tensor &codebooks, bool additive, Tensor &out)
{
    eeb_codebook_table table;
    size_t position = 0;

    ET_KERNEL_CHECK_MSG(
        context, codebook_table(codes, codebooks, additive, &table), InvalidArgument, out,
        "CodebookLookup: codes and codebooks do not fit together");
    const eeb_ids all = {ids.const_data_ptr(), static_cast<size_t>(ids.numel()), kernel_type(ids.scalar_type())};
    ET_KERNEL_CHECK_MSG(
        context, all.type == EEB_INT32 || all.type == EEB_INT64, InvalidArgument, out, "CodebookLookup: the ids must be int32 or int64");
    ET_KERNEL_CHECK_MSG(
        context, out.scalar_type() == ScalarType::Float && resize_output(ids, static_cast<int64_t>(eeb_codebook_dim(&table)), out),
        InvalidArgument, out, "CodebookLookup: the output cannot hold the rows of these ids");
    const eeb_status status = eeb_codebook_lookup(&table, &all, out.mutable_data_ptr(), &position);
    ET_KERNEL_CHECK_MSG(
        context, status != EEB_ID_OUT_OF_RANGE, InvalidArgument, out,
        "CodebookLookup: id %" PRId64 " at position %zu is outside [0, %" PRId64 "), the rows of the table", eeb_id_at(&all, position),
        position, table.rows);
    ET_KERNEL_CHECK_MSG(
        context, status == EEB_OK, Internal, out, "CodebookLookup: the kernel refused the call with status %d", static_cast<int>(status));
    return out;
}

constexpr char quantized_lookup_name[] = "edgeemb::quantized_lookup.out";
constexpr char codebook_lookup_name[] = "edgeemb::codebook_lookup.out";

bool is_registered(const char *name)
{
    for (const executorch::runtime::Kernel &kernel : executorch::runtime::get_registered_kernels()) {
        if (std::strcmp(kernel.name_, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A second registration of a name aborts the process: a copy of this file that comes later leaves the first one in place. */
bool register_ops()
{
    using executorch::extension::make_boxed_kernel;
    using executorch::runtime::register_kernel;

    return (is_registered(quantized_lookup_name) ||
            register_kernel(make_boxed_kernel(quantized_lookup_name, EXECUTORCH_FN(quantized_lookup_out, quantized_lookup_name))) ==
                Error::Ok) &&
           (is_registered(codebook_lookup_name) ||
            register_kernel(make_boxed_kernel(codebook_lookup_name, EXECUTORCH_FN(codebook_lookup_out, codebook_lookup_name))) ==
                Error::Ok);
}

const bool registered = register_ops();

} // namespace
} // namespace edgeemb
