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
#if defined(GOLDEN_QUERIES)
    for (start = 0, first = 0, number = 0; number < GOLDEN_QUERIES; ++number) {
        size_t tokens;
        const int32_t status =
            GOLDEN_RUN_QUERY(arena, GOLDEN_ARENA_BYTES, golden_queries + start, golden_query_lengths[number], output, &tokens);

        start += golden_query_lengths[number];
        wrong += status != 0 || memcmp(output, golden_query_outputs + first, golden_query_sizes[number] * sizeof *output) != 0;
        first += golden_query_sizes[number];
    }
#endif
    return wrong;
}
