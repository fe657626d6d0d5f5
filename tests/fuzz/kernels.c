/* The flat interface of the kernels with any numbers: what is refused touches nothing, and what is not gives the same bits in every
 * variant. */
#include "kernels/edgeemb_kernels.c"
#include "reader.h"

enum { MOST_BYTES = 1 << 14 };

static const char *variants[EEB_VARIANTS + 1];

/* Finite numbers alone: what a NaN looks like is nobody's contract. */
static void make_finite(uint8_t *numbers, size_t bytes, int32_t type)
{
    const size_t step = type == EEB_FLOAT16 ? 2 : 4;
    size_t at;

    for (at = 0; at + step <= bytes; at += step) {
        numbers[at + step - 1] &= 0xbf;
    }
}

/* Ids, most of which lie in the table. */
static uint8_t *take_ids(reader *input, int32_t type, int64_t count, int64_t rows)
{
    uint8_t *ids = take_bytes(input, (size_t)count * (type == EEB_INT32 ? 4 : 8));
    const int bound = rows > 0 && take(input, 1) < 230;
    int64_t at;

    for (at = 0; bound && at < count; ++at) {
        const int64_t id = (int64_t)(ids[at] * 251u) % rows;
        const int32_t narrow = (int32_t)id;

        memcpy(
            ids + (size_t)at * (type == EEB_INT32 ? 4 : 8), type == EEB_INT32 ? (const void *)&narrow : (const void *)&id,
            type == EEB_INT32 ? 4 : 8);
    }
    return ids;
}

typedef struct call {
    int32_t kind, bits, dim, block, planes, type, id_type, books, entries, part, additive, lanes, n;
    int64_t rows, count, total, width;
    uint8_t *first, *second, *third, *fourth, *ids;
} call;

static int32_t run(const call *c, const char *variant, float *output, int64_t *position)
{
    switch (c->kind) {
    case 0:
        return edgeemb_quantized_lookup(
            variant, c->first, c->second, c->type, c->rows, c->bits, c->dim, c->block, c->planes, c->ids, c->id_type, c->count, output,
            position);
    case 1:
        return edgeemb_codebook_lookup(
            variant, c->first, c->second, c->type, c->rows, c->books, c->entries, c->part, c->additive, c->ids, c->id_type, c->count,
            output, position);
    case 2:
        return edgeemb_ngram_lookup(
            variant, c->first, c->total, c->second, c->rows, c->third, c->dim, c->fourth, c->lanes, c->n, c->ids, c->id_type, c->count,
            output, position);
    default: return edgeemb_ngram_bytes(variant, c->third, c->dim, c->fourth, c->lanes, c->n, c->first, c->count, c->width, output);
    }
}

