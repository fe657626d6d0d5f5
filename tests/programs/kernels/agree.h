/* What the programs share that compare the variants of a kernel: buffers that end where their memory does, and what is said. */
#ifndef AGREE_H
#define AGREE_H

#include <stdio.h>
#include <stdlib.h>

#include "cpu.h"

/* A block that ends where the memory that was asked for ends, `offset` bytes past the allocator's alignment. */
static uint8_t *make(size_t size, size_t offset, uint8_t **start)
{
    *start = (uint8_t *)malloc(size + offset == 0 ? 1 : size + offset);
    if (*start == NULL) {
        exit(2);
    }
    return *start + offset;
}

static void refused(eeb_variant variant, const char *what)
{
    printf("%s: %s\n", eeb_variant_name(variant), what);
    exit(1);
}

/* A call that must fail is made between these two: the output must be as it was. */
EEB_FUNCTION void mark(uint8_t *output, size_t size)
{
    memset(output, 0xa5, size);
}

EEB_FUNCTION void expect_marked(eeb_variant variant, const uint8_t *output, size_t size)
{
    size_t at;

    for (at = 0; at < size; ++at) {
        if (output[at] != 0xa5) {
            refused(variant, "the output was touched before an error was found");
        }
    }
}

/* Prints the variants that ran, and how many comparisons there were. */
static int say_done(int done)
{
    eeb_variant variant;

    for (variant = 0; variant < EEB_VARIANTS; ++variant) {
        if (eeb_cpu_can(variant)) {
            printf("%s ", eeb_variant_name(variant));
        }
    }
    printf("%d comparisons agree\n", done);
    return 0;
}

#endif
