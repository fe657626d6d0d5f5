/* Unigram: the pieces of a word whose scores sum up to the most (Viterbi; Kudo 2018, arXiv 1804.10959).
 *
 * RECORD   EET_UNIGRAM   trie, width, scores, size, penalty, unknown, bytes
 *     scores    section of float32 or float64 (`size` 4 or 8): of each piece, in the order of the trie's strings
 *     penalty   section float64[1]: the score of a character that is no piece
 *     unknown   id of the unknown piece or EET_NONE
 *     bytes     section u32[256]: the ids of the bytes that spell unknown characters, EET_NONE for one that there is not; or EET_NONE
 *
 * Sums are float64, added from the start of the word; of equal ones that with the longer first pieces stays, as in the tokenizers library.
 * MEMORY   17 bytes for each byte of a word. */
#ifndef EET_UNIGRAM_H
#define EET_UNIGRAM_H

#include "pieces.h"

enum { EET_UNIGRAM = 202 };

/* The best way to the end of a byte: its last piece begins at `start`; `piece` is its place among the pieces, EET_NONE for the unknown one,
 * and its id once the way is chosen. */
typedef struct eet_way {
    double score;
    uint32_t start, piece;
} eet_way;

typedef struct eet_unigram {
    eet_trie trie;
    eet_view scores, bytes;
    uint32_t size, unknown;
    double penalty;
} eet_unigram;

EEB_FUNCTION eet_status eet_unigram_open(eet_unigram *model, const eet_blob *blob, const uint32_t *arguments)
{
    const eet_view penalty = eet_section(blob, arguments[4]);

    if (eet_trie_open(&model->trie, blob, arguments[0], arguments[1]) != EET_OK || penalty.size < 8 ||
        (arguments[3] != 4 && arguments[3] != 8)) {
        return EET_DAMAGED;
    }
    memcpy(&model->penalty, penalty.data, 8);
    model->scores = eet_section(blob, arguments[2]);
    model->bytes = eet_section(blob, arguments[6]);
    model->size = arguments[3];
    model->unknown = arguments[5];
    return model->scores.size < model->size ? EET_DAMAGED : EET_OK;
}

EEB_INLINE double eet_score(const eet_unigram *model, uint32_t rank)
{
    double wide;
    float narrow;

    if (rank >= model->scores.size >> (model->size == 8 ? 3 : 2)) {
        rank = 0;
    }
    if (model->size == 8) {
        memcpy(&wide, model->scores.data + 8 * (size_t)rank, 8);
        return wide;
    }
    memcpy(&narrow, model->scores.data + 4 * (size_t)rank, 4);
    return narrow;
}

EEB_INLINE void eet_way_better(eet_way *way, double score, uint32_t start, uint32_t piece)
{
    if (way->start == EET_NONE || score > way->score) {
        way->score = score;
        way->start = start;
        way->piece = piece;
    }
}

EEB_INLINE uint32_t eet_lead_length(uint32_t lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Fills ways[1..size]; EET_UNKNOWN where a character is no piece and there is no unknown one. */
EEB_FUNCTION eet_status eet_unigram_ways(const eet_unigram *model, const uint8_t *text, uint32_t size, uint32_t raw, eet_way *ways)
{
    uint32_t at, length;

    for (at = 0; at <= size; ++at) {
        ways[at].start = EET_NONE;
    }
    ways[0].score = 0;
    for (at = 0; at < size; at += length) {
        const double here = ways[at].score;
        uint32_t node = EET_ROOT, place, single = 0;

        length = raw ? 1 : eet_lead_length(text[at]);
        for (place = at; place < size; ++place) {
            node = eet_trie_step(&model->trie, node, text[place]);
            if (node == EET_NOWHERE) {
                break;
            }
            if (eet_trie_ends(&model->trie, node)) {
                const uint32_t rank = eet_trie_rank(&model->trie, node);

                eet_way_better(ways + place + 1, eet_score(model, rank) + here, at, rank);
                single |= place + 1 - at == length;
            }
        }
        if (!single) {
            if (model->unknown == EET_NONE) {
                return EET_UNKNOWN;
            }
            eet_way_better(ways + at + length, model->penalty + here, at, EET_NONE);
        }
    }
    return EET_OK;
}

/* A piece, or what stands for text [start, end) that is none: bytes, or the unknown piece. */
EEB_FUNCTION eet_status
eet_unigram_emit(eet_work *work, const eet_unigram *model, eet_word *word, const uint8_t *text, uint32_t start, uint32_t end, uint32_t id)
{
    uint32_t node = EET_ROOT, at, size = end - start;

    if (work->bytes) {
        size = 0;
        for (at = start; at < end; ++at) {
            size += text[at] - 0x21u < 0x5eu ? 1 : 2;
        }
    }
    if (id != model->unknown) {
        return eet_emit(work, word, id, size);
    }
    for (at = start; at < end && node != EET_NOWHERE; ++at) {
        node = eet_trie_step(&model->trie, node, text[at]);
    }
    if (node < EET_ROOT && eet_trie_ends(&model->trie, node)) {
        return eet_emit(work, word, eet_trie_value(&model->trie, eet_trie_rank(&model->trie, node)), size);
    }
    for (at = start; at < end && model->bytes.size >= 1024 && eet_u32(model->bytes, text[at]) != EET_NONE; ++at) {
    }
    if (at == end) {
        const eet_word begin = *word;
        work->noting = NULL; /* these tokens do not follow one another */
        eet_status status = EET_OK;

        for (at = start; at < end && status == EET_OK; ++at) {
            *word = begin;
            status = eet_emit(work, word, eet_u32(model->bytes, text[at]), size);
        }
        return status;
    }
    return eet_emit(work, word, id, size);
}

EEB_FUNCTION eet_status eet_unigram_word(eet_work *work, const uint32_t *arguments, uint32_t at, uint32_t end)
{
    eet_unigram model;
    eet_word word = {0, 0, 0, 0};
    eet_status status;
    eet_way *ways;
    uint8_t *text;
    uint32_t size = 0, place, next = 0;

    if (eet_unigram_open(&model, work->blob, arguments) != EET_OK) {
        return EET_DAMAGED;
    }
    for (place = at; place < end; ++place) {
        size += work->bytes ? 1 : eet_length(work->now.code[place] & EET_CODE);
    }
    ways = (eet_way *)eet_scratch(work, sizeof(eet_way) * ((size_t)size + 1) + size + 4);
    if (ways == NULL) {
        return EET_ARENA;
    }
    text = (uint8_t *)(ways + size + 1);
    word.at = at;
    word.end = end;
    for (size = 0; at < end; ++at) {
        size += eet_char_encode(work, at, text + size);
    }
    status = eet_unigram_ways(&model, text, size, work->bytes, ways);
    /* Turns the links around: ways[place].start becomes the end of the piece that begins there. */
    for (place = size; status == EET_OK && place > 0;) {
        const uint32_t start = ways[place].start;

        if (start >= place) {
            return EET_DAMAGED;
        }
        ways[place].piece = ways[place].piece == EET_NONE ? model.unknown : eet_trie_value(&model.trie, ways[place].piece);
        ways[place].start = next;
        next = place;
        place = start;
    }
    for (place = 0; status == EET_OK && place < size;) {
        const uint32_t start = place, id = ways[next].piece;

        place = next;
        next = ways[next].start;
        while (id == model.unknown && place < size && ways[next].piece == id) {
            place = next;
            next = ways[next].start;
        }
        status = eet_unigram_emit(work, &model, &word, text, start, place, id);
    }
    return status;
}

#endif
