/* Words whose tokens are remembered, in memory of the caller: the tokens of a word depend on nothing but the word.
 *
 * MEMORY   slots of EET_SLOT_BYTES, a power of two of them, zeros at first; each has the last short word whose hash led to it. It belongs
 * to one tokenizer, and to one call at a time. */
#ifndef EET_CACHE_H
#define EET_CACHE_H

#include "emit.h"

#define EET_SLOT_BYTES 64u

/* The hash of a word's bytes, which are followed by zeros. */
EEB_INLINE uint32_t eet_word_hash(const uint8_t *key, uint32_t size)
{
    uint32_t hash = size, at;

    for (at = 0; at < size; at += 4) {
        hash = (hash ^ eet_load32(key + at)) * 0x9e3779b1u;
        hash ^= hash >> 15;
    }
    return hash;
}

/* The bytes of a word, followed by zeros; 0 where they are too many. */
EEB_FUNCTION uint32_t eet_word_key(const eet_work *work, uint32_t at, uint32_t end, uint8_t *key)
{
    uint32_t size = 0;

    if (end - at > EET_SLOT_KEY) {
        return 0;
    }
    memset(key, 0, EET_SLOT_KEY + 4);
    for (; at < end && size <= EET_SLOT_KEY; ++at) {
        const uint32_t code = work->now.code[at] & EET_CODE;

        if (work->bytes || code < 0x80) {
            key[size++] = (uint8_t)code;
        } else {
            size += eet_put_utf8(code, key + size);
        }
    }
    return size <= EET_SLOT_KEY && at == end ? size : 0;
}

EEB_INLINE int eet_same_key(const uint8_t *a, const uint8_t *b)
{
    uint32_t at;

    for (at = 0; at < EET_SLOT_KEY; at += 8) {
        if (eet_load64(a + at) != eet_load64(b + at)) {
            return 0;
        }
    }
    return 1;
}

/* Tokens that are remembered of a word; *slot is where they are, or are to be once there are some. NULL where the word is too long. */
EEB_FUNCTION int eet_remembered(eet_work *work, uint32_t at, uint32_t end, uint8_t *key, uint32_t *size, eet_slot **slot)
{
    *size = eet_word_key(work, at, end, key);
    *slot = *size == 0 ? NULL : work->slots + (eet_word_hash(key, *size) & (work->slot_count - 1));
    return *slot != NULL && (*slot)->size == *size && eet_same_key((*slot)->key, key);
}

EEB_FUNCTION eet_status eet_emit_remembered(eet_work *work, const eet_slot *slot, uint32_t at, uint32_t end)
{
    eet_word word = {0, 0, 0, 0};
    eet_status status = EET_OK;
    uint32_t token;

    word.at = at;
    word.end = end;
    for (token = 0; token < slot->count && token < EET_SLOT_TOKENS && status == EET_OK; ++token) {
        status = eet_emit(work, &word, slot->ids[token], slot->sizes[token]);
    }
    return status;
}

#endif