/* Bytes of the arrays of a table that the kernels would take; 0 if they must refuse it. */
static size_t sizes_of(const call *c, size_t *first, size_t *second, uint64_t *dim)
{
    const eeb_quantized_table quantized = {NULL, NULL, c->rows, c->bits, c->dim, c->block, c->planes, c->type};
    const eeb_codebook_table books = {NULL, NULL, c->rows, c->books, c->entries, c->part, c->additive, c->type};
    const size_t element = c->type == EEB_FLOAT16 ? 2 : 4;

    if (c->count < 0) {
        return 0;
    }
    if (c->kind == 0) {
        if (eeb_quantized_check(&quantized, (size_t)c->count) != EEB_OK) {
            return 0;
        }
        *first = (size_t)c->rows * eeb_quantized_row_bytes(c->bits, c->dim, c->planes);
        *second = (size_t)c->rows * eeb_quantized_row_scales(c->dim, c->block, c->planes) * element;
        *dim = (uint64_t)c->dim;
    } else {
        if (eeb_codebook_check(&books, (size_t)c->count) != EEB_OK) {
            return 0;
        }
        *first = (size_t)c->rows * (size_t)c->books;
        *second = (size_t)c->books * (size_t)c->entries * (size_t)c->part * element;
        *dim = eeb_codebook_dim(&books);
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reader input = {data, size};
    call c = {0};
    size_t first = 0, second = 0, at;
    uint64_t dim = 0;
    float *expected, *output;
    int64_t position = -1, other = -1;
    int32_t status;

    for (at = 0; variants[0] == NULL && at < EEB_VARIANTS; ++at) {
        variants[at] = edgeemb_variant((int32_t)at);
    }
    c.kind = (int32_t)(take(&input, 1) % 4);
    c.bits = (int32_t[]){8, 4, 2, 1, 8, 4, 2, 1, 0, 3}[take(&input, 1) % 10];
    c.type = (int32_t[]){2, 3, 2, 3, 0, 9}[take(&input, 1) % 6];
    c.id_type = (int32_t)(take(&input, 1) % 17) / 8;
    c.dim = take_size(&input);
    c.block = take_size(&input);
    c.planes = take_size(&input) % 5;
    c.rows = take_size(&input);
    c.count = take_size(&input);
    c.books = take_size(&input);
    c.entries = take_size(&input);
    c.part = take_size(&input);
    c.additive = (int32_t)(take(&input, 1) % 5) / 2;
    c.lanes = (int32_t[]){1, 2, 4, 8, 16, 3, 0, 32}[take(&input, 1) % 8];
    c.n = (int32_t)(take(&input, 1) % 10);
    c.total = take_size(&input);
    c.width = take_size(&input);
    if (c.kind >= 2) {
        /* The constants are read by the check: they are always there, and as long as it is told. */
        if (c.dim > 1 << 12 || c.rows > 1 << 8 || c.count > 1 << 8 || c.width > 1 << 8 || c.total > 1 << 12) {
            return 0;
        }
        c.dim = c.dim > 0 && c.lanes > 0 && take(&input, 1) < 240 ? c.dim / c.lanes * c.lanes : c.dim;
        c.third = take_bytes(&input, 2 * (size_t)(c.dim > 0 ? c.dim : 0));
        c.fourth = take_bytes(&input, 2 * (size_t)c.lanes);
        for (at = 0; take(&input, 1) < 250 && c.dim > 0 && at < (size_t)c.dim; ++at) {
            c.third[2 * at + 1] &= 0x0f;
            c.third[2 * at] = (uint8_t)(c.third[2 * at] % 200 + 1);
        }
        for (at = 0; at < (size_t)c.lanes; ++at) {
            c.fourth[2 * at + 1] &= 0x0f;
            c.fourth[2 * at] = (uint8_t)(c.fourth[2 * at] % 200 + 1);
        }
        dim = c.dim > 0 ? (uint64_t)c.dim : 0;
        first =
            c.kind == 2 ? (size_t)(c.total > 0 ? c.total : 0) : (size_t)(c.count > 0 ? c.count : 0) * (size_t)(c.width > 0 ? c.width : 0);
        second = 4 * (size_t)((c.rows > 0 ? c.rows : 0) + 1);
    } else if (sizes_of(&c, &first, &second, &dim) == 0) {
        for (at = 0; variants[at] != NULL; ++at) {
            require(run(&c, variants[at], NULL, &position) != EEB_OK, "a table that no check takes is refused");
        }
        return 0;
    }
    if (first > MOST_BYTES || second > 8 * MOST_BYTES || (uint64_t)c.count * dim > MOST_BYTES || c.count > MOST_BYTES) {
        free(c.third);
        free(c.fourth);
        return 0;
    }
    c.first = take_bytes(&input, first);
    c.second = take_bytes(&input, second);
    if (c.kind < 2) {
        make_finite(c.second, second, c.type);
    } else if (c.kind == 2 && c.total > 0 && take(&input, 1) < 220) {
        for (at = 0; at < second / 4; ++at) {
            const int32_t start = (int32_t)(at * 7 % ((size_t)c.total + 1));

            memcpy(c.second + 4 * at, &start, sizeof start);
        }
    }
    for (at = 0; c.kind == 1 && c.entries > 0 && take(&input, 1) < 240 && at < first; ++at) {
        c.first[at] = (uint8_t)(c.first[at] % (uint32_t)c.entries);
    }
    c.ids = take_ids(&input, c.id_type, c.count < 0 ? 0 : c.count, c.rows);
    expected = (float *)(void *)take_bytes(&input, (size_t)(c.count < 0 ? 0 : c.count) * dim * 4);
    output = (float *)(void *)take_bytes(&input, (size_t)(c.count < 0 ? 0 : c.count) * dim * 4);
    if (c.count >= 0) {
        status = run(&c, "serial", expected, &position);
        for (at = 0; variants[at] != NULL; ++at) {
            require(run(&c, variants[at], output, &other) == status && other == position, "every variant gives one status");
            require(status != EEB_OK || memcmp(expected, output, (size_t)c.count * dim * 4) == 0, "every variant gives the same bits");
        }
    }
    free(c.first);
    free(c.second);
    free(c.third);
    free(c.fourth);
    free(c.ids);
    free(expected);
    free(output);
    return 0;
}
