/* QuantizedTop: the k best of the products of a vector with every row of a table, without a place for all of them.
 *
 * CONTENTS   eeb_selection                       the best of any number of values, with their rows
 *            eeb_top_work(count, top, size)      bytes of working memory for one range of rows, which is the caller's
 *            eeb_quantized_top(table, call)      the best of a range, in that memory
 *            eeb_top_join(...)                   the best of several ranges, in order
 *
 * VALUE      values are those of QuantizedLogits, to the bit, but that -0 becomes +0. A higher value comes before a lower one, NaN comes
 * last, and of equal ones the lower row comes first. The order is total, so that the result does not depend on the ranges.
 *
 * LAYOUT     a value and its row make a key of 64 bits: the value's bits, turned so that they order as integers, then the bits of the row,
 *            inverted. What a selection keeps are keys; 0 is none of them.
 *
 * BOUNDS     1 <= top; a range of fewer rows gives as many. The rest as in logits.h. `work` is aligned to 8 bytes.
 *
 * COST       a selection holds twice as many keys as it is asked for. When it is full the lower half goes, found byte by byte from the top:
 *            at most eight passes, whatever the values are.
 */
#ifndef EEB_TOP_H
#define EEB_TOP_H

#include "logits.h"

/* Rows whose logits are computed at a time. */
#define EEB_TOP_ROWS 512
/* Keys that fit in beyond twice as many as are asked for. */
#define EEB_TOP_MORE 64

typedef struct eeb_selection {
    uint64_t *keys; /* 2 * most + EEB_TOP_MORE */
    size_t count, most;
    uint64_t least; /* what is below it is not wanted */
    float floor;    /* its value: no value below it is wanted */
} eeb_selection;

typedef struct eeb_top_call {
    const void *memory; /* what eeb_logits_prepare filled */
    size_t count;       /* vectors in it */
    const void *bias;   /* float32[table.rows], or NULL */
    size_t first, rows; /* the range */
    size_t top;         /* how many are kept */
    void *work;         /* eeb_top_work bytes; begins with a selection for each vector */
} eeb_top_call;

EEB_INLINE uint64_t eeb_top_key(float value, size_t row)
{
    uint32_t bits;

    value += 0.0f;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        bits = 0;
    } else {
        bits = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
    }
    return (uint64_t)bits << 32 | (0xffffffffu - (uint32_t)row);
}

EEB_INLINE float eeb_top_value(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float value;

    bits = bits == 0 ? 0x7fc00000u : (bits & 0x80000000u) != 0 ? bits & 0x7fffffffu : ~bits;
    memcpy(&value, &bits, sizeof value);
    return value;
}

EEB_INLINE size_t eeb_top_row(uint64_t key)
{
    return (size_t)(0xffffffffu - (uint32_t)key);
}

EEB_INLINE size_t eeb_selection_room(size_t most)
{
    return 2 * most + EEB_TOP_MORE;
}

EEB_FUNCTION void eeb_selection_begin(eeb_selection *selection, uint64_t *keys, size_t most)
{
    const uint32_t lowest = 0xff800000u;

    selection->keys = keys;
    selection->count = 0;
    selection->most = most;
    selection->least = 0;
    memcpy(&selection->floor, &lowest, sizeof lowest);
}

/* The key of which `most` are at least as large, among more than that. */
EEB_FUNCTION uint64_t eeb_selection_bound(const eeb_selection *selection)
{
    uint64_t bound = 0, fixed = 0;
    size_t left = selection->most, at;
    int shift, byte;

    for (shift = 56; shift >= 0; shift -= 8) {
        size_t with[256] = {0};

        for (at = 0; at < selection->count; ++at) {
            if ((selection->keys[at] & fixed) == bound) {
                ++with[selection->keys[at] >> shift & 255u];
            }
        }
        for (byte = 255; with[byte] < left; --byte) {
            left -= with[byte];
        }
        bound |= (uint64_t)byte << shift;
        fixed |= (uint64_t)255 << shift;
        if (with[byte] == left) { /* all that begin like this are wanted */
            break;
        }
    }
    return bound;
}

