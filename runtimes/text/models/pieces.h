/* Models that look pieces up in a trie: WordPiece (greedy, the longest first) and WordLevel.
 *
 * RECORDS
 *     EET_WORDPIECE   trie, width, continuing, unknown, longest   node of the trie behind the prefix of pieces within a word; id of the
 * unknown piece or EET_NONE; a word of more characters is unknown EET_WORDLEVEL   trie, width, unknown */
#ifndef EET_PIECES_H
#define EET_PIECES_H

#include "../trie.h"
#include "emit.h"

enum { EET_WORDPIECE = 200, EET_WORDLEVEL = 201 };

/* The node behind a character, or EET_NOWHERE. */
EEB_INLINE uint32_t eet_step_char(const eet_work *work, const eet_trie *trie, uint32_t node, uint32_t at)
{
    uint8_t bytes[4];
    const uint32_t length = eet_char_encode(work, at, bytes);
    uint32_t byte;

    for (byte = 0; byte < length && node != EET_NOWHERE; ++byte) {
        node = eet_trie_step(trie, node, bytes[byte]);
    }
    return node;
}

/* Bytes of some characters as a model of the library counts them. */
EEB_FUNCTION uint32_t eet_span_bytes(const eet_work *work, uint32_t at, uint32_t end)
{
    uint32_t size = 0;

    for (; at < end; ++at) {
        size += eet_char_bytes(work, at);
    }
    return size;
}

/* The number of a whole word, or EET_NONE. */
EEB_FUNCTION uint32_t eet_find_word(const eet_work *work, const eet_trie *trie, uint32_t at, uint32_t end)
{
    uint32_t node = EET_ROOT;

    for (; at < end && node != EET_NOWHERE; ++at) {
        node = eet_step_char(work, trie, node, at);
    }
    return node < EET_ROOT && eet_trie_ends(trie, node) ? eet_trie_value(trie, eet_trie_rank(trie, node)) : EET_NONE;
}

EEB_FUNCTION eet_status eet_emit_whole(eet_work *work, uint32_t at, uint32_t end, uint32_t id)
{
    eet_word word = {0, 0, 0, 0};

    word.at = at;
    word.end = end;
    if (work->noting != NULL) {
        work->noting->count = 0; /* tokens before turned out to be none */
    }
    return id == EET_NONE ? EET_UNKNOWN : eet_emit(work, &word, id, eet_span_bytes(work, at, end));
}

EEB_FUNCTION eet_status eet_wordlevel(eet_work *work, const uint32_t *arguments, uint32_t at, uint32_t end)
{
    eet_trie trie;
    uint32_t id;

    if (eet_trie_open(&trie, work->blob, arguments[0], arguments[1]) != EET_OK) {
        return EET_DAMAGED;
    }
    id = eet_find_word(work, &trie, at, end);
    return eet_emit_whole(work, at, end, id == EET_NONE ? arguments[2] : id);
}

EEB_FUNCTION eet_status eet_wordpiece(eet_work *work, const uint32_t *arguments, uint32_t at, uint32_t end)
{
    const uint32_t first = work->count, start = at, continuing = arguments[2];
    eet_trie trie;
    eet_word word = {0, 0, 0, 0};

    if (eet_trie_open(&trie, work->blob, arguments[0], arguments[1]) != EET_OK || (continuing >= trie.nodes && continuing < EET_ROOT)) {
        return EET_DAMAGED;
    }
    if (end - at > arguments[4]) {
        return eet_emit_whole(work, at, end, arguments[3]);
    }
    word.at = at;
    word.end = end;
    while (at < end) {
        uint32_t node = at == start ? EET_ROOT : continuing, place, found = EET_NOWHERE, stop = at;
        eet_status status;

        for (place = at; place < end && node != EET_NOWHERE; ++place) {
            node = eet_step_char(work, &trie, node, place);
            if (node != EET_NOWHERE && eet_trie_ends(&trie, node)) {
                found = node;
                stop = place + 1;
            }
        }
        if (found == EET_NOWHERE) {
            work->count = first;
            return eet_emit_whole(work, start, end, arguments[3]);
        }
        status = eet_emit(work, &word, eet_trie_value(&trie, eet_trie_rank(&trie, found)), eet_span_bytes(work, at, stop));
        if (status != EET_OK) {
            return status;
        }
        at = stop;
    }
    return EET_OK;
}

#endif
