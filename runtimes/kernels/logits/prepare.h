/* The vectors of QuantizedLogits as integers, in the order in which the kernels read them. See logits.h for the contract.
 *
 * One function for every variant: it costs dim operations where a variant does rows * dim. */
#ifndef EEB_LOGITS_PREPARE_H
#define EEB_LOGITS_PREPARE_H

#include "../logits.h"

/* To the nearest integer, ties to even, for magnitudes below 2^22: there float32 has no fraction left after the sum. */
EEB_INLINE int32_t eeb_logits_round(float value)
{
    float moved = value + 12582912.0f; /* 1.5 * 2^23 */

    EEB_ROUNDED(moved);
    return (int32_t)(moved - 12582912.0f);
}

EEB_FUNCTION void eeb_logits_places(const eeb_logits_sizes *sizes, uint8_t *memory)
{
    size_t chunk, lane, column, element;
    int part;

    for (chunk = 0; chunk < sizes->chunks; ++chunk) {
        for (part = 0; part < sizes->parts; ++part, memory += sizeof(eeb_logits_place)) {
            eeb_logits_place place;

            place.first = 0;
            place.used = 0;
            for (lane = 0; lane < EEB_LOGITS_LANES; ++lane) {
                column = chunk * EEB_LOGITS_CHUNK + lane * EEB_LOGITS_GROUP;
                element = (size_t)part * sizes->width + column;
                place.after[lane] = -1;
                if (column < sizes->width && element < sizes->dim) {
                    if (place.used == 0) { /* lanes with elements are the first ones */
                        place.first = (int32_t)(element / sizes->block);
                    }
                    place.used |= 1u << lane;
                    place.after[lane] = (int32_t)(element / sizes->block) - place.first;
                }
            }
            memcpy(memory, &place, sizeof place);
        }
    }
}

/* The factor that makes integers of a vector, or 0; and its step: NaN for a vector that is not finite. */
EEB_FUNCTION float eeb_logits_factor(const uint8_t *hidden, size_t dim, float *step)
{
    uint32_t bits, most = 0;
    float largest;
    size_t at;

    for (at = 0; at < dim; ++at) { /* magnitudes order as the integers that their bits are; NaN is above infinity */
        memcpy(&bits, hidden + 4 * at, sizeof bits);
        bits &= 0x7fffffffu;
        most = bits > most ? bits : most;
    }
    if (most >= 0x7f800000u) {
        most = 0x7fc00000u;
        memcpy(step, &most, sizeof *step);
        return 0;
    }
    memcpy(&largest, &most, sizeof largest);
    if (largest < EEB_LOGITS_LEAST) {
        *step = 0;
        return 0;
    }
    *step = largest / EEB_LOGITS_MOST;
    return EEB_LOGITS_MOST / largest;
}

EEB_FUNCTION void eeb_logits_vector(const eeb_logits_sizes *sizes, const uint8_t *hidden, uint8_t *memory)
{
    /* Of codes as the vector kernels take them: doubled at 1 and 2 bits. */
    const int32_t zero = sizes->parts == 1 ? 128 : sizes->parts == 2 ? 8 : sizes->parts == 4 ? 3 : 1;
    float step, value;
    const float factor = eeb_logits_factor(hidden, sizes->dim, &step);
    size_t chunk, column, element;
    int part;

    memcpy(memory, &step, sizeof step);
    memory += sizeof step;
    for (chunk = 0; chunk < sizes->chunks; ++chunk) {
        for (part = 0; part < sizes->parts; ++part, memory += sizeof(eeb_logits_part)) {
            eeb_logits_part made;

            memset(&made, 0, sizeof made);
            for (column = 0; column < EEB_LOGITS_CHUNK && chunk * EEB_LOGITS_CHUNK + column < sizes->width && factor != 0; ++column) {
                int32_t whole;

                element = (size_t)part * sizes->width + chunk * EEB_LOGITS_CHUNK + column;
                if (element >= sizes->dim) {
                    break;
                }
                memcpy(&value, hidden + 4 * element, sizeof value);
                value = value * factor;
                EEB_ROUNDED(value);
                whole = eeb_logits_round(value);
                made.whole[column] = (int16_t)whole;
                made.low[column] = (int8_t)(((whole + 128) & 255) - 128);
                made.high[column] = (int8_t)((whole - made.low[column]) / 256);
                made.excess[column / EEB_LOGITS_GROUP] -= zero * whole;
            }
            memcpy(memory, &made, sizeof made);
        }
    }
}

/* Quantises the vectors. `memory` has the bytes that eeb_logits_memory asks for. */
EEB_FUNCTION eeb_status eeb_logits_prepare(const eeb_quantized_table *table, const void *hidden, size_t count, void *memory)
{
    size_t needed = 0, at;
    const eeb_status status = eeb_logits_memory(table, count, &needed);
    eeb_logits_sizes sizes;

    if (status != EEB_OK) {
        return status;
    }
    sizes = eeb_logits_size(table);
    eeb_logits_places(&sizes, (uint8_t *)memory);
    for (at = 0; at < count; ++at) {
        eeb_logits_vector(
            &sizes, (const uint8_t *)hidden + 4 * at * sizes.dim, (uint8_t *)memory + sizes.places_bytes + at * sizes.vector_bytes);
    }
    return EEB_OK;
}

#endif
