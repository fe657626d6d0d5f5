/* The custom ops that the adapters of TensorFlow Lite and TensorFlow Lite Micro serve, and one call of one of them.
 *
 * To add an op: write its header like quantized_op.h, include it here, and give it its lines in the two lists. */
#ifndef EDGEEMB_LOOKUPS_H
#define EDGEEMB_LOOKUPS_H

#include "codebook_op.h"
#include "lookup_op.h"
#include "ngram_op.h"
#include "quantized_op.h"

/* name in lower case, name of the op */
#define EDGEEMB_LOOKUPS(lookup) lookup(quantized, QuantizedLookup) lookup(codebook, CodebookLookup) lookup(ngram, NgramLookup)

/* Room for the table of any op. */
typedef union edgeemb_table {
    eeb_quantized_table quantized;
    edgeemb_codebook codebook;
    eeb_ngram_table ngram;
} edgeemb_table;

/* What a call came to; the adapters word it. */
typedef struct edgeemb_result {
    eeb_status status;
    int bound;       /* whether the tensors fitted the options; if not, only this and the status say something */
    size_t position; /* among the ids, for EEB_ID_OUT_OF_RANGE and EEB_CODE_OUT_OF_RANGE */
    int64_t id;      /* the id there */
    edgeemb_size size;
} edgeemb_result;

/* Runs an op: `table` holds its options, `inputs` are all there. */
EEB_FUNCTION edgeemb_result edgeemb_run(const edgeemb_op *op, const edgeemb_tensor *inputs, void *table, void *output)
{
    edgeemb_result result = {EEB_OK, 0, 0, 0, {0, 0}};
    eeb_ids ids = {NULL, 0, EEB_INT32};

    result.status = edgeemb_read_ids(&inputs[0], &ids);
    if (result.status == EEB_OK) {
        result.status = op->bind(inputs, table, &result.size);
    }
    if (result.status != EEB_OK) {
        return result;
    }
    result.bound = 1;
    result.status = op->rows(table, &ids, output, &result.position);
    if (result.status == EEB_ID_OUT_OF_RANGE || result.status == EEB_CODE_OUT_OF_RANGE) {
        result.id = eeb_id_at(&ids, result.position);
    }
    return result;
}

#endif
