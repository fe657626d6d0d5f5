/* Elementary functions from additions and products alone, so that every processor gives the same bits and no libm is linked.
 *
 * ERRORS   largest, against the exact value, over all of float32 where the function is used
 *     eem_exp      x <= 0      relative 3e-7; 0 below -87
 *     eem_inverse_root x > 0   relative 3e-7
 *     eem_gelu     any x       absolute 8e-5: a hundredth of a step of the 8 bits that its result is rounded to in a layer
 *     eem_tanh     any x       absolute 3e-7 */
#ifndef EEM_APPROXIMATE_H
#define EEM_APPROXIMATE_H

#include "platform.h"

/* Adding this to a float of magnitude below 2^22 rounds it to an integer, half to even; the integer is then in the low bits. */
#define EEM_ROUNDER 12582912.0f
#define EEM_ROUNDER_BITS 0x4b400000

EEM_INLINE int32_t eem_bits(float value)
{
    int32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

EEM_INLINE float eem_from_bits(int32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest integer of a value below 2^22 in magnitude. */
EEM_INLINE int32_t eem_round(float value)
{
    return eem_bits(value + EEM_ROUNDER) - EEM_ROUNDER_BITS;
}

EEM_INLINE float eem_absolute(float value)
{
    return eem_from_bits(eem_bits(value) & 0x7fffffff);
}

/* e^x for x <= 0: 2^k times a polynomial on [-ln 2 / 2, ln 2 / 2]. ln 2 is subtracted in two parts, the first exact in the product. */
EEM_INLINE float eem_exp(float x)
{
    float whole, rest, value;

    if (!(x > -87.0f)) {
        return 0.0f;
    }
    whole = x * 1.44269504f + EEM_ROUNDER;
    rest = x - (whole - EEM_ROUNDER) * 0.693359375f;
    rest = rest + (whole - EEM_ROUNDER) * 2.12194440e-4f;
    value = 1.3888889e-3f;
    value = value * rest + 8.3333333e-3f;
    value = value * rest + 4.1666667e-2f;
    value = value * rest + 1.6666667e-1f;
    value = value * rest + 0.5f;
    value = value * rest + 1.0f;
    value = value * rest + 1.0f;
    return eem_from_bits(eem_bits(value) + (eem_bits(whole) - EEM_ROUNDER_BITS) * 8388608);
}

/* 1 / sqrt(x) for positive normal x: Newton's iteration from an estimate made of the exponent. */
EEM_INLINE float eem_inverse_root(float x)
{
    const float half = 0.5f * x;
    float y = eem_from_bits(0x5f375a86 - (eem_bits(x) >> 1));

    y = y * (1.5f - half * y * y);
    y = y * (1.5f - half * y * y);
    y = y * (1.5f - half * y * y);
    return y * (1.5f - half * y * y);
}

EEM_INLINE float eem_tanh(float x)
{
    const float e = eem_exp(-2.0f * eem_absolute(x));
    const float value = (1.0f - e) / (1.0f + e);

    return x < 0.0f ? -value : value;
}

/* Coefficients of P in erf(x / sqrt 2) = x P(x^2), the highest power first; least largest error of GELU on [-4.2, 4.2]. */
#define EEM_GELU_END 17.64f /* 4.2 squared: from there on P stays, so that x P reaches 1 and is held there */
#define EEM_GELU_7 -1.9229879910653835e-09f
#define EEM_GELU_6 1.6662006885326264e-07f
#define EEM_GELU_5 -6.280375600908883e-06f
#define EEM_GELU_4 1.3654085341840982e-04f
#define EEM_GELU_3 -1.921582967042923e-03f
#define EEM_GELU_2 1.8675150349736214e-02f
#define EEM_GELU_1 -1.3119915127754211e-01f
#define EEM_GELU_0 7.970176935195923e-01f

EEM_INLINE float eem_gelu(float x)
{
    const float square = x * x, u = square < EEM_GELU_END ? square : EEM_GELU_END;
    float value = EEM_GELU_7;

    value = value * u + EEM_GELU_6;
    value = value * u + EEM_GELU_5;
    value = value * u + EEM_GELU_4;
    value = value * u + EEM_GELU_3;
    value = value * u + EEM_GELU_2;
    value = value * u + EEM_GELU_1;
    value = value * u + EEM_GELU_0;
    value = value * x;
    value = value < 1.0f ? value : 1.0f;
    value = value > -1.0f ? value : -1.0f;
    return 0.5f * x * (1.0f + value);
}

/* GELU with a hyperbolic tangent in place of the error function ("gelu_new", "gelu_pytorch_tanh"). */
EEM_INLINE float eem_gelu_tanh(float x)
{
    return 0.5f * x * (1.0f + eem_tanh(0.79788456f * (x + 0.044715f * x * x * x)));
}

#endif
