/* The tokenizer alone on an emulated phone: reads texts from a file, and marks where the work on each begins and ends.
 *
 *   program TOKENIZER.bin TEXTS LIMIT    TEXTS has, for each text, uint32 bytes, and UTF-8; LIMIT tokens are there at most
 *
 * The number of tokens of each text goes to the standard output. The compiler is told the number that marks: -DMARK=123. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "text/text.h"

#define MOST_BYTES ((size_t)1 << 28)

/* The emulator's plugin counts up to this system call, which does nothing. */
static void mark(void)
{
    (void)syscall(SYS_getpgid, MARK);
}

static void *read_whole(const char *path, size_t *size)
{
    FILE *const file = fopen(path, "rb");
    void *content = NULL;
    long bytes;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (bytes = ftell(file)) > 0 && fseek(file, 0, SEEK_SET) == 0) {
        content = malloc((size_t)bytes);
        *size = content == NULL ? 0 : fread(content, 1, (size_t)bytes, file);
    }
    if (file != NULL) {
        fclose(file);
    }
    return content;
}

int main(int count, char **arguments)
{
    size_t blob_bytes = 0, bytes = 0, at;
    const uint8_t *blob, *texts;
    eet_tokenizer tokenizer;
    eet_options options = {0, EET_LONGEST, EET_AS_WRITTEN, 0, 0};

    if (count != 4) {
        return 1;
    }
    blob = read_whole(arguments[1], &blob_bytes);
    texts = read_whole(arguments[2], &bytes);
    options.limit = (uint32_t)atoi(arguments[3]);
    if (blob == NULL || texts == NULL || eet_open(&tokenizer, blob, blob_bytes) != EET_OK) {
        return 2;
    }
    for (at = 0; at + 4 <= bytes;) {
        eet_output output = {NULL, NULL, NULL, NULL, 0, 0};
        eet_status status;
        uint32_t size;
        size_t arena_bytes;
        void *arena;

        memcpy(&size, texts + at, 4);
        at += 4;
        if (size > bytes - at) {
            return 3;
        }
        output.room = size + 64;
        output.ids = (uint32_t *)calloc(output.room, sizeof output.ids[0]);
        /* A run that is not counted finds the memory that the text needs. */
        for (arena_bytes = eet_arena(size);; arena_bytes *= 2) {
            arena = calloc(arena_bytes, 1);
            if (output.ids == NULL || arena == NULL) {
                return 4;
            }
            status = eet_encode(&tokenizer, (const char *)texts + at, size, NULL, 0, &options, arena, arena_bytes, &output, NULL);
            if (status != EET_ARENA || arena_bytes > MOST_BYTES) {
                break;
            }
            free(arena);
        }
        mark();
        mark();
        status = eet_encode(&tokenizer, (const char *)texts + at, size, NULL, 0, &options, arena, arena_bytes, &output, NULL);
        mark();
        if (status != EET_OK) {
            return 5;
        }
        printf("%u\n", output.count);
        free(output.ids);
        free(arena);
        at += size;
    }
    return 0;
}