/* Keeps the best `most`, in the order in which they came. */
EEB_FUNCTION void eeb_selection_cut(eeb_selection *selection)
{
    uint64_t bound, least = ~(uint64_t)0;
    size_t at, kept = 0;

    if (selection->count <= selection->most) {
        return;
    }
    bound = eeb_selection_bound(selection);
    for (at = 0; at < selection->count; ++at) {
        const uint64_t key = selection->keys[at];

        if (key >= bound) {
            selection->keys[kept++] = key;
            least = key < least ? key : least;
        }
    }
    selection->count = kept;
    selection->least = least;
    if (least >> 32 != 0) {
        selection->floor = eeb_top_value(least);
    }
}

EEB_INLINE void eeb_selection_add_key(eeb_selection *selection, uint64_t key)
{
    if (key > selection->least) {
        selection->keys[selection->count++] = key;
        if (selection->count == eeb_selection_room(selection->most)) {
            eeb_selection_cut(selection);
        }
    }
}

EEB_INLINE void eeb_selection_add(eeb_selection *selection, float value, size_t row)
{
    if (!(value < selection->floor)) { /* NaN is taken, too */
        eeb_selection_add_key(selection, eeb_top_key(value, row));
    }
}

EEB_FUNCTION void eeb_selection_sink(uint64_t *keys, size_t at, size_t count)
{
    const uint64_t key = keys[at];

    for (;;) {
        size_t next = 2 * at + 1;

        if (next >= count) {
            break;
        }
        next += next + 1 < count && keys[next + 1] < keys[next];
        if (keys[next] >= key) {
            break;
        }
        keys[at] = keys[next];
        at = next;
    }
    keys[at] = key;
}

/* Cuts and orders what is kept, the best first. */
EEB_FUNCTION void eeb_selection_sort(eeb_selection *selection)
{
    size_t at;

    eeb_selection_cut(selection);
    for (at = selection->count / 2; at-- > 0;) {
        eeb_selection_sink(selection->keys, at, selection->count);
    }
    for (at = selection->count; at-- > 1;) {
        const uint64_t least = selection->keys[0];

        selection->keys[0] = selection->keys[at];
        selection->keys[at] = least;
        eeb_selection_sink(selection->keys, 0, at);
    }
}

/* Writes what a sorted selection holds: values float32[count] and rows int64[count]. Neither needs any alignment. */
EEB_FUNCTION void eeb_selection_write(const eeb_selection *selection, void *values, void *rows)
{
    size_t at;

    for (at = 0; at < selection->count; ++at) {
        const float value = eeb_top_value(selection->keys[at]);
        const int64_t row = (int64_t)eeb_top_row(selection->keys[at]);

        memcpy((uint8_t *)values + 4 * at, &value, sizeof value);
        memcpy((uint8_t *)rows + 8 * at, &row, sizeof row);
    }
}

EEB_FUNCTION eeb_status eeb_top_work(size_t count, size_t top, size_t *size)
{
    const uint64_t most = SIZE_MAX / 4;
    uint64_t each;

    if (top == 0 || (uint64_t)top > 0x7fffffffu) {
        return EEB_BAD_SHAPE;
    }
    each = sizeof(eeb_selection) + (2 * (uint64_t)top + EEB_TOP_MORE) * 8 + EEB_TOP_ROWS * 4;
    if (each > most || (uint64_t)count > most / each) {
        return EEB_BAD_SHAPE;
    }
    *size = count * (size_t)each;
    return EEB_OK; /* a multiple of 8 */
}

