/* Normalisation, character by character: replacing, dropping, putting in front, stripping.
 *
 * RECORDS   code, then its arguments; sections as blob.h, tables and strings as unicode.h have them.
 *     EET_MAP      table, width, strings, least   a code point by its value in the table: 0 stays, 1 goes, v becomes string v - 2; code
 * points below `least` all stay EET_REPLACE  table, states, classes, strings  each match of a pattern becomes string 0 EET_PREPEND  strings
 * string 0 comes before a text that is not empty EET_STRIP    table, left, right             characters of value 1 go from the ends
 *     EET_BYTES                                   each character becomes the bytes of its UTF-8 */
#ifndef EET_NORMALIZE_H
#define EET_NORMALIZE_H

#include "pattern.h"

enum { EET_MAP = 1, EET_REPLACE = 2, EET_PREPEND = 3, EET_STRIP = 4, EET_BYTES = 5 };

EEB_FUNCTION eet_status eet_map(eet_work *work, const uint32_t *arguments)
{
    const eet_chars *now = &work->now;
    const uint32_t least = arguments[3];
    eet_table table;
    eet_strings strings;
    uint32_t at;

    if (eet_table_open(&table, work->blob, arguments[0], arguments[1]) != EET_OK || eet_strings_open(&strings, work->blob, arguments[2])) {
        return EET_DAMAGED;
    }
    for (at = 0; at < now->count && (now->code[at] & EET_CODE) < least; ++at) {
    }
    if (at == now->count) {
        return EET_OK;
    }
    work->next.count = 0;
    for (at = 0; at < now->count; ++at) {
        const uint32_t code = now->code[at], value = eet_table_at(&table, code & EET_CODE);

        if (value == 0) {
            if (!eet_put(work, code, now->from[at], now->to[at])) {
                return EET_ARENA;
            }
        } else if (value > 1) {
            if (!eet_put_string(work, eet_string(&strings, value - 2), code, now->from[at], now->to[at])) {
                return EET_ARENA;
            }
        }
    }
    eet_swap(work);
    return EET_OK;
}

EEB_FUNCTION eet_status eet_replace(eet_work *work, const uint32_t *arguments)
{
    const eet_chars *now = &work->now;
    eet_pattern pattern;
    eet_strings strings;
    uint32_t at = 0;

    if (eet_pattern_open(&pattern, work->blob, arguments[0], arguments[1], arguments[2]) != EET_OK ||
        eet_strings_open(&strings, work->blob, arguments[3]) != EET_OK) {
        return EET_DAMAGED;
    }
    work->next.count = 0;
    while (at < now->count) {
        const uint32_t end = eet_pattern_match(&pattern, now->code, at, now->count);

        if (end == at) {
            if (!eet_put(work, now->code[at], now->from[at], now->to[at])) {
                return EET_ARENA;
            }
            ++at;
        } else {
            if (!eet_put_string(work, eet_string(&strings, 0), 0, now->from[end - 1], now->to[end - 1])) {
                return EET_ARENA;
            }
            at = end;
        }
    }
    eet_swap(work);
    return EET_OK;
}

/* `now` behind what is in `next` already. */
EEB_FUNCTION int eet_append(eet_work *work, uint32_t start, uint32_t end)
{
    const eet_chars *now = &work->now;
    const eet_chars *next = &work->next;
    const uint32_t count = end - start;

    if (count > work->room - next->count) {
        return 0;
    }
    memcpy(next->code + next->count, now->code + start, sizeof(uint32_t) * count);
    memcpy(next->from + next->count, now->from + start, sizeof(uint32_t) * count);
    memcpy(next->to + next->count, now->to + start, sizeof(uint32_t) * count);
    work->next.count += count;
    return 1;
}

EEB_FUNCTION eet_status eet_prepend(eet_work *work, const uint32_t *arguments)
{
    eet_strings strings;

    if (eet_strings_open(&strings, work->blob, arguments[0]) != EET_OK) {
        return EET_DAMAGED;
    }
    if (work->now.count == 0) {
        return EET_OK;
    }
    work->next.count = 0;
    if (!eet_put_string(work, eet_string(&strings, 0), 0, work->now.from[0], work->now.to[0]) || !eet_append(work, 0, work->now.count)) {
        return EET_ARENA;
    }
    eet_swap(work);
    return EET_OK;
}

EEB_FUNCTION eet_status eet_strip(eet_work *work, const uint32_t *arguments)
{
    const uint32_t *code = work->now.code;
    uint32_t start = 0, end = work->now.count;
    eet_table spaces;

    if (eet_table_open(&spaces, work->blob, arguments[0], 1) != EET_OK) {
        return EET_DAMAGED;
    }
    while (arguments[1] && start < end && eet_table_at(&spaces, code[start] & EET_CODE) == 1) {
        ++start;
    }
    while (arguments[2] && start < end && eet_table_at(&spaces, code[end - 1] & EET_CODE) == 1) {
        --end;
    }
    if (start != 0 || end != work->now.count) {
        work->next.count = 0;
        if (!eet_append(work, start, end)) {
            return EET_ARENA;
        }
        eet_swap(work);
    }
    return EET_OK;
}

EEB_FUNCTION eet_status eet_to_bytes(eet_work *work)
{
    const eet_chars *now = &work->now;
    uint32_t at, byte;

    work->next.count = 0;
    for (at = 0; at < now->count; ++at) {
        uint8_t bytes[4];
        const uint32_t length = eet_put_utf8(now->code[at] & EET_CODE, bytes);

        for (byte = 0; byte < length; ++byte) {
            if (!eet_put(work, bytes[byte] | (byte == 0 ? now->code[at] & EET_START : 0), now->from[at], now->to[at])) {
                return EET_ARENA;
            }
        }
    }
    eet_swap(work);
    work->bytes = 1;
    return EET_OK;
}

#endif
