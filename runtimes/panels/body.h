/* The functions of panels.h, written once and compiled for each instruction set: a variant's header defines EEP(name), EEP_TARGET, the
 * vectors EEP_FLOATS and EEP_INTS of 16 lanes with their operations, and the two products, and includes this file. No include guard. */

#define EEP_FN EEP_TARGET EEM_FUNCTION
#if !defined(EEP_IN)
#define EEP_IN EEP_TARGET EEM_INLINE
#endif

EEP_IN EEP_FLOATS EEP(exp)(EEP_FLOATS x)
{
    const EEP_FLOATS whole = EEP(add)(EEP(mul)(x, EEP(set)(1.44269504f)), EEP(set)(EEM_ROUNDER));
    const EEP_FLOATS power = EEP(sub)(whole, EEP(set)(EEM_ROUNDER));
    EEP_FLOATS rest, value = EEP(set)(1.3888889e-3f);

    rest = EEP(sub)(x, EEP(mul)(power, EEP(set)(0.693359375f)));
    rest = EEP(add)(rest, EEP(mul)(power, EEP(set)(2.12194440e-4f)));
    value = EEP(add)(EEP(mul)(value, rest), EEP(set)(8.3333333e-3f));
    value = EEP(add)(EEP(mul)(value, rest), EEP(set)(4.1666667e-2f));
    value = EEP(add)(EEP(mul)(value, rest), EEP(set)(1.6666667e-1f));
    value = EEP(add)(EEP(mul)(value, rest), EEP(set)(0.5f));
    value = EEP(add)(EEP(mul)(value, rest), EEP(set)(1.0f));
    value = EEP(add)(EEP(mul)(value, rest), EEP(set)(1.0f));
    return EEP(zero_below)(x, -87.0f, EEP(scale)(value, whole));
}

EEP_IN EEP_FLOATS EEP(tanh)(EEP_FLOATS x)
{
    const EEP_FLOATS one = EEP(set)(1.0f), e = EEP(exp)(EEP(mul)(EEP(set)(-2.0f), EEP(abs)(x)));
    const EEP_FLOATS value = EEP(div)(EEP(sub)(one, e), EEP(add)(one, e));

    return EEP(signed_as)(value, x);
}

EEP_IN EEP_FLOATS EEP(gelu)(EEP_FLOATS x)
{
    const EEP_FLOATS u = EEP(min)(EEP(mul)(x, x), EEP(set)(EEM_GELU_END));
    EEP_FLOATS value = EEP(set)(EEM_GELU_7);

    value = EEP(add)(EEP(mul)(value, u), EEP(set)(EEM_GELU_6));
    value = EEP(add)(EEP(mul)(value, u), EEP(set)(EEM_GELU_5));
    value = EEP(add)(EEP(mul)(value, u), EEP(set)(EEM_GELU_4));
    value = EEP(add)(EEP(mul)(value, u), EEP(set)(EEM_GELU_3));
    value = EEP(add)(EEP(mul)(value, u), EEP(set)(EEM_GELU_2));
    value = EEP(add)(EEP(mul)(value, u), EEP(set)(EEM_GELU_1));
    value = EEP(add)(EEP(mul)(value, u), EEP(set)(EEM_GELU_0));
    value = EEP(mul)(value, x);
    value = EEP(max)(EEP(min)(value, EEP(set)(1.0f)), EEP(set)(-1.0f));
    return EEP(mul)(EEP(mul)(EEP(set)(0.5f), x), EEP(add)(EEP(set)(1.0f), value));
}

EEP_IN EEP_FLOATS EEP(activate)(eem_activation kind, EEP_FLOATS x)
{
    const EEP_FLOATS half = EEP(set)(0.5f);

    switch (kind) {
    case EEM_IDENTITY:
    case EEM_TIMES: break;
    case EEM_RELU: return EEP(max)(x, EEP(set)(0.0f));
    case EEM_GELU: return EEP(gelu)(x);
    case EEM_GELU_TANH: {
        const EEP_FLOATS cube = EEP(mul)(EEP(mul)(EEP(mul)(EEP(set)(0.044715f), x), x), x);
        const EEP_FLOATS inner = EEP(tanh)(EEP(mul)(EEP(set)(0.79788456f), EEP(add)(x, cube)));

        return EEP(mul)(EEP(mul)(half, x), EEP(add)(EEP(set)(1.0f), inner));
    }
    case EEM_TANH: return EEP(tanh)(x);
    case EEM_SIGMOID: return EEP(add)(half, EEP(mul)(half, EEP(tanh)(EEP(mul)(half, x))));
    case EEM_SILU: return EEP(mul)(EEP(mul)(half, x), EEP(add)(EEP(set)(1.0f), EEP(tanh)(EEP(mul)(half, x))));
    }
    return x;
}

