/* Weights of 4 bits on AArch64, with SDOT and with SMULL: their bits 0 ... 15 are int8 as they are. Part of ../neon.h, which names its
 * macros. */
#ifndef EEP_NEON_FOURS_H
#define EEP_NEON_FOURS_H

/* Rows that share the loads of 8 columns, with SDOT and with SMULL. */
#define EEP_TALL 5u
#define EEP_TALL_PLAIN 3u

EEP_OP int32_t EEP(sum_codes)(const uint8_t *codes, uint32_t count)
{
    int32_t sum = 0;
    uint32_t at;

    for (at = 0; at < count; at += 16) {
        sum += vaddlvq_s8(vld1q_s8((const int8_t *)codes + at));
    }
    return sum;
}

EEP_OP int8x16_t EEP(low_bits)(uint8x16_t both)
{
    return vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
}

EEP_OP int8x16_t EEP(high_bits)(uint8x16_t both)
{
    return vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
}

/* totals [2] of a row: plus the sums of a block times 8 scales. */
EEP_OP void EEP(add_block)(float32x4_t *totals, const int32x4_t *sums, const uint8_t *scales)
{
    const uint16x8_t halves = vld1q_u16((const uint16_t *)(const void *)scales);
    const float32x4_t low = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(halves), 16));
    const float32x4_t high = vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(halves), 16));

    totals[0] = vaddq_f32(totals[0], vmulq_f32(vcvtq_f32_s32(sums[0]), low));
    totals[1] = vaddq_f32(totals[1], vmulq_f32(vcvtq_f32_s32(sums[1]), high));
}

/* 8 inputs of 8 columns, the codes of the first four in a lane of a register and those of the others in the next. */
#define EEP_FOURS_STEP(lane)                                                                                                               \
    both[0] = vld1q_u8(four);                                                                                                              \
    both[1] = vld1q_u8(four + 16);                                                                                                         \
    four += 4 * columns;                                                                                                                   \
    EEP_UNROLL                                                                                                                             \
    for (column = 0; column < 2; ++column) {                                                                                               \
        low[column] = EEP(low_bits)(both[column]);                                                                                         \
        high[column] = EEP(high_bits)(both[column]);                                                                                       \
    }                                                                                                                                      \
    EEP_UNROLL                                                                                                                             \
    for (row = 0; row < rows; ++row) {                                                                                                     \
        EEP_UNROLL                                                                                                                         \
        for (column = 0; column < 2; ++column) {                                                                                           \
            sum[row][column] = vdotq_laneq_s32(sum[row][column], low[column], code[row], lane);                                            \
            sum[row][column] = vdotq_laneq_s32(sum[row][column], high[column], code[row], lane + 1);                                       \
        }                                                                                                                                  \
    }

/* 8 columns of a panel, from `first` on. `rows` is a constant. */
EEP_DOT_TARGET EEP_OP void EEP(fours_dot_of)(
    const uint8_t *panel, uint32_t columns, uint32_t first, uint32_t block, uint32_t blocks, const int8_t *codes, const int32_t *starts,
    const uint32_t rows, float *sums)
{
    const uint32_t width = block * blocks;
    float32x4_t total[EEP_TALL][2];
    int32x4_t sum[EEP_TALL][2];
    int8x16_t code[EEP_TALL], low[2], high[2];
    uint8x16_t both[2];
    uint32_t number, at, row, column;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        total[row][0] = total[row][1] = vdupq_n_f32(0.0f);
    }
    for (number = 0; number < blocks; ++number) {
        const uint8_t *four = panel + 2 * columns + 4 * first;

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            sum[row][0] = sum[row][1] = vdupq_n_s32(starts[row * blocks + number]);
        }
        for (at = 0; at < block; at += 16, codes += 16) {
            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                code[row] = vld1q_s8(codes + (size_t)row * width);
            }
            EEP_FOURS_STEP(0)
            EEP_FOURS_STEP(2)
        }
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            EEP(add_block)(total[row], sum[row], panel + 2 * first);
        }
        panel += columns * (2 + (size_t)block / 2);
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        vst1q_f32(sums + row * EEP_COLUMNS, total[row][0]);
        vst1q_f32(sums + row * EEP_COLUMNS + 4, total[row][1]);
    }
}

