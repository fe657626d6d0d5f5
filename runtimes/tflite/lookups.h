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
    int64_t id;      /* the id there; where vectors go in, the row of the table */
    edgeemb_size size;
} edgeemb_result;

/* Completes a table with the inputs of an op, and reads its ids: EEB_OK if all of them are what the op takes. `placed`: the runtime has put
 * them all somewhere; else only those have data that always stay where they are. */
EEB_FUNCTION eeb_status
edgeemb_bind(const edgeemb_op *op, const edgeemb_tensor *inputs, int placed, void *table, eeb_ids *ids, edgeemb_size *size)
{
    eeb_status status = EEB_OK;
    int at;

    for (at = 0; status == EEB_OK && at < op->inputs; ++at) {
        status = edgeemb_check_tensor(&inputs[at], placed);
    }
    if (status == EEB_OK) {
        status = op->vectors ? edgeemb_read_vectors(&inputs[0], ids) : edgeemb_read_ids(&inputs[0], ids);
    }
    return status == EEB_OK ? op->bind(inputs, table, size) : status;
}

/* Checks an op whose output has its shape from the model, before anything is placed: `table` holds its options. */
EEB_FUNCTION eeb_status edgeemb_prepare(const edgeemb_op *op, const edgeemb_tensor *inputs, const edgeemb_tensor *output, void *table)
{
    eeb_ids ids = {NULL, 0, EEB_INT32};
    edgeemb_size size = {0, 0};
    const eeb_status status = edgeemb_bind(op, inputs, 0, table, &ids, &size);

    return status == EEB_OK ? edgeemb_check_output(op, &inputs[0], output, size.dim, 0) : status;
}

/* Runs an op: `table` holds its options. Everything is checked again, since a runtime may resize tensors between two calls. */
EEB_FUNCTION edgeemb_result edgeemb_run(const edgeemb_op *op, const edgeemb_tensor *inputs, const edgeemb_tensor *output, void *table)
{
    edgeemb_result result = {EEB_OK, 0, 0, 0, {0, 0}};
    eeb_ids ids = {NULL, 0, EEB_INT32};

    result.status = edgeemb_bind(op, inputs, 1, table, &ids, &result.size);
    if (result.status == EEB_OK) {
        result.status = edgeemb_check_output(op, &inputs[0], output, result.size.dim, 1);
    }
    if (result.status != EEB_OK) {
        return result;
    }
    result.bound = 1;
    result.status = op->rows(table, &ids, output->data, &result.position);
    if (result.status == EEB_ID_OUT_OF_RANGE || result.status == EEB_CODE_OUT_OF_RANGE) {
        result.id = op->vectors ? (int64_t)result.position : eeb_id_at(&ids, result.position);
    }
    return result;
}

#endif