/* Elements of a row that are left at `at`, at most the lanes of a vector. */
EEM_INLINE uint32_t EEP(left)(uint32_t size, uint32_t at)
{
    return size - at < EEP_LANES ? size - at : EEP_LANES;
}

/* The same, 0 where the size ends before. */
EEM_INLINE uint32_t EEP(reach)(uint32_t size, uint32_t at)
{
    return size <= at ? 0 : EEP(left)(size, at);
}

#include "linear.h"

#if !defined(EEP_PRODUCTS_ALONE)
/* For each head of a row: EEM_NARROW / the largest magnitude, or 0; and its scale times `by`, at scales[head * step]. */
EEP_FN void EEP(measure_heads)(const eem_shape *shape, const float *row, float by, float *factors, float *scales, uint32_t step)
{
    const uint32_t heads = EEM_PADDED(shape->heads);
    float *largest = factors + heads;
    uint32_t head, at;

    for (head = 0; head < shape->heads; ++head, row += shape->head) {
        EEP_FLOATS most = EEP(set)(0.0f);

        for (at = 0; at < shape->head; at += EEP_LANES) {
            most = EEP(max)(EEP(abs)(EEP(first)(EEP(load)(row + at), EEP(left)(shape->head, at))), most);
        }
        largest[head] = EEP(largest)(most);
    }
    for (; head < heads; ++head) {
        largest[head] = 0.0f;
    }
    for (head = 0; head < heads; head += EEP_LANES) {
        const EEP_FLOATS most = EEP(load)(largest + head), limit = EEP(set)(EEM_NARROW);

        EEP(store)(factors + head, EEP(zero_below)(most, 1e-30f, EEP(div)(limit, most)));
        EEP(store)(largest + head, EEP(zero_below)(most, 1e-30f, EEP(div)(most, limit)));
    }
    for (head = 0; head < shape->heads; ++head) {
        scales[head * step] = largest[head] * by;
    }
}

/* A key to its place in the panels of each head. */
EEP_IN void EEP(keep_key)(const eem_shape *shape, const eep_memory *memory, uint32_t token, uint32_t tokens, const float *key)
{
    const uint32_t width = EEM_PADDED(shape->head), capacity = shape->capacity;
    const uint32_t panel = token / EEP_COLUMNS * EEP_COLUMNS, columns = eep_columns(tokens, panel);
    uint32_t head, at, lane;

    EEP(measure_heads)(shape, key, 1.0f, memory->factors, memory->key_scales + token, capacity);
    for (head = 0; head < shape->heads; ++head) {
        const EEP_FLOATS factor = EEP(set)(memory->factors[head]);
        int8_t *to = memory->keys + ((size_t)head * capacity + panel) * width + (token - panel) * 4;
        EEP_INTS total = EEP(set_int)(0);

        for (at = 0; at < width; at += EEP_LANES) {
            const EEP_FLOATS x = EEP(first)(EEP(load)(key + head * shape->head + at), EEP(left)(shape->head, at));
            const EEP_INTS codes = EEP(round)(EEP(mul)(x, factor));
            int8_t narrow[EEP_LANES];

            total = EEP(add_int)(total, codes);
            EEP(store_narrow)(narrow, codes);
            for (lane = 0; lane < EEP_LANES; lane += 4) {
                memcpy(to + (size_t)(at + lane) * columns, narrow + lane, 4);
            }
        }
        memory->key_sums[head * capacity + token] = (int32_t)EEP(sum)(EEP(from_int)(total)); /* exact: below 2^24 */
    }
}

EEP_FN void EEP(keep)(
    const eem_shape *shape, const eep_memory *memory, uint32_t first, uint32_t count, uint32_t tokens, const float *keys,
    const float *values)
{
    const uint32_t stride = EEM_PADDED(shape->dim), width = EEM_PADDED(shape->head), heads = EEM_PADDED(shape->heads);
    const uint32_t capacity = shape->capacity;
    float *factors = memory->factors, *others = memory->factors + 2 * heads;
    uint32_t token, head, at;

    for (token = 0; token < count; ++token) {
        EEP(keep_key)(shape, memory, first + token, tokens, keys + (size_t)token * stride);
    }
    /* Values two tokens at a time; `first` is even. Behind the last of an odd number stands a zero. */
    for (token = first; token < first + count; token += 2, values += 2 * stride) {
        const int single = token + 1 == first + count;
        const float *other = single ? values : values + stride;

        EEP(measure_heads)(shape, values, 1.0f, factors, memory->value_scales + token, capacity);
        if (!single) {
            EEP(measure_heads)(shape, other, 1.0f, others, memory->value_scales + token + 1, capacity);
        }
        for (head = 0; head < shape->heads; ++head) {
            const EEP_FLOATS factor = EEP(set)(factors[head]), other_factor = EEP(set)(single ? 0.0f : others[head]);
            int16_t *to = memory->values + ((size_t)head * capacity + token) * width;

            for (at = 0; at < width; at += EEP_LANES) {
                const uint32_t from = head * shape->head + at, left = EEP(left)(shape->head, at);
                const EEP_FLOATS x = EEP(first)(EEP(load)(values + from), left), y = EEP(first)(EEP(load)(other + from), left);

                EEP(store_pairs)(to + 2 * at, EEP(round)(EEP(mul)(x, factor)), EEP(round)(EEP(mul)(y, other_factor)));
            }
        }
    }
}

