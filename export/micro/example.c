/* Runs the golden vectors of the bundle and says whether this build gives them, bit for bit. On a microcontroller, replace printf. */
#include <stdio.h>
#include <string.h>

#include "golden.h"
#include "model.h"

/* Its content need not survive between calls. */
static GOLDEN_ARENA(arena);

int main(void)
{
    float output[GOLDEN_OUTPUTS];
    size_t number, start = 0, first = 0, wrong = 0;

    for (number = 0; number < GOLDEN_COUNT; ++number) {
        const int32_t status = GOLDEN_RUN(arena, sizeof arena, golden_inputs + start, golden_lengths[number], output);

        start += golden_lengths[number];
        if (status != 0 || memcmp(output, golden_outputs + first, golden_sizes[number] * sizeof *output) != 0) {
            printf("text %u: status %d, another result\n", (unsigned)number, (int)status);
            ++wrong;
        }
        first += golden_sizes[number];
    }
    printf("%u of %u texts as expected\n", (unsigned)(GOLDEN_COUNT - wrong), (unsigned)GOLDEN_COUNT);
#if defined(GOLDEN_QUERIES)
    for (start = 0, first = 0, number = 0; number < GOLDEN_QUERIES; ++number) {
        size_t tokens;
        const int32_t status = GOLDEN_RUN_QUERY(arena, sizeof arena, golden_queries + start, golden_query_lengths[number], output, &tokens);

        start += golden_query_lengths[number];
        if (status != 0 || memcmp(output, golden_query_outputs + first, golden_query_sizes[number] * sizeof *output) != 0) {
            printf("query %u: status %d, another result\n", (unsigned)number, (int)status);
            ++wrong;
        }
        first += golden_query_sizes[number];
    }
#endif
    return wrong != 0;
}
