/* Hamming distances in plain C99: the reference of the other variants. See vectors.h for the contract. */
#ifndef EEB_VECTORS_SERIAL_H
#define EEB_VECTORS_SERIAL_H

#include "../vectors.h"

/* Eight bytes from anywhere. */
EEB_INLINE uint64_t eeb_vectors_eight(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

/* How many bits are set: pairs, then fours, then bytes are added up at once. */
EEB_INLINE uint32_t eeb_vectors_ones_serial(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(bits * 0x0101010101010101u >> 56);
}

EEB_FUNCTION void eeb_vectors_hamming_serial(
    const uint8_t *query, const uint8_t *store, size_t rows, size_t stride, size_t count, uint32_t *differ)
{
    size_t row, at;

    for (row = 0; row < rows; ++row, store += stride) {
        uint32_t sum = 0;

        for (at = 0; at + 8 <= count; at += 8) {
            sum += eeb_vectors_ones_serial(eeb_vectors_eight(query + at) ^ eeb_vectors_eight(store + at));
        }
        for (; at < count; ++at) {
            sum += eeb_vectors_ones_serial((uint64_t)(query[at] ^ store[at]));
        }
        differ[row] = sum;
    }
}

#define EEB_ISA(name) name##_serial
#define EEB_ISA_TARGET
#include "rows.h"

#endif