/* Scores [tokens] to probabilities times the scales of the values, in 12 bits; returns their scale. */
EEP_IN float EEP(share)(float *scores, uint32_t tokens, const float *value_scales, int16_t *shares)
{
    EEP_FLOATS most = EEP(load)(scores), sum = EEP(set)(0.0f), factor;
    float largest;
    uint32_t at;

    for (at = EEP_LANES; at < tokens; at += EEP_LANES) {
        most = EEP(max)(EEP(load)(scores + at), most);
    }
    most = EEP(set)(EEP(largest)(most));
    for (at = 0; at < tokens; at += EEP_LANES) {
        const EEP_FLOATS value = EEP(exp)(EEP(sub)(EEP(load)(scores + at), most));

        EEP(store)(scores + at, value);
        sum = EEP(add)(sum, value);
    }
    factor = EEP(set)(1.0f / EEP(sum)(sum));
    most = EEP(set)(0.0f);
    for (at = 0; at < tokens; at += EEP_LANES) {
        const EEP_FLOATS value = EEP(mul)(EEP(mul)(EEP(load)(scores + at), factor), EEP(load)(value_scales + at));

        EEP(store)(scores + at, value);
        most = EEP(max)(value, most);
    }
    largest = EEP(largest)(most);
    factor = EEP(set)(largest > 1e-30f ? EEM_WIDE / largest : 0.0f);
    for (at = 0; at < tokens; at += EEP_LANES) {
        EEP(store_wide)(shares + at, EEP(round)(EEP(mul)(EEP(load)(scores + at), factor)));
    }
    return largest > 1e-30f ? largest / EEM_WIDE : 0.0f;
}