/* The selections at the beginning of working memory, empty; and what lies behind them and their keys. */
EEB_FUNCTION uint8_t *eeb_top_begin(void *work, size_t count, size_t top)
{
    eeb_selection *selections = (eeb_selection *)work;
    uint64_t *keys = (uint64_t *)(void *)((uint8_t *)work + count * sizeof *selections);
    size_t at;

    for (at = 0; at < count; ++at, keys += eeb_selection_room(top)) {
        eeb_selection_begin(&selections[at], keys, top);
    }
    return (uint8_t *)(void *)keys;
}

/* Rows first ... first + rows - 1 of a table as a table of their own. */
EEB_FUNCTION eeb_quantized_table eeb_quantized_part(const eeb_quantized_table *table, size_t first, size_t rows)
{
    const size_t scale_bytes = table->scale_type == EEB_FLOAT16 ? 2 : 4;
    eeb_quantized_table part = *table;

    part.codes = (const uint8_t *)table->codes + first * (size_t)eeb_quantized_row_bytes(table->bits, table->dim, table->planes);
    part.scales =
        (const uint8_t *)table->scales + first * scale_bytes * (size_t)eeb_quantized_row_scales(table->dim, table->block, table->planes);
    part.rows = (int64_t)rows;
    return part;
}

EEB_INLINE const void *eeb_bias_part(const void *bias, size_t first)
{
    return bias == NULL ? NULL : (const uint8_t *)bias + 4 * first;
}

EEB_FUNCTION eeb_status eeb_quantized_top_by(const eeb_quantized_table *table, const eeb_top_call *call, eeb_logits_function logits)
{
    const size_t end = call->first + call->rows;
    eeb_selection *selections = (eeb_selection *)call->work;
    eeb_logits_call some;
    eeb_status status = eeb_quantized_check(table, 0);
    size_t needed = 0, first, vector, at;

    if (status != EEB_OK) {
        return status;
    }
    if ((uint64_t)call->first > (uint64_t)table->rows || (uint64_t)call->rows > (uint64_t)table->rows - call->first ||
        eeb_top_work(call->count, call->top, &needed) != EEB_OK) {
        return EEB_BAD_SHAPE;
    }
    some.memory = call->memory;
    some.count = call->count;
    some.first = 0;
    some.output = eeb_top_begin(call->work, call->count, call->top);
    for (first = call->first; first < end; first += some.rows) {
        const float *found = (const float *)some.output;
        eeb_quantized_table part;

        some.rows = end - first < EEB_TOP_ROWS ? end - first : EEB_TOP_ROWS;
        some.bias = eeb_bias_part(call->bias, first);
        part = eeb_quantized_part(table, first, some.rows);
        status = logits(&part, &some);
        if (status != EEB_OK) {
            return status;
        }
        for (vector = 0; vector < call->count; ++vector) {
            for (at = 0; at < some.rows; ++at) {
                eeb_selection_add(&selections[vector], *found++, first + at);
            }
        }
    }
    return EEB_OK;
}

EEB_FUNCTION eeb_status eeb_quantized_top(const eeb_quantized_table *table, const eeb_top_call *call)
{
    const eeb_logits_function logits = eeb_logits_variant(table->bits, eeb_cpu_best());

    return logits == NULL ? EEB_BAD_TYPE : eeb_quantized_top_by(table, call, logits);
}

/* Gathers a vector's best of several ranges in the first one's selection. `work` holds the working memory of the ranges, `stride` bytes
 * each. */
EEB_FUNCTION eeb_selection *eeb_top_join(void *work, size_t ranges, size_t stride, size_t vector)
{
    eeb_selection *all = (eeb_selection *)work + vector;
    size_t range, at;

    for (range = 1; range < ranges; ++range) {
        const eeb_selection *more = (const eeb_selection *)(const void *)((const uint8_t *)work + range * stride) + vector;

        for (at = 0; at < more->count; ++at) {
            eeb_selection_add_key(all, more->keys[at]);
        }
    }
    eeb_selection_cut(all);
    return all;
}

#endif
