/* CodebookLogits: the products of vectors with every row of a table of codebooks, over the very arrays that CodebookLookup reads.
 *
 * CONTENTS   eeb_codebook_logits_memory(table, count, size)              bytes of working memory, which is the caller's
 *            eeb_codebook_logits_prepare(table, hidden, count, memory)   the products with all entries, once for all rows
 *            eeb_codebook_logits_check(table, call, position)            whether the rows of a call can be computed
 *            eeb_codebook_logits(table, call)                            rows of a call that was checked
 *            eeb_codebook_logits_each(table, call, hidden, memory)       the same for one vector after another, in memory for one
 *
 * VALUE      product[m][k] = sum over e of hidden_m[e] * codebooks[m][k][e], from 0 and the first element on
 *            logits[n][v]  = product[0][codes[v][0]] + product[1][codes[v][1]] + ...  (+ bias[v])
 *            hidden_m is the whole vector where entries are added up (additive = 1), else the `part` elements that book m stands for. Each
 *            product, each addition and the bias is rounded to float32, in this order: never fused. So a row costs a load and an addition
 *            for each of its codes, and its float values are never made. Every compiler gives the same bits for finite values. A vector
 *            with a NaN or an infinity gives NaN or an infinity for its own logits alone.
 *
 * LAYOUT     hidden float32[count][dim]; output float32[count][table.rows]; bias float32[table.rows] or NULL. The table is that of
 *            codebook.h. No pointer needs any alignment. output overlaps no input.
 *            A call writes the columns first ... first + rows - 1 of the output: threads share a table by ranges of its rows, and what was
 *            prepared, which they only read.
 *                books 2, entries 2, part 1, codebooks [[[1], [2]], [[10], [20]]], additive 0, codes [[0, 0], [1, 0]], hidden [[3, 1]]
 *                product [[3, 6], [10, 20]], logits [[13, 16]]
 *
 * BOUNDS     those of eeb_codebook_check; first + rows <= table.rows; count may be 0.
 *
 * ERRORS     a status of status.h, before anything is written. For EEB_CODE_OUT_OF_RANGE the row goes to *position (which may be NULL).
 *
 * COST       no allocation, no state, no libc but memcpy. 4 * books * entries bytes of memory for each vector, which a scan expects in a
 * cache.
 *
 * VARIANTS   one for all: a table look-up for each code is what a processor does one by one. Eight rows go side by side, so that no
 * addition waits for the one before it.
 */
#ifndef EEB_CODEBOOK_LOGITS_H
#define EEB_CODEBOOK_LOGITS_H

#include "codebook.h"
#include "logits.h"

/* Rows that go side by side. */
#define EEB_CODEBOOK_ROWS 8

/* Products with the entries of all books, for one vector; the table must be in bounds. */
EEB_FUNCTION uint64_t eeb_codebook_products(const eeb_codebook_table *table)
{
    return (uint64_t)table->books * (uint64_t)table->entries;
}

/* Bytes that `count` prepared vectors take. */
EEB_FUNCTION eeb_status eeb_codebook_logits_memory(const eeb_codebook_table *table, size_t count, size_t *size)
{
    const eeb_status status = eeb_codebook_check(table, count);

    if (status != EEB_OK) {
        return status;
    }
    if (eeb_codebook_products(table) > SIZE_MAX / 8 / (count == 0 ? 1 : (uint64_t)count)) {
        return EEB_BAD_SHAPE;
    }
    *size = count * (size_t)eeb_codebook_products(table) * 4;
    return EEB_OK;
}

EEB_INLINE float eeb_codebook_product(const uint8_t *entry, eeb_type type, const uint8_t *hidden, size_t part)
{
    float total = 0;
    size_t at;

    for (at = 0; at < part; ++at) {
        float value, product;

        memcpy(&value, hidden + 4 * at, sizeof value);
        product = value * eeb_float_at(entry, type, at);
        EEB_ROUNDED(product);
        total = total + product;
    }
    return total;
}

/* The products of `count` vectors with all entries, to `memory` of as many bytes as eeb_codebook_logits_memory says. */
EEB_FUNCTION eeb_status eeb_codebook_logits_prepare(const eeb_codebook_table *table, const void *hidden, size_t count, void *memory)
{
    const size_t part = (size_t)table->part, books = (size_t)table->books, entries = (size_t)table->entries;
    const size_t entry_bytes = part * (table->book_type == EEB_FLOAT16 ? 2 : 4);
    const uint8_t *vector = (const uint8_t *)hidden;
    uint8_t *to = (uint8_t *)memory;
    size_t size = 0, at, book, entry;
    const eeb_status status = eeb_codebook_logits_memory(table, count, &size);

    if (status != EEB_OK) {
        return status;
    }
    for (at = 0; at < count; ++at) {
        const uint8_t *from = (const uint8_t *)table->codebooks;

        for (book = 0; book < books; ++book) {
            const uint8_t *own = table->additive ? vector : vector + 4 * part * book;

            for (entry = 0; entry < entries; ++entry) {
                const float product = eeb_codebook_product(from, table->book_type, own, part);

                memcpy(to, &product, sizeof product);
                from += entry_bytes;
                to += 4;
            }
        }
        vector += 4 * (size_t)eeb_codebook_dim(table);
    }
    return EEB_OK;
}

