/* Tiles of sums in WebAssembly: codes times a panel, and shares times values. Part of ../simd128.h, which names its macros.
 *
 * WIDE   A row's codes are widened to int16 once for all columns of a panel, on the stack, a part of the inputs at a time. */
#ifndef EEP_SIMD128_PRODUCTS_H
#define EEP_SIMD128_PRODUCTS_H

/* Rows that share the loads of 4 columns, and of 8 columns of values: 2 sums each. */
#define EEP_TALL 5u
/* Inputs of a part, a multiple of 16. */
#define EEP_PART_INPUTS 512u

EEP_OP void EEP(widen)(const uint8_t *codes, uint32_t part, int16_t *wide)
{
    uint32_t at;

    for (at = 0; at < part; at += 16) {
        const v128_t code = wasm_v128_load(codes + at);

        wasm_v128_store(wide + at, wasm_i16x8_extend_low_i8x16(code));
        wasm_v128_store(wide + at + 8, wasm_i16x8_extend_high_i8x16(code));
    }
}

/* 4 columns by `rows` rows, which is a constant; a sum has its even and odd pairs of inputs side by side until the end. `more` adds to the
 * sums of the parts before. */
EEP_OP void EEP(product_of)(
    const int8_t *panel, uint32_t columns, uint32_t part, const int16_t *wide, const uint32_t rows, int more, int32_t *sums)
{
    v128_t low[EEP_TALL], high[EEP_TALL];
    uint32_t at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        low[row] = high[row] = wasm_i32x4_splat(0);
    }
    for (at = 0; at < part; at += 4, panel += 4 * columns) {
        const v128_t x = wasm_i16x8_load8x8(panel), y = wasm_i16x8_load8x8(panel + 8);

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            const v128_t code = wasm_v128_load64_splat(wide + row * EEP_PART_INPUTS + at);

            low[row] = wasm_i32x4_add(low[row], wasm_i32x4_dot_i16x8(code, x));
            high[row] = wasm_i32x4_add(high[row], wasm_i32x4_dot_i16x8(code, y));
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        int32_t *to = sums + row * EEP_COLUMNS;
        const v128_t even = wasm_i32x4_shuffle(low[row], high[row], 0, 2, 4, 6), odd = wasm_i32x4_shuffle(low[row], high[row], 1, 3, 5, 7);
        const v128_t both = wasm_i32x4_add(even, odd);

        wasm_v128_store(to, more ? wasm_i32x4_add(both, wasm_v128_load(to)) : both);
    }
}

/* 8 columns. `rows` is a constant. */
EEP_OP void EEP(mix_of)(
    const int16_t *values, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, const uint32_t rows, int32_t *sums)
{
    v128_t low[EEP_TALL], high[EEP_TALL];
    uint32_t at, row;

    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        low[row] = high[row] = wasm_i32x4_splat(0);
    }
    for (at = 0; at < pairs; ++at, values += step) {
        const v128_t x = wasm_v128_load(values), y = wasm_v128_load(values + 8);

        EEP_UNROLL
        for (row = 0; row < rows; ++row) {
            const v128_t share = wasm_v128_load32_splat(shares + (size_t)row * stride + 2 * at);

            low[row] = wasm_i32x4_add(low[row], wasm_i32x4_dot_i16x8(share, x));
            high[row] = wasm_i32x4_add(high[row], wasm_i32x4_dot_i16x8(share, y));
        }
    }
    EEP_UNROLL
    for (row = 0; row < rows; ++row) {
        wasm_v128_store(sums + row * EEP_COLUMNS, low[row]);
        wasm_v128_store(sums + row * EEP_COLUMNS + 4, high[row]);
    }
}

/* The arguments of a part of a tile: `row` rows down and `at` columns to the right. */
#define EEP_CALL(n)                                                                                                                        \
    EEP(product_of)(panel + 4 * at, columns, part, wide + row * EEP_PART_INPUTS, n, from != 0, sums + row * EEP_COLUMNS + at)
#define EEP_CALL_MIX(n) EEP(mix_of)(values + 2 * at, step, pairs, shares + (size_t)row * stride, stride, n, sums + row * EEP_COLUMNS + at)

/* sums [EEP_ROWS][EEP_COLUMNS]: codes [rows][width] times a panel. */
EEM_FUNCTION void EEP(product)(const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, uint32_t rows, int32_t *sums)
{
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    int16_t wide[EEP_ROWS * EEP_PART_INPUTS];
    uint32_t from, part, at, row, high;

    for (from = 0; from < width; from += part, panel += (size_t)part * columns) {
        part = width - from < EEP_PART_INPUTS ? width - from : EEP_PART_INPUTS;
        for (row = 0; row < rows; ++row) {
            EEP(widen)(codes + (size_t)row * width + from, part, wide + row * EEP_PART_INPUTS);
        }
        EEP_FIVES(4, EEP_CALL)
    }
}

/* sums [EEP_ROWS][EEP_COLUMNS]: shares [rows][stride] times the values of `pairs` tokens; `step` lies between two pairs. */
EEM_FUNCTION void EEP(mix)(
    const int16_t *values, uint32_t columns, uint32_t step, uint32_t pairs, const int16_t *shares, uint32_t stride, uint32_t rows,
    int32_t *sums)
{
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row, high;

    EEP_FIVES(8, EEP_CALL_MIX)
}

#undef EEP_PART_INPUTS
#undef EEP_CALL
#undef EEP_CALL_MIX

#endif
