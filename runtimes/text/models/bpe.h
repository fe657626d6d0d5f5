/* Byte pair encoding: the pair of the lowest rank is merged, the leftmost of equals first, until none is left.
 *
 * RECORD   EET_BPE   symbols, slots, lefts, rights, results, base, flags, unknown, bytes, whole
 *     symbols   trie of width 3: a byte that says where the character stands (1, plus 2 behind the first where that matters, plus 4 at the
 * last where that matters), then the character; EET_NONE where `bytes` has the ids of all characters slots     section u32[slots]: a hash
 * table of merges; low byte: eet_pair_hash & 255, the others: the rank; EET_NONE: empty lefts, rights, results   sections u24[merges]: the
 * ids of a merge by its rank; without `results` the result is base + rank bytes     section u32[256]: ids of bytes, EET_NONE for one that
 * there is not: of every character where characters are bytes, else of those that spell an unknown character; or EET_NONE whole     trie of
 * width 3 of words that are pieces and never merged; or EET_NONE
 *
 * MEMORY   44 bytes for each character of a word of more than EET_SHORT, 20 of a shorter one; four times as much where unknown characters
 * are spelled in bytes. */
#ifndef EET_BPE_H
#define EET_BPE_H

#include "pieces.h"

enum { EET_BPE = 203 };
enum { EET_BPE_FUSE = 1, EET_BPE_PREFIX = 2, EET_BPE_SUFFIX = 4 };

/* Symbols of a word that is merged by searching for the lowest rank again and again; a longer one takes a heap. */
#define EET_SHORT 40u
#define EET_PROBES 1024u

typedef struct eet_bpe {
    eet_trie symbols;
    eet_view slots, lefts, rights, results, bytes;
    uint32_t base, flags, unknown, slot_count, merges;
} eet_bpe;

typedef struct eet_symbol {
    uint32_t id, size, rank, next, before;
} eet_symbol;

typedef struct eet_merge {
    uint32_t rank, at;
} eet_merge;

EEB_FUNCTION eet_status eet_bpe_open(eet_bpe *model, const eet_blob *blob, const uint32_t *arguments)
{
    model->slots = eet_section(blob, arguments[1]);
    model->lefts = eet_section(blob, arguments[2]);
    model->rights = eet_section(blob, arguments[3]);
    model->results = eet_section(blob, arguments[4]);
    model->base = arguments[5];
    model->flags = arguments[6];
    model->unknown = arguments[7];
    model->bytes = eet_section(blob, arguments[8]);
    model->slot_count = model->slots.size / 4;
    model->merges = model->lefts.size / 3;
    model->symbols.nodes = 0;
    if (arguments[0] == EET_NONE ? model->bytes.size < 1024 : eet_trie_open(&model->symbols, blob, arguments[0], 3) != EET_OK) {
        return EET_DAMAGED;
    }
    return model->rights.size != model->lefts.size || (arguments[4] != EET_NONE && model->results.size != model->lefts.size) ? EET_DAMAGED
                                                                                                                             : EET_OK;
}

EEB_INLINE uint32_t eet_pair_hash(uint32_t left, uint32_t right)
{
    uint32_t hash = left * 0x9e3779b1u ^ right * 0x85ebca6bu;

    hash ^= hash >> 15;
    hash *= 0x2c1b3c6du;
    return hash ^ hash >> 13;
}

/* The rank of a pair, or EET_NONE. */
EEB_INLINE uint32_t eet_rank(const eet_bpe *model, uint32_t left, uint32_t right)
{
    const uint32_t hash = eet_pair_hash(left, right);
    uint32_t slot = (uint32_t)((uint64_t)hash * model->slot_count >> 32), probe;

    for (probe = 0; probe < EET_PROBES && slot < model->slot_count; ++probe) {
        const uint32_t entry = eet_load32(model->slots.data + 4 * (size_t)slot), rank = entry >> 8;

        if (entry == EET_NONE) {
            break;
        }
        if ((entry & 255) == (hash & 255) && eet_u24(model->lefts, rank) == left && eet_u24(model->rights, rank) == right &&
            rank < model->merges) {
            return rank;
        }
        slot = slot + 1 == model->slot_count ? 0 : slot + 1;
    }
    return EET_NONE;
}

