/* libedgeemb_kernels: the kernels behind a flat C interface, for ctypes, tests and benchmarks. */
#include <string.h>

#include "codebook.h"
#include "ngram.h"
#include "quantized.h"
#include "vectors.h"

#if defined(_WIN32)
#define EDGEEMB_EXPORT __declspec(dllexport)
#else
#define EDGEEMB_EXPORT __attribute__((visibility("default")))
#endif

EDGEEMB_EXPORT int32_t edgeemb_abi_version(void);
EDGEEMB_EXPORT const char *edgeemb_variant(int32_t rank);
EDGEEMB_EXPORT int32_t edgeemb_quantized_lookup(
    const char *variant, const void *codes, const void *scales, int32_t scale_type, int64_t rows, int32_t bits, int32_t dim, int32_t block,
    int32_t planes, const void *ids, int32_t id_type, int64_t count, void *output, int64_t *position);
EDGEEMB_EXPORT int32_t edgeemb_codebook_lookup(
    const char *variant, const void *codes, const void *codebooks, int32_t book_type, int64_t rows, int32_t books, int32_t entries,
    int32_t part, int32_t additive, const void *ids, int32_t id_type, int64_t count, void *output, int64_t *position);
EDGEEMB_EXPORT int32_t edgeemb_ngram_lookup(
    const char *variant, const void *tokens, int64_t total, const void *starts, int64_t rows, const void *seeds, int32_t dim,
    const void *bases, int32_t lanes, int32_t n, const void *ids, int32_t id_type, int64_t count, void *output, int64_t *position);
EDGEEMB_EXPORT int32_t edgeemb_ngram_bytes(
    const char *variant, const void *seeds, int32_t dim, const void *bases, int32_t lanes, int32_t n, const void *bytes, int64_t count,
    int64_t width, void *output);
EDGEEMB_EXPORT int32_t edgeemb_vectors_hamming(
    const char *variant, const void *query, const void *store, int64_t rows, int64_t stride, int64_t count, void *differ);
EDGEEMB_EXPORT int32_t edgeemb_vectors_dots(
    const char *variant, const void *query, const void *store, int64_t rows, int32_t bits, int64_t dim, void *dots, void *squares);

/* Changes whenever a function here does. */
int32_t edgeemb_abi_version(void)
{
    return 8;
}

/* Name of the variant that comes `rank`-th among those this processor can run, the fastest first; NULL past the last. */
const char *edgeemb_variant(int32_t rank)
{
    eeb_variant variant;

    for (variant = EEB_VARIANTS - 1; variant >= 0; --variant) {
        if (eeb_cpu_can(variant) && rank-- == 0) {
            return eeb_variant_name(variant);
        }
    }
    return NULL;
}

/* The variant of that name, or the fastest for NULL; -1 if it is unknown or cannot run here. */
static eeb_variant find_variant(const char *name)
{
    eeb_variant variant;

    if (name == NULL) {
        return eeb_cpu_best();
    }
    for (variant = 0; variant < EEB_VARIANTS; ++variant) {
        if (eeb_cpu_can(variant) && strcmp(name, eeb_variant_name(variant)) == 0) {
            return variant;
        }
    }
    return -1;
}

static eeb_ids ids_of(const void *data, int32_t type, int64_t count)
{
    eeb_ids ids;

    ids.data = data;
    ids.count = (size_t)count;
    ids.type = type;
    return ids;
}

/* The status of a lookup, whose position is handed on where it means something. */
static int32_t told(eeb_status status, size_t at, int64_t *position)
{
    if ((status == EEB_ID_OUT_OF_RANGE || status == EEB_CODE_OUT_OF_RANGE) && position != NULL) {
        *position = (int64_t)at;
    }
    return status;
}

static eeb_quantized_table table_of(
    const void *codes, const void *scales, int32_t scale_type, int64_t rows, int32_t bits, int32_t dim, int32_t block, int32_t planes)
{
    eeb_quantized_table table;

    table.codes = codes;
    table.scales = scales;
    table.rows = rows;
    table.bits = bits;
    table.dim = dim;
    table.block = block;
    table.planes = planes;
    table.scale_type = scale_type;
    return table;
}

static eeb_codebook_table books_of(
    const void *codes, const void *codebooks, int32_t book_type, int64_t rows, int32_t books, int32_t entries, int32_t part,
    int32_t additive)
{
    eeb_codebook_table table;

    table.codes = codes;
    table.codebooks = codebooks;
    table.rows = rows;
    table.books = books;
    table.entries = entries;
    table.part = part;
    table.additive = additive;
    table.book_type = book_type;
    return table;
}

/* eeb_quantized_lookup of quantized.h, by a variant's name (NULL: the fastest). `position` is set on EEB_ID_OUT_OF_RANGE only. */
int32_t edgeemb_quantized_lookup(
    const char *variant, const void *codes, const void *scales, int32_t scale_type, int64_t rows, int32_t bits, int32_t dim, int32_t block,
    int32_t planes, const void *ids, int32_t id_type, int64_t count, void *output, int64_t *position)
{
    const eeb_variant chosen = find_variant(variant);
    const eeb_quantized_table table = table_of(codes, scales, scale_type, rows, bits, dim, block, planes);
    eeb_quantized_function lookup;
    eeb_ids all;
    size_t at = 0;
    eeb_status status;

    if (chosen < 0) {
        return EEB_NO_VARIANT;
    }
    if (count < 0) {
        return EEB_BAD_SHAPE;
    }
    lookup = eeb_quantized_variant(bits, chosen);
    if (lookup == NULL) {
        return EEB_BAD_TYPE;
    }
    all = ids_of(ids, id_type, count);
    status = lookup(&table, &all, output, &at);
    return told(status, at, position);
}

