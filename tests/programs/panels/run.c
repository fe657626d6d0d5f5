/* Runs a C export on made-up ids of each length that is named, and of the longest that it takes, and prints every output's bits; then all
 * of them at once, which must give the same, or the status of the first that is refused; and with -DPARALLEL also on two and on three
 * threads. Then texts of at most FILLED tokens again, the latter half of them with nothing that attends to it. -DPREFIX, -DUPPER and
 * -DFILLED are those of the model. */
#include "model.h"

#if defined(PARALLEL)
#include "../../../runtimes/threads/pool.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_NOW(left, right) left##right
#define JOIN(left, right) JOIN_NOW(left, right)
#define OUTPUTS JOIN(UPPER, _OUTPUTS)

static const size_t bytes = JOIN(UPPER, _ARENA_BYTES);

/* Working memory full of NaNs: nothing that was not written may count. */
static unsigned char *fresh(unsigned char *block)
{
    memset(block, 0xa5, bytes + 64);
    return block + 64 - (uintptr_t)block % 64;
}

static void print(size_t length, int32_t status, const float *output)
{
    size_t at;

    printf("%d %d", (int)length, (int)status);
    for (at = 0; at < OUTPUTS; ++at) {
        uint32_t bits;

        memcpy(&bits, output + at, sizeof bits);
        printf(" %08lx", (unsigned long)bits);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    const size_t texts = (size_t)argc;
    unsigned char *block = malloc(bytes + 64);
    size_t *lengths = calloc(texts, sizeof *lengths), *attended = calloc(texts, sizeof *attended), number, at, total = 0;
    float *outputs = malloc(texts * OUTPUTS * sizeof *outputs), *again = malloc(texts * OUTPUTS * sizeof *again);
    int32_t *ids, status, refused = 0;

    for (number = 0; number < texts; ++number) {
        lengths[number] = number + 1 < texts ? (size_t)atoi(argv[number + 1]) : JOIN(UPPER, _TOKENS);
        total += lengths[number];
    }
    ids = calloc(total, sizeof *ids);
    for (number = 0, total = 0; number < texts; total += lengths[number++]) {
        float *output = outputs + number * OUTPUTS;

        for (at = 0; at < lengths[number]; ++at) {
            ids[total + at] = (int32_t)((5 + 7 * at + lengths[number]) % JOIN(UPPER, _ROWS));
        }
        status = JOIN(PREFIX, _run)(fresh(block), bytes, ids + total, lengths[number], output);
        refused = refused == 0 ? status : refused;
        print(lengths[number], status, output);
    }
    status = JOIN(PREFIX, _run_batch)(fresh(block), bytes, ids, NULL, lengths, texts, again);
    if (status != refused || (status == 0 && memcmp(outputs, again, texts * OUTPUTS * sizeof *outputs) != 0)) {
        fprintf(stderr, "together: status %d, other results than alone\n", (int)status);
        return 1;
    }
#if defined(PARALLEL)
    for (number = 1; number <= 3; ++number) {
        eew_pool *pool = eew_open((uint32_t)number);
        const JOIN(PREFIX, _parallel) parallel = {eew_run, pool};

        memset(again, 0, texts * OUTPUTS * sizeof *again);
        status = JOIN(PREFIX, _run_parallel)(&parallel, fresh(block), bytes, ids, NULL, lengths, texts, again);
        if (status != refused || (status == 0 && memcmp(outputs, again, texts * OUTPUTS * sizeof *outputs) != 0)) {
            fprintf(stderr, "on %d threads: status %d, other results than on one\n", (int)number, (int)status);
            return 1;
        }
        for (at = 0, total = 0; at < texts && refused == 0; total += lengths[at++]) {
            JOIN(PREFIX, _run_parallel)(&parallel, fresh(block), bytes, ids + total, NULL, lengths + at, 1, again);
            if (memcmp(outputs + at * OUTPUTS, again, OUTPUTS * sizeof *outputs) != 0) {
                fprintf(stderr, "%d tokens on %d threads: other results than on one\n", (int)lengths[at], (int)number);
                return 1;
            }
        }
        eew_close(pool);
    }
#endif
    for (number = 0, total = 0; number < texts && refused == 0; total += lengths[number++]) {
        float *output = outputs + number * OUTPUTS;

        attended[number] = lengths[number] > FILLED ? lengths[number] : (lengths[number] + 1) / 2;
        status = JOIN(PREFIX, _run_attended)(fresh(block), bytes, ids + total, NULL, lengths + number, attended + number, 1, output);
        print(lengths[number], status, output);
    }
    status = JOIN(PREFIX, _run_attended)(fresh(block), bytes, ids, NULL, lengths, attended, texts, again);
    if (refused == 0 && (status != 0 || memcmp(outputs, again, texts * OUTPUTS * sizeof *outputs) != 0)) {
        fprintf(stderr, "attended together: status %d, other results than alone\n", (int)status);
        return 1;
    }
    free(ids);
    free(attended);
    free(lengths);
    free(outputs);
    free(again);
    free(block);
    return 0;
}
