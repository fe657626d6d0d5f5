/* The vector of a text as an index stores it, and how similar two are: kernels/vectors.h for one form of vectors.
 *
 * A similarity is a cosine in [-1, 1]; of two vectors of bits 1 less twice the part of them that differ. 0 where a vector is zero. */
#ifndef EEM_VECTORS_H
#define EEM_VECTORS_H

#include "../kernels/vectors.h"
#include "approximate.h"

typedef enum eem_codes { EEM_FLOATS, EEM_INT8, EEM_INT4, EEM_BINARY, EEM_PLANES } eem_codes;

typedef struct eem_vectors {
    eem_codes codes;
    uint32_t dim;
    float scales[2]; /* EEM_INT8: of a step; EEM_PLANES: of each plane */
} eem_vectors;

/* vector [dim] -> stored; EEM_FLOATS are stored as they are. */
EEM_FUNCTION void eem_vectors_store(const eem_vectors *form, const float *vector, uint8_t *stored)
{
    switch (form->codes) {
    case EEM_FLOATS: memcpy(stored, vector, form->dim * sizeof *vector); break;
    case EEM_INT8: eeb_vectors_int8(vector, form->dim, form->scales[0], (int8_t *)stored); break;
    case EEM_INT4: eeb_vectors_int4(vector, form->dim, stored); break;
    case EEM_BINARY: eeb_vectors_binary(vector, form->dim, stored); break;
    default: eeb_vectors_planes(vector, form->dim, form->scales[0], stored);
    }
}

/* The inner product of two planes of bits, whose elements are 1 and -1. */
EEM_INLINE float eem_vectors_planes_dot(uint32_t dim, const uint8_t *left, const uint8_t *right)
{
    return (float)((int32_t)dim - 2 * (int32_t)eeb_vectors_hamming(left, right, dim / 8));
}

/* The inner product of two stored vectors, as far as a cosine needs it. */
EEM_FUNCTION float eem_vectors_dot(const eem_vectors *form, const uint8_t *left, const uint8_t *right)
{
    const uint32_t dim = form->dim, bytes = dim / 8;
    float sum = 0.0f;
    uint32_t at;

    switch (form->codes) {
    case EEM_INT8: return (float)eeb_vectors_dot_int8((const int8_t *)left, (const int8_t *)right, dim);
    case EEM_INT4: return (float)eeb_vectors_dot_int4(left, right, dim);
    case EEM_BINARY: return eem_vectors_planes_dot(dim, left, right);
    case EEM_PLANES:
        for (at = 0; at < 4; ++at) {
            sum = sum +
                  form->scales[at / 2] * form->scales[at % 2] * eem_vectors_planes_dot(dim, left + at / 2 * bytes, right + at % 2 * bytes);
        }
        return sum;
    default:
        for (at = 0; at < dim; ++at) {
            float one, other;

            memcpy(&one, left + at * sizeof one, sizeof one);
            memcpy(&other, right + at * sizeof other, sizeof other);
            sum = sum + one * other;
        }
        return sum;
    }
}

/* The inner product of floats with a stored vector, as far as a cosine needs it. */
EEM_FUNCTION float eem_vectors_dot_to(const eem_vectors *form, const float *vector, const uint8_t *stored)
{
    const uint32_t dim = form->dim;
    float sum = 0.0f;
    uint32_t at;

    switch (form->codes) {
    case EEM_INT8:
        for (at = 0; at < dim; ++at) {
            sum = sum + vector[at] * (float)(int8_t)stored[at];
        }
        return sum;
    case EEM_INT4:
        for (at = 0; at < dim / 2; ++at) {
            sum = sum + vector[at] * (float)((stored[at] & 15) - 8) + vector[at + dim / 2] * (float)((stored[at] >> 4) - 8);
        }
        return sum;
    case EEM_BINARY: return eeb_vectors_dot_binary(vector, stored, dim);
    case EEM_PLANES:
        return form->scales[0] * eeb_vectors_dot_binary(vector, stored, dim) +
               form->scales[1] * eeb_vectors_dot_binary(vector, stored + dim / 8, dim);
    default: return eem_vectors_dot(form, (const uint8_t *)vector, stored);
    }
}

EEM_INLINE float eem_vectors_cosine(float dot, float left, float right)
{
    return left > 0.0f && right > 0.0f ? dot * eem_inverse_root(left) * eem_inverse_root(right) : 0.0f;
}

/* How similar two stored vectors are. */
EEM_FUNCTION float eem_vectors_similarity(const eem_vectors *form, const uint8_t *left, const uint8_t *right)
{
    const float dot = eem_vectors_dot(form, left, right);

    return form->codes == EEM_BINARY ? dot / (float)form->dim
                                     : eem_vectors_cosine(dot, eem_vectors_dot(form, left, left), eem_vectors_dot(form, right, right));
}

/* How similar a vector of floats and a stored one are. */
EEM_FUNCTION float eem_vectors_similarity_to(const eem_vectors *form, const float *vector, const uint8_t *stored)
{
    float square = 0.0f;
    uint32_t at;

    for (at = 0; at < form->dim; ++at) {
        square = square + vector[at] * vector[at];
    }
    return eem_vectors_cosine(eem_vectors_dot_to(form, vector, stored), square, eem_vectors_dot(form, stored, stored));
}

#endif
