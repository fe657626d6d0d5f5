/* Runs every variant of the scan of a shortlist over odd sizes, in buffers of exactly the size they need and at odd addresses, and compares
 * the scores with a plain evaluation of the contract, bit by bit; then the best of a range of rows with a plain search. Prints the variants
 * and the number of comparisons; exits with 1 at the first difference. */
#include "agree.h"
#include "shortlist.h"

enum { MOST_ROWS = 200 };

static uint32_t seed = 1;

static uint8_t random_byte(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

static void random_floats(uint8_t *to, size_t count)
{
    size_t at;

    for (at = 0; at < count; ++at) {
        const float x = ((float)random_byte() - 127.5f + (float)random_byte() / 256.0f) * 0.01f;

        memcpy(to + 4 * at, &x, 4);
    }
}

static float float_at(const uint8_t *from, size_t at)
{
    float x;

    memcpy(&x, from + 4 * at, 4);
    return x;
}

/* The score of a row, told from the words of the contract. */
static float plain(const eeb_shortlist *list, const eeb_shortlist_query *query, const uint8_t *bias, size_t row)
{
    const size_t pairs = eeb_shortlist_pairs(list), block = row / 64, in = row % 64;
    volatile float score;
    uint32_t sum = 0;
    size_t pair;

    for (pair = 0; pair < pairs; ++pair) {
        const uint8_t code = ((const uint8_t *)list->codes)[(block * pairs + pair) * 64 + 4 * (in % 16) + in / 16];

        sum += query->entries[pair * 32 + code % 16];
        sum += query->entries[pair * 32 + 16 + code / 16];
    }
    score = (float)sum * query->step;
    score = score + query->low;
    score = score * float_at((const uint8_t *)list->scales, row);
    if (bias != NULL) {
        score = score + float_at(bias, row);
    }
    return score;
}

/* Whether a selection holds the best `most` of some scores. */
static int right(const eeb_selection *found, const float *scores, size_t rows)
{
    size_t row, at;

    if (found->count != (found->most < rows ? found->most : rows)) {
        return 0;
    }
    for (row = 0; row < rows; ++row) {
        size_t better = 0;
        int held = 0;

        for (at = 0; at < rows; ++at) {
            better += scores[at] > scores[row] || (scores[at] == scores[row] && at < row);
        }
        for (at = 0; at < found->count; ++at) {
            held |= eeb_top_row(found->keys[at]) == row && eeb_top_value(found->keys[at]) == scores[row];
        }
        if (held != (better < found->most)) {
            return 0;
        }
    }
    return 1;
}

static int compare(int64_t rows, int32_t dim, int32_t part, size_t most, size_t offset)
{
    uint8_t *starts[7];
    eeb_shortlist list;
    eeb_shortlist_query query;
    eeb_variant variant;
    eeb_selection *found;
    float scores[MOST_ROWS];
    size_t size = 0, work = 0, at;
    uint8_t *codes, *scales, *codebook, *bias, *hidden;
    void *memory;
    int done = 0, with_bias;

    list.rows = rows;
    list.dim = dim;
    list.part = part;
    if (eeb_shortlist_memory(&list, &size) != EEB_OK || eeb_top_work(1, most, &work) != EEB_OK) {
        refused(EEB_SERIAL, "the sizes are refused");
    }
    codes = make(eeb_shortlist_blocks(&list) * eeb_shortlist_pairs(&list) * 64, offset, &starts[0]);
    scales = make(eeb_shortlist_blocks(&list) * 64 * 4, offset, &starts[1]);
    codebook = make(16 * (size_t)part * 4, offset, &starts[2]);
    bias = make((size_t)rows * 4, offset, &starts[3]);
    hidden = make((size_t)dim * 4, offset, &starts[4]);
    memory = make(size, 0, &starts[5]);
    found = (eeb_selection *)(void *)make(work, 0, &starts[6]);
    for (at = 0; at < eeb_shortlist_blocks(&list) * eeb_shortlist_pairs(&list) * 64; ++at) {
        codes[at] = random_byte();
    }
    random_floats(scales, eeb_shortlist_blocks(&list) * 64);
    random_floats(codebook, 16 * (size_t)part);
    random_floats(bias, (size_t)rows);
    random_floats(hidden, (size_t)dim);
    list.codes = codes;
    list.scales = scales;
    list.codebook = codebook;
    eeb_shortlist_prepare(&list, hidden, memory, &query);
    for (with_bias = 0; with_bias < 2; ++with_bias) {
        const uint8_t *added = with_bias ? bias : NULL;

        for (at = 0; at < (size_t)rows; ++at) {
            scores[at] = plain(&list, &query, added, at);
        }
        for (variant = 0; variant < EEB_VARIANTS; ++variant) {
            const eeb_shortlist_function scan = eeb_shortlist_variant(variant);

            if (scan == NULL) {
                continue;
            }
            (void)eeb_top_begin(found, 1, most);
            scan(&list, &query, added, 0, eeb_shortlist_blocks(&list), found);
            eeb_selection_cut(found);
            if (!right(found, scores, (size_t)rows)) {
                printf(
                    "%s: rows %d dim %d part %d most %d offset %d bias %d differs\n", eeb_variant_name(variant), (int)rows, dim, part,
                    (int)most, (int)offset, with_bias);
                exit(1);
            }
            ++done;
        }
    }
    for (at = 0; at < 7; ++at) {
        free(starts[at]);
    }
    return done;
}

int main(void)
{
    const int64_t rows[] = {1, 63, 64, 65, MOST_ROWS};
    const int32_t dims[] = {1, 33, 64, 200, 1300};
    eeb_shortlist bad = {0};
    size_t row, dim, size;
    int32_t part;
    int done = 0;

    for (row = 0; row < sizeof rows / sizeof *rows; ++row) {
        for (dim = 0; dim < sizeof dims / sizeof *dims; ++dim) {
            for (part = 1; part < 5; ++part) {
                done += compare(rows[row], dims[dim], part, 1 + dim * 9, row + (size_t)part);
            }
        }
    }
    bad.rows = 1;
    bad.part = 3;
    bad.dim = 65537;
    if (eeb_shortlist_memory(&bad, &size) != EEB_BAD_SHAPE) {
        refused(EEB_SERIAL, "rows that are too long are not refused");
    }
    return say_done(done);
}
