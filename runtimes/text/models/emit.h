/* Tokens of a word: a model names each by its id and its bytes in the word, one behind the other; here they get their parts of the text. */
#ifndef EET_EMIT_H
#define EET_EMIT_H

#include "../work.h"

/* The characters of a word, and how far its tokens have come: character `at` has `before` bytes before it, the tokens have taken `bytes`.
 */
typedef struct eet_word {
    uint32_t at, end, before, bytes;
} eet_word;

/* Bytes of a character as a model of the library counts them: a byte stands for a visible character, which takes one or two. */
EEB_INLINE uint32_t eet_char_bytes(const eet_work *work, uint32_t at)
{
    const uint32_t code = work->now.code[at] & EET_CODE;

    return work->bytes ? (code - 0x21 < 0x5e ? 1 : 2) : eet_length(code);
}

EEB_INLINE uint32_t eet_char_encode(const eet_work *work, uint32_t at, uint8_t *bytes)
{
    const uint32_t code = work->now.code[at] & EET_CODE;

    if (work->bytes) {
        bytes[0] = (uint8_t)code;
        return 1;
    }
    return eet_put_utf8(code, bytes);
}

EEB_FUNCTION eet_status eet_push(eet_work *work, uint32_t id, uint32_t from, uint32_t to, uint32_t lead, uint32_t trail)
{
    eet_token *token = work->tokens + work->count;

    if ((size_t)(work->pool - (const uint8_t *)token) < sizeof *token) {
        return EET_ARENA;
    }
    token->id = id;
    token->from = from;
    token->to = to;
    token->lead = (uint16_t)(lead < 0xffff ? lead : 0xffff);
    token->trail = (uint16_t)(trail < 0xffff ? trail : 0xffff);
    ++work->count;
    return EET_OK;
}

/* A token of the word at hand in its slot; none stays where there are too many. */
EEB_INLINE void eet_note(eet_work *work, uint32_t id, uint32_t size)
{
    eet_slot *slot = work->noting;

    if (slot->count >= EET_SLOT_TOKENS || size > 0xff) {
        work->noting = NULL;
        return;
    }
    slot->ids[slot->count] = id;
    slot->sizes[slot->count++] = (uint8_t)size;
}

/* A token of the next `size` bytes of a word; size is above 0. */
EEB_FUNCTION eet_status eet_emit(eet_work *work, eet_word *word, uint32_t id, uint32_t size)
{
    const eet_chars *now = &work->now;
    uint32_t length, from, lead = 0, trail = 0, leading = 1;

    if (work->noting != NULL) {
        eet_note(work, id, size);
    }
    while (word->at + 1 < word->end && word->before + (length = eet_char_bytes(work, word->at)) <= word->bytes) {
        word->before += length;
        ++word->at;
    }
    from = now->from[word->at];
    word->bytes += size;
    for (;;) {
        if (work->bytes && (now->code[word->at] & EET_CODE) == ' ') {
            lead += leading;
            ++trail;
        } else {
            leading = 0;
            trail = 0;
        }
        length = eet_char_bytes(work, word->at);
        if (word->before + length >= word->bytes || word->at + 1 >= word->end) {
            break;
        }
        word->before += length;
        ++word->at;
    }
    return eet_push(work, id, from, now->to[word->at], lead, trail);
}

#endif