#include "edgeemb_heads.h"

/* eeb_codebook_lookup of codebook.h, by a variant's name (NULL: the fastest). `position` is set on EEB_ID_OUT_OF_RANGE and
 * EEB_CODE_OUT_OF_RANGE only. */
int32_t edgeemb_codebook_lookup(
    const char *variant, const void *codes, const void *codebooks, int32_t book_type, int64_t rows, int32_t books, int32_t entries,
    int32_t part, int32_t additive, const void *ids, int32_t id_type, int64_t count, void *output, int64_t *position)
{
    const eeb_variant chosen = find_variant(variant);
    const eeb_codebook_table table = books_of(codes, codebooks, book_type, rows, books, entries, part, additive);
    eeb_ids all;
    size_t at = 0;
    eeb_status status;

    if (chosen < 0) {
        return EEB_NO_VARIANT;
    }
    if (count < 0) {
        return EEB_BAD_SHAPE;
    }
    all = ids_of(ids, id_type, count);
    status = eeb_codebook_variant(chosen)(&table, &all, output, &at);
    return told(status, at, position);
}

/* eeb_ngram_lookup of ngram.h, by a variant's name (NULL: the fastest). `position` is set on EEB_ID_OUT_OF_RANGE and EEB_CODE_OUT_OF_RANGE
 * only. */
int32_t edgeemb_ngram_lookup(
    const char *variant, const void *tokens, int64_t total, const void *starts, int64_t rows, const void *seeds, int32_t dim,
    const void *bases, int32_t lanes, int32_t n, const void *ids, int32_t id_type, int64_t count, void *output, int64_t *position)
{
    const eeb_variant chosen = find_variant(variant);
    eeb_ngram_table table;
    eeb_ids all;
    size_t at = 0;
    eeb_status status;

    if (chosen < 0) {
        return EEB_NO_VARIANT;
    }
    if (count < 0) {
        return EEB_BAD_SHAPE;
    }
    table.tokens = tokens;
    table.starts = starts;
    table.seeds = seeds;
    table.bases = bases;
    table.rows = rows;
    table.total = total;
    table.n = n;
    table.lanes = lanes;
    table.dim = dim;
    all = ids_of(ids, id_type, count);
    status = eeb_ngram_variant(chosen).lookup(&table, &all, output, &at);
    return told(status, at, position);
}

/* eeb_ngram_bytes of ngram.h, by a variant's name (NULL: the fastest). */
int32_t edgeemb_ngram_bytes(
    const char *variant, const void *seeds, int32_t dim, const void *bases, int32_t lanes, int32_t n, const void *bytes, int64_t count,
    int64_t width, void *output)
{
    const eeb_variant chosen = find_variant(variant);
    eeb_ngram_table table = {0};

    if (chosen < 0) {
        return EEB_NO_VARIANT;
    }
    if (count < 0 || width < 0) {
        return EEB_BAD_SHAPE;
    }
    table.seeds = seeds;
    table.bases = bases;
    table.n = n;
    table.lanes = lanes;
    table.dim = dim;
    return eeb_ngram_variant(chosen).bytes(&table, bytes, (size_t)count, (size_t)width, output);
}

/* eeb_vectors_hamming_function of vectors.h, by a variant's name (NULL: the fastest); differ is uint32_t[rows]. */
int32_t edgeemb_vectors_hamming(
    const char *variant, const void *query, const void *store, int64_t rows, int64_t stride, int64_t count, void *differ)
{
    const eeb_variant chosen = find_variant(variant);

    if (chosen < 0) {
        return EEB_NO_VARIANT;
    }
    if (rows < 0 || count < 0 || stride < count) {
        return EEB_BAD_SHAPE;
    }
    eeb_vectors_hamming_variant(chosen)(query, store, (size_t)rows, (size_t)stride, (size_t)count, differ);
    return EEB_OK;
}

/* eeb_vectors_dots_function of vectors.h, by a variant's name (NULL: the fastest); dots and squares are int32_t[rows]. */
int32_t edgeemb_vectors_dots(
    const char *variant, const void *query, const void *store, int64_t rows, int32_t bits, int64_t dim, void *dots, void *squares)
{
    const eeb_variant chosen = find_variant(variant);
    eeb_vectors_dots_function function;

    if (chosen < 0) {
        return EEB_NO_VARIANT;
    }
    function = eeb_vectors_dots_variant(bits, chosen);
    if (function == NULL) {
        return EEB_BAD_TYPE;
    }
    if (rows < 0 || dim < 0 || dim > EEB_VECTORS_LONGEST || (bits == 4 && dim % 2 != 0)) {
        return EEB_BAD_SHAPE;
    }
    function(query, store, (size_t)rows, (size_t)dim, dots, squares);
    return EEB_OK;
}
