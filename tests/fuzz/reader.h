/* Numbers and bytes out of a fuzzer's input; what it does not hold is zero. */
#ifndef EDGEEMB_FUZZ_READER_H
#define EDGEEMB_FUZZ_READER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const uint8_t *data;
    size_t left;
} reader;

static inline uint32_t take(reader *input, size_t bytes)
{
    uint32_t value = 0;

    while (bytes-- != 0) {
        value = value << 8 | (input->left != 0 ? *input->data : 0u);
        input->data += input->left != 0;
        input->left -= input->left != 0;
    }
    return value;
}

/* A size: mostly small, now and then any number of 32 bits. */
static inline int32_t take_size(reader *input)
{
    const uint32_t first = take(input, 1);

    return first < 240 ? (int32_t)(first % 80) : first < 248 ? (int32_t)take(input, 2) : (int32_t)take(input, 4);
}

/* Memory of exactly that size, filled from the input, over and over; a sanitizer sees a step beside it. */
static inline uint8_t *take_bytes(reader *input, size_t size)
{
    uint8_t *bytes = (uint8_t *)malloc(size != 0 ? size : 1);
    uint32_t state = take(input, 4) * 2654435769u + 1u;
    size_t at;

    if (bytes == NULL) {
        abort();
    }
    for (at = 0; at < size; ++at) {
        state = state * 1664525u + 1013904223u;
        bytes[at] = input->left != 0 && at < 64 ? (uint8_t)take(input, 1) : (uint8_t)(state >> 24);
    }
    return bytes;
}

static inline void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
