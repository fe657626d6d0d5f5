/* Vectors of 16 lanes as two of 8. */
#ifndef EEP_AVX2_HALVES_H
#define EEP_AVX2_HALVES_H

#include <immintrin.h>

typedef struct eep_floats_avx2 {
    __m256 low, high;
} eep_floats_avx2;

typedef struct eep_ints_avx2 {
    __m256i low, high;
} eep_ints_avx2;

#endif
