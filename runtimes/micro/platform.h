/* What the inference kernels share: instruction sets, status codes and the words of the compiler.
 *
 * INSTRUCTION SETS   chosen when the file is compiled; every one gives the same bits.
 *     EEM_MVE    Armv8.1-M with Helium (Cortex-M55, M85): 16 products of int8 in one instruction
 *     EEM_DSP    Armv7E-M and Armv8-M with the DSP extension (Cortex-M4, M7, M33): 2 products of int16 in one instruction (SMLAD)
 *     neither    plain C99, for the Cortex-M3 and every host. -DEEM_PLAIN asks for it anywhere.
 *
 * STATUS   stable numbers, which Python and firmware compare.
 *
 * FLOATS   Results agree to the bit across processors because only IEEE additions, products, quotients and comparisons of float32 are
 *          used, in a fixed order. Compile with -ffp-contract=off and without -ffast-math; -fno-vectorize where the vector unit flushes
 *          subnormals (MVE). No libm is called: see approximate.h. */
#ifndef EEM_PLATFORM_H
#define EEM_PLATFORM_H

#if defined(EEM_PLAIN)
#define EEB_PLAIN
#endif

#include "../kernels/cpu.h"
#include "../kernels/status.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#if !defined(EEM_PLAIN) && defined(__ARM_FEATURE_MVE)
#define EEM_MVE 1
#include <arm_mve.h>
#else
#define EEM_MVE 0
#endif
#if !defined(EEM_PLAIN) && !EEM_MVE && defined(__ARM_FEATURE_DSP) && !defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#define EEM_DSP 1
#else
#define EEM_DSP 0
#endif

#define EEM_INLINE EEB_INLINE
#define EEM_FUNCTION EEB_FUNCTION

/* Elements that the dot products take at a time: rows of int8 are padded with zeros to a multiple of it. */
#define EEM_BLOCK 16u
#define EEM_PADDED(size) (((size) + EEM_BLOCK - 1u) / EEM_BLOCK * EEM_BLOCK)

/* Alignment of an arena, in bytes. */
#define EEM_ALIGNMENT 16u

/* Tells a profiler that a part of the inference ends here; nothing in a product. */
#if defined(EEM_MARKS)
void eem_mark(void);
#define EEM_MARK() eem_mark()
#else
#define EEM_MARK() ((void)0)
#endif

typedef int32_t eem_status;

enum {
    EEM_OK = 0,
    EEM_ID_OUT_OF_RANGE = 1,  /* an id lies outside [0, rows) of its table */
    EEM_TOO_LONG = 2,         /* more tokens than the model was exported for */
    EEM_EMPTY = 3,            /* no token at all */
    EEM_ARENA_TOO_SMALL = 4,  /* see the ARENA_BYTES macro of the model */
    EEM_ARENA_MISALIGNED = 5, /* the arena must begin at a multiple of EEM_ALIGNMENT */
    EEM_NULL = 6,             /* a pointer is NULL */
    EEM_BAD_TEXT = 7,         /* the text is not UTF-8 */
    EEM_TEXT_NEEDS_MORE = 8,  /* the text needs a larger arena than it has */
    EEM_UNKNOWN_TEXT = 9,     /* the vocabulary has no token for a part of the text, nor one for the unknown */
    EEM_DAMAGED = 10,         /* the compiled tokenizer contradicts itself: export the model again */
    EEM_NO_PLACE = 11         /* a place lies behind the last token */
};

#endif