/* EEB_OK if a call keeps the bounds above. */
EEB_FUNCTION eeb_status eeb_codebook_logits_check(const eeb_codebook_table *table, const eeb_logits_call *call, size_t *position)
{
    const size_t books = (size_t)table->books;
    size_t size = 0, row;
    eeb_status status = eeb_codebook_logits_memory(table, call->count, &size);

    if (status == EEB_OK) {
        status = eeb_logits_within(call, table->rows);
    }
    if (status != EEB_OK) {
        return status;
    }
    for (row = call->first; table->entries < 256 && row < call->first + call->rows; ++row) {
        if (eeb_codebook_most_serial((const uint8_t *)table->codes + row * books, books) >= (unsigned)table->entries) {
            if (position != NULL) {
                *position = row;
            }
            return EEB_CODE_OUT_OF_RANGE;
        }
    }
    return EEB_OK;
}

EEB_INLINE float eeb_codebook_at(const uint8_t *products, size_t code)
{
    float value;

    memcpy(&value, products + 4 * code, sizeof value);
    return value;
}

/* Rows side by side: as many as `rows`, at most EEB_CODEBOOK_ROWS and a constant where it matters. */
EEB_INLINE void eeb_codebook_sums(const uint8_t *codes, const uint8_t *products, size_t books, size_t entries, size_t rows, float *totals)
{
    size_t book, row;

    for (row = 0; row < rows; ++row) {
        totals[row] = eeb_codebook_at(products, codes[row * books]);
    }
    for (book = 1; book < books; ++book) {
        products += 4 * entries;
        for (row = 0; row < rows; ++row) {
            totals[row] = totals[row] + eeb_codebook_at(products, codes[row * books + book]);
        }
    }
}

/* The sums of the rows from `row` on, up to `end` but at most EEB_CODEBOOK_ROWS, for one vector's products; how many there are. */
EEB_INLINE size_t eeb_codebook_some(const eeb_codebook_table *table, const uint8_t *products, size_t row, size_t end, float *totals)
{
    const size_t books = (size_t)table->books, entries = (size_t)table->entries;
    const uint8_t *codes = (const uint8_t *)table->codes + row * books;

    if (end - row >= EEB_CODEBOOK_ROWS) {
        eeb_codebook_sums(codes, products, books, entries, EEB_CODEBOOK_ROWS, totals);
        return EEB_CODEBOOK_ROWS;
    }
    eeb_codebook_sums(codes, products, books, entries, end - row, totals);
    return end - row;
}

EEB_FUNCTION void eeb_codebook_logits(const eeb_codebook_table *table, const eeb_logits_call *call)
{
    const size_t end = call->first + call->rows, step = 4 * (size_t)eeb_codebook_products(table);
    size_t vector, row, rows, at;

    for (vector = 0; vector < call->count; ++vector) {
        const uint8_t *products = (const uint8_t *)call->memory + vector * step;
        uint8_t *output = (uint8_t *)call->output + 4 * vector * (size_t)table->rows;

        for (row = call->first; row < end; row += rows) {
            float totals[EEB_CODEBOOK_ROWS];

            rows = eeb_codebook_some(table, products, row, end, totals);
            for (at = 0; at < rows; ++at) {
                const float value = eeb_logits_bias(call, row + at, totals[at]);

                memcpy(output + 4 * (row + at), &value, sizeof value);
            }
        }
    }
}

/* The vectors of a call that was checked, one after another, in memory for one: a scan expects the products of one in a cache. */
EEB_FUNCTION void eeb_codebook_logits_each(const eeb_codebook_table *table, const eeb_logits_call *call, const void *hidden, void *memory)
{
    const size_t vector = 4 * (size_t)eeb_codebook_dim(table), row = 4 * (size_t)table->rows;
    eeb_logits_call one = *call;
    size_t at;

    one.memory = memory;
    one.count = 1;
    for (at = 0; at < call->count; ++at) {
        one.output = (uint8_t *)call->output + row * at;
        (void)eeb_codebook_logits_prepare(table, (const uint8_t *)hidden + vector * at, 1, memory);
        eeb_codebook_logits(table, &one);
    }
}

#endif
