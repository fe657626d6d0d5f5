/* Runs every variant of CodebookLookup, and CodebookLogits, over odd sizes, in buffers of exactly the size they need and at odd addresses,
 * and compares each with a plain evaluation of the contract, bit by bit. Prints the variants and the number of comparisons; exits with 1 at
 * the first difference. */
#include "agree.h"
#include "codebook_logits.h"

enum { ROWS = 7, IDS = 11, VECTORS = 3 };

static uint32_t seed = 1;

static uint8_t random_byte(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

/* Value `e` of a row, from the words of the header. */
static float plain(const eeb_codebook_table *table, size_t row, size_t e)
{
    const uint8_t *codes = (const uint8_t *)table->codes + row * (size_t)table->books;
    const size_t part = (size_t)table->part;
    const size_t first = table->additive ? 0 : e / part;
    const size_t last = table->additive ? (size_t)table->books - 1 : first;
    volatile float sum = 0;
    size_t book;

    for (book = first; book <= last; ++book) {
        const size_t at = (book * (size_t)table->entries + codes[book]) * part + e % part;
        const float value = eeb_float_at((const uint8_t *)table->codebooks, table->book_type, at);

        sum = book == first ? value : sum + value;
    }
    return sum;
}

/* The call must fail with `want` at position 4 and leave the output as it was. */
static void expect_failure(
    eeb_variant variant, const eeb_codebook_table *table, const eeb_ids *ids, uint8_t *output, size_t size, eeb_status want)
{
    size_t position = 0;

    mark(output, size);
    if (eeb_codebook_variant(variant)(table, ids, output, &position) != want || position != 4) {
        refused(variant, "a wrong id or code is not reported");
    }
    expect_marked(variant, output, size);
}

/* The product of a vector with a row, from the words of the header. */
static float plain_product(const eeb_codebook_table *table, const uint8_t *vector, size_t row)
{
    const uint8_t *codes = (const uint8_t *)table->codes + row * (size_t)table->books;
    const size_t part = (size_t)table->part;
    volatile float sum = 0;
    size_t book, e;

    for (book = 0; book < (size_t)table->books; ++book) {
        const size_t at = (book * (size_t)table->entries + codes[book]) * part;
        volatile float product = 0;

        for (e = 0; e < part; ++e) {
            volatile float term;
            float value;

            memcpy(&value, vector + 4 * (table->additive ? e : book * part + e), sizeof value);
            term = value * eeb_float_at((const uint8_t *)table->codebooks, table->book_type, at + e);
            product = product + term;
        }
        sum = book == 0 ? product : sum + product;
    }
    return sum;
}

/* The products of vectors with the rows of a table, but for the first row and the last; the first code of the second row is one too many
 * for a while. */
static int compare_products(eeb_codebook_table *table, size_t offset)
{
    const size_t dim = (size_t)eeb_codebook_dim(table);
    const size_t out_size = VECTORS * ROWS * 4;
    uint8_t *starts[3];
    uint8_t *hidden = make(VECTORS * dim * 4, offset, &starts[0]);
    uint8_t *output = make(out_size, offset, &starts[1]);
    uint8_t *codes = (uint8_t *)table->codes;
    const uint8_t kept = codes[table->books];
    eeb_logits_call call;
    size_t size = 0, at, row = 0;
    uint8_t *memory;

    for (at = 0; at < VECTORS * dim; ++at) {
        const float value = ((float)random_byte() - 127.5f) / 64;

        memcpy(hidden + 4 * at, &value, sizeof value);
    }
    if (eeb_codebook_logits_memory(table, VECTORS, &size) != EEB_OK) {
        refused(EEB_SERIAL, "a table in bounds is refused");
    }
    memory = make(size, offset, &starts[2]);
    call.memory = memory;
    call.count = VECTORS;
    call.bias = NULL;
    call.first = 1;
    call.rows = ROWS - 2;
    call.output = output;
    if (table->entries < 256) {
        codes[table->books] = (uint8_t)table->entries;
        if (eeb_codebook_logits_check(table, &call, &row) != EEB_CODE_OUT_OF_RANGE || row != 1) {
            refused(EEB_SERIAL, "a wrong code is not reported");
        }
        codes[table->books] = kept;
    }
    mark(output, out_size);
    if (eeb_codebook_logits_check(table, &call, NULL) != EEB_OK || eeb_codebook_logits_prepare(table, hidden, VECTORS, memory) != EEB_OK) {
        refused(EEB_SERIAL, "a call in bounds is refused");
    }
    eeb_codebook_logits(table, &call);
    for (at = 0; at < VECTORS * ROWS; ++at) {
        const float want = plain_product(table, hidden + 4 * dim * (at / ROWS), at % ROWS);

        if (at % ROWS == 0 || at % ROWS == ROWS - 1) {
            expect_marked(EEB_SERIAL, output + 4 * at, 4);
        } else if (memcmp(output + 4 * at, &want, 4) != 0) {
            refused(EEB_SERIAL, "a product differs");
        }
    }
    call.rows = ROWS;
    if (eeb_codebook_logits_check(table, &call, NULL) != EEB_BAD_SHAPE) {
        refused(EEB_SERIAL, "rows past the table are taken");
    }
    for (at = 0; at < 3; ++at) {
        free(starts[at]);
    }
    return 1;
}

/* All variants over one table; the number of comparisons. */
static int compare(int32_t books, int32_t entries, int32_t part, int32_t additive, eeb_type type, size_t offset)
{
    const size_t value_bytes = type == EEB_FLOAT16 ? 2 : 4;
    const size_t values = (size_t)books * (size_t)entries * (size_t)part;
    const size_t codes_size = ROWS * (size_t)books;
    const size_t dim = (size_t)part * (additive ? 1 : (size_t)books);
    const size_t out_size = IDS * dim * 4;
    uint8_t *starts[4];
    uint8_t *codes = make(codes_size, offset, &starts[0]);
    uint8_t *codebooks = make(values * value_bytes, offset, &starts[1]);
    uint8_t *ids = make(IDS * sizeof(int32_t), offset, &starts[2]);
    uint8_t *output = make(out_size, offset, &starts[3]);
    eeb_codebook_table table;
    eeb_ids all;
    eeb_variant variant;
    int32_t id;
    size_t at;
    int done = 0;

    for (at = 0; at < codes_size; ++at) {
        codes[at] = (uint8_t)(random_byte() % entries);
    }
    codes[codes_size - 1] = (uint8_t)(entries - 1); /* the very last entry */
    for (at = 0; at < values * value_bytes; ++at) {
        codebooks[at] = random_byte();
    }
    for (at = 0; at < values; ++at) { /* finite: the top exponent bit off */
        codebooks[(at + 1) * value_bytes - 1] &= 0xbf;
    }
    for (at = 0; at < IDS; ++at) { /* row 0 at position 4 only */
        id = at == 0 ? ROWS - 1 : at == 4 ? 0 : 1 + random_byte() % (ROWS - 1);
        memcpy(ids + 4 * at, &id, sizeof id);
    }
    table.codes = codes;
    table.codebooks = codebooks;
    table.rows = ROWS;
    table.books = books;
    table.entries = entries;
    table.part = part;
    table.additive = additive;
    table.book_type = type;
    all.data = ids;
    all.count = IDS;
    all.type = EEB_INT32;
    for (variant = 0; variant < EEB_VARIANTS; ++variant) {
        const eeb_codebook_function lookup = eeb_codebook_variant(variant);

        if (lookup == NULL) {
            continue;
        }
        memset(output, 0xff, out_size);
        if (lookup(&table, &all, output, NULL) != EEB_OK) {
            refused(variant, "a table in bounds is refused");
        }
        for (at = 0; at < IDS * dim; ++at) {
            const float want = plain(&table, (size_t)eeb_id_at(&all, at / dim), at % dim);

            if (memcmp(output + 4 * at, &want, 4) != 0) {
                printf(
                    "%s: books %d entries %d part %d additive %d type %d offset %d differs at element %d\n", eeb_variant_name(variant),
                    books, entries, part, additive, type, (int)offset, (int)at);
                exit(1);
            }
        }
        if (entries < 256) { /* each code of row 0 in turn is one too many */
            for (at = 0; at < (size_t)books; ++at) {
                const uint8_t kept = codes[at];

                codes[at] = (uint8_t)entries;
                expect_failure(variant, &table, &all, output, out_size, EEB_CODE_OUT_OF_RANGE);
                codes[at] = kept;
            }
        }
        id = ROWS;
        memcpy(ids + 16, &id, sizeof id);
        expect_failure(variant, &table, &all, output, out_size, EEB_ID_OUT_OF_RANGE);
        id = 0;
        memcpy(ids + 16, &id, sizeof id);
        all.count = 0;
        if (lookup(&table, &all, NULL, NULL) != EEB_OK) {
            refused(variant, "no ids at all are refused");
        }
        all.count = IDS;
        ++done;
    }
    done += compare_products(&table, offset);
    for (at = 0; at < 4; ++at) {
        free(starts[at]);
    }
    return done;
}

int main(void)
{
    /* books, entries, part */
    static const int32_t shapes[][3] = {{1, 1, 1},   {1, 256, 2},  {2, 3, 3},   {3, 255, 4}, {5, 256, 4}, {17, 16, 4},  {33, 7, 8},
                                        {4, 2, 5},   {15, 9, 6},   {16, 16, 7}, {31, 4, 2},  {65, 5, 1},  {130, 3, 4},  {96, 20, 4},
                                        {48, 30, 8}, {2, 40, 384}, {3, 5, 33},  {4, 6, 16},  {64, 2, 12}, {200, 11, 3}, {2, 17, 31}};
    size_t shape, offset;
    int32_t additive;
    int done = 0;

    for (shape = 0; shape < sizeof shapes / sizeof shapes[0]; ++shape) {
        for (offset = 0; offset < 4; ++offset) {
            for (additive = 0; additive < 2; ++additive) {
                const int32_t *sizes = shapes[shape];

                done += compare(sizes[0], sizes[1], sizes[2], additive, EEB_FLOAT16, offset);
                done += compare(sizes[0], sizes[1], sizes[2], additive, EEB_FLOAT32, offset);
            }
        }
    }
    return say_done(done);
}
