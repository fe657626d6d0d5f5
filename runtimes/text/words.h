/* Pre-tokenisation: a text becomes words. EET_START marks where each begins; the operations of normalize.h keep the marks.
 *
 * RECORDS
 *     EET_SPLIT    table, states, classes, behavior, invert   splits at the matches of a pattern; with `invert` at what lies between
 *     EET_PREFIX   code, first                     puts a character before every word that does not begin with it; with `first` only before
 * one at the start of the text EET_FIXED    count                           words of so many characters BEHAVIORS   of a match: removed, a
 * word of its own, part of the word before it, of the word behind it, or one word with matches beside it. */
#ifndef EET_WORDS_H
#define EET_WORDS_H

#include "pattern.h"

enum { EET_SPLIT = 100, EET_PREFIX = 101, EET_FIXED = 102 };
enum { EET_REMOVED = 0, EET_ISOLATED = 1, EET_WITH_PREVIOUS = 2, EET_WITH_NEXT = 3, EET_CONTIGUOUS = 4 };

/* The end of the word that begins at `at`. */
EEB_INLINE uint32_t eet_word_end(const eet_chars *chars, uint32_t at)
{
    for (++at; at < chars->count && (chars->code[at] & EET_START) == 0; ++at) {
    }
    return at;
}

/* Characters [at, end) of `now`, a match or not; what came before it in its word was one if `before` is 1, and nothing if it is 2. */
EEB_FUNCTION int eet_put_part(eet_work *work, uint32_t at, uint32_t end, uint32_t matches, uint32_t before, uint32_t behavior)
{
    const eet_chars *now = &work->now;
    uint32_t joins = 0;

    if (behavior == EET_REMOVED && matches) {
        return 1;
    }
    if (before != 2) {
        joins = behavior == EET_WITH_PREVIOUS ? matches && !before
                : behavior == EET_WITH_NEXT   ? !matches && before
                : behavior == EET_CONTIGUOUS  ? matches == before
                                              : 0;
    }
    if (end - at > work->room - work->next.count) {
        return 0;
    }
    for (; at < end; ++at) {
        eet_put(work, (now->code[at] & EET_CODE) | (joins ? 0 : EET_START), now->from[at], now->to[at]);
        joins = 1;
    }
    return 1;
}

EEB_FUNCTION eet_status eet_split(eet_work *work, const uint32_t *arguments)
{
    const eet_chars *now = &work->now;
    const uint32_t behavior = arguments[3], invert = arguments[4] != 0;
    eet_pattern pattern;
    uint32_t at = 0;

    if (eet_pattern_open(&pattern, work->blob, arguments[0], arguments[1], arguments[2]) != EET_OK) {
        return EET_DAMAGED;
    }
    work->next.count = 0;
    while (at < now->count) {
        const uint32_t end = eet_word_end(now, at);
        uint32_t gap = at, before = 2;

        while (at < end) {
            const uint32_t match = eet_pattern_match(&pattern, now->code, at, end);

            if (match == at) {
                ++at;
                continue;
            }
            if (gap < at) {
                if (!eet_put_part(work, gap, at, invert, before, behavior)) {
                    return EET_ARENA;
                }
                before = invert;
            }
            if (!eet_put_part(work, at, match, !invert, before, behavior)) {
                return EET_ARENA;
            }
            before = !invert;
            gap = at = match;
        }
        if (gap < end && !eet_put_part(work, gap, end, invert, before, behavior)) {
            return EET_ARENA;
        }
    }
    eet_swap(work);
    return EET_OK;
}

EEB_FUNCTION eet_status eet_prefix(eet_work *work, const uint32_t *arguments)
{
    const eet_chars *now = &work->now;
    const uint32_t code = arguments[0] & EET_CODE;
    uint32_t at;

    work->next.count = 0;
    for (at = 0; at < now->count; ++at) {
        uint32_t here = now->code[at];

        if ((here & EET_START) && (here & EET_CODE) != code && (!arguments[1] || now->from[at] == 0)) {
            if (!eet_put(work, code | EET_START, now->from[at], now->to[at])) {
                return EET_ARENA;
            }
            here &= EET_CODE;
        }
        if (!eet_put(work, here, now->from[at], now->to[at])) {
            return EET_ARENA;
        }
    }
    eet_swap(work);
    return EET_OK;
}

EEB_FUNCTION eet_status eet_fixed(eet_work *work, const uint32_t *arguments)
{
    uint32_t *code = work->now.code;
    uint32_t at, place = 0;

    if (arguments[0] == 0) {
        return EET_DAMAGED;
    }
    for (at = 0; at < work->now.count; ++at) {
        place = code[at] & EET_START ? 0 : place + 1;
        if (place == arguments[0]) {
            code[at] |= EET_START;
            place = 0;
        }
    }
    return EET_OK;
}

#endif