EEB_INLINE uint32_t eet_result(const eet_bpe *model, uint32_t rank)
{
    return model->results.size == 0 ? model->base + rank : eet_u24(model->results, rank);
}

/* The id of a character of a word, or EET_NONE. */
EEB_INLINE uint32_t eet_symbol_id(const eet_work *work, const eet_bpe *model, uint32_t at, int first, int last)
{
    uint32_t node;

    if (model->symbols.nodes == 0) {
        return eet_u32(model->bytes, work->now.code[at] & 0xff);
    }
    node = eet_trie_step(
        &model->symbols, EET_ROOT,
        1u + (!first && model->flags & EET_BPE_PREFIX ? 2u : 0u) + (last && model->flags & EET_BPE_SUFFIX ? 4u : 0u));
    if (node != EET_NOWHERE) {
        node = eet_step_char(work, &model->symbols, node, at);
    }
    return node < EET_ROOT && eet_trie_ends(&model->symbols, node) ? eet_trie_value(&model->symbols, eet_trie_rank(&model->symbols, node))
                                                                   : EET_NONE;
}

EEB_INLINE void eet_symbol_add(eet_symbol *symbols, uint32_t *count, uint32_t id, uint32_t size)
{
    symbols[*count].id = id;
    symbols[*count].size = size;
    ++*count;
}

/* The symbols of a word before any merge: at most 4 a character. */
EEB_FUNCTION uint32_t eet_symbols(const eet_work *work, const eet_bpe *model, uint32_t at, uint32_t end, eet_symbol *symbols)
{
    const uint32_t start = at;
    uint32_t count = 0, waiting = 0;

    for (; at < end; ++at) {
        const uint32_t size = eet_char_bytes(work, at), id = eet_symbol_id(work, model, at, at == start, at + 1 == end);
        uint8_t bytes[4];
        uint32_t byte, length;

        if (id != EET_NONE) {
            if (waiting != 0) {
                eet_symbol_add(symbols, &count, model->unknown, waiting);
                waiting = 0;
            }
            eet_symbol_add(symbols, &count, id, size);
            continue;
        }
        if (model->symbols.nodes != 0 && model->bytes.size >= 1024) {
            length = eet_char_encode(work, at, bytes);
            for (byte = 0; byte < length && eet_u32(model->bytes, bytes[byte]) != EET_NONE; ++byte) {
            }
            if (byte == length) {
                for (byte = 0; byte < length; ++byte) {
                    eet_symbol_add(symbols, &count, eet_u32(model->bytes, bytes[byte]), 1);
                }
                continue;
            }
        }
        if (model->unknown != EET_NONE) {
            if (waiting != 0 && !(model->flags & EET_BPE_FUSE)) {
                eet_symbol_add(symbols, &count, model->unknown, waiting);
                waiting = 0;
            }
            waiting += size;
        }
    }
    if (waiting != 0) {
        eet_symbol_add(symbols, &count, model->unknown, waiting);
    }
    return count;
}

EEB_FUNCTION uint32_t eet_merge_short(const eet_bpe *model, eet_symbol *symbols, uint32_t count)
{
    uint32_t at;

    for (at = 0; at + 1 < count; ++at) {
        symbols[at].rank = eet_rank(model, symbols[at].id, symbols[at + 1].id);
    }
    for (;;) {
        uint32_t best = 0, rank = EET_NONE;

        for (at = 0; at + 1 < count; ++at) {
            if (symbols[at].rank < rank) {
                rank = symbols[at].rank;
                best = at;
            }
        }
        if (rank == EET_NONE) {
            return count;
        }
        symbols[best].id = eet_result(model, rank);
        symbols[best].size += symbols[best + 1].size;
        symbols[best].rank = symbols[best + 1].rank;
        --count;
        for (at = best + 1; at < count; ++at) {
            symbols[at] = symbols[at + 1];
        }
        if (best + 1 < count) {
            symbols[best].rank = eet_rank(model, symbols[best].id, symbols[best + 1].id);
        }
        if (best > 0) {
            symbols[best - 1].rank = eet_rank(model, symbols[best - 1].id, symbols[best].id);
        }
    }
}

EEB_INLINE int eet_merge_first(eet_merge a, eet_merge b)
{
    return a.rank < b.rank || (a.rank == b.rank && a.at < b.at);
}