/* The same with products of int16, two inputs of 4 columns side by side: a lane takes 8 of them for 32 inputs, at most 8 * 15 * 128. */
EEP_OP void EEP(fours_plain_of)(
    const uint8_t *panel, uint32_t columns, uint32_t first, uint32_t block, uint32_t blocks, const int8_t *codes, const int32_t *starts,
    const uint32_t rows, float *sums)
{
    const uint32_t width = block * blocks;
    float32x4_t total[EEP_TALL_PLAIN][2];
    uint32_t number, at, step, row, column;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        total[row][0] = total[row][1] = vdupq_n_f32(0.0f);
    }
    for (number = 0; number < blocks; ++number) {
        const uint8_t *four = panel + 2 * columns + 4 * first;
        int32x4_t sum[EEP_TALL_PLAIN][2];

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            sum[row][0] = sum[row][1] = vdupq_n_s32(starts[row * blocks + number]);
        }
        for (at = 0; at < block; at += 32) {
            int16x8_t half[EEP_TALL_PLAIN][4]; /* [row][two columns]: four inputs of each */

            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                EEP_UNROLL
                for (column = 0; column < 4; ++column) {
                    half[row][column] = vdupq_n_s16(0);
                }
            }
            for (step = 0; step < 4; ++step, four += 4 * columns, codes += 8) {
                int8x8_t code[EEP_TALL_PLAIN], other[EEP_TALL_PLAIN];

                EEP_UNROLL
                for (row = 0; row < rows; ++row) {
                    const int32x2_t both = vreinterpret_s32_s8(vld1_s8(codes + (size_t)row * width));

                    code[row] = vreinterpret_s8_s32(vdup_lane_s32(both, 0));
                    other[row] = vreinterpret_s8_s32(vdup_lane_s32(both, 1));
                }
                EEP_UNROLL
                for (column = 0; column < 2; ++column) {
                    const uint8x16_t both = vld1q_u8(four + 16 * column);
                    const int8x16_t low = EEP(low_bits)(both), high = EEP(high_bits)(both);

                    EEP_UNROLL
                    for (row = 0; row < rows; ++row) {
                        int16x8_t *to = half[row] + 2 * column;

                        to[0] = vmlal_s8(vmlal_s8(to[0], vget_low_s8(low), code[row]), vget_low_s8(high), other[row]);
                        to[1] = vmlal_s8(vmlal_s8(to[1], vget_high_s8(low), code[row]), vget_high_s8(high), other[row]);
                    }
                }
            }
            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                EEP_UNROLL
                for (column = 0; column < 2; ++column) {
                    const int16x8_t *two = half[row] + 2 * column;

                    sum[row][column] = vaddq_s32(sum[row][column], vpaddq_s32(vpaddlq_s16(two[0]), vpaddlq_s16(two[1])));
                }
            }
        }
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            EEP(add_block)(total[row], sum[row], panel + 2 * first);
        }
        panel += columns * (2 + (size_t)block / 2);
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        vst1q_f32(sums + row * EEP_COLUMNS, total[row][0]);
        vst1q_f32(sums + row * EEP_COLUMNS + 4, total[row][1]);
    }
}

/* The arguments of a part of a tile: `row` rows down and `at` columns to the right. */
#define EEP_PART(rows)                                                                                                                     \
    (panel, columns, at, block, blocks, signed_codes + (size_t)row * block * blocks, starts + (size_t)row * blocks, rows,                  \
     sums + row * EEP_COLUMNS + at)
#define EEP_CALL_DOT(n) EEP(fours_dot_of) EEP_PART(n)
#define EEP_CALL_PLAIN(n) EEP(fours_plain_of) EEP_PART(n)

EEP_DOT_TARGET EEM_FUNCTION void EEP(fours_dot)(
    const uint8_t *panel, uint32_t columns, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts, uint32_t rows,
    float *sums)
{
    const int8_t *signed_codes = (const int8_t *)codes;
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row;

    for (at = 0; at < columns; at += 8) {
        for (row = 0; row < rows; row += tall) {
            switch (rows - row < tall ? rows - row : tall) {
            case 1: EEP_CALL_DOT(1); break;
            case 2: EEP_CALL_DOT(2); break;
            case 3: EEP_CALL_DOT(3); break;
            case 4: EEP_CALL_DOT(4); break;
            default: EEP_CALL_DOT(5); break;
            }
        }
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: codes less 128 [rows][blocks * block] times a panel of 4 bits; starts [rows][blocks]. */
EEM_FUNCTION void EEP(product_fours)(
    const uint8_t *panel, uint32_t columns, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts, uint32_t rows,
    float *sums)
{
    const int8_t *signed_codes = (const int8_t *)codes;
    uint32_t at, row;

    if (eep_has_dot()) {
        EEP(fours_dot)(panel, columns, block, blocks, codes, starts, rows, sums);
        return;
    }
    for (at = 0; at < columns; at += 8) {
        for (row = 0; row < rows; row += EEP_TALL_PLAIN) {
            switch (rows - row) {
            case 1: EEP_CALL_PLAIN(1); break;
            case 2: EEP_CALL_PLAIN(2); break;
            default: EEP_CALL_PLAIN(3); break;
            }
        }
    }
}

#undef EEP_TALL
#undef EEP_TALL_PLAIN
#undef EEP_FOURS_STEP
#undef EEP_PART
#undef EEP_CALL_DOT
#undef EEP_CALL_PLAIN

#endif
