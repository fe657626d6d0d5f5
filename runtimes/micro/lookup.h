/* The pieces of a lookup program that are not a fused kernel; one row at a time, arrays at any address.
 *
 * Every sum is float32 and in the order of the elements. */
#ifndef EEM_LOOKUP_H
#define EEM_LOOKUP_H

#include "platform.h"

#include "../kernels/codebook.h"
#include "../kernels/ngram.h"
#include "../kernels/quantized.h"

/* The kernels that suit the compiler's target; the linker drops the others. */
#if EEB_HAS_MVE
#define EEM_QUANTIZED(bits) eeb_quantized_lookup_b##bits##_mve
#define EEM_CODEBOOK eeb_codebook_rows_mve
#else
#define EEM_QUANTIZED(bits) eeb_quantized_lookup_b##bits##_serial
#define EEM_CODEBOOK eeb_codebook_rows_serial
#endif

EEM_INLINE int32_t eem_uint8_at(const uint8_t *array, int32_t index)
{
    return array[index];
}

EEM_INLINE int32_t eem_int16_at(const uint8_t *array, int32_t index)
{
    int16_t value;

    memcpy(&value, array + (size_t)index * sizeof value, sizeof value);
    return value;
}

EEM_INLINE int32_t eem_int32_at(const uint8_t *array, int32_t index)
{
    int32_t value;

    memcpy(&value, array + (size_t)index * sizeof value, sizeof value);
    return value;
}

/* An index moved into [0, rows). */
EEM_INLINE int32_t eem_clip(int32_t index, int32_t rows)
{
    return index < 0 ? 0 : index < rows ? index : rows - 1;
}

EEM_FUNCTION void eem_gather(const uint8_t *array, eeb_type type, int32_t index, uint32_t width, float *row)
{
    uint32_t at;

    for (at = 0; at < width; ++at) {
        row[at] = eeb_float_at(array, type, (size_t)index * width + at);
    }
}

EEM_INLINE void eem_quantized_row(eeb_quantized_function lookup, const eeb_quantized_table *table, int32_t index, float *row)
{
    const eeb_ids one = {&index, 1, EEB_INT32};

    (void)lookup(table, &one, row, NULL); /* the index and the table were checked: it cannot fail */
}

EEM_INLINE void eem_ngram_row(const eeb_ngram_table *table, int32_t index, float *row)
{
    size_t start = 0, length = 0;

    (void)eeb_ngram_token(table, index, &start, &length); /* the table was checked when it was written: it cannot fail */
    eeb_ngram_row_serial(table, (const uint8_t *)table->tokens + start, length, row);
}

/* codes uint8[R][parts]; codebooks [parts][entries][width]; parts side by side, or added up. */
EEM_FUNCTION void eem_codebook(
    const uint8_t *codes, const uint8_t *books, eeb_type type, int32_t index, uint32_t parts, uint32_t entries, uint32_t width,
    int additive, float *row)
{
    const eeb_codebook_table table = {
        codes, books, (int64_t)index + 1, (int32_t)parts, (int32_t)entries, (int32_t)width, additive, type,
    };
    const eeb_ids one = {&index, 1, EEB_INT32};

    EEM_CODEBOOK(&table, &one, (uint8_t *)(void *)row, type, width, additive); /* codes were checked when they were written */
}

/* A row of one element stands for a whole row of it. */
EEM_FUNCTION void eem_rows_add(const float *left, uint32_t left_width, const float *right, uint32_t right_width, float *row)
{
    const uint32_t width = left_width > right_width ? left_width : right_width;
    uint32_t at;

    for (at = 0; at < width; ++at) {
        row[at] = left[left_width == 1 ? 0 : at] + right[right_width == 1 ? 0 : at];
    }
}

EEM_FUNCTION void eem_rows_multiply(const float *left, uint32_t left_width, const float *right, uint32_t right_width, float *row)
{
    const uint32_t width = left_width > right_width ? left_width : right_width;
    uint32_t at;

    for (at = 0; at < width; ++at) {
        row[at] = left[left_width == 1 ? 0 : at] * right[right_width == 1 ? 0 : at];
    }
}

/* row [width] = left [inputs] times matrix [inputs][width] */
EEM_FUNCTION void eem_rows_matmul(const float *left, const uint8_t *matrix, eeb_type type, uint32_t inputs, uint32_t width, float *row)
{
    uint32_t at, input;

    for (at = 0; at < width; ++at) {
        row[at] = 0.0f;
    }
    for (input = 0; input < inputs; ++input) {
        for (at = 0; at < width; ++at) {
            row[at] = row[at] + left[input] * eeb_float_at(matrix, type, (size_t)input * width + at);
        }
    }
}

/* row [tall][wide] = left [tall][inner] times right [inner][wide] */
EEM_FUNCTION void eem_rows_batch(const float *left, const float *right, uint32_t tall, uint32_t inner, uint32_t wide, float *row)
{
    uint32_t i, j, k;

    for (i = 0; i < tall; ++i) {
        for (j = 0; j < wide; ++j) {
            float sum = 0.0f;

            for (k = 0; k < inner; ++k) {
                sum = sum + left[i * inner + k] * right[k * wide + j];
            }
            row[i * wide + j] = sum;
        }
    }
}

#endif