EEB_FUNCTION void eet_heap_down(eet_merge *heap, uint32_t count, uint32_t at, eet_merge item)
{
    uint32_t child;

    while ((child = 2 * at + 1) < count) {
        child += child + 1 < count && eet_merge_first(heap[child + 1], heap[child]);
        if (!eet_merge_first(heap[child], item)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

EEB_FUNCTION void eet_heap_push(eet_merge *heap, uint32_t *count, uint32_t rank, uint32_t at)
{
    uint32_t place = *count;
    eet_merge item;

    if (rank == EET_NONE) {
        return;
    }
    item.rank = rank;
    item.at = at;
    ++*count;
    while (place > 0 && eet_merge_first(item, heap[(place - 1) / 2])) {
        heap[place] = heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    heap[place] = item;
}

/* With a heap of pairs: a pair that has changed since it was put there is known by its rank. `heap` has room for 3 * count. */
EEB_FUNCTION uint32_t eet_merge_long(const eet_bpe *model, eet_symbol *symbols, uint32_t count, eet_merge *heap)
{
    uint32_t at, pairs = 0, kept;

    for (at = 0; at < count; ++at) {
        symbols[at].next = at + 1;
        symbols[at].before = at - 1;
        symbols[at].rank = at + 1 < count ? eet_rank(model, symbols[at].id, symbols[at + 1].id) : EET_NONE;
        eet_heap_push(heap, &pairs, symbols[at].rank, at);
    }
    while (pairs != 0) {
        const eet_merge top = heap[0];
        eet_symbol *left = symbols + top.at, *right;

        --pairs;
        if (pairs != 0) {
            eet_heap_down(heap, pairs, 0, heap[pairs]);
        }
        if (left->size == 0 || left->rank != top.rank) {
            continue;
        }
        right = symbols + left->next;
        left->id = eet_result(model, top.rank);
        left->size += right->size;
        left->next = right->next;
        right->size = 0;
        left->rank = EET_NONE;
        if (left->next < count) {
            symbols[left->next].before = top.at;
            left->rank = eet_rank(model, left->id, symbols[left->next].id);
            eet_heap_push(heap, &pairs, left->rank, top.at);
        }
        if (left->before < count) {
            eet_symbol *previous = symbols + left->before;

            previous->rank = eet_rank(model, previous->id, left->id);
            eet_heap_push(heap, &pairs, previous->rank, left->before);
        }
    }
    /* What is written never passes what is read. */
    for (at = kept = 0; at < count; at = pairs) {
        pairs = symbols[at].next;
        symbols[kept].id = symbols[at].id;
        symbols[kept].size = symbols[at].size;
        ++kept;
    }
    return kept;
}

EEB_FUNCTION eet_status eet_bpe_word(eet_work *work, const uint32_t *arguments, uint32_t at, uint32_t end)
{
    eet_bpe model;
    eet_word word = {0, 0, 0, 0};
    eet_symbol *symbols;
    eet_status status = EET_OK;
    size_t most;
    uint32_t count, place;

    if (eet_bpe_open(&model, work->blob, arguments) != EET_OK) {
        return EET_DAMAGED;
    }
    if (arguments[9] != EET_NONE) {
        eet_trie whole;

        if (eet_trie_open(&whole, work->blob, arguments[9], 3) != EET_OK) {
            return EET_DAMAGED;
        }
        place = eet_find_word(work, &whole, at, end);
        if (place != EET_NONE) {
            return eet_emit_whole(work, at, end, place);
        }
    }
    most = (size_t)(end - at) * (model.symbols.nodes != 0 && model.bytes.size >= 1024 ? 4 : 1);
    symbols = (eet_symbol *)eet_scratch(work, sizeof(eet_symbol) * most + (most > EET_SHORT ? 3 * sizeof(eet_merge) * most : 0));
    if (symbols == NULL) {
        return EET_ARENA;
    }
    word.at = at;
    word.end = end;
    count = eet_symbols(work, &model, at, end, symbols);
    count = count <= EET_SHORT ? eet_merge_short(&model, symbols, count)
                               : eet_merge_long(&model, symbols, count, (eet_merge *)(void *)(symbols + most));
    for (place = 0; place < count && status == EET_OK; ++place) {
        status = eet_emit(work, &word, symbols[place].id, symbols[place].size);
    }
    return status;
}

#endif
