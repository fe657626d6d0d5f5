/* Panels in WebAssembly with 128-bit SIMD, which every browser has since 2023.
 *
 * Codes and weights are widened to int16, whose pairs i32x4.dot_i16x8_s multiplies and adds exactly. The dot product of bytes of relaxed
 * SIMD is left out: it may take a second operand of more than 7 bits as signed or as unsigned, and may saturate, as the machine likes. */
#ifndef EEP_SIMD128_H
#define EEP_SIMD128_H

#include <wasm_simd128.h>

typedef struct eep_floats_simd128 {
    v128_t val[4];
} eep_floats_simd128;

typedef struct eep_ints_simd128 {
    v128_t val[4];
} eep_ints_simd128;

#define EEP_TARGET
#define EEP(name) eep_##name##_simd128
#define EEP_NAME "simd128"
#define EEP_FLOATS eep_floats_simd128
#define EEP_INTS eep_ints_simd128
#define EEP_OFFSET 128
#define EEP_OP EEM_INLINE

/* An operation on each quarter; `expression` may use i. */
#define EEP_EACH(type, name, arguments, expression)                                                                                        \
    EEP_OP type EEP(name) arguments                                                                                                        \
    {                                                                                                                                      \
        type out;                                                                                                                          \
        int i;                                                                                                                             \
                                                                                                                                           \
        for (i = 0; i < 4; ++i) {                                                                                                          \
            out.val[i] = expression;                                                                                                       \
        }                                                                                                                                  \
        return out;                                                                                                                        \
    }
#define EEP_PAIR(type, name, operation) EEP_EACH(type, name, (type a, type b), operation(a.val[i], b.val[i]))

EEP_EACH(EEP_FLOATS, load, (const float *a), wasm_v128_load(a + 4 * i))
EEP_EACH(EEP_INTS, load_int, (const int32_t *a), wasm_v128_load(a + 4 * i))
EEP_EACH(EEP_FLOATS, set, (float a), wasm_f32x4_splat(a))
EEP_EACH(EEP_INTS, set_int, (int32_t a), wasm_i32x4_splat(a))
EEP_PAIR(EEP_FLOATS, add, wasm_f32x4_add)
EEP_PAIR(EEP_FLOATS, sub, wasm_f32x4_sub)
EEP_PAIR(EEP_FLOATS, mul, wasm_f32x4_mul)
EEP_PAIR(EEP_FLOATS, div, wasm_f32x4_div)
/* The second operand of pmin and pmax is taken only where it compares as smaller or larger. */
EEP_EACH(EEP_FLOATS, min, (EEP_FLOATS a, EEP_FLOATS b), wasm_f32x4_pmin(b.val[i], a.val[i]))
EEP_EACH(EEP_FLOATS, max, (EEP_FLOATS a, EEP_FLOATS b), wasm_f32x4_pmax(b.val[i], a.val[i]))
EEP_PAIR(EEP_INTS, add_int, wasm_i32x4_add)
EEP_PAIR(EEP_INTS, sub_int, wasm_i32x4_sub)
EEP_PAIR(EEP_INTS, mul_int, wasm_i32x4_mul)
EEP_EACH(EEP_FLOATS, abs, (EEP_FLOATS a), wasm_f32x4_abs(a.val[i]))
EEP_EACH(EEP_FLOATS, from_int, (EEP_INTS a), wasm_f32x4_convert_i32x4(a.val[i]))
EEP_EACH(
    EEP_INTS, round, (EEP_FLOATS a),
    wasm_i32x4_sub(wasm_f32x4_add(a.val[i], wasm_f32x4_splat(EEM_ROUNDER)), wasm_i32x4_splat(EEM_ROUNDER_BITS)))

EEP_OP void EEP(store)(float *to, EEP_FLOATS a)
{
    int i;

    for (i = 0; i < 4; ++i) {
        wasm_v128_store(to + 4 * i, a.val[i]);
    }
}

/* All ones in the lanes from `at` on that are below `count`. */
EEP_OP v128_t EEP(below)(int32_t at, uint32_t count)
{
    return wasm_i32x4_lt(wasm_i32x4_add(wasm_i32x4_make(0, 1, 2, 3), wasm_i32x4_splat(at)), wasm_i32x4_splat((int32_t)count));
}

