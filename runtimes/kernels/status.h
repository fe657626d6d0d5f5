/* What every lookup kernel shares: status codes, element types and the few compiler words.
 *
 * Status codes are stable: adapters, the Python binding and generated firmware compare them as numbers.
 *
 *     EEB_OK                0   the whole output was written
 *     EEB_ID_OUT_OF_RANGE   1   an id lies outside [0, rows); its position among the ids is reported; the output was not touched
 *     EEB_BAD_SHAPE         2   a size is zero, negative, too large, or does not divide as it must; the output was not touched
 *     EEB_BAD_TYPE          3   an element type or a bit width that the kernel does not know; the output was not touched
 *     EEB_NO_VARIANT        4   the variant asked for is not built in, or this processor cannot run it
 *     EEB_CODE_OUT_OF_RANGE 5   a row that was asked for holds a code that its codebook does not have; its position among the ids is
 *                               reported; the output was not touched
 */
#ifndef EEB_STATUS_H
#define EEB_STATUS_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

/* Results agree to the bit with those of every other build, or there is no build. Compilers say what they were told: GCC and Clang by
 * __FAST_MATH__ and its parts, MSVC by _M_FP_FAST. FLT_EVAL_METHOD 16 keeps float32 as it is. */
#if defined(__FAST_MATH__) || defined(_M_FP_FAST) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) ||                      \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "edgeemb: -ffast-math, its parts and /fp:fast change the results: compile without them"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "edgeemb: float32 is computed in another precision here (FLT_EVAL_METHOD is not 0): on 32-bit x86, compile with -msse2 -mfpmath=sse"
#endif
#if (defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) || defined(__ARM_BIG_ENDIAN)
#error "edgeemb: tables are stored little-endian, this processor is big-endian"
#endif

/* A bare-metal compiler may come without a string.h; memcpy and memset are the only functions that the kernels call. */
#if defined(__has_include)
#if __has_include(<string.h>)
#define EEB_HAS_STRING_H 1
#endif
#elif !defined(__STDC_HOSTED__) || __STDC_HOSTED__
#define EEB_HAS_STRING_H 1
#endif
#if defined(EEB_HAS_STRING_H)
#include <string.h>
#else
#ifdef __cplusplus
extern "C" {
#endif
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
#ifdef __cplusplus
}
#endif
/* Where the compiler does not take these names for its own, a copy of four bytes would be a call instead of a load. */
#if defined(__GNUC__) || defined(__clang__)
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#endif
#endif

typedef int32_t eeb_status;

enum { EEB_OK = 0, EEB_ID_OUT_OF_RANGE = 1, EEB_BAD_SHAPE = 2, EEB_BAD_TYPE = 3, EEB_NO_VARIANT = 4, EEB_CODE_OUT_OF_RANGE = 5 };

/* Element types of ids and scales. */
typedef int32_t eeb_type;

enum { EEB_INT32 = 0, EEB_INT64 = 1, EEB_FLOAT16 = 2, EEB_FLOAT32 = 3 };

#if defined(__GNUC__) || defined(__clang__)
#define EEB_INLINE static inline __attribute__((always_inline, unused))
#define EEB_FUNCTION static __attribute__((unused))
#define EEB_TARGET(features) __attribute__((target(features)))
#define EEB_PREFETCH(address) __builtin_prefetch((address), 0, 3)
#else
#define EEB_INLINE static inline
#define EEB_FUNCTION static inline
#define EEB_TARGET(features)
#define EEB_PREFETCH(address) ((void)(address))
#endif

/* Keeps a product from being fused with the addition that follows, whatever the compiler's flags: results must agree to the bit with and
 * without FMA hardware. The value passes through a register that the compiler cannot see into. */
#if (defined(__GNUC__) || defined(__clang__)) && defined(__SSE2__)
#define EEB_ROUNDED(value) __asm__("" : "+x"(value))
#elif (defined(__GNUC__) || defined(__clang__)) && defined(__aarch64__)
#define EEB_ROUNDED(value) __asm__("" : "+w"(value))
#elif defined(__GNUC__) || defined(__clang__)
#define EEB_ROUNDED(value) __asm__("" : "+m"(value))
#else
#define EEB_ROUNDED(value) ((void)(value))
#endif

#endif
