/* QuantizedLookup in plain C99: the reference of the other variants, and their tails. See quantized.h for the contract. */
#ifndef EEB_QUANTIZED_SERIAL_H
#define EEB_QUANTIZED_SERIAL_H

#include "../quantized.h"

typedef float eeb_levels_serial;

EEB_INLINE void eeb_quantized_scales_serial(const uint8_t *scales, eeb_type type, size_t count, float *output)
{
    size_t at;

    for (at = 0; at < count; ++at) {
        output[at] = eeb_float_at(scales, type, at);
    }
}

EEB_INLINE eeb_levels_serial eeb_quantized_levels_serial(float scale, int bits)
{
    (void)bits;
    return scale;
}

EEB_INLINE void eeb_quantized_run_serial(
    const uint8_t *codes, int part, size_t count, eeb_levels_serial scale, uint8_t *output, int bits, int add)
{
    const unsigned mask = (1u << bits) - 1u;
    const float zero = eeb_quantized_zero(bits);
    size_t at;

    for (at = 0; at < count; ++at) {
        float value = ((float)((unsigned)codes[at] >> (part * bits) & mask) - zero) * scale;

        if (add) {
            float before;

            EEB_ROUNDED(value);
            memcpy(&before, output + 4 * at, sizeof before);
            value = before + value;
        }
        memcpy(output + 4 * at, &value, sizeof value);
    }
}

#define EEB_ISA(name) name##_serial
#define EEB_ISA_TARGET
#include "rows.h"

#endif