EEP_FN void EEP(attend)(
    const eem_shape *shape, const eep_memory *memory, uint32_t tokens, uint32_t window, uint32_t first, const float *queries,
    uint32_t count, float *output)
{
    const uint32_t stride = EEM_PADDED(shape->dim), width = EEM_PADDED(shape->head), capacity = shape->capacity;
    const uint32_t heads = EEM_PADDED(shape->heads);
    /* The keys that some query sees, from the beginning of a panel on. */
    const uint32_t begin = eem_first_key(window, first) / EEP_COLUMNS * EEP_COLUMNS, end = eem_end_key(window, first + count - 1, tokens);
    const EEP_FLOATS nothing = EEP(set)(EEM_UNSEEN);
    const EEP_INTS offset = EEP(set_int)(128), shift = EEP(set_int)(128 - EEP_OFFSET);
    int32_t sums[EEP_ROWS * EEP_COLUMNS];
    float *factors = memory->factors, *scales = memory->factors + 2 * heads;
    float share[EEP_ROWS];
    uint32_t head, row, at, column, columns;

    for (row = 0; row < count; ++row) {
        EEP(measure_heads)(shape, queries + row * stride, shape->temperature, factors, scales + row * heads, 1);
        for (head = 0; head < shape->heads; ++head) {
            const EEP_FLOATS factor = EEP(set)(factors[head]);
            uint8_t *to = memory->codes.codes + ((size_t)head * EEP_ROWS + row) * width;

            for (at = 0; at < width; at += EEP_LANES) {
                const float *from = queries + row * stride + head * shape->head + at;
                const EEP_FLOATS x = EEP(first)(EEP(load)(from), EEP(left)(shape->head, at));

                EEP(store_codes)(to + at, EEP(add_int)(EEP(round)(EEP(mul)(x, factor)), offset));
            }
        }
    }
    for (head = 0; head < shape->heads; ++head) {
        const int8_t *keys = memory->keys + (size_t)head * capacity * width;
        const int16_t *values = memory->values + ((size_t)head * capacity + begin) * width;
        const uint8_t *codes = memory->codes.codes + (size_t)head * EEP_ROWS * width;
        const float *key_scales = memory->key_scales + head * capacity;
        const int32_t *key_sums = memory->key_sums + head * capacity;

        for (at = begin; at < end; at += columns) {
            columns = eep_columns(tokens, at);
            EEP(product)(keys + (size_t)at * width, columns, width, codes, count, sums);
            for (row = 0; row < count; ++row) {
                const EEP_FLOATS scale = EEP(set)(scales[row * heads + head]);
                /* of the key at `at`; NULL for nothing */
                const float *relative = shape->relative == NULL ? NULL : shape->relative + (2 * head + 1) * capacity - 1 - first - row + at;
                const uint32_t low = eem_first_key(window, first + row), high = eem_end_key(window, first + row, tokens);
                const int edge = low > at || high < at + columns;

                for (column = 0; column < columns; column += EEP_LANES) {
                    const EEP_INTS excess = EEP(mul_int)(shift, EEP(load_int)(key_sums + at + column));
                    const EEP_INTS sum = EEP(sub_int)(EEP(load_int)(sums + row * EEP_COLUMNS + column), excess);
                    EEP_FLOATS value = EEP(mul)(EEP(from_int)(sum), EEP(mul)(scale, EEP(load)(key_scales + at + column)));

                    if (relative != NULL) {
                        value = EEP(add)(value, EEP(load)(relative + column));
                    }
                    if (edge) {
                        value = EEP(first_or)(value, EEP(reach)(high, at + column), nothing);
                        value = EEP(first_or)(nothing, EEP(reach)(low, at + column), value);
                    }
                    EEP(store)(memory->scores + row * capacity + at + column, value);
                }
            }
        }
        for (row = 0; row < count; ++row) {
            share[row] = EEP(share)(
                memory->scores + row * capacity + begin, end - begin, memory->value_scales + head * capacity + begin,
                memory->shares + row * capacity);
        }
        for (at = 0; at < width; at += columns) {
            columns = eep_columns(width, at);
            EEP(mix)(values + 2 * at, columns, 2 * width, (end - begin + 1) / 2, memory->shares, capacity, count, sums);
            for (row = 0; row < count; ++row) {
                const EEP_FLOATS scale = EEP(set)(share[row]);

                for (column = 0; column < columns && at + column < shape->head; column += EEP_LANES) {
                    const uint32_t left = EEP(left)(shape->head, at + column);
                    float *to = output + row * stride + head * shape->head + at + column, lanes[EEP_LANES];

                    EEP(store)(
                        left == EEP_LANES ? to : lanes, EEP(mul)(EEP(from_int)(EEP(load_int)(sums + row * EEP_COLUMNS + column)), scale));
                    if (left != EEP_LANES) {
                        memcpy(to, lanes, left * sizeof *lanes);
                    }
                }
            }
        }
    }
    for (row = 0; row < count; ++row) {
        memset(output + row * stride + shape->dim, 0, (stride - shape->dim) * sizeof *output);
    }
}

EEP_FN void EEP(norm)(const eem_norm *norm, float *rows, const float *others, float *to, uint32_t stride, uint32_t count)
{
    const float size = (float)norm->size;
    uint32_t row, at;

    for (row = 0; row < count; ++row, rows += stride) {
        float *out = to == NULL ? NULL : to + (size_t)row * stride;
        EEP_FLOATS sum = EEP(set)(0.0f), mean, factor;

        for (at = 0; at < norm->size; at += EEP_LANES) {
            EEP_FLOATS x = EEP(load)(rows + at);

            if (others != NULL) {
                if (norm->scale != NULL) {
                    x = EEP(mul)(x, EEP(load)(norm->scale + at));
                }
                x = EEP(add)(x, EEP(load)(others + (size_t)row * stride + at));
                EEP(store)(rows + at, x);
            }
            sum = EEP(add)(sum, x);
        }
        if (out == NULL) {
            continue;
        }
        mean = EEP(set)(EEP(sum)(sum) / size);
        sum = EEP(set)(0.0f);
        for (at = 0; at < norm->size; at += EEP_LANES) {
            const EEP_FLOATS x = EEP(first)(EEP(sub)(EEP(load)(rows + at), mean), EEP(left)(norm->size, at));

            EEP(store)(out + at, x);
            sum = EEP(add)(sum, EEP(mul)(x, x));
        }
        factor = EEP(set)(eem_inverse_root(EEP(sum)(sum) / size + norm->epsilon));
        for (at = 0; at < norm->size; at += EEP_LANES) {
            const EEP_FLOATS x = EEP(mul)(EEP(mul)(EEP(load)(out + at), factor), EEP(load)(norm->gain + at));

            EEP(store)(out + at, EEP(add)(x, EEP(load)(norm->bias + at)));
        }
    }
}

#endif

static const eep_kernels EEP(kernels) = {
    EEP_NAME,  EEP(quantize), EEP(prepare), EEP(linear), EEP(restore),
#if !defined(EEP_PRODUCTS_ALONE)
    EEP(keep), EEP(attend),   EEP(norm),
#else
    NULL,     NULL,          NULL,
#endif
};

#undef EEP_FN
#undef EEP_IN
