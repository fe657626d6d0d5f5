/* Tiles of sums on AArch64 with SMMLA: 8 inputs of two rows times those of two columns, 32 products an instruction. Part of ../neon.h,
 * which names its macros.
 *
 * PAIRS     Rows two by two, 8 codes of the one beside 8 of the other: int8[part / 8][pairs][2][8]. They are written to the stack for a
 *           part of the inputs, and serve all columns of the panel. An odd last row is its own neighbour.
 * COLUMNS   Two registers hold the first and the last 4 of 8 inputs, each of 4 columns; a zip makes pairs of columns of them. */
#ifndef EEP_NEON_PAIRS_H
#define EEP_NEON_PAIRS_H

/* Rows from which on pairs take fewer instructions than SDOT: the zips of columns cost as much for two pairs as for four. */
#define EEP_FEWEST 6u
/* Inputs of a part, a multiple of 16. */
#define EEP_PART_INPUTS 1024u

EEP_OP void EEP(pair_rows)(const int8_t *codes, uint32_t width, uint32_t rows, uint32_t part, int8_t *pairs)
{
    const uint32_t step = (rows + 1) / 2 * 16;
    uint32_t row, at;

    for (row = 0; row < rows; row += 2, codes += 2 * (size_t)width) {
        const int8_t *other = row + 1 < rows ? codes + width : codes;
        int8_t *to = pairs + 8 * row;

        for (at = 0; at < part; at += 16, to += 2 * step) {
            const int64x2_t x = vreinterpretq_s64_s8(vld1q_s8(codes + at)), y = vreinterpretq_s64_s8(vld1q_s8(other + at));

            vst1q_s8(to, vreinterpretq_s8_s64(vzip1q_s64(x, y)));
            vst1q_s8(to + step, vreinterpretq_s8_s64(vzip2q_s64(x, y)));
        }
    }
}

/* Two pairs of columns from the first and the last 4 of their 8 inputs. */
EEP_OP void EEP(pair_columns)(int8x16_t first, int8x16_t last, int8x16_t *columns)
{
    columns[0] = vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(first), vreinterpretq_s32_s8(last)));
    columns[1] = vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(first), vreinterpretq_s32_s8(last)));
}

/* 8 columns by `pairs` pairs of rows, which is a constant; `more` adds to the sums of the parts before. */
EEP_PAIRS_TARGET EEP_OP void EEP(product_pairs_of)(
    const int8_t *panel, uint32_t columns, uint32_t part, const int8_t *paired, const uint32_t pairs, int more, int32_t *sums)
{
    int32x4_t total[EEP_ROWS / 2][4];
    int8x16_t two[4];
    uint32_t at, pair, column;

    EEP_UNROLL
    for (pair = 0; pair < pairs; ++pair) {
        EEP_UNROLL
        for (column = 0; column < 4; ++column) {
            total[pair][column] = vdupq_n_s32(0);
        }
    }
    for (at = 0; at < part; at += 8, panel += 8 * columns, paired += 16 * pairs) {
        EEP(pair_columns)(vld1q_s8(panel), vld1q_s8(panel + 4 * columns), two);
        EEP(pair_columns)(vld1q_s8(panel + 16), vld1q_s8(panel + 4 * columns + 16), two + 2);
        EEP_UNROLL
        for (pair = 0; pair < pairs; ++pair) {
            const int8x16_t code = vld1q_s8(paired + 16 * pair);

            EEP_UNROLL
            for (column = 0; column < 4; ++column) {
                total[pair][column] = vmmlaq_s32(total[pair][column], code, two[column]);
            }
        }
    }
    EEP_UNROLL
    for (pair = 0; pair < pairs; ++pair) {
        EEP_UNROLL
        for (column = 0; column < 4; column += 2) {
            int32_t *to = sums + 2 * pair * EEP_COLUMNS + 2 * column;
            const int64x2_t x = vreinterpretq_s64_s32(total[pair][column]), y = vreinterpretq_s64_s32(total[pair][column + 1]);
            int32x4_t row = vreinterpretq_s32_s64(vzip1q_s64(x, y)), other = vreinterpretq_s32_s64(vzip2q_s64(x, y));

            if (more) {
                row = vaddq_s32(row, vld1q_s32(to));
                other = vaddq_s32(other, vld1q_s32(to + EEP_COLUMNS));
            }
            vst1q_s32(to, row);
            vst1q_s32(to + EEP_COLUMNS, other);
        }
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: codes [rows][width] times a panel; at least EEP_FEWEST rows. */
EEP_PAIRS_TARGET EEM_FUNCTION void EEP(product_pairs)(
    const int8_t *panel, uint32_t columns, uint32_t width, const int8_t *codes, uint32_t rows, int32_t *sums)
{
    int8_t paired[EEP_ROWS * EEP_PART_INPUTS];
    uint32_t from, part, at;

    for (from = 0; from < width; from += part, panel += (size_t)part * columns) {
        part = width - from < EEP_PART_INPUTS ? width - from : EEP_PART_INPUTS;
        EEP(pair_rows)(codes + from, width, rows, part, paired);
        for (at = 0; at < columns; at += 8) {
            if (rows == EEP_FEWEST) {
                EEP(product_pairs_of)(panel + 4 * at, columns, part, paired, EEP_FEWEST / 2, from != 0, sums + at);
            } else {
                EEP(product_pairs_of)(panel + 4 * at, columns, part, paired, EEP_ROWS / 2, from != 0, sums + at);
            }
        }
    }
}

#endif
