/* Texts in, results out, in hexadecimal floats: a line for each text with the status, and behind it the bytes that each token stands for where
 * the result has a row for each token, and the values.
 *
 *   program < TEXTS    for each text uint32 bytes, and UTF-8
 *
 * The compiler is told the prefix of the model's symbols, and whether there are rows for tokens: -DPREFIX=m -DPER_TOKEN. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

#define JOIN_NOW(left, right) left##right
#define JOIN(left, right) JOIN_NOW(left, right)
#define SIZES JOIN(PREFIX, _sizes)
#define RUN_TEXT JOIN(PREFIX, _run_text)

enum { NEEDS_MORE = 8, ALIGNMENT = 64 };

static void *arena;
static size_t arena_bytes;

static int grow(size_t bytes)
{
    free(arena);
    arena_bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return posix_memalign(&arena, ALIGNMENT, arena_bytes);
}

int main(void)
{
    const size_t rows = SIZES.tokens * (size_t)SIZES.outputs;
    float *const output = malloc(rows * sizeof *output);
    uint32_t *const spans = malloc(2 * SIZES.tokens * sizeof *spans), size;

    if (output == NULL || spans == NULL || grow(SIZES.arena_bytes) != 0) {
        return 1;
    }
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        char *const text = malloc(size + 1);
        size_t count = 0, at, values = SIZES.outputs;
        int32_t status;

        if (text == NULL || fread(text, 1, size, stdin) != size) {
            return 2;
        }
        for (;;) {
#if defined(PER_TOKEN)
            status = RUN_TEXT(arena, arena_bytes, text, size, output, spans, &count);
            values = count * SIZES.outputs;
#else
            status = RUN_TEXT(arena, arena_bytes, text, size, output);
#endif
            if (status != NEEDS_MORE) {
                break;
            }
            if (grow(2 * arena_bytes) != 0) {
                return 3;
            }
        }
        printf("%d", (int)status);
        for (at = 0; status == 0 && at < 2 * count; ++at) {
            printf(" %u", (unsigned)spans[at]);
        }
        for (at = 0; status == 0 && at < values; ++at) {
            printf(" %a", output[at]);
        }
        printf("\n");
        free(text);
    }
    return 0;
}
