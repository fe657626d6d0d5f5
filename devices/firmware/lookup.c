/* Compares the lookup kernels of this processor with the serial ones, bit by bit, over odd sizes and addresses, and measures both over one
 * table of each kind. A result in the form of main.c's: the number of values compared, and of bytes that differ. The parts between the
 * marks: all comparisons; then serial and best in turn for 8, 4, 2 and 1 bits and for codebooks of 4 and 16 values. */
#include "kernels/codebook.h"
#include "kernels/quantized.h"

#include "semihosting.h"

enum { ROWS = 6, IDS = 7, MOST_DIM = 160, PLANES = 2 };

static uint32_t seed = 1;
static uint8_t stored[ROWS * PLANES * MOST_DIM + 64], factors[256 * MOST_DIM * 4 + 64];
static uint8_t best[IDS * MOST_DIM * 4 + 64], plain[IDS * MOST_DIM * 4 + 64];
static int32_t ids[IDS + 1];
static struct {
    int32_t status;
    float output[2];
} result;

__attribute__((noinline, used)) void eem_mark(void)
{
    __asm__ volatile("");
}

static uint32_t random_bits(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* Random bytes that are no float16 or float32 of infinite size or NaN; with `tiny`, many are subnormal. */
static void fill(uint32_t count, eeb_type type, int tiny)
{
    const uint32_t size = type == EEB_FLOAT16 ? 2 : 4;
    uint32_t at;

    for (at = 0; at < sizeof stored; ++at) {
        stored[at] = (uint8_t)random_bits();
    }
    for (at = 0; at < count * size + 8 && at < sizeof factors; ++at) {
        factors[at] = (uint8_t)random_bits();
    }
    for (at = 0; at < sizeof factors; ++at) {
        factors[at] &= tiny ? 0x83u : 0xbfu;
    }
    for (at = 0; at < IDS; ++at) {
        ids[at] = (int32_t)(random_bits() % ROWS);
    }
}

static void compare(uint32_t dim, uint32_t offset)
{
    uint32_t at;

    result.output[0] += (float)(IDS * dim);
    for (at = 0; at < IDS * dim * 4; ++at) {
        result.output[1] += best[offset + at] != plain[offset + at] ? 1.0f : 0.0f;
    }
}

static void quantized(int32_t bits, int32_t dim, int32_t block, int32_t planes, eeb_type type, uint32_t offset)
{
    const eeb_quantized_table table = {stored + offset, factors + offset, ROWS, bits, dim, block, planes, type};
    const eeb_ids all = {ids, IDS, EEB_INT32};

    result.status |= eeb_quantized_lookup(&table, &all, best + offset, NULL);
    result.status |= eeb_quantized_choose_serial(bits)(&table, &all, plain + offset, NULL);
}

static void codebook(int32_t books, int32_t part, int32_t additive, eeb_type type, uint32_t offset)
{
    const eeb_codebook_table table = {stored + offset, factors + offset, ROWS, books, books * part > 40 ? 16 : 256, part, additive, type};
    const eeb_ids all = {ids, IDS, EEB_INT32};
    uint32_t at;

    for (at = 0; at < sizeof stored; ++at) {
        stored[at] %= (uint8_t)(table.entries == 16 ? 16 : 255);
    }
    result.status |= eeb_codebook_lookup(&table, &all, best + offset, NULL);
    result.status |= eeb_codebook_lookup_serial(&table, &all, plain + offset, NULL);
}

static void compare_all(void)
{
    static const int32_t dims[][2] = {{1, 0}, {3, 0}, {16, 8}, {30, 5}, {33, 0}, {64, 32}, {96, 16}, {160, 32}};
    static const int32_t parts[][2] = {{3, 1}, {8, 2}, {9, 4}, {5, 8}, {3, 13}, {4, 16}, {10, 16}};
    uint32_t at, bits, offset, type, kind;

    for (at = 0; at < 2 * sizeof dims / sizeof dims[0]; ++at) {
        const int32_t *size = dims[at / 2];

        for (bits = 1; bits <= 8; bits *= 2) {
            for (type = EEB_FLOAT16; type <= EEB_FLOAT32; ++type) {
                offset = random_bits() % 4;
                fill(ROWS * PLANES * MOST_DIM, (eeb_type)type, at % 2 != 0 && type == EEB_FLOAT32);
                for (kind = 1; kind <= PLANES; ++kind) {
                    quantized((int32_t)bits, size[0], size[1], (int32_t)kind, (eeb_type)type, offset);
                    compare((uint32_t)size[0], offset);
                }
            }
        }
    }
    for (at = 0; at < 2 * sizeof parts / sizeof parts[0]; ++at) {
        const int32_t *size = parts[at / 2];

        for (type = EEB_FLOAT16; type <= EEB_FLOAT32; ++type) {
            for (kind = 0; kind < 2; ++kind) {
                offset = at % 2 != 0 ? random_bits() % 4 : 0;
                fill(sizeof factors / 4 - 16, (eeb_type)type, at % 2 != 0);
                codebook(size[0], size[1], (int32_t)kind, (eeb_type)type, offset);
                compare((uint32_t)(kind ? size[1] : size[0] * size[1]), offset);
            }
        }
    }
}

/* Serial, then the best variant. */
static void measure(void)
{
    const eeb_ids all = {ids, IDS, EEB_INT32};
    int32_t bits, part;

    for (bits = 8; bits >= 1; bits /= 2) {
        const eeb_quantized_table table = {stored, factors, ROWS, bits, 128, 32, 1, EEB_FLOAT16};

        (void)eeb_quantized_choose_serial(bits)(&table, &all, plain, NULL);
        eem_mark();
        (void)eeb_quantized_lookup(&table, &all, best, NULL);
        eem_mark();
    }
    for (part = 4; part <= 16; part += 12) {
        const eeb_codebook_table table = {stored, factors, ROWS, 128 / part, 256, part, 0, EEB_FLOAT16};

        (void)eeb_codebook_lookup_serial(&table, &all, plain, NULL);
        eem_mark();
        (void)eeb_codebook_lookup(&table, &all, best, NULL);
        eem_mark();
    }
}

int main(void)
{
    const uint32_t input = semihosting_open("input.bin", SEMIHOSTING_READ_BINARY);
    uint32_t used = 0;

    semihosting_close(input);
    eem_mark();
    compare_all();
    fill(sizeof factors / 4 - 16, EEB_FLOAT16, 0);
    eem_mark();
    measure();
    semihosting_write_file("output.bin", &result, sizeof result);
    semihosting_write_file("stack.bin", &used, sizeof used);
    return 0;
}
