/* The C engine on application processors: weights of 8 or 4 bits in panels times blocks of quantised rows, and the floats between.
 *
 * CONTENT   quantise, linear, keep, attend and norm, as a table of functions for each instruction set; eep_best() chooses one.
 *
 * WEIGHTS   int8 in panels of 32 outputs, the last of 16 where that is enough: int8[panel][padded inputs / 4][columns][4], padded with
 *           zeros, so that one stream is read from beginning to end. padded inputs: a multiple of 16. Scales, biases and sums are padded
 *           to a multiple of 16 outputs with zeros. Worked example: output 37 of 64, input 6 of 16: panel 1, byte
 *           32 * 16 + (6 / 4) * 128 + (37 - 32) * 4 + 6 % 4 = 662.
 *           4 bits, for inputs that are a multiple of 32: uint8[panel][inputs / block]{ scale [columns]; [block / 8][columns][4] }. A scale
 *           is the upper half of a float32 (bfloat16), little-endian; a byte has an input in its low bits and that 4 behind it in its
 *           high ones, each as its code plus 8, as of micro/fours.h.
 * ROWS      float32 with a stride that is a multiple of 16; elements behind the size of a row are zeros. Quantised rows are
 * uint8[count][width] on the grid of micro/dot.h: value = (code - zero) * scale. KEYS      int8 panels as of weights, an output for each
 * token: a buffer for each head. VALUES    int16[head][tokens / 2][padded head][2]: two tokens side by side. BITS      every variant, and
 * the engine of microcontrollers (micro/encoder.h), give the same: sums of products are int32 and exact for inputs <= 4096, floats are
 * added in lanes of 16 (micro/layers.h).
 *
 * VARIANTS  serial      any processor; the reference
 *           neon        AArch64: SMMLA, 32 products an instruction, and SDOT, 16, where the processor has them; SMULL, 8, elsewhere
 *           simd128     WebAssembly: i32x4.dot_i16x8_s, 8 products an instruction
 *           avx2        VPMADDWD: 16 products an instruction
 *           avxvnni     VPDPBUSD at 256 bits: 32 products an instruction; not built by GCC before 11 and Clang before 12
 *           avx512vnni  VPDPBUSD: 64 products an instruction, 8 rows by 32 columns in registers
 * COST      no allocation, no state, no libc but memcpy and memset.
 * PARTS     -DEEP_PRODUCTS_ALONE leaves keep, attend, norm and the activations of gated MLPs out, for those who only multiply:
 *           quantized_linear.h. */
#ifndef EEP_PANELS_H
#define EEP_PANELS_H

#include "../micro/encoder.h"

/* Rows that a tile of products takes, and columns of a panel. */
#define EEP_ROWS 8u
#define EEP_COLUMNS 32u
#define EEP_LANES EEM_LANES

/* Rows that go through the layers together: small enough for the wide rows of a layer to stay in the second cache. */
#define EEP_BLOCK 32u

/* Quantised rows. */
typedef struct eep_codes {
    uint8_t *codes;  /* [EEP_BLOCK][width], width as padded for the layer that reads them; for queries [heads][EEP_ROWS][padded head] */
    float *scale;    /* [EEP_BLOCK] */
    int32_t *zero;   /* [EEP_BLOCK] */
    int32_t *starts; /* [EEP_BLOCK][inputs / block]: where the sums of a block of weights of 4 bits begin */
} eep_codes;

/* A loop whose turns may run at the same time: run(pool, count, task, context) calls task(context, index) once for each index below count,
 * on any threads, and returns when all are done. dispatch_apply_f has this form but for the order of its arguments. */
typedef struct eep_parallel {
    void (*run)(void *pool, size_t count, void (*task)(void *context, size_t index), void *context);
    void *pool;
} eep_parallel;

/* Calls with a number of rows, 5 at most, as a constant. */
#define EEP_FOR_FIVE(call, rows)                                                                                                           \
    switch (rows) {                                                                                                                        \
    case 1: call(1); break;                                                                                                                \
    case 2: call(2); break;                                                                                                                \
    case 3: call(3); break;                                                                                                                \
    case 4: call(4); break;                                                                                                                \
    default: call(5); break;                                                                                                               \
    }
/* Calls for each tile of a panel, `step` columns by at most `tall` rows: `at` columns to the right and `row` rows down. */
#define EEP_FIVES(step, call)                                                                                                              \
    for (at = 0; at < columns; at += (step)) {                                                                                             \
        for (row = 0; row < rows; row += tall) {                                                                                           \
            high = rows - row < tall ? rows - row : tall;                                                                                  \
            EEP_FOR_FIVE(call, high)                                                                                                       \
        }                                                                                                                                  \
    }

