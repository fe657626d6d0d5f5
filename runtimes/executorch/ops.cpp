/* The ops of namespace `edgeemb` for ExecuTorch. See README.md of this folder for their signatures.
 *
 * An adapter: it reads shapes, checks them, hands pointers to the kernels and words their errors. It holds no arithmetic.
 * Link this file into an application, or load the shared library: the ops register themselves, once however often that happens. */
#include <executorch/runtime/core/event_tracer_hooks.h>
#include <executorch/runtime/kernel/operator_registry.h>

#include <cinttypes>
#include <cstring>
#include <utility>

#include "../kernels/codebook_logits.h"
#include "../kernels/logits.h"
#include "../kernels/ngram.h"
#include "../kernels/quantized.h"
#include "linear_op.h"
#include "shortlist_op.h"
#include "tensors.h"
#include "top_op.h"

namespace edgeemb
{
namespace
{

using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::Kernel;
using executorch::runtime::Span;

/* The rows of the ids, by a kernel over a table that has been checked. */
template <typename Table>
Tensor &look_up(
    KernelRuntimeContext &context, const char *name, eeb_status (*lookup)(const Table *, const eeb_ids *, void *, size_t *),
    const Table &table, int64_t dim, const Tensor &ids, Tensor &out)
{
    const eeb_ids all = {ids.const_data_ptr(), static_cast<size_t>(ids.numel()), kernel_type(ids.scalar_type())};
    size_t position = 0;

    ET_KERNEL_CHECK_MSG(
        context, (all.type == EEB_INT32 || all.type == EEB_INT64) && is_laid_out(ids), InvalidArgument, out,
        "%s: the ids must be int32 or int64", name);
    ET_KERNEL_CHECK_MSG(
        context, resize_output(ids, ids.dim(), dim, out), InvalidArgument, out, "%s: the output cannot hold the rows of these ids", name);
    const eeb_status status = lookup(&table, &all, out.mutable_data_ptr(), &position);
    ET_KERNEL_CHECK_MSG(
        context, status != EEB_ID_OUT_OF_RANGE, InvalidArgument, out,
        "%s: id %" PRId64 " at position %zu is outside [0, %" PRId64 "), the rows of the table", name, eeb_id_at(&all, position), position,
        table.rows);
    ET_KERNEL_CHECK_MSG(
        context, status == EEB_OK, Internal, out, "%s: the kernel refused the call with status %d", name, static_cast<int>(status));
    return out;
}

Tensor &quantized_lookup_out(
    KernelRuntimeContext &context, const Tensor &ids, const Tensor &codes, const Tensor &scales, int64_t bits, int64_t dim, int64_t block,
    int64_t planes, Tensor &out)
{
    eeb_quantized_table table;

    ET_KERNEL_CHECK_MSG(
        context, quantized_table(codes, scales, bits, dim, block, planes, &table), InvalidArgument, out,
        "QuantizedLookup: codes, scales, bits %" PRId64 ", dim %" PRId64 ", block %" PRId64 ", planes %" PRId64 " do not fit together",
        bits, dim, block, planes);
    return look_up(context, "QuantizedLookup", eeb_quantized_lookup, table, dim, ids, out);
}

/* The products of vectors with every row of the table. */
Tensor &quantized_logits_out(
    KernelRuntimeContext &context, const Tensor &hidden, const Tensor &codes, const Tensor &scales, int64_t bits, int64_t dim,
    int64_t block, int64_t planes, Tensor &out)
{
    const ssize_t last = hidden.dim() - 1;
    eeb_quantized_table table;
    eeb_logits_call call = {};
    size_t size = 0;

    ET_KERNEL_CHECK_MSG(
        context, quantized_table(codes, scales, bits, dim, block, planes, &table), InvalidArgument, out,
        "QuantizedLogits: codes, scales, bits %" PRId64 ", dim %" PRId64 ", block %" PRId64 ", planes %" PRId64 " do not fit together",
        bits, dim, block, planes);
    /* The output comes first: in a hostile program it may be the vectors, which then have another size. */
    ET_KERNEL_CHECK_MSG(
        context, last >= 0 && resize_output(hidden, last, table.rows, out), InvalidArgument, out,
        "QuantizedLogits: the output cannot hold the logits of these vectors");
    ET_KERNEL_CHECK_MSG(
        context, is_vectors(hidden, dim), InvalidArgument, out,
        "QuantizedLogits: the vectors must be float32 with %" PRId64 " elements each", dim);
    call.count = static_cast<size_t>(hidden.numel() / dim);
    call.rows = static_cast<size_t>(table.rows);
    call.output = out.mutable_data_ptr();
    if (call.count == 0 || call.rows == 0) {
        return out;
    }
    ET_KERNEL_CHECK_MSG(
        context, eeb_logits_check(&table, &call, table.bits) == EEB_OK && eeb_logits_memory(&table, call.count, &size) == EEB_OK,
        InvalidArgument, out, "QuantizedLogits: %zu vectors and the table are too large together", call.count);
    const auto memory = context.allocate_temp(size);
    ET_KERNEL_CHECK_MSG(
        context, memory.ok(), MemoryAllocationFailed, out, "QuantizedLogits: %zu bytes of memory for the vectors are not there", size);
    call.memory = memory.get();
    (void)eeb_logits_prepare(&table, hidden.const_data_ptr(), call.count, memory.get());
    const eeb_status status = eeb_quantized_logits(&table, &call);
    ET_KERNEL_CHECK_MSG(
        context, status == EEB_OK, Internal, out, "QuantizedLogits: the kernel refused the call with status %d", static_cast<int>(status));
    return out;
}

/* Describes the table of a codebook lookup; false if the arguments do not fit together. */
bool codebook_table(const Tensor &codes, const Tensor &codebooks, bool additive, eeb_codebook_table *table)
{
    if (!is_laid_out(codes) || !is_laid_out(codebooks) || codebooks.dim() != 3 || codes.dim() != 2 ||
        codes.scalar_type() != ScalarType::Byte || codes.size(1) != codebooks.size(0)) {
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

    ET_KERNEL_CHECK_MSG(
        context, codebook_table(codes, codebooks, additive, &table), InvalidArgument, out,
        "CodebookLookup: codes and codebooks do not fit together");
    return look_up(context, "CodebookLookup", eeb_codebook_lookup, table, static_cast<int64_t>(eeb_codebook_dim(&table)), ids, out);
}

/* The products of vectors with every row of a table of codebooks. */
Tensor &codebook_logits_out(
    KernelRuntimeContext &context, const Tensor &hidden, const Tensor &codes, const Tensor &codebooks, bool additive, Tensor &out)
{
    const ssize_t last = hidden.dim() - 1;
    eeb_codebook_table table;
    eeb_logits_call call = {};
    size_t size = 0, row = 0;

    ET_KERNEL_CHECK_MSG(
        context, codebook_table(codes, codebooks, additive, &table), InvalidArgument, out,
        "CodebookLogits: codes and codebooks do not fit together");
    const auto dim = static_cast<ssize_t>(eeb_codebook_dim(&table));
    /* The output comes first: in a hostile program it may be the vectors, which then have another size. */
    ET_KERNEL_CHECK_MSG(
        context, last >= 0 && resize_output(hidden, last, table.rows, out), InvalidArgument, out,
        "CodebookLogits: the output cannot hold the logits of these vectors");
    ET_KERNEL_CHECK_MSG(
        context, is_vectors(hidden, dim), InvalidArgument, out, "CodebookLogits: the vectors must be float32 with %zd elements each", dim);
    call.count = static_cast<size_t>(hidden.numel() / dim);
    call.rows = static_cast<size_t>(table.rows);
    call.output = out.mutable_data_ptr();
    if (call.count == 0 || call.rows == 0) {
        return out;
    }
    const eeb_status status = eeb_codebook_logits_check(&table, &call, &row);
    ET_KERNEL_CHECK_MSG(
        context, status != EEB_CODE_OUT_OF_RANGE, InvalidArgument, out,
        "CodebookLogits: row %zu holds a code that its codebook does not have", row);
    ET_KERNEL_CHECK_MSG(
        context, status == EEB_OK && eeb_codebook_logits_memory(&table, 1, &size) == EEB_OK, InvalidArgument, out,
        "CodebookLogits: %zu vectors and the table are too large together", call.count);
    const auto memory = context.allocate_temp(size);
    ET_KERNEL_CHECK_MSG(
        context, memory.ok(), MemoryAllocationFailed, out, "CodebookLogits: %zu bytes of memory for the vectors are not there", size);
    eeb_codebook_logits_each(&table, &call, hidden.const_data_ptr(), memory.get());
    return out;
}

/* Describes the constants of a hash, without tokens; false if they do not fit together. */
bool ngram_hash(const Tensor &seeds, const Tensor &bases, int64_t n, eeb_ngram_table *table)
{
    if (!is_array(seeds, ScalarType::Short) || !is_array(bases, ScalarType::Short) || n < 1 || n > EEB_NGRAM_MOST) {
        return false;
    }
    *table = {};
    table->seeds = seeds.const_data_ptr();
    table->bases = bases.const_data_ptr();
    table->n = static_cast<int32_t>(n);
    table->lanes = static_cast<int32_t>(bases.size(0));
    table->dim = static_cast<int32_t>(seeds.size(0));
    return eeb_ngram_check(table, 0) == EEB_OK;
}

/* The same with tokens. */
bool ngram_table(const Tensor &tokens, const Tensor &starts, const Tensor &seeds, const Tensor &bases, int64_t n, eeb_ngram_table *table)
{
    if (!is_array(tokens, ScalarType::Byte) || !is_array(starts, ScalarType::Int) || starts.size(0) < 1 ||
        !ngram_hash(seeds, bases, n, table)) {
        return false;
    }
    table->tokens = tokens.const_data_ptr();
    table->starts = starts.const_data_ptr();
    table->rows = starts.size(0) - 1;
    table->total = tokens.size(0);
    return true;
}

/* `longest` is for the portable form: the kernel reads how long tokens are. */
Tensor &ngram_lookup_out(
    KernelRuntimeContext &context, const Tensor &ids, const Tensor &tokens, const Tensor &starts, const Tensor &seeds, const Tensor &bases,
    int64_t n, [[maybe_unused]] int64_t longest, Tensor &out)
{
    eeb_ngram_table table;

    ET_KERNEL_CHECK_MSG(
        context, ngram_table(tokens, starts, seeds, bases, n, &table), InvalidArgument, out,
        "NgramLookup: tokens, starts, seeds, bases, n %" PRId64 " do not fit together", n);
    return look_up(context, "NgramLookup", eeb_ngram_lookup, table, table.dim, ids, out);
}

Tensor &ngram_bytes_out(
    KernelRuntimeContext &context, const Tensor &padded, const Tensor &seeds, const Tensor &bases, int64_t n, Tensor &out)
{
    eeb_ngram_table table;
    const ssize_t last = padded.dim() - 1;

    ET_KERNEL_CHECK_MSG(
        context, ngram_hash(seeds, bases, n, &table), InvalidArgument, out, "NgramBytes: seeds, bases, n %" PRId64 " do not fit together",
        n);
    ET_KERNEL_CHECK_MSG(
        context, last >= 0 && padded.scalar_type() == ScalarType::Byte && padded.size(last) > 0 && is_laid_out(padded), InvalidArgument,
        out, "NgramBytes: the tokens must be uint8 with at least one byte each");
    ET_KERNEL_CHECK_MSG(
        context, resize_output(padded, last, table.dim, out), InvalidArgument, out,
        "NgramBytes: the output cannot hold the rows of these tokens");
    const size_t width = static_cast<size_t>(padded.size(last)), count = static_cast<size_t>(padded.numel()) / width;
    const eeb_status status = eeb_ngram_bytes(&table, padded.const_data_ptr(), count, width, out.mutable_data_ptr());
    ET_KERNEL_CHECK_MSG(
        context, status == EEB_OK, Internal, out, "NgramBytes: the kernel refused the call with status %d", static_cast<int>(status));
    return out;
}

/* An argument out of a program's values. The runtime's own boxing ends the process where a value is of another kind. */
template <typename Argument> struct Value;

template <> struct Value<const Tensor &> {
    static bool is(const EValue &value)
    {
        return value.isTensor();
    }
    static const Tensor &of(EValue &value)
    {
        return value.toTensor();
    }
};

template <> struct Value<Tensor &> {
    static bool is(const EValue &value)
    {
        return value.isTensor();
    }
    static Tensor &of(EValue &value)
    {
        return value.toTensor();
    }
};

template <> struct Value<int64_t> {
    static bool is(const EValue &value)
    {
        return value.isInt();
    }
    static int64_t of(EValue &value)
    {
        return value.toInt();
    }
};

template <> struct Value<bool> {
    static bool is(const EValue &value)
    {
        return value.isBool();
    }
    static bool of(EValue &value)
    {
        return value.toBool();
    }
};

/* An op as the runtime calls it, whose last arguments are its outputs. */
template <const char *name, auto function> struct Op;

template <const char *name, typename... Arguments, Tensor &(*function)(KernelRuntimeContext &, Arguments...)> struct Op<name, function> {
    static void call(KernelRuntimeContext &context, Span<EValue *> stack)
    {
        unpack(context, stack, std::index_sequence_for<Arguments...>());
    }

    template <size_t... place> static void unpack(KernelRuntimeContext &context, Span<EValue *> stack, std::index_sequence<place...>)
    {
        if (stack.size() < sizeof...(Arguments) || !(Value<Arguments>::is(*stack[place]) && ...)) {
            ET_LOG(Error, "%s: its arguments are of another version: update edgeemb", name);
            context.fail(Error::InvalidArgument);
            return;
        }
        const executorch::runtime::internal::EventTracerProfileOpScope scope(context.internal_event_tracer(), name);
        function(context, Value<Arguments>::of(*stack[place])...);
        executorch::runtime::internal::event_tracer_log_evalue(context.internal_event_tracer(), *stack[sizeof...(Arguments) - 1]);
    }
};

constexpr char quantized_linear8_name[] = "edgeemb::quantized_linear8.out";
constexpr char quantized_linear4_name[] = "edgeemb::quantized_linear4.out";
constexpr char quantized_lookup_name[] = "edgeemb::quantized_lookup.out";
constexpr char quantized_logits_name[] = "edgeemb::quantized_logits.out";
constexpr char quantized_top_name[] = "edgeemb::quantized_top.out";
constexpr char shortlist_top_name[] = "edgeemb::shortlist_top.out";
constexpr char codebook_lookup_name[] = "edgeemb::codebook_lookup.out";
constexpr char codebook_logits_name[] = "edgeemb::codebook_logits.out";
constexpr char ngram_lookup_name[] = "edgeemb::ngram_lookup.out";
constexpr char ngram_bytes_name[] = "edgeemb::ngram_bytes.out";

/* A second registration of a name aborts the process: a copy of this file that comes later leaves the first one in place. */
template <const char *name, auto function> bool add()
{
    for (const Kernel &kernel : executorch::runtime::get_registered_kernels()) {
        if (std::strcmp(kernel.name_, name) == 0) {
            return true;
        }
    }
    return executorch::runtime::register_kernel(Kernel(name, Op<name, function>::call)) == Error::Ok;
}

const bool registered = add<quantized_lookup_name, quantized_lookup_out>() && add<quantized_logits_name, quantized_logits_out>() &&
                        add<codebook_lookup_name, codebook_lookup_out>() && add<codebook_logits_name, codebook_logits_out>() &&
                        add<ngram_lookup_name, ngram_lookup_out>() && add<ngram_bytes_name, ngram_bytes_out>() &&
                        add<quantized_linear8_name, quantized_linear8_out>() && add<quantized_linear4_name, quantized_linear4_out>() &&
                        add<quantized_top_name, quantized_top_out>() && add<shortlist_top_name, shortlist_top_out>();

} // namespace
} // namespace edgeemb
