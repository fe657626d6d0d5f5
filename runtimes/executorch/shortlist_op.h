/* Op shortlist_top: the k best products of vectors with those rows of a table that a scan of small codes takes for the best; see
 * ../kernels/shortlist.h. */
#ifndef EDGEEMB_SHORTLIST_OP_H
#define EDGEEMB_SHORTLIST_OP_H

#include <cinttypes>

#include "../kernels/shortlist.h"
#include "top_op.h"

namespace edgeemb
{

/* Describes the codes that are scanned; false if they are not those of a table's rows. */
inline bool shortlist_of(
    const Tensor &listed, const Tensor &lengths, const Tensor &codebook, const eeb_quantized_table &table, eeb_shortlist *list)
{
    if (codebook.dim() != 2 || codebook.scalar_type() != ScalarType::Float || codebook.size(0) != EEB_SHORTLIST_ENTRIES ||
        codebook.size(1) < 1 || codebook.size(1) > 8 || !is_laid_out(codebook) || !is_laid_out(listed)) {
        return false;
    }
    list->codes = listed.const_data_ptr();
    list->scales = lengths.const_data_ptr();
    list->codebook = codebook.const_data_ptr();
    list->rows = table.rows;
    list->dim = table.dim;
    list->part = static_cast<int32_t>(codebook.size(1));
    if (eeb_shortlist_check(list) != EEB_OK) {
        return false;
    }
    const uint64_t blocks = eeb_shortlist_blocks(list);
    return listed.scalar_type() == ScalarType::Byte && listed.dim() == 3 && static_cast<uint64_t>(listed.size(0)) == blocks &&
           static_cast<uint64_t>(listed.size(1)) == eeb_shortlist_pairs(list) && listed.size(2) == EEB_SHORTLIST_BLOCK &&
           is_array(lengths, ScalarType::Float) && static_cast<uint64_t>(lengths.size(0)) == blocks * EEB_SHORTLIST_BLOCK;
}

inline Tensor &shortlist_top_out(
    KernelRuntimeContext &context, const Tensor &hidden, const Tensor &codes, const Tensor &scales, const Tensor &bias,
    const Tensor &listed, const Tensor &lengths, const Tensor &codebook, int64_t bits, int64_t dim, int64_t block, int64_t planes,
    int64_t candidates, int64_t top, Tensor &values, Tensor &tokens)
{
    eeb_shortlist_job job = {};
    size_t prepared = 0, size = 0;

    ET_KERNEL_CHECK_MSG(
        context, quantized_table(codes, scales, bits, dim, block, planes, &job.table) && top_bias(bias, job.table.rows, &job.bias),
        InvalidArgument, values,
        "ShortlistTop: codes, scales, bias, bits %" PRId64 ", dim %" PRId64 ", block %" PRId64 ", planes %" PRId64 " do not fit together",
        bits, dim, block, planes);
    ET_KERNEL_CHECK_MSG(
        context, shortlist_of(listed, lengths, codebook, job.table, &job.list), InvalidArgument, values,
        "ShortlistTop: the shortlist is not one of the %" PRId64 " rows of the table", job.table.rows);
    ET_KERNEL_CHECK_MSG(
        context, top >= 1 && top <= candidates && candidates <= job.table.rows, InvalidArgument, values,
        "ShortlistTop: top %" PRId64 ", candidates %" PRId64 " and the %" PRId64 " rows of the table do not follow each other", top,
        candidates, job.table.rows);
    ET_KERNEL_CHECK_MSG(
        context, resize_best(hidden, top, values, tokens), InvalidArgument, values,
        "ShortlistTop: the outputs cannot hold the best of these vectors");
    ET_KERNEL_CHECK_MSG(
        context, is_vectors(hidden, dim), InvalidArgument, values,
        "ShortlistTop: the vectors must be float32 with %" PRId64 " elements each", dim);
    job.top = static_cast<size_t>(top);
    job.candidates = static_cast<size_t>(candidates);
    job.range_blocks = eeb_shortlist_blocks(&job.list);
    ET_KERNEL_CHECK_MSG(
        context, eeb_shortlist_job_size(&job, &size) == EEB_OK && eeb_logits_memory(&job.table, 1, &prepared) == EEB_OK, InvalidArgument,
        values, "ShortlistTop: the table and %" PRId64 " candidates are too large together", candidates);
    const auto memory = context.allocate_temp(prepared);
    const auto work = context.allocate_temp(size, alignof(eeb_selection));
    ET_KERNEL_CHECK_MSG(
        context, memory.ok() && work.ok(), MemoryAllocationFailed, values, "ShortlistTop: %zu bytes of memory are not there",
        prepared + size);
    job.work = work.get();
    const size_t count = static_cast<size_t>(hidden.numel() / dim);
    for (size_t at = 0; at < count; ++at) {
        const float *vector = hidden.const_data_ptr<float>() + at * static_cast<size_t>(dim);

        (void)eeb_logits_prepare(&job.table, vector, 1, memory.get());
        eeb_shortlist_job_begin(&job, vector);
        eeb_shortlist_job_range(&job, 0, eeb_shortlist_variant(eeb_cpu_best()));
        const eeb_status status = eeb_shortlist_job_end(
            &job, memory.get(), eeb_logits_variant(job.table.bits, eeb_cpu_best()), values.mutable_data_ptr<float>() + at * job.top,
            tokens.mutable_data_ptr<int64_t>() + at * job.top);
        ET_KERNEL_CHECK_MSG(
            context, status == EEB_OK, Internal, values, "ShortlistTop: the kernel refused the call with status %d",
            static_cast<int>(status));
    }
    return values;
}

} // namespace edgeemb

#endif
