/* Runs the golden texts of the bundle. */
#include <string.h>

#include "golden.h"
#include "include/edgeemb_model.h"

uint32_t EDGEEMB_MISMATCHES(void *arena)
{
    float output[GOLDEN_OUTPUTS];
    size_t number, start = 0, first = 0;
    uint32_t wrong = 0;

    for (number = 0; number < GOLDEN_COUNT; ++number) {
        const int32_t status = GOLDEN_RUN(arena, GOLDEN_ARENA_BYTES, golden_inputs + start, golden_lengths[number], output);

        start += golden_lengths[number];
        wrong += status != 0 || memcmp(output, golden_outputs + first, golden_sizes[number] * sizeof *output) != 0;
        first += golden_sizes[number];
    }
    return wrong;
}