/* Working memory, all of it in the arena; `stride` is the size of a row, padded, `capacity` the tokens, padded. */
typedef struct eep_memory {
    float *rows;         /* [capacity][stride] */
    float *queries;      /* [capacity][stride] */
    float *wide;         /* [EEP_BLOCK][elements between up and down, padded, and at least 2 * stride] */
    eep_codes codes;     /* for the widest input of a linear layer */
    int8_t *keys;        /* [heads][capacity][padded head] */
    int16_t *values;     /* [heads][capacity][padded head] */
    float *key_scales;   /* [heads][capacity] */
    float *value_scales; /* [heads][capacity] */
    int32_t *key_sums;   /* [heads][capacity] */
    float *scores;       /* [EEP_ROWS][capacity] */
    int16_t *shares;     /* [EEP_ROWS][capacity]: probabilities times the scales of the values, 12 bits */
    float *factors;      /* [2 + EEP_ROWS][padded heads] */
    uint8_t *spare;      /* part of `wide` that attention leaves free: scores, shares, factors and codes of queries of further threads */
    size_t spare_bytes;
    const eep_parallel *parallel; /* NULL for one thread */
} eep_memory;

/* Multiply-adds below which a part is not worth a thread's while: about 2 microseconds. */
#if !defined(EEP_TASK)
#define EEP_TASK 0x80000u
#endif

/* Before a loop of few, constant steps over arrays of vectors: unrolled early, so that they stay in registers. */
#if defined(__GNUC__) && !defined(__clang__)
#define EEP_UNROLL _Pragma("GCC unroll 8")
#else
#define EEP_UNROLL
#endif

typedef struct eep_kernels {
    const char *name;
    /* Quantise `count` rows of `inputs` elements. */
    void (*quantize)(const float *rows, uint32_t stride, uint32_t count, uint32_t inputs, const eep_codes *codes);
    /* Before the products of a layer with some codes, and after the last of them: weights of 4 bits take codes in another form. */
    void (*prepare)(const eem_linear *layer, const eep_codes *codes, uint32_t count);
    /* output [count][stride] = activation(layer(codes)), or output * layer(codes) for EEM_TIMES; it may be called for panels of the layer,
     * in any order. */
    void (*linear)(
        const eem_linear *layer, const eep_codes *codes, uint32_t count, eem_activation activation, float *output, uint32_t stride);
    void (*restore)(const eem_linear *layer, const eep_codes *codes, uint32_t count);
    /* Quantise keys and values [count][stride] of the tokens from `first` on; `tokens` is the number of all that have some. */
    void (*keep)(
        const eem_shape *shape, const eep_memory *memory, uint32_t first, uint32_t count, uint32_t tokens, const float *keys,
        const float *values);
    /* output [count][stride]: attention of at most EEP_ROWS queries [count][stride] from token `first` on over those of `tokens` that are
     * within `window` of them. A query may lie behind these if all of them are within its window. */
    void (*attend)(
        const eem_shape *shape, const eep_memory *memory, uint32_t tokens, uint32_t window, uint32_t first, const float *queries,
        uint32_t count, float *output);
    /* rows = norm.scale * rows + others, unless others is NULL; then to = norm(rows), unless `to` is NULL. It may be `rows`. */
    void (*norm)(const eem_norm *norm, float *rows, const float *others, float *to, uint32_t stride, uint32_t count);
} eep_kernels;

/* Columns of the panel that begins at column `at` of `outputs`. */
EEM_INLINE uint32_t eep_columns(uint32_t outputs, uint32_t at)
{
    const uint32_t left = EEM_PADDED(outputs) - at;

    return left < EEP_COLUMNS ? left : EEP_COLUMNS;
}

/* Whether the compiler knows AVX-VNNI. */
#if EEB_HAS_X86 && ((defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && __GNUC__ >= 11))
#define EEP_HAS_AVXVNNI 1
#else
#define EEP_HAS_AVXVNNI 0
#endif

#include "serial.h"
#if EEB_HAS_X86
#include "avx2.h"
#include "avx512.h"
#if EEP_HAS_AVXVNNI
#include "avxvnni.h"
#endif
#endif
#if EEB_HAS_NEON
#include "neon.h"
#endif
#if defined(__wasm_simd128__)
#include "simd128.h"
#endif

/* The fastest variant that may run here; -DEEP_VARIANT=eep_kernels_serial asks for another. */
EEM_FUNCTION const eep_kernels *eep_best(void)
{
#if defined(EEP_VARIANT)
    return &EEP_VARIANT;
#else
#if EEB_HAS_X86
    if (eeb_cpu_can(EEB_AVX512) && eeb_cpu_has_vnni()) {
        return &eep_kernels_avx512;
    }
#if EEP_HAS_AVXVNNI
    if (eeb_cpu_can(EEB_AVX2) && eeb_cpu_has_avx_vnni()) {
        return &eep_kernels_avxvnni;
    }
#endif
    if (eeb_cpu_can(EEB_AVX2)) {
        return &eep_kernels_avx2;
    }
#endif
#if EEB_HAS_NEON
    return &eep_kernels_neon;
#elif defined(__wasm_simd128__)
    return &eep_kernels_simd128;
#else
    return &eep_kernels_serial;
#endif
#endif
}

#endif
