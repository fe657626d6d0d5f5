/* Runs every variant of NgramLookup over odd sizes, in buffers of exactly the size they need and at odd addresses, and compares each with a
 * plain evaluation of the contract, bit by bit. Prints the variants and the number of comparisons; exits with 1 at the first difference. */
#include "agree.h"
#include "ngram.h"

enum { ROWS = 37, IDS = 53, WIDTH = 34 };

static uint32_t seed = 1;

static uint32_t random_below(uint32_t bound)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % bound;
}

static uint32_t number(const void *array, size_t at)
{
    uint16_t value;

    memcpy(&value, (const uint8_t *)array + 2 * at, sizeof value);
    return value;
}

/* The row of a token, from the words of the header, byte for byte. */
static void plain(const eeb_ngram_table *table, const uint8_t *token, uint32_t length, float *row)
{
    const uint32_t shares = (uint32_t)(table->n * (table->n + 1) / 2), lanes = (uint32_t)table->lanes;
    uint32_t size, j, gram, at;

    for (size = 1; size <= (uint32_t)table->n; ++size) {
        const uint32_t low = (uint32_t)table->dim * (size * (size - 1) / 2) / shares / lanes * lanes;
        const uint32_t high = (uint32_t)table->dim * (size * (size + 1) / 2) / shares / lanes * lanes;
        const uint32_t grams = length >= size ? length - size + 1 : 1, bytes = length >= size ? size : length;

        for (j = low; j < high; ++j) {
            int32_t sum = 0;

            for (gram = 0; gram < grams; ++gram) {
                uint32_t h = 0;

                for (at = 0; at < bytes; ++at) {
                    h = (h * number(table->bases, j % lanes) + token[gram + at] + 1) % 4093;
                }
                sum += (int32_t)(h * number(table->seeds, j) % 4093) - 2046;
            }
            row[j] = length == 0 ? 0.0f : (float)sum * (1.0f / (float)(2046 * (int32_t)grams));
        }
    }
}

/* The call must fail with `want` at position 4 and leave the output as it was. */
static void expect_failure(
    eeb_variant variant, const eeb_ngram_table *table, const eeb_ids *ids, uint8_t *output, size_t size, eeb_status want)
{
    size_t position = 0;

    mark(output, size);
    if (eeb_ngram_variant(variant).lookup(table, ids, output, &position) != want || position != 4) {
        refused(variant, "a wrong id or token is not reported");
    }
    expect_marked(variant, output, size);
}

/* Each row of the output against the plain one of its token; the tokens begin at `starts`, which has one more number than there are. */
static void expect_rows(eeb_variant variant, const eeb_ngram_table *table, const eeb_ids *ids, const uint8_t *output, size_t offset)
{
    const size_t row_bytes = (size_t)table->dim * 4;
    float *want = (float *)malloc(row_bytes);
    size_t at;

    for (at = 0; want != NULL && at < ids->count; ++at) {
        int32_t bounds[2];

        memcpy(bounds, (const uint8_t *)table->starts + 4 * (size_t)eeb_id_at(ids, at), sizeof bounds);
        plain(table, (const uint8_t *)table->tokens + bounds[0], (uint32_t)(bounds[1] - bounds[0]), want);
        if (memcmp(output + at * row_bytes, want, row_bytes) != 0) {
            printf(
                "%s: n %d lanes %d dim %d offset %d differs in row %d\n", eeb_variant_name(variant), table->n, table->lanes, table->dim,
                (int)offset, (int)at);
            exit(1);
        }
    }
    free(want);
}

