/* float16 (IEEE 754 binary16, little-endian bytes, any alignment) to float32: exact, subnormals and infinities included.
 * Portable integer arithmetic, for targets without a conversion instruction and for the serial reference. */
#ifndef EEB_HALF_H
#define EEB_HALF_H

#include "status.h"

EEB_INLINE float eeb_half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t magnitude = half & 0x7fffu;
    uint32_t bits;
    float value;

    if (magnitude >= 0x7c00u) { /* infinity, or NaN made quiet as the processors do */
        bits = 0x7f800000u | ((magnitude & 0x3ffu) << 13) | (magnitude > 0x7c00u ? 0x00400000u : 0u);
    } else if (magnitude >= 0x0400u) {
        bits = (magnitude << 13) + ((127u - 15u) << 23);
    } else { /* zero or subnormal: an integer count of 2^-24, which float32 holds exactly */
        value = (float)magnitude * (1.0f / 16777216.0f);
        memcpy(&bits, &value, sizeof bits);
    }
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Element `index` of a float16 or float32 array at any address, as float32. `type` is EEB_FLOAT16 or EEB_FLOAT32. */
EEB_INLINE float eeb_float_at(const uint8_t *array, eeb_type type, size_t index)
{
    uint16_t half;
    float value;

    if (type == EEB_FLOAT16) {
        memcpy(&half, array + index * sizeof half, sizeof half);
        return eeb_half_to_float(half);
    }
    memcpy(&value, array + index * sizeof value, sizeof value);
    return value;
}

#endif
