/* Hamming distances with CNT, which counts the bits of 16 bytes. */
#ifndef EEB_VECTORS_NEON_H
#define EEB_VECTORS_NEON_H

#include <arm_neon.h>

#include "serial.h"

EEB_FUNCTION void eeb_vectors_hamming_neon(
    const uint8_t *query, const uint8_t *store, size_t rows, size_t stride, size_t count, uint32_t *differ)
{
    size_t row, at;

    for (row = 0; row < rows; ++row, store += stride) {
        uint32_t sum = 0;

        for (at = 0; at + 16 <= count; at += 16) {
            /* At most 128 bits differ: the sum of the counts fits a byte. */
            sum += vaddvq_u8(vcntq_u8(veorq_u8(vld1q_u8(query + at), vld1q_u8(store + at))));
        }
        for (; at < count; ++at) {
            sum += eeb_vectors_ones_serial((uint64_t)(query[at] ^ store[at]));
        }
        differ[row] = sum;
    }
}

#endif
