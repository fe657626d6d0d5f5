/* QuantizedLogits in plain C99: the reference of the other variants, and their way out for uneven tables. See logits.h for the contract. */
#ifndef EEB_LOGITS_SERIAL_H
#define EEB_LOGITS_SERIAL_H

#include "../logits.h"

/* What a code counts for: code - zero, doubled where zero is no integer. */
EEB_INLINE int32_t eeb_logits_level(const uint8_t *codes, int part, int bits)
{
    const int32_t code = (int32_t)((unsigned)*codes >> (part * bits) & ((1u << bits) - 1u));

    return bits == 8 ? code - 128 : bits == 4 ? code - 8 : bits == 2 ? 2 * code - 3 : 2 * code - 1;
}

/* Adds one chunk's part of one plane of a row to the lanes. */
EEB_INLINE void eeb_logits_part_serial(
    const eeb_logits_sizes *sizes, const uint8_t *codes, const uint8_t *scales, eeb_type scale_type, size_t chunk, int part,
    const uint8_t *prepared, float *lanes, int bits)
{
    size_t column = chunk * EEB_LOGITS_CHUNK, at = 0;

    while (at < EEB_LOGITS_CHUNK && column < sizes->width && (size_t)part * sizes->width + column < sizes->dim) {
        const size_t lane = at / EEB_LOGITS_GROUP;
        const size_t block = ((size_t)part * sizes->width + column) / sizes->block;
        int32_t sum = 0;
        float product;

        do {
            int16_t whole;

            memcpy(&whole, prepared + 2 * at, sizeof whole);
            sum += whole * eeb_logits_level(codes + column, part, bits);
            ++at;
            ++column;
        } while (at % EEB_LOGITS_GROUP != 0 && column < sizes->width && (size_t)part * sizes->width + column < sizes->dim &&
                 ((size_t)part * sizes->width + column) / sizes->block == block);
        product = (float)sum * eeb_float_at(scales, scale_type, block);
        EEB_ROUNDED(product);
        lanes[lane] += product;
    }
}

EEB_INLINE float eeb_logits_tree(float *lanes)
{
    size_t half, lane;

    for (half = EEB_LOGITS_LANES / 2; half != 0; half /= 2) {
        for (lane = 0; lane < half; ++lane) {
            lanes[lane] += lanes[lane + half];
        }
    }
    return lanes[0];
}

/* The product of one row with one prepared vector, but for the step. */
EEB_FUNCTION float eeb_logits_row_serial(
    const eeb_quantized_table *table, const eeb_logits_sizes *sizes, size_t row, const uint8_t *prepared)
{
    const size_t scale_bytes = sizes->blocks * (table->scale_type == EEB_FLOAT16 ? 2 : 4);
    const size_t planes = (size_t)table->planes;
    const uint8_t *codes = (const uint8_t *)table->codes + row * planes * sizes->width;
    const uint8_t *scales = (const uint8_t *)table->scales + row * planes * scale_bytes;
    float lanes[EEB_LOGITS_LANES] = {0};
    size_t plane, chunk;
    int part;

    for (plane = 0; plane < planes; ++plane, codes += sizes->width, scales += scale_bytes) {
        const uint8_t *from = prepared;

        for (chunk = 0; chunk < sizes->chunks; ++chunk) {
            for (part = 0; part < sizes->parts; ++part, from += sizeof(eeb_logits_part)) {
                eeb_logits_part_serial(sizes, codes, scales, table->scale_type, chunk, part, from, lanes, table->bits);
            }
        }
    }
    return eeb_logits_tree(lanes);
}

EEB_FUNCTION eeb_status eeb_logits_all_serial(const eeb_quantized_table *table, const eeb_logits_call *call, int bits)
{
    const eeb_status status = eeb_logits_check(table, call, bits);
    eeb_logits_sizes sizes;
    size_t row, vector;

    if (status != EEB_OK) {
        return status;
    }
    sizes = eeb_logits_size(table);
    for (row = call->first; row < call->first + call->rows; ++row) {
        const uint8_t *prepared = (const uint8_t *)call->memory + sizes.places_bytes;

        for (vector = 0; vector < call->count; ++vector, prepared += sizes.vector_bytes) {
            float step;

            memcpy(&step, prepared, sizeof step);
            step = bits < 4 ? 0.5f * step : step;
            eeb_logits_put(table, call, vector, row, eeb_logits_row_serial(table, &sizes, row, prepared + sizeof step), step);
        }
    }
    return EEB_OK;
}

#define EEB_LOGITS_OF(bits)                                                                                                                \
    EEB_FUNCTION eeb_status eeb_quantized_logits_b##bits##_serial(const eeb_quantized_table *table, const eeb_logits_call *call)           \
    {                                                                                                                                      \
        return eeb_logits_all_serial(table, call, bits);                                                                                   \
    }
EEB_LOGITS_OF(8)
EEB_LOGITS_OF(4)
EEB_LOGITS_OF(2)
EEB_LOGITS_OF(1)
#undef EEB_LOGITS_OF

EEB_FUNCTION eeb_logits_function eeb_logits_choose_serial(int32_t bits)
{
    switch (bits) {
    case 8: return eeb_quantized_logits_b8_serial;
    case 4: return eeb_quantized_logits_b4_serial;
    case 2: return eeb_quantized_logits_b2_serial;
    case 1: return eeb_quantized_logits_b1_serial;
    default: return NULL;
    }
}

#endif
