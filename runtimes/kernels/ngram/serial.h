/* NgramLookup in plain C99: the reference of the other variants. See ngram.h for the contract. */
#ifndef EEB_NGRAM_SERIAL_H
#define EEB_NGRAM_SERIAL_H

#include "../ngram.h"

/* Takes the next byte into the hash of each of `places` places: the byte of a place is token[place]. */
EEB_INLINE void eeb_ngram_extend_serial(uint16_t *hashes, const uint8_t *token, size_t places, const uint16_t *bases, size_t lanes)
{
    size_t lane, place;

    for (lane = 0; lane < lanes; ++lane) {
        const uint32_t base = bases[lane], quotient = eeb_ngram_quotient(base);

        for (place = 0; place < places; ++place) {
            uint16_t *hash = hashes + place * EEB_NGRAM_LANES + lane;
            const uint32_t next = eeb_ngram_times(*hash, base, quotient) + token[place] + 1u;

            *hash = (uint16_t)(next >= EEB_NGRAM_MODULUS ? next - EEB_NGRAM_MODULUS : next);
        }
    }
}

/* The `count` elements of the n-grams of one size. */
EEB_INLINE void eeb_ngram_part_serial(
    const uint16_t *hashes, size_t grams, const uint8_t *seeds, size_t count, size_t lanes, uint8_t *output)
{
    const int32_t centre = EEB_NGRAM_CENTRE * (int32_t)grams;
    const float scale = 1.0f / (float)centre;
    size_t at, gram;

    for (at = 0; at < count; ++at) {
        const uint16_t *hash = hashes + (at & (lanes - 1));
        const uint32_t seed = eeb_ngram_at(seeds, at), quotient = eeb_ngram_quotient(seed);
        int32_t sum = -centre;
        float value;

        for (gram = 0; gram < grams; ++gram) {
            sum += (int32_t)eeb_ngram_times(hash[gram * EEB_NGRAM_LANES], seed, quotient);
        }
        value = (float)sum * scale;
        memcpy(output + 4 * at, &value, sizeof value);
    }
}

#define EEB_ISA(name) name##_serial
#define EEB_ISA_TARGET
#include "rows.h"

#endif
