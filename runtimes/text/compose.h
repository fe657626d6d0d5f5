/* Unicode normalisation forms, from tables that the export reads off the tokenizers library.
 *
 * RECORD   EET_FORM   table, width, strings, properties, pairs, least
 *     table, strings   a code point's whole decomposition: values above 1: string v - 2; Hangul syllables are taken apart by arithmetic
 *     properties       a table of uint16: the canonical combining class in the low byte, and bit 8 if the code point may be the second of a
 * pair pairs            section u32[n][3], sorted: first, second, composed; EET_NONE for the decomposed forms least            code points
 * below are their own form beside each other */
#ifndef EET_COMPOSE_H
#define EET_COMPOSE_H

#include "work.h"

enum { EET_FORM = 6 };

#define EET_HANGUL 0xac00u
#define EET_HANGUL_COUNT 11172u

typedef struct eet_form {
    eet_table table, properties;
    eet_strings strings;
    eet_view pairs;
} eet_form;

EEB_FUNCTION eet_status eet_form_open(eet_form *form, const eet_blob *blob, const uint32_t *arguments)
{
    if (eet_table_open(&form->table, blob, arguments[0], arguments[1]) != EET_OK ||
        eet_strings_open(&form->strings, blob, arguments[2]) != EET_OK ||
        eet_table_open(&form->properties, blob, arguments[3], 2) != EET_OK) {
        return EET_DAMAGED;
    }
    form->pairs = eet_section(blob, arguments[4]);
    return EET_OK;
}

/* A decomposed character; its class waits in the bits above it until the marks are in order. */
EEB_FUNCTION int eet_put_mark(eet_work *work, const eet_form *form, uint32_t code, int32_t change)
{
    const uint32_t order = eet_table_at(&form->properties, code) & 0xff;
    uint32_t at = work->next.count;

    if (at >= work->room) {
        return 0;
    }
    work->next.code[at] = code | order << 21;
    work->next.from[at] = (uint32_t)change;
    work->next.count = at + 1;
    return 1;
}

/* Characters [start, end) of `next`, all of a class above 0, in the order of their classes: a stable merge sort beside `aside`. */
EEB_FUNCTION void eet_sort_marks(eet_work *work, uint32_t start, uint32_t end)
{
    uint32_t *code = work->next.code, *change = work->next.from, *codes = work->aside.code, *changes = work->aside.from;
    uint32_t width, at;

    for (at = start + 1; at < end && code[at - 1] >> 21 <= code[at] >> 21; ++at) {
    }
    if (at >= end) {
        return;
    }
    for (width = 1; width < end - start; width *= 2) {
        for (at = start; at < end; at += 2 * width) {
            const uint32_t middle = width < end - at ? at + width : end, last = width < end - middle ? middle + width : end;
            uint32_t left = at, right = middle, out;

            for (out = at; out < last; ++out) {
                const uint32_t from = left < middle && (right >= last || code[left] >> 21 <= code[right] >> 21) ? left++ : right++;
                codes[out] = code[from];
                changes[out] = change[from];
            }
            if (last == end) {
                break;
            }
        }
        memcpy(code + start, codes + start, sizeof(uint32_t) * (end - start));
        memcpy(change + start, changes + start, sizeof(uint32_t) * (end - start));
        if (width > 0x40000000u) {
            break;
        }
    }
}

