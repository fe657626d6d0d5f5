/* SentencePiece's character map (`precompiled_charsmap`), as the tokenizers library applies it: grapheme by grapheme.
 *
 * RECORD   EET_CHARSMAP   trie, width, strings, table
 *     trie, strings   the keys of the map; the value of a key is its string
 *     table           the class of each code point for the boundaries of graphemes, uint8, one of the names below
 *
 * A grapheme of fewer than 6 bytes of which a key is the beginning is replaced as a whole by what the shortest such key stands for; of
 * every other one each character by itself. BOUNDARIES are those of Unicode's extended grapheme clusters (UAX #29, rules GB3 to GB13). */
#ifndef EET_CHARSMAP_H
#define EET_CHARSMAP_H

#include "trie.h"
#include "work.h"

enum { EET_CHARSMAP = 7 };

enum {
    EET_G_OTHER = 0,
    EET_G_CR = 1,
    EET_G_LF = 2,
    EET_G_CONTROL = 3,
    EET_G_EXTEND = 4,
    EET_G_ZWJ = 5,
    EET_G_REGIONAL = 6,
    EET_G_PREPEND = 7,
    EET_G_SPACING = 8,
    EET_G_L = 9,
    EET_G_V = 10,
    EET_G_T = 11,
    EET_G_LV = 12,
    EET_G_LVT = 13,
    EET_G_PICTURE = 14,
    EET_G_CONSONANT = 15, /* of a script whose consonants join by a linker */
    EET_G_LINKER = 16,    /* extends too */
    EET_G_NONJOINER = 17  /* extends, and ends a sequence of linkers */
};

EEB_INLINE int eet_extends(uint32_t kind)
{
    return kind == EET_G_EXTEND || kind == EET_G_ZWJ || kind == EET_G_LINKER || kind == EET_G_NONJOINER;
}

/* Whether Hangul jamo of two classes belong together. */
EEB_INLINE int eet_jamo_join(uint32_t before, uint32_t kind)
{
    return (before == EET_G_L && (kind == EET_G_L || kind == EET_G_V || kind == EET_G_LV || kind == EET_G_LVT)) ||
           ((before == EET_G_LV || before == EET_G_V) && (kind == EET_G_V || kind == EET_G_T)) ||
           ((before == EET_G_LVT || before == EET_G_T) && kind == EET_G_T);
}

/* The end of the grapheme that begins at `at`. */
EEB_FUNCTION uint32_t eet_grapheme_end(const eet_table *table, const uint32_t *code, uint32_t at, uint32_t count)
{
    uint32_t before = eet_table_at(table, code[at] & EET_CODE);
    uint32_t picture = before == EET_G_PICTURE, regional = before == EET_G_REGIONAL, conjunct = before == EET_G_CONSONANT;

    for (++at; at < count; ++at) {
        const uint32_t kind = eet_table_at(table, code[at] & EET_CODE);

        if (before == EET_G_CR) {
            return kind == EET_G_LF ? at + 1 : at;
        }
        if ((before >= EET_G_LF && before <= EET_G_CONTROL) || (kind >= EET_G_CR && kind <= EET_G_CONTROL)) {
            return at;
        }
        if (!(eet_extends(kind) || kind == EET_G_SPACING || before == EET_G_PREPEND || eet_jamo_join(before, kind) ||
              (kind == EET_G_CONSONANT && conjunct == 2) || (before == EET_G_ZWJ && kind == EET_G_PICTURE && picture) ||
              (before == EET_G_REGIONAL && kind == EET_G_REGIONAL && regional % 2 == 1))) {
            return at;
        }
        picture = kind == EET_G_PICTURE || (picture && eet_extends(kind) && before != EET_G_ZWJ);
        regional = kind == EET_G_REGIONAL ? regional + 1 : 0;
        if (kind == EET_G_CONSONANT) {
            conjunct = 1;
        } else if (conjunct != 0) {
            conjunct = kind == EET_G_LINKER ? 2 : kind == EET_G_EXTEND || kind == EET_G_ZWJ ? conjunct : 0;
        }
        before = kind;
    }
    return at;
}

