/* CodebookLookup with AArch64 NEON. See codebook.h for the contract. */
#ifndef EEB_CODEBOOK_NEON_H
#define EEB_CODEBOOK_NEON_H

#include <arm_neon.h>

#include "../codebook.h"

EEB_INLINE unsigned eeb_codebook_most_neon(const uint8_t *codes, size_t count)
{
    uint8x16_t most = vdupq_n_u8(0);
    size_t at = 0;
    unsigned folded, rest;

    for (; count - at >= 16; at += 16) {
        most = vmaxq_u8(most, vld1q_u8(codes + at));
    }
    folded = vmaxvq_u8(most);
    rest = eeb_codebook_most_serial(codes + at, count - at);
    return folded > rest ? folded : rest;
}

/* Writes or adds up to three values. */
EEB_INLINE void eeb_codebook_tail_neon(const uint8_t *entry, eeb_type type, size_t count, uint8_t *output, int add)
{
    uint16_t halves[4] = {0};
    float values[4], before[4] = {0};

    if (type != EEB_FLOAT16) {
        eeb_codebook_entry_serial(entry, type, count, output, add);
        return;
    }
    memcpy(halves, entry, 2 * count);
    vst1q_f32(values, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves))));
    if (add) {
        memcpy(before, output, 4 * count);
        vst1q_f32(values, vaddq_f32(vld1q_f32(before), vld1q_f32(values)));
    }
    memcpy(output, values, 4 * count);
}

/* Bytes in, bytes out: no access assumes the alignment of a wider element. */
EEB_INLINE void eeb_codebook_entry_neon(const uint8_t *entry, eeb_type type, size_t count, uint8_t *output, int add)
{
    const size_t bytes = type == EEB_FLOAT16 ? 2 : 4;
    size_t at = 0;

    for (; count - at >= 4; at += 4) {
        const uint8_t *from = entry + bytes * at;
        float32x4_t values = type == EEB_FLOAT16 ? vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from))) : vreinterpretq_f32_u8(vld1q_u8(from));

        if (add) {
            values = vaddq_f32(vreinterpretq_f32_u8(vld1q_u8(output + 4 * at)), values);
        }
        vst1q_u8(output + 4 * at, vreinterpretq_u8_f32(values));
    }
    if (at != count) {
        eeb_codebook_tail_neon(entry + bytes * at, type, count - at, output + 4 * at, add);
    }
}

EEB_INLINE void eeb_codebook_pair_neon(const uint8_t *left, const uint8_t *right, uint8_t *output)
{
    eeb_codebook_entry_neon(left, EEB_FLOAT16, 4, output, 0);
    eeb_codebook_entry_neon(right, EEB_FLOAT16, 4, output + 16, 0);
}

#define EEB_ISA(name) name##_neon
#define EEB_ISA_TARGET
#define EEB_ISA_PARTS
#include "rows.h"

#endif
