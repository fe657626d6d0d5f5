/* Runs a C export on made-up ids of each length that is named, and prints every output's bits. -DPREFIX and -DUPPER name the model. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_NOW(left, right) left##right
#define JOIN(left, right) JOIN_NOW(left, right)

int main(int argc, char **argv)
{
    const size_t bytes = JOIN(UPPER, _ARENA_BYTES);
    int number;

    for (number = 1; number < argc; ++number) {
        const int count = atoi(argv[number]);
        unsigned char *block = malloc(bytes + 64), *arena;
        int32_t *ids = malloc((size_t)count * sizeof *ids), status;
        float output[JOIN(UPPER, _OUTPUTS)];
        size_t at;

        if (block == NULL || ids == NULL) {
            return 1;
        }
        memset(block, 0xa5, bytes + 64); /* NaNs in floats: nothing that was not written may count */
        arena = block + 64 - (uintptr_t)block % 64;
        for (at = 0; at < (size_t)count; ++at) {
            ids[at] = (int32_t)((5 + 7 * at + (size_t)count) % JOIN(UPPER, _ROWS));
        }
        status = JOIN(PREFIX, _run)(arena, bytes, ids, (size_t)count, output);
        printf("%d %d", count, (int)status);
        for (at = 0; at < JOIN(UPPER, _OUTPUTS); ++at) {
            uint32_t bits;

            memcpy(&bits, output + at, sizeof bits);
            printf(" %08lx", (unsigned long)bits);
        }
        printf("\n");
        free(ids);
        free(block);
    }
    return 0;
}
