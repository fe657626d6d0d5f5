/* Hamming distances with POPCNT, which counts eight bytes in one instruction: the memory is what takes the time. */
#ifndef EEB_VECTORS_AVX2_H
#define EEB_VECTORS_AVX2_H

#include "serial.h"

EEB_AVX2_TARGET EEB_FUNCTION void eeb_vectors_hamming_avx2(
    const uint8_t *query, const uint8_t *store, size_t rows, size_t stride, size_t count, uint32_t *differ)
{
    size_t row, at;

    for (row = 0; row < rows; ++row, store += stride) {
        uint32_t sum = 0;

        for (at = 0; at + 8 <= count; at += 8) {
            sum += (uint32_t)__builtin_popcountll(eeb_vectors_eight(query + at) ^ eeb_vectors_eight(store + at));
        }
        for (; at < count; ++at) {
            sum += (uint32_t)__builtin_popcount((unsigned)(query[at] ^ store[at]));
        }
        differ[row] = sum;
    }
}

#define EEB_ISA(name) name##_avx2
#define EEB_ISA_TARGET EEB_AVX2_TARGET
#include "rows.h"

#endif
