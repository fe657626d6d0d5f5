/* Tiles of sums on AArch64: codes times a panel, with SDOT and with SMULL, and shares times values. Part of ../neon.h, which names its
 * macros. */
#ifndef EEP_NEON_PRODUCTS_H
#define EEP_NEON_PRODUCTS_H

/* Rows that share the loads of 16 columns, with SDOT and with SMULL. */
#define EEP_TALL 5u
#define EEP_TALL_PLAIN 2u

/* 16 columns by at most EEP_TALL rows, which is a constant; width is a multiple of 16. */
#define EEP_DOT_STEP(lane)                                                                                                                 \
    EEP_UNROLL                                                                                                                             \
    for (column = 0; column < 4; ++column) {                                                                                               \
        x[column] = vld1q_s8(panel + 16 * column);                                                                                         \
    }                                                                                                                                      \
    panel += 4 * columns;                                                                                                                  \
    EEP_UNROLL                                                                                                                             \
    for (row = 0; row < rows; ++row) {                                                                                                     \
        EEP_UNROLL                                                                                                                         \
        for (column = 0; column < 4; ++column) {                                                                                           \
            total[row][column] = vdotq_laneq_s32(total[row][column], x[column], code[row], lane);                                          \
        }                                                                                                                                  \
    }

EEP_DOT_TARGET EEP_OP void EEP(product_dot_of)(
    const int8_t *panel, uint32_t columns, uint32_t width, const int8_t *codes, const uint32_t rows, int32_t *sums)
{
    int32x4_t total[EEP_TALL][4];
    int8x16_t code[EEP_TALL], x[4];
    uint32_t at, row, column;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            total[row][column] = vdupq_n_s32(0);
        }
    }
    for (at = 0; at < width; at += 16) {
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            code[row] = vld1q_s8(codes + (size_t)row * width + at);
        }
        EEP_DOT_STEP(0)
        EEP_DOT_STEP(1)
        EEP_DOT_STEP(2)
        EEP_DOT_STEP(3)
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            vst1q_s32(sums + row * EEP_COLUMNS + 4 * column, total[row][column]);
        }
    }
}

EEP_OP void EEP(product_plain_of)(
    const int8_t *panel, uint32_t columns, uint32_t width, const int8_t *codes, const uint32_t rows, int32_t *sums)
{
    int32x4_t total[EEP_TALL_PLAIN][8]; /* [row][two columns]: each column's even and odd pairs of elements */
    uint32_t at, row, column;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 8; ++column) {
            total[row][column] = vdupq_n_s32(0);
        }
    }
    for (at = 0; at < width; at += 8, panel += 8 * columns) {
        int8x8_t low[EEP_TALL_PLAIN], high[EEP_TALL_PLAIN];

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            const int32x2_t both = vreinterpret_s32_s8(vld1_s8(codes + (size_t)row * width + at));

            low[row] = vreinterpret_s8_s32(vdup_lane_s32(both, 0));
            high[row] = vreinterpret_s8_s32(vdup_lane_s32(both, 1));
        }
        EEP_UNROLL
        for (column = 0; column < 8; ++column) {
            const int8x8_t x = vld1_s8(panel + 8 * column), y = vld1_s8(panel + 4 * columns + 8 * column);

            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                total[row][column] = vpadalq_s16(total[row][column], vmlal_s8(vmull_s8(x, low[row]), y, high[row]));
            }
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            vst1q_s32(sums + row * EEP_COLUMNS + 4 * column, vpaddq_s32(total[row][2 * column], total[row][2 * column + 1]));
        }
    }
}

EEP_OP void EEP(mix_of)(
    const int16_t *values, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, const uint32_t rows, int32_t *sums)
{
    int32x4_t total[EEP_TALL][4];
    uint32_t at, row, column;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            total[row][column] = vdupq_n_s32(0);
        }
    }
    for (at = 0; at < pairs; ++at, values += step) {
        const int16x8x2_t x = vld2q_s16(values), y = vld2q_s16(values + 16);

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            const int16x4_t share =
                vreinterpret_s16_s32(vld1_dup_s32((const int32_t *)(const void *)(shares + (size_t)row * stride + 2 * at)));

            total[row][0] = vmlal_lane_s16(total[row][0], vget_low_s16(x.val[0]), share, 0);
            total[row][1] = vmlal_high_lane_s16(total[row][1], x.val[0], share, 0);
            total[row][2] = vmlal_lane_s16(total[row][2], vget_low_s16(y.val[0]), share, 0);
            total[row][3] = vmlal_high_lane_s16(total[row][3], y.val[0], share, 0);
            total[row][0] = vmlal_lane_s16(total[row][0], vget_low_s16(x.val[1]), share, 1);
            total[row][1] = vmlal_high_lane_s16(total[row][1], x.val[1], share, 1);
            total[row][2] = vmlal_lane_s16(total[row][2], vget_low_s16(y.val[1]), share, 1);
            total[row][3] = vmlal_high_lane_s16(total[row][3], y.val[1], share, 1);
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            vst1q_s32(sums + row * EEP_COLUMNS + 4 * column, total[row][column]);
        }
    }
}

/* The arguments of a part of a tile: `row` rows down and `at` columns to the right. */
#define EEP_CALL_DOT(n)                                                                                                                    \
    EEP(product_dot_of)(panel + 4 * at, columns, width, signed_codes + (size_t)row * width, n, sums + row * EEP_COLUMNS + at)
#define EEP_CALL_PLAIN(n)                                                                                                                  \
    EEP(product_plain_of)(panel + 4 * at, columns, width, signed_codes + (size_t)row * width, n, sums + row * EEP_COLUMNS + at)
#define EEP_CALL_MIX(n) EEP(mix_of)(values + 2 * at, step, pairs, shares + (size_t)row * stride, stride, n, sums + row * EEP_COLUMNS + at)

EEP_DOT_TARGET EEM_FUNCTION void EEP(product_dot)(
    const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, uint32_t rows, int32_t *sums)
{
    const int8_t *signed_codes = (const int8_t *)codes;
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row, high;

    EEP_FIVES(16, EEP_CALL_DOT)
}

/* sums [EEP_ROWS][EEP_COLUMNS]: codes [rows][width] times a panel. */
EEM_FUNCTION void EEP(product)(const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, uint32_t rows, int32_t *sums)
{
    const int8_t *signed_codes = (const int8_t *)codes;
    uint32_t at, row;

    if (rows >= EEP_FEWEST && eep_has_pairs()) {
        EEP(product_pairs)(panel, columns, width, signed_codes, rows, sums);
        return;
    }
    if (eep_has_dot()) {
        EEP(product_dot)(panel, columns, width, codes, rows, sums);
        return;
    }
    for (at = 0; at < columns; at += 16) {
        for (row = 0; row < rows; row += EEP_TALL_PLAIN) {
            if (rows - row == 1) {
                EEP_CALL_PLAIN(1);
            } else {
                EEP_CALL_PLAIN(2);
            }
        }
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: shares [rows][stride] times the values of `pairs` tokens; `step` lies between two pairs. */
EEM_FUNCTION void EEP(mix)(
    const int16_t *values, uint32_t columns, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, uint32_t rows,
    int32_t *sums)
{
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row, high;

    EEP_FIVES(16, EEP_CALL_MIX)
}

#undef EEP_TALL
#undef EEP_TALL_PLAIN
#undef EEP_DOT_STEP
#undef EEP_CALL_DOT
#undef EEP_CALL_PLAIN
#undef EEP_CALL_MIX

#endif
