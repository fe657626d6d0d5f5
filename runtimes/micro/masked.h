/* The most probable tokens of a place, over the very table that tokens are looked up in: QuantizedTop of kernels/top.h on the fastest
 * instructions there are, or over codebooks or rows of floats in plain C; with the same bits everywhere.
 *
 * MEMORY   the caller's: for `count` vectors at a time, eeb_logits_memory bytes for these as integers, or eeb_codebook_logits_memory bytes
 *          for the products of one with all entries; and eeb_top_work bytes for the choice. No place is there for all logits. */
#ifndef EEM_MASKED_H
#define EEM_MASKED_H

#include "../kernels/codebook_logits.h"
#include "../kernels/top.h"
#include "layers.h"

#if EEB_HAS_X86 || EEB_HAS_NEON
#define EEM_LOGITS(bits) eeb_logits_variant(bits, eeb_cpu_best())
#else
/* The linker drops the others. */
#define EEM_LOGITS(bits) eeb_quantized_logits_b##bits##_serial
#endif

typedef struct eem_decoder {
    eeb_quantized_table table;
    const float *bias; /* [table.rows]; NULL for none */
    uint32_t top;
} eem_decoder;

/* The same over rows that are stored as they are. */
typedef struct eem_dense_decoder {
    const uint8_t *rows; /* [count][dim] */
    eeb_type type;
    uint32_t count, dim;
    const float *bias; /* [count]; NULL for none */
    uint32_t top;
} eem_dense_decoder;

/* The same over codebooks. */
typedef struct eem_books_decoder {
    eeb_codebook_table table;
    const float *bias; /* [table.rows]; NULL for none */
    uint32_t top;
} eem_books_decoder;

/* Writes what the selections at the beginning of working memory hold, the best first. */
EEM_FUNCTION void eem_best_write(void *work, uint32_t count, uint32_t top, float *values, int32_t *tokens)
{
    uint32_t vector, at;

    for (vector = 0; vector < count; ++vector) {
        eeb_selection *best = (eeb_selection *)work + vector;

        eeb_selection_sort(best);
        for (at = 0; at < top; ++at) {
            values[vector * top + at] = eeb_top_value(best->keys[at]);
            if (tokens != NULL) {
                tokens[vector * top + at] = (int32_t)eeb_top_row(best->keys[at]);
            }
        }
    }
}

/* The best tokens for `count` vectors [count][table.dim]: values [count][top], their logits, the best first, and tokens [count][top], which
 * may be NULL. The table was checked when it was written: it cannot fail. */
EEM_FUNCTION void eem_decode(
    const eem_decoder *decoder, eeb_logits_function logits, const float *vectors, uint32_t count, void *prepared, void *work, float *values,
    int32_t *tokens)
{
    const eeb_top_call call = {prepared, count, decoder->bias, 0, (size_t)decoder->table.rows, decoder->top, work};

    (void)eeb_logits_prepare(&decoder->table, vectors, count, prepared);
    (void)eeb_quantized_top_by(&decoder->table, &call, logits);
    eem_best_write(work, count, decoder->top, values, tokens);
}

/* The product of a vector with a row; sums have lanes, as all sums of floats: see layers.h. */
EEM_FUNCTION float eem_row_product(const eem_dense_decoder *decoder, const float *vector, uint32_t row)
{
    float lanes[EEM_LANES] = {0.0f};
    const size_t from = (size_t)row * decoder->dim;
    uint32_t at, lane;

    for (at = 0; at < decoder->dim; at += EEM_LANES) {
        const uint32_t end = decoder->dim - at < EEM_LANES ? decoder->dim - at : EEM_LANES;

        for (lane = 0; lane < end; ++lane) {
            lanes[lane] = lanes[lane] + vector[at + lane] * eeb_float_at(decoder->rows, decoder->type, from + at + lane);
        }
    }
    return eem_lanes_sum(lanes);
}

/* eem_decode over rows of floats; a row is read once for all vectors. */
EEM_FUNCTION void eem_decode_dense(
    const eem_dense_decoder *decoder, const float *vectors, uint32_t count, void *work, float *values, int32_t *tokens)
{
    eeb_selection *selections = (eeb_selection *)work;
    uint32_t row, vector;

    (void)eeb_top_begin(work, count, decoder->top);
    for (row = 0; row < decoder->count; ++row) {
        for (vector = 0; vector < count; ++vector) {
            const float product = eem_row_product(decoder, vectors + (size_t)vector * decoder->dim, row);

            eeb_selection_add(&selections[vector], decoder->bias == NULL ? product : product + decoder->bias[row], row);
        }
    }
    eem_best_write(work, count, decoder->top, values, tokens);
}

/* eem_decode over codebooks, one vector after another: `prepared` holds the products of one. */
EEM_FUNCTION void eem_decode_books(
    const eem_books_decoder *decoder, const float *vectors, uint32_t count, void *prepared, void *work, float *values, int32_t *tokens)
{
    const eeb_codebook_table *table = &decoder->table;
    const size_t rows = (size_t)table->rows;
    eeb_selection *selections = (eeb_selection *)work;
    size_t row, some, at;
    uint32_t vector;

    (void)eeb_top_begin(work, count, decoder->top);
    for (vector = 0; vector < count; ++vector) {
        (void)eeb_codebook_logits_prepare(table, vectors + (size_t)vector * (size_t)eeb_codebook_dim(table), 1, prepared);
        for (row = 0; row < rows; row += some) {
            float sums[EEB_CODEBOOK_ROWS];

            some = eeb_codebook_some(table, (const uint8_t *)prepared, row, rows, sums);
            for (at = 0; at < some; ++at) {
                eeb_selection_add(&selections[vector], decoder->bias == NULL ? sums[at] : sums[at] + decoder->bias[row + at], row + at);
            }
        }
    }
    eem_best_write(work, count, decoder->top, values, tokens);
}

#endif
