/* Rows on their grids, and linear layers of 8 and of 4 bits: part of body.h, compiled for each instruction set. No include guard. */

EEP_FN void EEP(quantize)(const float *rows, uint32_t stride, uint32_t count, uint32_t inputs, const eep_codes *codes)
{
    const uint32_t width = EEM_PADDED(inputs);
    uint32_t row, at;

    for (row = 0; row < count; ++row, rows += stride) {
        EEP_FLOATS low = EEP(set)(0.0f), high = EEP(set)(0.0f), spread;
        EEP_INTS zero;
        uint8_t *to = codes->codes + (size_t)row * width;
        float least, largest, factor;

        for (at = 0; at < width; at += EEP_LANES) {
            const EEP_FLOATS x = EEP(load)(rows + at);

            low = EEP(min)(x, low);
            high = EEP(max)(x, high);
        }
        least = -EEP(largest)(EEP(sub)(EEP(set)(0.0f), low));
        largest = EEP(largest)(high);
        factor = largest - least > 1e-30f ? EEM_STEPS / (largest - least) : 0.0f;
        codes->scale[row] = factor != 0.0f ? (largest - least) / EEM_STEPS : 0.0f;
        codes->zero[row] = -eem_round(least * factor);
        spread = EEP(set)(factor);
        zero = EEP(set_int)(codes->zero[row]);
        for (at = 0; at < width; at += EEP_LANES) {
            EEP(store_codes)(to + at, EEP(add_int)(EEP(round)(EEP(mul)(EEP(load)(rows + at), spread)), zero));
        }
        codes->zero[row] -= EEP_OFFSET;
    }
}

/* A tile of int8 products as floats: (sum - zero * weights) * (row scale * scale). */
EEP_IN EEP_FLOATS EEP(eight_bits)(const int32_t *sums, const int32_t *weights, EEP_FLOATS scale, int32_t zero, float row_scale)
{
    const EEP_INTS shift = EEP(mul_int)(EEP(set_int)(zero), EEP(load_int)(weights));

    return EEP(mul)(EEP(from_int)(EEP(sub_int)(EEP(load_int)(sums), shift)), EEP(mul)(EEP(set)(row_scale), scale));
}

/* Sums of 4 bits as floats: (sum - zero * total) * row scale. The zero is that of codes less 128. */
EEP_IN EEP_FLOATS EEP(four_bits)(const float *sums, EEP_FLOATS totals, int32_t zero, float row_scale)
{
    const EEP_FLOATS shift = EEP(mul)(EEP(set)((float)(zero - (128 - EEP_OFFSET))), totals);

    return EEP(mul)(EEP(sub)(EEP(load)(sums), shift), EEP(set)(row_scale));
}

/* `activation` and `four`, whether weights have 4 bits, are constants. */
EEP_IN void EEP(linear_as)(
    const eem_linear *layer, const eep_codes *codes, uint32_t count, const eem_activation activation, const int four, float *output,
    uint32_t stride)
{
    const uint32_t width = EEM_PADDED(layer->inputs), blocks = four ? width / layer->block : 0;
    const uint8_t *weight = (const uint8_t *)layer->weight;
    int32_t sums[EEP_ROWS * EEP_COLUMNS];
    float fours[EEP_ROWS * EEP_COLUMNS];
    uint32_t at, columns, from, row, column;

    for (at = 0; at < layer->outputs; at += columns, weight += (size_t)columns * (four ? 2 * blocks + width / 2 : width)) {
        columns = eep_columns(layer->outputs, at);
        for (from = 0; from < count; from += EEP_ROWS) {
            const uint32_t rows = count - from < EEP_ROWS ? count - from : EEP_ROWS;
            const uint8_t *code = codes->codes + (size_t)from * width;

            if (four) {
                EEP(product_fours)(weight, columns, layer->block, blocks, code, codes->starts + (size_t)from * blocks, rows, fours);
            } else {
                EEP(product)((const int8_t *)weight, columns, width, code, rows, sums);
            }
            for (column = 0; column < columns; column += EEP_LANES) {
                const EEP_FLOATS scale = EEP(load)((four ? layer->totals : layer->scale) + at + column);
                const EEP_FLOATS bias = EEP(load)(layer->bias + at + column);

                for (row = 0; row < rows; ++row) {
                    const uint32_t tile = row * EEP_COLUMNS + column;
                    const int32_t zero = codes->zero[from + row];
                    const float row_scale = codes->scale[from + row];
                    EEP_FLOATS value = four ? EEP(four_bits)(fours + tile, scale, zero, row_scale)
                                            : EEP(eight_bits)(sums + tile, layer->sums + at + column, scale, zero, row_scale);

                    value = EEP(activate)(activation, EEP(add)(value, bias));
                    if (activation == EEM_SIGMOID) {
                        value = EEP(first)(value, EEP(left)(layer->outputs, at + column));
                    }
                    if (activation == EEM_TIMES) {
                        value = EEP(mul)(EEP(load)(output + (size_t)(from + row) * stride + at + column), value);
                    }
                    EEP(store)(output + (size_t)(from + row) * stride + at + column, value);
                }
            }
        }
    }
}