/* The first `count` lanes; zeros or b behind. */
EEP_EACH(EEP_FLOATS, first_lanes, (EEP_FLOATS a, uint32_t count), wasm_v128_and(a.val[i], EEP(below)(4 * i, count)))
EEP_EACH(
    EEP_FLOATS, first_or, (EEP_FLOATS a, uint32_t count, EEP_FLOATS b), wasm_v128_bitselect(a.val[i], b.val[i], EEP(below)(4 * i, count)))

EEP_OP EEP_FLOATS EEP(first)(EEP_FLOATS a, uint32_t count)
{
    return count == EEP_LANES ? a : EEP(first_lanes)(a, count);
}

/* a where x > bound, else 0 */
EEP_EACH(
    EEP_FLOATS, zero_below, (EEP_FLOATS x, float bound, EEP_FLOATS a),
    wasm_v128_and(a.val[i], wasm_f32x4_gt(x.val[i], wasm_f32x4_splat(bound))))

/* a times 2^k; whole = k + EEM_ROUNDER, whose own bits are shifted out */
EEP_EACH(EEP_FLOATS, scale, (EEP_FLOATS a, EEP_FLOATS whole), wasm_i32x4_add(a.val[i], wasm_i32x4_shl(whole.val[i], 23)))

/* a, or -a where x < 0 */
EEP_EACH(
    EEP_FLOATS, signed_as, (EEP_FLOATS a, EEP_FLOATS x),
    wasm_v128_bitselect(wasm_f32x4_neg(a.val[i]), a.val[i], wasm_f32x4_lt(x.val[i], wasm_f32x4_splat(0.0f))))

EEP_OP float EEP(sum)(EEP_FLOATS a)
{
    const v128_t four = wasm_f32x4_add(wasm_f32x4_add(a.val[0], a.val[2]), wasm_f32x4_add(a.val[1], a.val[3]));
    const v128_t two = wasm_f32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 0, 1));

    return wasm_f32x4_extract_lane(two, 0) + wasm_f32x4_extract_lane(two, 1);
}

EEP_OP float EEP(largest)(EEP_FLOATS a)
{
    const v128_t four = wasm_f32x4_pmax(wasm_f32x4_pmax(a.val[0], a.val[1]), wasm_f32x4_pmax(a.val[2], a.val[3]));
    const v128_t two = wasm_f32x4_pmax(four, wasm_i32x4_shuffle(four, four, 2, 3, 0, 1));

    return wasm_f32x4_extract_lane(wasm_f32x4_pmax(two, wasm_i32x4_shuffle(two, two, 1, 0, 3, 2)), 0);
}

/* To 16 bits, and to 8; codes above 255 stay 255. */
EEP_OP void EEP(store_wide)(int16_t *to, EEP_INTS a)
{
    wasm_v128_store(to, wasm_i16x8_narrow_i32x4(a.val[0], a.val[1]));
    wasm_v128_store(to + 8, wasm_i16x8_narrow_i32x4(a.val[2], a.val[3]));
}

EEP_OP void EEP(store_narrow)(int8_t *to, EEP_INTS a)
{
    const v128_t low = wasm_i16x8_narrow_i32x4(a.val[0], a.val[1]), high = wasm_i16x8_narrow_i32x4(a.val[2], a.val[3]);

    wasm_v128_store(to, wasm_i8x16_narrow_i16x8(low, high));
}

EEP_OP void EEP(store_codes)(uint8_t *to, EEP_INTS a)
{
    const v128_t low = wasm_i16x8_narrow_i32x4(a.val[0], a.val[1]), high = wasm_i16x8_narrow_i32x4(a.val[2], a.val[3]);

    wasm_v128_store(to, wasm_v128_xor(wasm_u8x16_narrow_i16x8(low, high), wasm_u8x16_splat(EEP_OFFSET)));
}

/* To 16 bits, lanes of a and b in turn. */
EEP_OP void EEP(store_pairs)(int16_t *to, EEP_INTS a, EEP_INTS b)
{
    int i;

    for (i = 0; i < 4; ++i) {
        wasm_v128_store(to + 8 * i, wasm_v128_bitselect(a.val[i], wasm_i32x4_shl(b.val[i], 16), wasm_i32x4_splat(0xffff)));
    }
}

#include "simd128/products.h"

#include "simd128/fours.h"

#include "body.h"

#undef EEP_EACH
#undef EEP_PAIR
#undef EEP_TARGET
#undef EEP
#undef EEP_NAME
#undef EEP_FLOATS
#undef EEP_INTS
#undef EEP_OFFSET
#undef EEP_OP

#endif
