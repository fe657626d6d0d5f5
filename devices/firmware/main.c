/* The measuring firmware: runs a model over the inputs in a file of the host and writes its results to another.
 *
 *   input.bin   per inference: uint32 count, int32 ids[count]; with -DFIRMWARE_TEXT uint32 bytes, and a text of so many
 *   output.bin  per inference: int32 status, float outputs[] of the longest text; what a shorter one leaves free means nothing
 *   stack.bin   at the end: uint32 bytes of stack that were ever used
 *
 * The compiler is told the prefix of the model's symbols, and the rows of the longest result where it has one for each token:
 * -DFIRMWARE_PREFIX=banking -DFIRMWARE_UPPER=BANKING -DFIRMWARE_ROWS=128. */
#include "model.h"

#include "semihosting.h"

#define JOIN_NOW(left, right) left##right
#define JOIN(left, right) JOIN_NOW(left, right)
#define FIRMWARE_TOKENS JOIN(FIRMWARE_UPPER, _TOKENS)
#if defined(FIRMWARE_ROWS)
#define FIRMWARE_OUTPUTS (FIRMWARE_ROWS * JOIN(FIRMWARE_UPPER, _OUTPUTS))
#else
#define FIRMWARE_OUTPUTS JOIN(FIRMWARE_UPPER, _OUTPUTS)
#endif
#define FIRMWARE_ARENA_BYTES JOIN(FIRMWARE_UPPER, _ARENA_BYTES)

extern uint32_t stack_bottom[], stack_top[];

__attribute__((aligned(16))) static uint8_t arena[FIRMWARE_ARENA_BYTES];

#if defined(FIRMWARE_TEXT)
/* Bytes of the longest text; cortex_m_run.py knows it too. */
#define FIRMWARE_TEXT_BYTES 2048u
#define FIRMWARE_RUN JOIN(FIRMWARE_PREFIX, _run_text)
static char input_values[FIRMWARE_TEXT_BYTES];
#else
#define FIRMWARE_RUN JOIN(FIRMWARE_PREFIX, _run)
static int32_t input_values[FIRMWARE_TOKENS];
#endif
#define FIRMWARE_MOST (sizeof input_values / sizeof input_values[0])

static struct {
    int32_t status;
    float output[FIRMWARE_OUTPUTS];
} result;

#if defined(FIRMWARE_ROWS) && defined(FIRMWARE_TEXT)
static int32_t run(uint32_t count)
{
    size_t rows;

    return FIRMWARE_RUN(arena, sizeof arena, input_values, count, result.output, NULL, &rows);
}
#else
static int32_t run(uint32_t count)
{
    return FIRMWARE_RUN(arena, sizeof arena, input_values, count, result.output);
}
#endif

/* The simulator watches this address. */
__attribute__((noinline, used)) void eem_mark(void)
{
    __asm__ volatile("");
}

static uint32_t stack_used(void)
{
    const volatile uint32_t *at = stack_bottom;

    while (at != stack_top && *at == 0xa5a5a5a5u) {
        ++at;
    }
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)at);
}

int main(void)
{
    const uint32_t input = semihosting_open("input.bin", SEMIHOSTING_READ_BINARY);
    const uint32_t output = semihosting_open("output.bin", SEMIHOSTING_WRITE_BINARY);
    uint32_t count, used;

    while (semihosting_transfer(SEMIHOSTING_READ, input, &count, sizeof count) == 0) {
        const uint32_t bytes = count * sizeof input_values[0];

        if (count > FIRMWARE_MOST || semihosting_transfer(SEMIHOSTING_READ, input, input_values, bytes) != 0) {
            return 2;
        }
        result.status = run(count);
        if (semihosting_transfer(SEMIHOSTING_WRITE, output, &result, sizeof result) != 0) {
            return 3;
        }
    }
    semihosting_close(input);
    semihosting_close(output);
    used = stack_used();
    semihosting_write_file("stack.bin", &used, sizeof used);
    return 0;
}
