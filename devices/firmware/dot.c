/* Measures the inner loop of the integer matrix product alone: DOT_COLUMNS pairs of columns with one pair of rows of DOT_WIDTH elements, 4
 * products per element. Writes the sum of all sums, so that nothing is left out, in the form of main.c's results. */
#include "micro/dot.h"

#include "semihosting.h"

#define DOT_WIDTH 256u
#define DOT_COLUMNS 32u

static uint32_t pair[DOT_WIDTH];
static int8_t columns[2 * DOT_WIDTH * DOT_COLUMNS];
static struct {
    int32_t status;
    float output[1];
} result;

__attribute__((noinline, used)) void eem_mark(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) static int32_t all_sums(void)
{
    int32_t sums[4], total = 0;
    uint32_t at;

    for (at = 0; at < DOT_COLUMNS; ++at) {
        const int8_t *first = columns + 2 * DOT_WIDTH * at;

        eem_dot(pair, DOT_WIDTH, first, first + EEM_BLOCK, 2 * EEM_BLOCK, 0, sums);
        total += sums[0] + 2 * sums[1] + 3 * sums[2] + 4 * sums[3];
    }
    return total;
}

int main(void)
{
    const uint32_t input = semihosting_open("input.bin", SEMIHOSTING_READ_BINARY);
    uint32_t at, row, used = 0;
    int32_t four[4];

    semihosting_close(input);
    for (at = 0; at < sizeof columns; ++at) {
        columns[at] = (int8_t)((int32_t)(at * 37u % 255u) - 127);
    }
    for (row = 0; row < 2; ++row) {
        for (at = 0; at < DOT_WIDTH; at += 4) {
            uint32_t element;

            for (element = 0; element < 4; ++element) {
                four[element] = (int32_t)((at + element + 91 * row) * 53u % 255u) - 127;
            }
            eem_pair_put(pair, DOT_WIDTH, row, at, four, 0);
        }
    }
    eem_mark();
    result.output[0] = (float)all_sums();
    eem_mark();
    semihosting_write_file("output.bin", &result, sizeof result);
    semihosting_write_file("stack.bin", &used, sizeof used);
    return 0;
}
