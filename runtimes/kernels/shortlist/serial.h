/* The scan of a shortlist in plain C99: the reference of the other variants. See ../shortlist.h for the contract. */
#ifndef EEB_SHORTLIST_SERIAL_H
#define EEB_SHORTLIST_SERIAL_H

#include "../shortlist.h"

/* The scores of a block. `scales` and `bias`, if there is one, are of 64 rows. Returns a bit for each that is not below the floor. */
EEB_INLINE uint64_t eeb_shortlist_block_serial(
    const uint8_t *codes, size_t pairs, const eeb_shortlist_query *query, const uint8_t *scales, const uint8_t *bias, float floor,
    float *scores)
{
    uint32_t sums[EEB_SHORTLIST_BLOCK] = {0};
    uint64_t wanted = 0;
    size_t pair, at;

    for (pair = 0; pair < pairs; ++pair, codes += EEB_SHORTLIST_BLOCK) {
        const uint8_t *entries = query->entries + pair * 2 * EEB_SHORTLIST_ENTRIES;

        for (at = 0; at < EEB_SHORTLIST_BLOCK; ++at) {
            sums[at] += (uint32_t)entries[codes[at] & 15] + entries[EEB_SHORTLIST_ENTRIES + (codes[at] >> 4)];
        }
    }
    for (at = 0; at < EEB_SHORTLIST_BLOCK; ++at) {
        const size_t row = at % 4 * 16 + at / 4;
        float score = (float)sums[at] * query->step, scale, more;

        EEB_ROUNDED(score);
        memcpy(&scale, scales + 4 * row, sizeof scale);
        score = (score + query->low) * scale;
        EEB_ROUNDED(score);
        if (bias != NULL) {
            memcpy(&more, bias + 4 * row, sizeof more);
            score += more;
        }
        scores[row] = score;
        wanted |= (uint64_t)!(score < floor) << row;
    }
    return wanted;
}

#define EEB_ISA(name) name##_serial
#define EEB_ISA_TARGET
#include "blocks.h"

#endif
