/* The most probable tokens of a place, over the very table that tokens are looked up in: QuantizedTop of kernels/top.h on the fastest
 * instructions there are, with the same bits on all.
 *
 * MEMORY   the caller's: for `count` vectors at a time, eeb_logits_memory bytes for these as integers, and eeb_top_work bytes for the
 *          choice. No place is there for all logits. */
#ifndef EEM_MASKED_H
#define EEM_MASKED_H

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

/* The best tokens for `count` vectors [count][table.dim]: values [count][top], their logits, the best first, and tokens [count][top], which
 * may be NULL. The table was checked when it was written: it cannot fail. */
EEM_FUNCTION void eem_decode(
    const eem_decoder *decoder, eeb_logits_function logits, const float *vectors, uint32_t count, void *prepared, void *work, float *values,
    int32_t *tokens)
{
    const eeb_top_call call = {prepared, count, decoder->bias, 0, (size_t)decoder->table.rows, decoder->top, work};
    uint32_t vector, at;

    (void)eeb_logits_prepare(&decoder->table, vectors, count, prepared);
    (void)eeb_quantized_top_by(&decoder->table, &call, logits);
    for (vector = 0; vector < count; ++vector) {
        eeb_selection *best = (eeb_selection *)work + vector;

        eeb_selection_sort(best);
        for (at = 0; at < decoder->top; ++at) {
            values[vector * decoder->top + at] = eeb_top_value(best->keys[at]);
            if (tokens != NULL) {
                tokens[vector * decoder->top + at] = (int32_t)eeb_top_row(best->keys[at]);
            }
        }
    }
}

#endif
