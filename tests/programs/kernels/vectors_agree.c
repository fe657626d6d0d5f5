/* Runs every variant of the Hamming distances over odd sizes, in buffers of exactly the size they need and at odd addresses, and compares
 * each with a count bit by bit. Prints the variants and the number of comparisons; exits with 1 at the first difference. */
#include "agree.h"
#include "vectors.h"

enum { ROWS = 5 };

static uint32_t seed = 1;

static uint8_t random_byte(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

/* All variants over vectors of `count` bytes that lie `stride` apart; the number of comparisons. */
static int compare(size_t count, size_t stride, size_t offset)
{
    const size_t size = (ROWS - 1) * stride + count;
    uint8_t *starts[2];
    uint8_t *query = make(count, offset, &starts[0]);
    uint8_t *store = make(size, offset, &starts[1]);
    uint32_t differ[ROWS];
    eeb_variant variant;
    size_t row, at;
    int done = 0;

    for (at = 0; at < count; ++at) {
        query[at] = random_byte();
    }
    for (at = 0; at < size; ++at) {
        store[at] = random_byte();
    }
    for (variant = 0; variant < EEB_VARIANTS; ++variant) {
        const eeb_vectors_hamming_function hamming = eeb_vectors_hamming_variant(variant);

        if (hamming == NULL) {
            continue;
        }
        hamming(query, store, ROWS, stride, count, differ);
        for (row = 0; row < ROWS; ++row) {
            uint32_t want = 0;

            for (at = 0; at < 8 * count; ++at) {
                want += (uint32_t)(query[at / 8] ^ store[row * stride + at / 8]) >> at % 8 & 1u;
            }
            if (differ[row] != want) {
                refused(variant, "another number of bits");
            }
            ++done;
        }
    }
    free(starts[0]);
    free(starts[1]);
    return done;
}

int main(void)
{
    size_t count, offset;
    int done = 0;

    for (count = 0; count <= 67; ++count) {
        for (offset = 0; offset < 3; ++offset) {
            done += compare(count, count, offset) + compare(count, count + 5, offset);
        }
    }
    return say_done(done);
}
