/* The op QuantizedLinear on made-up layers, every buffer exactly as large as it must be: prints the bits of the outputs, which no
 * instruction set, number of threads or neighbouring row may change. */
#define EEP_PRODUCTS_ALONE
#include "../../../runtimes/panels/quantized_linear.h"
#if !defined(__wasm__)
#include "../../../runtimes/threads/pool.h"
#endif

#include <stdio.h>
#include <stdlib.h>

static uint32_t state = 1;

/* The next of a sequence of made-up numbers. */
static uint32_t next(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static float *floats(size_t count)
{
    float *made = malloc((count + 1) * sizeof *made);
    size_t at;

    for (at = 0; at < count; ++at) {
        made[at] = ((float)next() - 8388608.0f) / 4194304.0f;
    }
    return made;
}

static void fail(const char *what, uint32_t inputs, uint32_t outputs)
{
    fprintf(stderr, "%u inputs, %u outputs: %s\n", (unsigned)inputs, (unsigned)outputs, what);
    exit(1);
}

static void run(uint32_t inputs, uint32_t outputs, uint32_t block, size_t rows, eem_activation activation)
{
    const uint32_t panels = (outputs + EEP_COLUMNS - 1) / EEP_COLUMNS, width = EEM_PADDED(inputs);
    const size_t row_bytes = block == 0 ? width : (size_t)inputs / block * (2 + block / 2);
    const size_t bytes = panels * EEP_COLUMNS * row_bytes, size = rows * outputs;
    eep_quantized_linear op;
    uint8_t *weight = malloc(bytes), *memory;
    int32_t *sums = malloc(panels * EEP_COLUMNS * sizeof *sums);
    float *scale = floats(panels * EEP_COLUMNS), *bias = floats(panels * EEP_COLUMNS), *given = floats(rows * inputs);
    float *output = malloc((size + 1) * sizeof *output), *again = malloc((size + 1) * sizeof *again);
    size_t at;

    memset(&op, 0, sizeof op);
    for (at = 0; at < bytes; ++at) {
        weight[at] = (uint8_t)(next() & 63u);
    }
    memset(sums, 0, panels * EEP_COLUMNS * sizeof *sums);
    for (at = 0; at < bytes && block == 0; ++at) {
        sums[at / (EEP_COLUMNS * width) * EEP_COLUMNS + at / 4 % EEP_COLUMNS] += weight[at];
    }
    op.layer.weight = (const int8_t *)weight;
    op.layer.scale = block == 0 ? scale : NULL;
    op.layer.sums = block == 0 ? sums : NULL;
    op.layer.totals = block == 0 ? NULL : scale;
    op.layer.bias = bias;
    op.layer.inputs = inputs;
    op.layer.outputs = panels * EEP_COLUMNS;
    op.layer.block = block;
    op.outputs = outputs;
    op.activation = activation;
    if (eep_quantized_linear_check(&op) != EEB_OK) {
        fail("refused", inputs, outputs);
    }
    memory = malloc(eep_quantized_linear_bytes(&op));
    memset(memory, 0xa5, eep_quantized_linear_bytes(&op));
    eep_quantized_linear_run(&op, given, rows, output, memory, NULL);
    for (at = 0; at < rows; ++at) {
        eep_quantized_linear_run(&op, given + at * inputs, 1, again + at * outputs, memory, NULL);
    }
    if (memcmp(output, again, size * sizeof *output) != 0) {
        fail("a row depends on its neighbours", inputs, outputs);
    }
#if !defined(__wasm__)
    for (at = 2; at <= 3; ++at) {
        eew_pool *pool = eew_open((uint32_t)at);
        const eep_parallel parallel = {eew_run, pool};

        memset(again, 0, size * sizeof *again);
        eep_quantized_linear_run(&op, given, rows, again, memory, &parallel);
        if (memcmp(output, again, size * sizeof *output) != 0) {
            fail("other bits on several threads", inputs, outputs);
        }
        eew_close(pool);
    }
#endif
    for (at = 0; at < size; ++at) {
        uint32_t bits;

        memcpy(&bits, output + at, sizeof bits);
        printf("%08lx\n", (unsigned long)bits);
    }
    free(weight);
    free(sums);
    free(scale);
    free(bias);
    free(given);
    free(output);
    free(again);
    free(memory);
}

/* Shapes and activations that must be refused. */
static void refuse(uint32_t inputs, uint32_t padded, uint32_t outputs, uint32_t block, eem_activation activation)
{
    eep_quantized_linear op;

    memset(&op, 0, sizeof op);
    op.layer.inputs = inputs;
    op.layer.outputs = padded;
    op.layer.block = block;
    op.outputs = outputs;
    op.activation = activation;
    if (eep_quantized_linear_check(&op) != EEB_BAD_SHAPE) {
        fail("taken", inputs, outputs);
    }
}

int main(void)
{
    run(48, 20, 0, 1, EEM_IDENTITY);
    run(41, 33, 0, 70, EEM_GELU);
    run(384, 64, 0, 9, EEM_RELU);
    run(1, 1, 0, 33, EEM_GELU_TANH);
    run(64, 20, 32, 40, EEM_IDENTITY);
    run(128, 65, 64, 3, EEM_GELU);
    run(2064, 20, 0, 14, EEM_IDENTITY);
    refuse(0, 32, 20, 0, EEM_IDENTITY);
    refuse(48, 0, 0, 0, EEM_IDENTITY);
    refuse(48, 48, 40, 0, EEM_IDENTITY);
    refuse(48, 64, 32, 0, EEM_IDENTITY);
    refuse(48, 32, 33, 0, EEM_IDENTITY);
    refuse(EEP_MOST_INPUTS + 1, 32, 20, 0, EEM_IDENTITY);
    refuse(48, 32, 20, 32, EEM_IDENTITY);
    refuse(48, 32, 20, 16, EEM_IDENTITY);
    refuse(32, 32, 32, 0, EEM_SILU);
    refuse(32, 32, 32, 0, EEM_TIMES);
    return 0;
}