EEB_FUNCTION eet_status eet_decompose(eet_work *work, const eet_form *form)
{
    const eet_chars *now = &work->now;
    uint32_t at, start;

    work->next.count = 0;
    for (at = 0; at < now->count; ++at) {
        const uint32_t code = now->code[at] & EET_CODE, value = eet_table_at(&form->table, code);
        int fits = 1;

        if (value > 1) {
            const eet_view string = eet_string(&form->strings, value - 2);
            uint32_t place = 0, part, length;
            int32_t change = 0;

            while (fits && place < string.size && (length = eet_decode(string.data + place, string.size - place, &part)) != 0) {
                fits = eet_put_mark(work, form, part, change);
                change = 1;
                place += length;
            }
        } else if (code - EET_HANGUL < EET_HANGUL_COUNT) {
            const uint32_t syllable = code - EET_HANGUL;

            fits = eet_put_mark(work, form, 0x1100 + syllable / 588, 0) && eet_put_mark(work, form, 0x1161 + syllable % 588 / 28, 1) &&
                   (syllable % 28 == 0 || eet_put_mark(work, form, 0x11a7 + syllable % 28, 1));
        } else {
            fits = eet_put_mark(work, form, code, 0);
        }
        if (!fits) {
            return EET_ARENA;
        }
    }
    for (at = 0; at < work->next.count; at = start + 1) {
        for (start = at; start < work->next.count && work->next.code[start] >> 21 != 0; ++start) {
        }
        if (start - at > 1) {
            eet_sort_marks(work, at, start);
        }
    }
    return EET_OK;
}

/* The composed character of two, or 0. */
EEB_FUNCTION uint32_t eet_pair(const eet_form *form, uint32_t first, uint32_t second)
{
    uint32_t low = 0, high = form->pairs.size / 12;

    if (first - 0x1100 < 19 && second - 0x1161 < 21) {
        return EET_HANGUL + ((first - 0x1100) * 21 + (second - 0x1161)) * 28;
    }
    if (first - EET_HANGUL < EET_HANGUL_COUNT && (first - EET_HANGUL) % 28 == 0 && second - 0x11a8 < 27) {
        return first + (second - 0x11a7);
    }
    if ((eet_table_at(&form->properties, second) & 0x100) == 0) {
        return 0;
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const uint8_t *pair = form->pairs.data + 12 * (size_t)middle;
        const uint32_t have = eet_load32(pair), with = eet_load32(pair + 4);

        if (have == first && with == second) {
            return eet_load32(pair + 8) & EET_CODE;
        }
        if (have < first || (have == first && with < second)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return 0;
}

/* Composes `next` in place. What is written never passes what is read: marks that wait for their turn lie behind the starter. */
EEB_FUNCTION void eet_recompose(eet_work *work, const eet_form *form)
{
    uint32_t *code = work->next.code, *change = work->next.from;
    uint32_t at, out = 0, starter = EET_NONE, last = EET_NONE;

    for (at = 0; at < work->next.count; ++at) {
        const uint32_t here = code[at] & EET_CODE, order = code[at] >> 21, with = change[at];

        if (starter != EET_NONE && (last == EET_NONE || last < order)) {
            const uint32_t composed = eet_pair(form, code[starter], here);

            if (composed != 0) {
                code[starter] = composed;
                change[starter] += with - 1;
                continue;
            }
        }
        code[out] = here;
        change[out] = with;
        if (order == 0) {
            starter = out;
            last = EET_NONE;
        } else if (starter != EET_NONE) {
            last = order;
        }
        ++out;
    }
    work->next.count = out;
}

EEB_FUNCTION eet_status eet_normal_form(eet_work *work, const uint32_t *arguments)
{
    const uint32_t least = arguments[5];
    eet_form form;
    eet_status status;
    uint32_t at;

    if (eet_form_open(&form, work->blob, arguments) != EET_OK) {
        return EET_DAMAGED;
    }
    for (at = 0; at < work->now.count && (work->now.code[at] & EET_CODE) < least; ++at) {
    }
    if (at == work->now.count) {
        return EET_OK;
    }
    status = eet_decompose(work, &form);
    if (status != EET_OK) {
        return status;
    }
    if (arguments[4] != EET_NONE) {
        eet_recompose(work, &form);
    } else {
        for (at = 0; at < work->next.count; ++at) {
            work->next.code[at] &= EET_CODE;
        }
    }
    eet_align(work);
    eet_swap(work);
    return EET_OK;
}

#endif
