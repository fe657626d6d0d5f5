/* Weights of 4 bits in WebAssembly. Bits 0 ... 15 times int8 are added in int16, of which eight fit: a sum of 32 inputs is widened once.
 * Part of ../simd128.h, which names its macros. */
#ifndef EEP_SIMD128_FOURS_H
#define EEP_SIMD128_FOURS_H

EEP_OP int32_t EEP(sum_codes)(const uint8_t *codes, uint32_t count)
{
    v128_t sum = wasm_i32x4_splat(0);
    uint32_t at;

    for (at = 0; at < count; at += 16) {
        sum = wasm_i32x4_add(sum, wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_extadd_pairwise_i8x16(wasm_v128_load(codes + at))));
    }
    sum = wasm_i32x4_add(sum, wasm_i32x4_shuffle(sum, sum, 2, 3, 0, 1));
    return wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1);
}

/* 4 columns of a panel, from `first` on. `rows` is a constant. */
EEP_OP void EEP(product_fours_of)(
    const uint8_t *panel, uint32_t columns, uint32_t first, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts,
    const uint32_t rows, float *sums)
{
    const uint32_t width = block * blocks;
    const v128_t mask = wasm_u8x16_splat(15);
    v128_t total[EEP_TALL];
    uint32_t number, at, step, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        total[row] = wasm_f32x4_splat(0.0f);
    }
    for (number = 0; number < blocks; ++number) {
        const v128_t scale = wasm_i32x4_shl(wasm_u32x4_load16x4(panel + 2 * first), 16);
        const uint8_t *four = panel + 2 * columns + 4 * first;
        v128_t whole[EEP_TALL];

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            whole[row] = wasm_i32x4_splat(starts[row * blocks + number]);
        }
        for (at = 0; at < block; at += 32) {
            v128_t left[EEP_TALL], right[EEP_TALL]; /* two columns each, four inputs side by side */

            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                left[row] = right[row] = wasm_i16x8_splat(0);
            }
            for (step = 0; step < 4; ++step, four += 4 * columns, codes += 8) {
                const v128_t both = wasm_v128_load(four);
                const v128_t low = wasm_v128_and(both, mask), high = wasm_u8x16_shr(both, 4);
                const v128_t low_left = wasm_i16x8_extend_low_i8x16(low), low_right = wasm_i16x8_extend_high_i8x16(low);
                const v128_t high_left = wasm_i16x8_extend_low_i8x16(high), high_right = wasm_i16x8_extend_high_i8x16(high);

                EEP_UNROLL
                for (row = 0; row < rows; ++row) {
                    const v128_t eight = wasm_i16x8_load8x8(codes + (size_t)row * width);
                    const v128_t code = wasm_i64x2_shuffle(eight, eight, 0, 0), other = wasm_i64x2_shuffle(eight, eight, 1, 1);

                    left[row] = wasm_i16x8_add(left[row], wasm_i16x8_mul(code, low_left));
                    right[row] = wasm_i16x8_add(right[row], wasm_i16x8_mul(code, low_right));
                    left[row] = wasm_i16x8_add(left[row], wasm_i16x8_mul(other, high_left));
                    right[row] = wasm_i16x8_add(right[row], wasm_i16x8_mul(other, high_right));
                }
            }
            EEP_UNROLL
            for (row = 0; row < rows; ++row) {
                const v128_t x = wasm_i32x4_extadd_pairwise_i16x8(left[row]), y = wasm_i32x4_extadd_pairwise_i16x8(right[row]);
                const v128_t even = wasm_i32x4_shuffle(x, y, 0, 2, 4, 6), odd = wasm_i32x4_shuffle(x, y, 1, 3, 5, 7);

                whole[row] = wasm_i32x4_add(whole[row], wasm_i32x4_add(even, odd));
            }
        }
        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            total[row] = wasm_f32x4_add(total[row], wasm_f32x4_mul(wasm_f32x4_convert_i32x4(whole[row]), scale));
        }
        panel += columns * (2 + (size_t)block / 2);
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        wasm_v128_store(sums + row * EEP_COLUMNS, total[row]);
    }
}

#define EEP_CALL(n)                                                                                                                        \
    EEP(product_fours_of)(                                                                                                                 \
        panel, columns, at, block, blocks, codes + (size_t)row * block * blocks, starts + (size_t)row * blocks, n,                         \
        sums + row * EEP_COLUMNS + at)

/* sums [EEP_ROWS][EEP_COLUMNS]: codes less 128 [rows][blocks * block] times a panel of 4 bits; starts [rows][blocks]. */
EEM_FUNCTION void EEP(product_fours)(
    const uint8_t *panel, uint32_t columns, uint32_t block, uint32_t blocks, const uint8_t *codes, const int32_t *starts, uint32_t rows,
    float *sums)
{
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row, high;

    EEP_FIVES(4, EEP_CALL)
}

#undef EEP_TALL
#undef EEP_CALL

#endif