/* Whether an ASCII character is a key. */
EEB_INLINE int eet_is_key(const eet_trie *trie, uint32_t code)
{
    const uint32_t node = eet_u16(trie->root, code) - 1;

    return node < trie->nodes && eet_trie_ends(trie, node);
}

/* The string that the shortest key at the beginning of some characters stands for, or EET_NONE. */
EEB_FUNCTION uint32_t eet_charsmap_find(const eet_trie *trie, const uint32_t *code, uint32_t at, uint32_t end)
{
    uint32_t node = EET_ROOT;

    for (; at < end; ++at) {
        uint8_t bytes[4];
        const uint32_t length = eet_put_utf8(code[at] & EET_CODE, bytes);
        uint32_t byte;

        for (byte = 0; byte < length; ++byte) {
            node = eet_trie_step(trie, node, bytes[byte]);
            if (node == EET_NOWHERE) {
                return EET_NONE;
            }
            if (eet_trie_ends(trie, node)) {
                return eet_trie_value(trie, eet_trie_rank(trie, node));
            }
        }
    }
    return EET_NONE;
}

/* Puts a string for `count` characters. Where it has fewer, the character before it takes the rest, as in the library. */
EEB_FUNCTION int eet_put_replacement(eet_work *work, eet_view string, uint32_t count)
{
    const uint32_t first = work->next.count;
    uint32_t at = 0, code, length, put;

    while (at < string.size && (length = eet_decode(string.data + at, string.size - at, &code)) != 0) {
        if (!eet_put_change(work, code, work->next.count - first < count ? 0 : 1)) {
            return 0;
        }
        at += length;
    }
    put = work->next.count - first;
    if (put < count && work->next.count != 0) {
        work->next.from[work->next.count - 1] -= count - put;
    }
    return 1;
}

EEB_FUNCTION eet_status eet_charsmap(eet_work *work, const uint32_t *arguments)
{
    const eet_chars *now = &work->now;
    eet_trie trie;
    eet_strings strings;
    eet_table table;
    uint32_t at = 0, changed = 0;

    if (eet_trie_open(&trie, work->blob, arguments[0], arguments[1]) != EET_OK ||
        eet_strings_open(&strings, work->blob, arguments[2]) != EET_OK || eet_table_open(&table, work->blob, arguments[3], 1) != EET_OK) {
        return EET_DAMAGED;
    }
    /* Most texts have none but visible ASCII characters that are no key. */
    while (at < now->count && now->code[at] - 0x20 < 0x5f && !eet_is_key(&trie, now->code[at])) {
        ++at;
    }
    if (at == now->count) {
        return EET_OK;
    }
    at = 0;
    work->next.count = 0;
    while (at < now->count) {
        /* Two visible ASCII characters never belong together. */
        const uint32_t plain = now->code[at] - 0x20 < 0x5f && (at + 1 == now->count || now->code[at + 1] - 0x20 < 0x5f);
        const uint32_t end = plain ? at + 1 : eet_grapheme_end(&table, now->code, at, now->count);
        uint32_t bytes = 0, place, found = EET_NONE;

        if (plain && !eet_is_key(&trie, now->code[at])) {
            if (!eet_put_change(work, now->code[at++], 0)) {
                return EET_ARENA;
            }
            continue;
        }
        for (place = at; place < end && bytes < 6; ++place) {
            bytes += eet_length(now->code[place] & EET_CODE);
        }
        if (bytes < 6) {
            found = eet_charsmap_find(&trie, now->code, at, end);
        }
        if (found != EET_NONE) {
            changed = 1;
            if (!eet_put_replacement(work, eet_string(&strings, found), end - at)) {
                return EET_ARENA;
            }
            at = end;
        }
        for (; at < end; ++at) {
            found = eet_charsmap_find(&trie, now->code, at, at + 1);
            changed |= found != EET_NONE;
            if (!(found == EET_NONE ? eet_put_change(work, now->code[at], 0) : eet_put_replacement(work, eet_string(&strings, found), 1))) {
                return EET_ARENA;
            }
        }
    }
    if (changed) {
        eet_align(work);
        eet_swap(work);
    }
    return EET_OK;
}

#endif
