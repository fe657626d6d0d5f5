/* Inner products of a vector of codes with each of many, written once and compiled for each instruction set:
 *
 *     #define EEB_ISA(name) name##_avx2
 *     #define EEB_ISA_TARGET EEB_AVX2_TARGET
 *     #include "rows.h"
 *
 * The loops are plain, and compilers make vectors of them. See vectors.h for the contract. */
#if !defined(EEB_ISA) || !defined(EEB_ISA_TARGET)
#error "define EEB_ISA and EEB_ISA_TARGET before this file is included"
#endif

EEB_ISA_TARGET EEB_FUNCTION void EEB_ISA(eeb_vectors_dots_int8)(
    const uint8_t *query, const uint8_t *store, size_t rows, size_t dim, int32_t *dots, int32_t *squares)
{
    size_t row, at;

    for (row = 0; row < rows; ++row, store += dim) {
        int32_t dot = 0, square = 0;

        for (at = 0; at < dim; ++at) {
            const int32_t value = (int8_t)store[at];

            dot += value * (int8_t)query[at];
            square += value * value;
        }
        dots[row] = dot;
        squares[row] = square;
    }
}

EEB_ISA_TARGET EEB_FUNCTION void EEB_ISA(eeb_vectors_dots_int4)(
    const uint8_t *query, const uint8_t *store, size_t rows, size_t dim, int32_t *dots, int32_t *squares)
{
    const size_t width = dim / 2;
    size_t row, at;

    for (row = 0; row < rows; ++row, store += width) {
        int32_t dot = 0, square = 0;

        for (at = 0; at < width; ++at) {
            const int32_t low = (store[at] & 15) - 8, high = (store[at] >> 4) - 8;

            dot += low * ((query[at] & 15) - 8) + high * ((query[at] >> 4) - 8);
            square += low * low + high * high;
        }
        dots[row] = dot;
        squares[row] = square;
    }
}

#undef EEB_ISA
#undef EEB_ISA_TARGET
