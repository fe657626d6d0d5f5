/* The query of a shortlist: rotated, and multiplied with the codebook. See ../shortlist.h for the contract. */
#ifndef EEB_SHORTLIST_PREPARE_H
#define EEB_SHORTLIST_PREPARE_H

#include "../shortlist.h"

/* An integer whose bits all depend on all of another's (Wellons 2018, "Prospecting for Hash Functions"). */
EEB_INLINE uint32_t eeb_shortlist_mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

/* Signs, and a transform of each 64 elements. */
EEB_FUNCTION void eeb_shortlist_turn(float *values, size_t padded, uint32_t turn)
{
    size_t block, half, at;

    for (at = 0; at < padded; ++at) {
        values[at] = (eeb_shortlist_mix((uint32_t)at + 65536u * turn) & 1u) != 0 ? -values[at] : values[at];
    }
    for (block = 0; block < padded; block += EEB_SHORTLIST_BLOCK) {
        float *of = values + block;

        for (half = 1; half < EEB_SHORTLIST_BLOCK; half *= 2) {
            for (at = 0; at < EEB_SHORTLIST_BLOCK; ++at) {
                if ((at & half) == 0) {
                    const float left = of[at], right = of[at + half];

                    of[at] = left + right;
                    of[at + half] = left - right;
                }
            }
        }
        for (at = 0; at < EEB_SHORTLIST_BLOCK; ++at) {
            of[at] *= 0.125f;
        }
    }
}

/* The 16 products of a part with the codebook; the least of them, and how far the largest is above it. */
EEB_INLINE void eeb_shortlist_products(const eeb_shortlist *list, const float *query, float *products, float *low, float *range)
{
    const uint8_t *codebook = (const uint8_t *)list->codebook;
    float least = 0, most = 0;
    int entry, at;

    for (entry = 0; entry < EEB_SHORTLIST_ENTRIES; ++entry) {
        float sum = 0;

        for (at = 0; at < list->part; ++at, codebook += 4) {
            float value;

            memcpy(&value, codebook, sizeof value);
            value *= query[at];
            EEB_ROUNDED(value);
            sum = at == 0 ? value : sum + value;
        }
        products[entry] = sum;
        least = entry == 0 || sum < least ? sum : least;
        most = entry == 0 || sum > most ? sum : most;
    }
    *low = least;
    *range = most - least;
}

/* Fills `memory`, of eeb_shortlist_memory bytes and aligned to 4, and the query that points into it. */
EEB_FUNCTION void eeb_shortlist_prepare(const eeb_shortlist *list, const void *hidden, void *memory, eeb_shortlist_query *query)
{
    const size_t padded = eeb_shortlist_padded(list), blocks = padded / EEB_SHORTLIST_BLOCK, parts = eeb_shortlist_parts(list);
    float *values = (float *)memory, *turned = values + padded + 8, *products = turned + padded + 8;
    uint8_t *entries = (uint8_t *)(void *)(products + parts * EEB_SHORTLIST_ENTRIES);
    float step, low, range, largest, most = 0, sum = 0, factor;
    size_t at, part;
    int entry;

    memset(memory, 0, 2 * (padded + 8) * sizeof(float));
    memset(entries, 0, eeb_shortlist_pairs(list) * 2 * EEB_SHORTLIST_ENTRIES);
    query->entries = entries;
    query->step = 0;
    query->low = 0;
    if (eeb_logits_factor((const uint8_t *)hidden, (size_t)list->dim, &step) == 0) { /* nothing, or NaN */
        query->low = step;
        return;
    }
    memcpy(values, hidden, (size_t)list->dim * sizeof(float));
    largest = 0;
    for (at = 0; at < (size_t)list->dim; ++at) {
        const float magnitude = values[at] < 0 ? -values[at] : values[at];

        largest = magnitude > largest ? magnitude : largest;
    }
    for (at = 0; at < (size_t)list->dim; ++at) {
        values[at] /= largest;
    }
    eeb_shortlist_turn(values, padded, 0);
    for (at = 0; at < padded; ++at) {
        turned[at % EEB_SHORTLIST_BLOCK * blocks + at / EEB_SHORTLIST_BLOCK] = values[at];
    }
    eeb_shortlist_turn(turned, padded, 1);
    for (part = 0; part < parts; ++part) {
        float *some = products + part * EEB_SHORTLIST_ENTRIES;

        eeb_shortlist_products(list, turned + part * (size_t)list->part, some, &low, &range);
        for (entry = 0; entry < EEB_SHORTLIST_ENTRIES; ++entry) {
            some[entry] -= low;
        }
        sum += low;
        most = range > most ? range : most;
    }
    factor = most > 0 ? EEB_SHORTLIST_MOST / most : 0;
    for (at = 0; at < parts * EEB_SHORTLIST_ENTRIES; ++at) {
        float value = products[at] * factor;

        EEB_ROUNDED(value);
        value = value < EEB_SHORTLIST_MOST ? value : EEB_SHORTLIST_MOST;
        entries[at] = (uint8_t)eeb_logits_round(value);
    }
    query->step = most / EEB_SHORTLIST_MOST * largest;
    query->low = sum * largest;
}

#endif