#if EEP_OFFSET == 0
/* Codes less 128, and back. */
EEP_FN void EEP(flip_codes)(const eem_linear *layer, const eep_codes *codes, uint32_t count)
{
    const size_t size = (size_t)count * layer->inputs;
    size_t at;

    for (at = 0; at < size; ++at) {
        codes->codes[at] ^= 128;
    }
}
#endif

/* Where the sums of each block of a row begin: a weight of 4 bits is stored as its code plus 8. */
EEP_FN void EEP(measure_blocks)(const eem_linear *layer, const eep_codes *codes, uint32_t count)
{
    const uint32_t blocks = count * (layer->inputs / layer->block);
    uint32_t at;

    for (at = 0; at < blocks; ++at) {
        codes->starts[at] = -8 * EEP(sum_codes)(codes->codes + (size_t)at * layer->block, layer->block);
    }
}

/* What the layers of gated MLPs need, and no one who only multiplies. */
#if defined(EEP_PRODUCTS_ALONE)
#define EEP_GATED(four)                                                                                                                    \
    case EEM_SILU:                                                                                                                         \
    case EEM_TIMES: break;
#else
#define EEP_GATED(four)                                                                                                                    \
    case EEM_SILU: EEP(linear_as)(layer, codes, count, EEM_SILU, four, output, stride); break;                                             \
    case EEM_TIMES: EEP(linear_as)(layer, codes, count, EEM_TIMES, four, output, stride); break;
#endif

#define EEP_ACTIVATIONS(four)                                                                                                              \
    switch (activation) {                                                                                                                  \
        EEP_GATED(four)                                                                                                                    \
    case EEM_IDENTITY: EEP(linear_as)(layer, codes, count, EEM_IDENTITY, four, output, stride); break;                                     \
    case EEM_RELU: EEP(linear_as)(layer, codes, count, EEM_RELU, four, output, stride); break;                                             \
    case EEM_GELU: EEP(linear_as)(layer, codes, count, EEM_GELU, four, output, stride); break;                                             \
    case EEM_GELU_TANH: EEP(linear_as)(layer, codes, count, EEM_GELU_TANH, four, output, stride); break;                                   \
    case EEM_TANH: EEP(linear_as)(layer, codes, count, EEM_TANH, four, output, stride); break;                                             \
    case EEM_SIGMOID: EEP(linear_as)(layer, codes, count, EEM_SIGMOID, four, output, stride); break;                                       \
    }

EEP_FN void EEP(linear)(
    const eem_linear *layer, const eep_codes *codes, uint32_t count, eem_activation activation, float *output, uint32_t stride)
{
    if (layer->block == 0) {
        EEP_ACTIVATIONS(0)
    } else {
        EEP_ACTIVATIONS(1)
    }
}

EEP_FN void EEP(prepare)(const eem_linear *layer, const eep_codes *codes, uint32_t count)
{
    if (layer->block != 0) {
#if EEP_OFFSET == 0
        EEP(flip_codes)(layer, codes, count);
#endif
        EEP(measure_blocks)(layer, codes, count);
    }
}

EEP_FN void EEP(restore)(const eem_linear *layer, const eep_codes *codes, uint32_t count)
{
#if EEP_OFFSET == 0
    if (layer->block != 0) {
        EEP(flip_codes)(layer, codes, count);
    }
#else
    (void)layer;
    (void)codes;
    (void)count;
#endif
}

#undef EEP_ACTIVATIONS
#undef EEP_GATED
