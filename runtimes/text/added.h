/* Added tokens: found in the text as it comes, and in what normalisation makes of it, before anything else sees it.
 *
 * RECORD   EET_ADDED   raw, normalized, tokens, table, words, breaks
 *     breaks            whether a text may be read in stretches that end between a visible ASCII character and a space
 *     words             the first record of the program that does not normalise
 *     raw, normalized   tries of width 3, of tokens that are looked for before and after normalisation; or EET_NONE; their values are
 * places in tokens            section u32[n][2]: id, flags table             of code points, uint8: bit 0 white space, bit 1 what belongs
 * to a word (nothing where no token has EET_SINGLE_WORD), bit 2 what counts as a space at the end of a token
 *
 * The longest token that begins first is taken. A token that only stands for a single word is passed over beside a letter. Tokens take the
 * white space before or behind them where their flags say so. */
#ifndef EET_ADDED_H
#define EET_ADDED_H

#include "models/emit.h"
#include "models/pieces.h"

enum { EET_ADDED = 300 };
enum { EET_TAKES_LEFT = 1, EET_TAKES_RIGHT = 2, EET_SINGLE_WORD = 4 };

typedef struct eet_added {
    eet_trie raw, normalized;
    eet_table table;
    eet_view tokens;
    uint32_t has_raw, has_normalized, breaks;
} eet_added;

EEB_FUNCTION eet_status eet_added_open(eet_added *added, const eet_blob *blob, const uint32_t *arguments)
{
    added->has_raw = arguments[0] != EET_NONE;
    added->has_normalized = arguments[1] != EET_NONE;
    added->tokens = eet_section(blob, arguments[2]);
    added->breaks = arguments[5];
    if ((added->has_raw && eet_trie_open(&added->raw, blob, arguments[0], 3) != EET_OK) ||
        (added->has_normalized && eet_trie_open(&added->normalized, blob, arguments[1], 3) != EET_OK)) {
        return EET_DAMAGED;
    }
    return eet_table_open(&added->table, blob, arguments[3], 1);
}

/* The longest token that begins at a character of `now`: its end and its place, or an end of `at`. */
EEB_FUNCTION uint32_t eet_added_match(const eet_work *work, const eet_trie *trie, uint32_t at, uint32_t *place)
{
    uint32_t node = EET_ROOT, end = at, next;

    for (next = at; next < work->now.count; ++next) {
        node = eet_step_char(work, trie, node, next);
        if (node == EET_NOWHERE) {
            break;
        }
        if (eet_trie_ends(trie, node)) {
            *place = eet_trie_value(trie, eet_trie_rank(trie, node));
            end = next + 1;
        }
    }
    return end;
}

EEB_INLINE uint32_t eet_kind(const eet_work *work, const eet_added *added, uint32_t at)
{
    return eet_table_at(&added->table, work->now.code[at] & EET_CODE);
}

/* A token of characters [start, end). */
EEB_FUNCTION eet_status eet_added_push(eet_work *work, const eet_added *added, uint32_t start, uint32_t end, uint32_t id)
{
    uint32_t lead = 0, trail = 0;

    while (start + lead < end && (eet_kind(work, added, start + lead) & 4)) {
        ++lead;
    }
    while (start + trail < end && (eet_kind(work, added, end - 1 - trail) & 4)) {
        ++trail;
    }
    return eet_push(work, id, work->now.from[start], work->now.to[end - 1], lead, trail);
}

/* The next token from character `at` on, or none: at most the end of the text. What lies before it is [*gap, *start), it is [*start, *end).
 */
typedef struct eet_found {
    uint32_t at, gap, start, end, id;
} eet_found;

EEB_FUNCTION int eet_added_next(const eet_work *work, const eet_added *added, const eet_trie *trie, eet_found *found)
{
    const uint32_t count = work->now.count;

    for (; found->at < count; ++found->at) {
        uint32_t place = 0, start = found->at, end = eet_added_match(work, trie, start, &place), flags;

        if (end == start) {
            continue;
        }
        found->at = end;
        flags = eet_u32(added->tokens, 2 * place + 1);
        if ((flags & EET_SINGLE_WORD) &&
            ((start > 0 && (eet_kind(work, added, start - 1) & 2)) || (end < count && (eet_kind(work, added, end) & 2)))) {
            --found->at;
            continue;
        }
        while ((flags & EET_TAKES_LEFT) && start > found->gap && (eet_kind(work, added, start - 1) & 1)) {
            --start;
        }
        while ((flags & EET_TAKES_RIGHT) && end < count && (eet_kind(work, added, end) & 1)) {
            ++end;
        }
        found->start = start;
        found->end = end;
        found->id = eet_u32(added->tokens, 2 * place);
        return 1;
    }
    found->start = found->end = count;
    return 0;
}

/* The kind of the character before byte `at` of the text, and its bytes; 0 at the start. */
EEB_FUNCTION uint32_t eet_kind_before(const eet_work *work, const eet_added *added, uint32_t at, uint32_t *bytes)
{
    uint32_t start = at, code;

    *bytes = 1;
    if (at == 0) {
        return 0;
    }
    for (--start; start > 0 && (work->text[start] & 0xc0u) == 0x80; --start) {
    }
    *bytes = at - start;
    return eet_decode(work->text + start, at - start, &code) == 0 ? 0 : eet_table_at(&added->table, code);
}

/* The kind of the character at byte `at` of the text, and its bytes; 0 at the end. */
EEB_FUNCTION uint32_t eet_kind_behind(const eet_work *work, const eet_added *added, uint32_t at, uint32_t *bytes)
{
    uint32_t code;

    *bytes = eet_decode(work->text + at, work->size - at, &code);
    return *bytes == 0 ? 0 : eet_table_at(&added->table, code);
}

/* A token of bytes [start, end) of the text. */
EEB_FUNCTION eet_status eet_raw_push(eet_work *work, const eet_added *added, uint32_t start, uint32_t end, uint32_t id)
{
    uint32_t at, bytes, lead = 0, trail = 0;

    for (at = start; at < end && (eet_kind_behind(work, added, at, &bytes) & 4); at += bytes) {
        ++lead;
    }
    for (at = end; at > start && (eet_kind_before(work, added, at, &bytes) & 4); at -= bytes) {
        ++trail;
    }
    return eet_push(work, id, start, end, lead, trail);
}

#endif
