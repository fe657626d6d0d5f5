/* Runs every variant of QuantizedLookup over odd sizes, in buffers of exactly the size they need and at odd addresses, and compares each
 * with a plain evaluation of the contract, bit by bit. Prints the variants and the number of comparisons; exits with 1 at the first
 * difference. */
#include "agree.h"
#include "quantized.h"

enum { ROWS = 7, IDS = 9 };

static uint32_t seed = 1;

static uint8_t random_byte(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

/* Element `e` of a plane, from the layout: byte e % width, bits (e / width) * bits. */
static float plain(const eeb_quantized_table *table, size_t row, size_t e)
{
    const size_t per_byte = 8 / (size_t)table->bits;
    const size_t dim = (size_t)table->dim;
    const size_t block = table->block == 0 ? dim : (size_t)table->block;
    const size_t width = (dim + per_byte - 1) / per_byte;
    const float zero = table->bits == 8 ? 128.0f : table->bits == 4 ? 8.0f : table->bits == 2 ? 1.5f : 0.5f;
    volatile float sum = 0;
    size_t plane;

    for (plane = 0; plane < (size_t)table->planes; ++plane) {
        const uint8_t *codes = (const uint8_t *)table->codes + (row * (size_t)table->planes + plane) * width;
        const size_t at = (row * (size_t)table->planes + plane) * (dim / block) + e / block;
        const unsigned code = (unsigned)codes[e % width] >> (e / width) * (size_t)table->bits & ((1u << table->bits) - 1u);
        volatile float centred = (float)code - zero;
        volatile float product = centred * eeb_float_at((const uint8_t *)table->scales, table->scale_type, at);

        sum = plane == 0 ? product : sum + product;
    }
    return sum;
}

static void put_id(uint8_t *ids, eeb_type type, size_t at, int64_t id)
{
    const int32_t narrow = (int32_t)id;

    if (type == EEB_INT32) {
        memcpy(ids + 4 * at, &narrow, 4);
    } else {
        memcpy(ids + 8 * at, &id, 8);
    }
}

/* All variants over one table; the number of comparisons. */
static int compare(int32_t bits, int32_t dim, int32_t block, int32_t planes, eeb_type scale_type, eeb_type id_type, size_t offset)
{
    const size_t scale_bytes = scale_type == EEB_FLOAT16 ? 2 : 4;
    const size_t codes_size = ROWS * (size_t)eeb_quantized_row_bytes(bits, dim, planes);
    const size_t scale_count = ROWS * (size_t)eeb_quantized_row_scales(dim, block, planes);
    const size_t id_size = id_type == EEB_INT32 ? 4 : 8;
    const size_t out_size = IDS * (size_t)dim * 4;
    uint8_t *starts[4];
    uint8_t *codes = make(codes_size, offset, &starts[0]);
    uint8_t *scales = make(scale_count * scale_bytes, offset, &starts[1]);
    uint8_t *ids = make(IDS * id_size, offset, &starts[2]);
    uint8_t *output = make(out_size, offset, &starts[3]);
    eeb_quantized_table table;
    eeb_ids all;
    eeb_variant variant;
    size_t at, position;
    int done = 0;

    for (at = 0; at < codes_size; ++at) {
        codes[at] = random_byte();
    }
    for (at = 0; at < scale_count * scale_bytes; ++at) {
        scales[at] = random_byte();
    }
    for (at = 0; at < scale_count; ++at) { /* finite: the top exponent bit off */
        scales[(at + 1) * scale_bytes - 1] &= 0xbf;
    }
    for (at = 0; at < IDS; ++at) {
        put_id(ids, id_type, at, at == 0 ? ROWS - 1 : at == 1 ? 0 : random_byte() % ROWS);
    }
    table.codes = codes;
    table.scales = scales;
    table.rows = ROWS;
    table.bits = bits;
    table.dim = dim;
    table.block = block;
    table.planes = planes;
    table.scale_type = scale_type;
    all.data = ids;
    all.count = IDS;
    all.type = id_type;
    for (variant = 0; variant < EEB_VARIANTS; ++variant) {
        const eeb_quantized_function lookup = eeb_quantized_variant(bits, variant);

        if (lookup == NULL) {
            continue;
        }
        memset(output, 0xff, out_size);
        if (lookup(&table, &all, output, NULL) != EEB_OK) {
            printf("%s: bits %d dim %d block %d planes %d refused\n", eeb_variant_name(variant), bits, dim, block, planes);
            exit(1);
        }
        for (at = 0; at < IDS * (size_t)dim; ++at) {
            const float want = plain(&table, (size_t)eeb_id_at(&all, at / (size_t)dim), at % (size_t)dim);

            if (memcmp(output + 4 * at, &want, 4) != 0) {
                printf(
                    "%s: bits %d dim %d block %d planes %d scales %d offset %d differs at element %d\n", eeb_variant_name(variant), bits,
                    dim, block, planes, scale_type, (int)offset, (int)at);
                exit(1);
            }
        }
        put_id(ids, id_type, 4, ROWS);
        mark(output, out_size);
        position = 0;
        if (lookup(&table, &all, output, &position) != EEB_ID_OUT_OF_RANGE || position != 4) {
            refused(variant, "a wrong id is not reported");
        }
        expect_marked(variant, output, out_size);
        put_id(ids, id_type, 4, 3);
        all.count = 0;
        if (lookup(&table, &all, NULL, NULL) != EEB_OK) {
            refused(variant, "no ids at all are refused");
        }
        all.count = IDS;
        ++done;
    }
    for (at = 0; at < 4; ++at) {
        free(starts[at]);
    }
    return done;
}

int main(void)
{
    static const int32_t widths[] = {8, 4, 2, 1};
    static const int32_t shapes[][2] = {{1, 0},    {2, 1},    {3, 0},   {7, 7},   {9, 3},    {15, 5},   {17, 0},
                                        {31, 31},  {33, 11},  {48, 16}, {65, 13}, {96, 48},  {128, 16}, {130, 10},
                                        {192, 64}, {256, 32}, {384, 0}, {255, 1}, {384, 32}, {1152, 16}};
    size_t bits, shape;
    int32_t planes;
    int done = 0;

    for (bits = 0; bits < 4; ++bits) {
        for (shape = 0; shape < sizeof shapes / sizeof shapes[0]; ++shape) {
            for (planes = 1; planes <= 3; ++planes) {
                const size_t offset = (shape + (size_t)planes) % 5;

                done += compare(widths[bits], shapes[shape][0], shapes[shape][1], planes, EEB_FLOAT16, EEB_INT32, offset);
                done += compare(widths[bits], shapes[shape][0], shapes[shape][1], planes, EEB_FLOAT32, EEB_INT64, offset);
            }
        }
    }
    return say_done(done);
}
