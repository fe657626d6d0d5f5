/* The tokenizer `words` as a filter: per request uint32 width, limit, prompt bytes, text bytes, then both; per answer int32 status, uint32
 * count, and count * width bytes. Every buffer has exactly its size, so that a sanitizer sees a step beside it. */
#include <stdio.h>
#include <stdlib.h>

#include "text/vocabulary_free/words.h"

static uint8_t *take(size_t size)
{
    uint8_t *bytes = (uint8_t *)malloc(size != 0 ? size : 1);

    if (bytes == NULL || fread(bytes, 1, size, stdin) != size) {
        exit(2);
    }
    return bytes;
}

int main(void)
{
    uint32_t head[4];

    while (fread(head, sizeof head, 1, stdin) == 1) {
        uint8_t *prompt = take(head[2]), *text = take(head[3]), *tokens = (uint8_t *)malloc((size_t)head[0] * head[1]);
        size_t count = 0;
        const int32_t status = eev_words((const char *)prompt, head[2], (const char *)text, head[3], tokens, head[0], head[1], &count);
        const uint32_t written = (uint32_t)count;

        fwrite(&status, sizeof status, 1, stdout);
        fwrite(&written, sizeof written, 1, stdout);
        fwrite(tokens, head[0], count, stdout);
        fflush(stdout);
        free(prompt);
        free(text);
        free(tokens);
    }
    return 0;
}
