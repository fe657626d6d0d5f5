/* CodebookLookup with Helium (Armv8.1-M MVE with floats: Cortex-M55, M85). See codebook.h for the contract.
 *
 * Four values at a time; float16 entries are widened as they are loaded, and converted. Helium faults on elements at odd addresses, which
 * the serial code takes. It also flushes subnormal floats: conversion is exempt and sums of float16 values never are subnormal, but
 * float32 entries are added up by the serial code.
 *
 * The assembler of GCC's toolchains up to binutils 2.40 at least encodes VCVTB of vectors with the wrong registers: built with GCC, float16
 * entries go to the serial code. */
#ifndef EEB_CODEBOOK_MVE_H
#define EEB_CODEBOOK_MVE_H

#include <arm_mve.h>

#include "../codebook.h"

#if defined(__clang__)
#define EEB_MVE_CONVERTS 1
#else
#define EEB_MVE_CONVERTS 0
#endif

EEB_INLINE unsigned eeb_codebook_most_mve(const uint8_t *codes, size_t count)
{
    unsigned most = 0;
    size_t at;

    for (at = 0; at < count; at += 16) {
        most = vmaxvq_p_u8((uint8_t)most, vldrbq_z_u8(codes + at, vctp8q((uint32_t)(count - at))), vctp8q((uint32_t)(count - at)));
    }
    return most;
}

#if EEB_MVE_CONVERTS
/* Up to four float16 values at an even address. */
EEB_INLINE void eeb_codebook_halves_mve(const uint16_t *entry, float *output, size_t count, int add)
{
    const mve_pred16_t some = vctp32q((uint32_t)count);
    float32x4_t values = vcvtbq_f32_f16(vreinterpretq_f16_u32(vldrhq_z_u32(entry, some)));

    if (add) {
        values = vaddq_f32(vldrwq_z_f32(output, some), values);
    }
    vstrwq_p_f32(output, values, some);
}
#endif

EEB_INLINE void eeb_codebook_entry_mve(const uint8_t *entry, eeb_type type, size_t count, uint8_t *output, int add)
{
    size_t at;

#if EEB_MVE_CONVERTS
    if (type == EEB_FLOAT16 && (uintptr_t)entry % 2 == 0 && (uintptr_t)output % 4 == 0) {
        for (at = 0; at < count; at += 4) {
            eeb_codebook_halves_mve((const uint16_t *)(const void *)entry + at, (float *)(void *)output + at, count - at, add);
        }
        return;
    }
#endif
    if (type == EEB_FLOAT32 && !add) {
        for (at = 0; at < 4 * count; at += 16) {
            const mve_pred16_t some = vctp8q((uint32_t)(4 * count - at));

            vstrbq_p_u8(output + at, vldrbq_z_u8(entry + at, some), some);
        }
    } else {
        eeb_codebook_entry_serial(entry, type, count, output, add);
    }
}

EEB_INLINE void eeb_codebook_pair_mve(const uint8_t *left, const uint8_t *right, uint8_t *output)
{
    eeb_codebook_entry_mve(left, EEB_FLOAT16, 4, output, 0);
    eeb_codebook_entry_mve(right, EEB_FLOAT16, 4, output + 16, 0);
}

#define EEB_ISA(name) name##_mve
#define EEB_ISA_TARGET
#define EEB_ISA_PARTS
#include "rows.h"

#endif