/* All variants over one table; the number of comparisons. */
static int compare(int32_t n, int32_t lanes, int32_t dim, size_t offset)
{
    const size_t out_size = IDS * (size_t)dim * 4;
    uint8_t *blocks[7];
    uint8_t *starts = make((ROWS + 1) * 4, offset, &blocks[0]);
    uint8_t *seeds = make(2 * (size_t)dim, offset, &blocks[1]);
    uint8_t *bases = make(2 * (size_t)lanes, offset, &blocks[2]);
    uint8_t *ids = make(IDS * 4, offset, &blocks[3]);
    uint8_t *output = make(out_size, offset, &blocks[4]);
    uint8_t *padded = make(IDS * WIDTH, offset, &blocks[5]);
    uint8_t *tokens;
    eeb_ngram_table table = {0};
    eeb_ids all;
    eeb_variant variant;
    int32_t total = 0, id, kept;
    size_t at;
    int done = 0;

    for (at = 0; at <= ROWS; ++at) { /* tokens of 0 to 32 bytes, and some of those again */
        memcpy(starts + 4 * at, &total, sizeof total);
        total += at < ROWS ? (int32_t)(at % 33) : 0;
    }
    tokens = make((size_t)total, offset, &blocks[6]);
    for (at = 0; at < (size_t)total; ++at) {
        tokens[at] = (uint8_t)(1 + random_below(255));
    }
    for (at = 0; at < (size_t)dim; ++at) {
        const uint16_t value = (uint16_t)(at == 0 ? 4092 : 1 + random_below(4092));

        memcpy(seeds + 2 * at, &value, sizeof value);
    }
    for (at = 0; at < (size_t)lanes; ++at) {
        const uint16_t value = (uint16_t)(4092 - at);

        memcpy(bases + 2 * at, &value, sizeof value);
    }
    memset(padded, 0, IDS * WIDTH);
    for (at = 0; at < IDS; ++at) { /* row 5 at position 4 only */
        int32_t bounds[2];

        id = at == 4 ? 5 : at < ROWS && at != 5 ? (int32_t)at : 6 + (int32_t)random_below(ROWS - 6);
        memcpy(ids + 4 * at, &id, sizeof id);
        memcpy(bounds, starts + 4 * id, sizeof bounds);
        memcpy(padded + at * WIDTH, tokens + bounds[0], (size_t)(bounds[1] - bounds[0]));
    }
    table.tokens = tokens;
    table.starts = starts;
    table.seeds = seeds;
    table.bases = bases;
    table.rows = ROWS;
    table.total = total;
    table.n = n;
    table.lanes = lanes;
    table.dim = dim;
    all.data = ids;
    all.count = IDS;
    all.type = EEB_INT32;
    for (variant = 0; variant < EEB_VARIANTS; ++variant) {
        const eeb_ngram_functions functions = eeb_ngram_variant(variant);

        if (functions.lookup == NULL) {
            continue;
        }
        memset(output, 0xff, out_size);
        if (functions.lookup(&table, &all, output, NULL) != EEB_OK) {
            refused(variant, "a table in bounds is refused");
        }
        expect_rows(variant, &table, &all, output, offset);
        memset(output, 0xff, out_size);
        if (functions.bytes(&table, padded, IDS, WIDTH, output) != EEB_OK) {
            refused(variant, "tokens as bytes are refused");
        }
        expect_rows(variant, &table, &all, output, offset);
        id = ROWS;
        memcpy(ids + 16, &id, sizeof id);
        expect_failure(variant, &table, &all, output, out_size, EEB_ID_OUT_OF_RANGE);
        id = 5;
        memcpy(ids + 16, &id, sizeof id);
        memcpy(&kept, starts + 20, sizeof kept);
        id = -1;
        memcpy(starts + 20, &id, sizeof id);
        expect_failure(variant, &table, &all, output, out_size, EEB_CODE_OUT_OF_RANGE);
        memcpy(starts + 20, &kept, sizeof kept);
        all.count = 0;
        if (functions.lookup(&table, &all, NULL, NULL) != EEB_OK || functions.bytes(&table, NULL, 0, WIDTH, NULL) != EEB_OK) {
            refused(variant, "nothing asked for is refused");
        }
        all.count = IDS;
        ++done;
    }
    for (at = 0; at < 7; ++at) {
        free(blocks[at]);
    }
    return done;
}

int main(void)
{
    /* n, lanes, dim */
    static const int32_t forms[][3] = {{1, 1, 1},   {1, 16, 16},  {2, 1, 3},  {3, 8, 384}, {3, 4, 96},
                                       {3, 8, 48},  {3, 16, 272}, {8, 1, 36}, {8, 2, 74},  {5, 16, 256},
                                       {4, 8, 200}, {2, 16, 112}, {3, 2, 70}, {6, 4, 124}, {3, 16, 1008}};
    size_t form, offset;
    int done = 0;

    for (form = 0; form < sizeof forms / sizeof forms[0]; ++form) {
        for (offset = 0; offset < 4; ++offset) {
            done += compare(forms[form][0], forms[form][1], forms[form][2], offset);
        }
    }
    return say_done(done);
}
