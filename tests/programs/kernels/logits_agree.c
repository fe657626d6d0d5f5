/* Runs every variant of QuantizedLogits over odd sizes, in buffers of exactly the size they need and at odd addresses, and compares each
 * with a plain evaluation of the contract, bit by bit. Prints the variants and the number of comparisons; exits with 1 at the first
 * difference. */
#include "agree.h"
#include "logits.h"

enum { ROWS = 11, VECTORS = 6 };

static uint32_t seed = 1;

static uint8_t random_byte(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

/* The integers of a vector; its step. Rounding is by comparison, apart from what the kernels do. */
static float plain_vector(const uint8_t *hidden, size_t dim, int32_t *whole)
{
    float most = 0, x;
    volatile float factor, product;
    size_t at;

    for (at = 0; at < dim; ++at) {
        memcpy(&x, hidden + 4 * at, 4);
        most = x > most ? x : -x > most ? -x : most;
    }
    factor = 32639.0f / most;
    for (at = 0; at < dim; ++at) {
        int32_t down;
        float rest;

        memcpy(&x, hidden + 4 * at, 4);
        product = x * factor;
        down = (int32_t)product;
        down -= (float)down > product;
        rest = product - (float)down;
        whole[at] = rest > 0.5f || (rest == 0.5f && down % 2 != 0) ? down + 1 : down;
    }
    return most / 32639.0f;
}

/* One logit before its bias, from the words of the header. */
static float plain(const eeb_quantized_table *table, size_t row, const int32_t *whole, float step)
{
    const size_t per_byte = 8 / (size_t)table->bits, dim = (size_t)table->dim;
    const size_t block = table->block == 0 ? dim : (size_t)table->block;
    const size_t width = (dim + per_byte - 1) / per_byte;
    volatile float lanes[16], value;
    size_t plane, chunk, part, lane, half;

    for (lane = 0; lane < 16; ++lane) {
        lanes[lane] = 0;
    }
    for (plane = 0; plane < (size_t)table->planes; ++plane) {
        const uint8_t *codes = (const uint8_t *)table->codes + (row * (size_t)table->planes + plane) * width;
        const size_t scales = (row * (size_t)table->planes + plane) * (dim / block);

        for (chunk = 0; chunk * 64 < width; ++chunk) {
            for (part = 0; part < per_byte; ++part) {
                for (lane = 0; lane < 16; ++lane) {
                    size_t b;

                    for (b = 0; b < dim / block; ++b) {
                        int32_t sum = 0, any = 0;
                        size_t j;

                        for (j = 64 * chunk + 4 * lane; j < 64 * chunk + 4 * lane + 4 && j < width; ++j) {
                            const size_t e = part * width + j;

                            if (e < dim && e / block == b) {
                                const int32_t code = (int32_t)(codes[j] >> part * (size_t)table->bits & ((1 << table->bits) - 1));

                                any = 1;
                                sum += whole[e] * (table->bits == 8   ? code - 128
                                                   : table->bits == 4 ? code - 8
                                                   : table->bits == 2 ? 2 * code - 3
                                                                      : 2 * code - 1);
                            }
                        }
                        if (any) {
                            value = (float)sum * eeb_float_at((const uint8_t *)table->scales, table->scale_type, scales + b);
                            lanes[lane] = lanes[lane] + value;
                        }
                    }
                }
            }
        }
    }
    for (half = 8; half != 0; half /= 2) {
        for (lane = 0; lane < half; ++lane) {
            lanes[lane] = lanes[lane] + lanes[lane + half];
        }
    }
    return lanes[0] * (table->bits < 4 ? step * 0.5f : step);
}

/* All variants over one table; the number of comparisons. */
static int compare(int32_t bits, int32_t dim, int32_t block, int32_t planes, eeb_type scale_type, size_t offset)
{
    const size_t scale_bytes = scale_type == EEB_FLOAT16 ? 2 : 4;
    const size_t codes_size = ROWS * (size_t)eeb_quantized_row_bytes(bits, dim, planes);
    const size_t scale_count = ROWS * (size_t)eeb_quantized_row_scales(dim, block, planes);
    const size_t hidden_size = VECTORS * (size_t)dim * 4, out_size = VECTORS * ROWS * 4;
    uint8_t *starts[6];
    uint8_t *codes = make(codes_size, offset, &starts[0]);
    uint8_t *scales = make(scale_count * scale_bytes, offset, &starts[1]);
    uint8_t *hidden = make(hidden_size, offset, &starts[2]);
    uint8_t *output = make(out_size, offset, &starts[3]);
    uint8_t *memory;
    int32_t *whole;
    float bias[ROWS], steps[VECTORS], logit[VECTORS * ROWS];
    eeb_quantized_table table;
    eeb_logits_call call;
    eeb_variant variant;
    size_t at, size = 0, vector;
    int done = 0, with_bias;

    for (at = 0; at < codes_size; ++at) {
        codes[at] = random_byte();
    }
    for (at = 0; at < scale_count; ++at) { /* finite, of any sign, within 2^8 of one another */
        const uint16_t half = (uint16_t)((random_byte() & 0x80) << 8 | (0x20 + random_byte() % 0x20) << 8 | random_byte());
        const float wide = eeb_half_to_float(half) * 1.0009765f;

        memcpy(scales + at * scale_bytes, scale_type == EEB_FLOAT16 ? (const void *)&half : (const void *)&wide, scale_bytes);
    }
    for (at = 0; at < VECTORS * (size_t)dim; ++at) {
        const float x = ((float)random_byte() - 127.5f + (float)random_byte() / 256.0f) * (at % 7 == 0 ? 3.0f : 0.01f);

        memcpy(hidden + 4 * at, &x, 4);
    }
    for (at = 0; at < ROWS; ++at) {
        bias[at] = (float)random_byte() - 100.0f;
    }
    table.codes = codes;
    table.scales = scales;
    table.rows = ROWS;
    table.bits = bits;
    table.dim = dim;
    table.block = block;
    table.planes = planes;
    table.scale_type = scale_type;
    if (eeb_logits_memory(&table, VECTORS, &size) != EEB_OK) {
        refused(EEB_SERIAL, "the sizes are refused");
    }
    memory = make(size, offset, &starts[4]);
    whole = (int32_t *)(void *)make(VECTORS * (size_t)dim * sizeof *whole, 0, &starts[5]);
    for (vector = 0; vector < VECTORS; ++vector) {
        steps[vector] = plain_vector(hidden + vector * (size_t)dim * 4, (size_t)dim, whole + vector * (size_t)dim);
    }
    if (eeb_logits_prepare(&table, hidden, VECTORS, memory) != EEB_OK) {
        refused(EEB_SERIAL, "the vectors are refused");
    }
    for (at = 0; at < VECTORS * ROWS; ++at) {
        const size_t from = at / ROWS;

        logit[at] = plain(&table, at % ROWS, whole + from * (size_t)dim, steps[from]);
    }
    for (variant = 0; variant < EEB_VARIANTS; ++variant) {
        const eeb_logits_function logits = eeb_logits_variant(bits, variant);

        if (logits == NULL) {
            continue;
        }
        call.memory = memory;
        call.count = VECTORS;
        call.output = output;
        for (with_bias = 0; with_bias < 2; ++with_bias) {
            call.bias = with_bias ? bias : NULL;
            memset(output, 0xff, out_size);
            call.first = 2; /* in two parts, as threads do it */
            call.rows = ROWS - 2;
            if (logits(&table, &call) != EEB_OK) {
                refused(variant, "a call is refused");
            }
            call.first = 0;
            call.rows = 2;
            if (logits(&table, &call) != EEB_OK) {
                refused(variant, "a call is refused");
            }
            for (at = 0; at < VECTORS * ROWS; ++at) {
                const float want = with_bias ? logit[at] + bias[at % ROWS] : logit[at];
                float got;

                memcpy(&got, output + 4 * at, 4);
                if (memcmp(&got, &want, 4) != 0) {
                    printf(
                        "%s: bits %d dim %d block %d planes %d scales %d offset %d differs at %d: %a, not %a\n", eeb_variant_name(variant),
                        bits, dim, block, planes, scale_type, (int)offset, (int)at, (double)got, (double)want);
                    exit(1);
                }
            }
        }
        mark(output, out_size);
        call.first = ROWS - 1;
        call.rows = 2;
        if (logits(&table, &call) != EEB_BAD_SHAPE) {
            refused(variant, "rows past the table are not refused");
        }
        expect_marked(variant, output, out_size);
        call.first = call.rows = call.count = 0;
        if (logits(&table, &call) != EEB_OK) {
            refused(variant, "no vectors at all are refused");
        }
        ++done;
    }
    for (at = 0; at < 6; ++at) {
        free(starts[at]);
    }
    return done;
}

int main(void)
{
    static const int32_t widths[] = {8, 4, 2, 1};
    static const int32_t shapes[][2] = {{1, 0},    {2, 1},    {3, 0},     {7, 7},    {9, 3},    {15, 5},    {20, 4},
                                        {31, 31},  {33, 11},  {48, 16},   {65, 13},  {96, 48},  {128, 16},  {130, 10},
                                        {192, 64}, {256, 32}, {312, 8},   {384, 0},  {255, 1},  {384, 32},  {512, 64},
                                        {520, 4},  {640, 32}, {1152, 16}, {1040, 4}, {776, 97}, {1024, 128}};
    size_t bits, shape;
    int32_t planes;
    int done = 0;

    for (bits = 0; bits < 4; ++bits) {
        for (shape = 0; shape < sizeof shapes / sizeof shapes[0]; ++shape) {
            for (planes = 1; planes <= 2; ++planes) {
                const size_t turn = shape + (size_t)planes;

                done +=
                    compare(widths[bits], shapes[shape][0], shapes[shape][1], planes, turn % 2 != 0 ? EEB_FLOAT16 : EEB_FLOAT32, turn % 5);
            }
        }
    }
    return say_done(done);
}
