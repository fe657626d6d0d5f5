/* Encodes every line of a file with a compiled tokenizer, then with damaged copies of it: arguments are the blob, the texts, and the number
 * of damaged copies. Every buffer has exactly its size, so that a sanitizer sees a step beside it. The ids of the whole blob go to the
 * output. */
#include <stdio.h>
#include <stdlib.h>

#include "text/text.h"

/* Words that are remembered: few, so that they often push one another out. */
#define SLOTS 16u

static uint32_t state = 1;

static uint32_t next(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static uint8_t *take(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    uint8_t *bytes;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        exit(2);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    bytes = (uint8_t *)malloc(*size != 0 ? *size : 1);
    if (bytes == NULL || fread(bytes, 1, *size, file) != *size) {
        exit(2);
    }
    fclose(file);
    return bytes;
}

/* A text of its own buffer; its status. */
static eet_status encode(const eet_tokenizer *tokenizer, const uint8_t *text, size_t size, uint32_t limit, int print)
{
    size_t memory = eet_arena(size), room = 4 * size + 16;
    eet_options options = {limit, EET_LONGEST, next() % 3, 0, 0};
    eet_output output;
    eet_status status;
    char *copy = (char *)malloc(size != 0 ? size : 1);
    uint32_t at, cut;

    if (size != 0) {
        memcpy(copy, text, size);
    }
    output.ids = (uint32_t *)malloc(4 * room);
    output.types = NULL;
    output.texts = (uint32_t *)malloc(4 * room);
    output.offsets = (uint32_t *)malloc(8 * room);
    output.room = (uint32_t)room;
    do {
        void *arena = malloc(memory);
        status = eet_encode(tokenizer, copy, size, print ? NULL : copy, size, &options, arena, memory, &output, &cut);
        free(arena);
        memory *= 2;
    } while (status == EET_ARENA && memory < 1 << 22);
    for (at = 0; print && status == EET_OK && at < output.count; ++at) {
        printf("%u ", (unsigned)output.ids[at]);
    }
    if (print && status != EET_OK) {
        printf("status %d", (int)status);
    }
    if (print) {
        printf("\n");
    }
    free(copy);
    free(output.ids);
    free(output.texts);
    free(output.offsets);
    return status;
}

static void every(const uint8_t *blob, size_t size, const uint8_t *texts, size_t length, int print)
{
    eet_tokenizer tokenizer;
    size_t at, start = 0;
    const eet_status status = eet_open(&tokenizer, blob, size);

    if (status != EET_OK) {
        if (print) {
            printf("status %d\n", (int)status);
        }
        return;
    }
    tokenizer.slots = (eet_slot *)calloc(SLOTS, EET_SLOT_BYTES);
    tokenizer.slot_count = SLOTS;
    for (at = 0; at < length; ++at) {
        if (texts[at] == '\n') {
            encode(&tokenizer, texts + start, at - start, print ? 0 : next() % 12, print);
            start = at + 1;
        }
    }
    free(tokenizer.slots);
}

int main(int count, char **names)
{
    size_t size, length, change;
    uint8_t *blob, *texts, *copy;
    long rounds;

    if (count != 4) {
        return 2;
    }
    blob = take(names[1], &size);
    texts = take(names[2], &length);
    every(blob, size, texts, length, 1);
    for (rounds = atol(names[3]); rounds > 0; --rounds) {
        const size_t shorter = next() % 8 == 0 ? next() % size : size;

        copy = (uint8_t *)malloc(shorter != 0 ? shorter : 1);
        memcpy(copy, blob, shorter);
        for (change = next() % 24; change > 0 && shorter != 0; --change) {
            /* Half of the changes fall on the header and the program, which say how the rest is read. */
            const size_t place = next() % (next() % 2 ? shorter : shorter < 2048 ? shorter : 2048);
            copy[place] = (uint8_t)(next() % 4 == 0 ? 255 : next());
        }
        every(copy, shorter, texts, length, 0);
        free(copy);
    }
    free(blob);
    free(texts);
    return 0;
}
