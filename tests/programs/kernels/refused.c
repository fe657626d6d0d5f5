/* Calls every variant of every kernel with sizes that no table has: each call is refused before anything is divided, read or written. */
#include <stdio.h>

#include "codebook.h"
#include "ngram.h"
#include "quantized.h"

static const int32_t sizes[] = {INT32_MIN, -1, 0, 1, 3, 16, INT32_MAX};

#define COUNT (sizeof sizes / sizeof sizes[0])

static unsigned refused, taken;

static void count(eeb_status status)
{
    ++*(status == EEB_OK ? &taken : &refused);
}

int main(void)
{
    /* No ids: a table that is taken is not read either. */
    const eeb_ids none = {NULL, 0, EEB_INT64}, many = {NULL, SIZE_MAX, EEB_INT32};
    static const uint16_t seeds[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    eeb_variant variant;
    size_t a, b, c, bits;

    for (variant = 0; variant < EEB_VARIANTS; ++variant) {
        for (a = 0; a < COUNT; ++a) {
            for (b = 0; b < COUNT; ++b) {
                for (c = 0; c < COUNT; ++c) {
                    const eeb_codebook_table books = {NULL,     NULL,     sizes[(a + b) % COUNT], sizes[a],
                                                      sizes[b], sizes[c], (int32_t)(a % 3),       EEB_FLOAT32};
                    eeb_ngram_table ngrams = {NULL,     NULL,     seeds, seeds, sizes[(a + b) % COUNT], sizes[(a + c) % COUNT],
                                              sizes[a], sizes[b], 16};

                    for (bits = 0; bits < 10; ++bits) {
                        const eeb_quantized_table table = {NULL,     NULL,       sizes[(a + b) % COUNT], (int32_t)bits, sizes[a], sizes[b],
                                                           sizes[c], EEB_FLOAT16};
                        const eeb_quantized_function lookup = eeb_quantized_variant((int32_t)bits, variant);

                        if (lookup != NULL) {
                            count(lookup(&table, &none, NULL, NULL));
                            count(lookup(&table, &many, NULL, NULL));
                        }
                    }
                    if (eeb_codebook_variant(variant) != NULL) {
                        count(eeb_codebook_variant(variant)(&books, &none, NULL, NULL));
                        count(eeb_codebook_variant(variant)(&books, &many, NULL, NULL));
                    }
                    if (eeb_ngram_variant(variant).lookup != NULL) {
                        count(eeb_ngram_variant(variant).lookup(&ngrams, &none, NULL, NULL));
                        ngrams.dim = sizes[c] > 16 ? -16 : sizes[c];
                        count(eeb_ngram_variant(variant).bytes(&ngrams, NULL, 0, (size_t)(uint32_t)sizes[a], NULL));
                    }
                }
            }
        }
    }
    printf("%u calls refused, %u taken\n", refused, taken);
    return refused == 0 || taken == 0;
}
