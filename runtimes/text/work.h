/* A text on its way to tokens, in the caller's arena.
 *
 * CHARACTERS   three arrays hold what becomes of the text: its code points (after the operation EET_BYTES its bytes), and for each the part
 * of the text, in bytes, that it stands for. Every operation reads `now` and writes `next`; then the two change places. EET_START marks the
 * first character of a word. ALIGNMENT    of a character that an operation changes: as the tokenizers library has it
 * (NormalizedString::transform), its oddities included. An operation writes for each character how many of the characters before it
 * replaces beside one, negative, or 1 if it is put in; eet_align turns that into parts of the text. POOL         the rest of the arena:
 * tokens from its start, a model's working memory from its end. */
#ifndef EET_WORK_H
#define EET_WORK_H

#include "unicode.h"

#define EET_START 0x80000000u
#define EET_CODE 0x1fffffu

typedef struct eet_chars {
    uint32_t *code, *from, *to;
    uint32_t count;
} eet_chars;

/* A token: its id, its part of the text in bytes, and the white space at the ends of its text, in characters. */
typedef struct eet_token {
    uint32_t id, from, to;
    uint16_t lead, trail;
} eet_token;

#define EET_SLOT_KEY 32u
#define EET_SLOT_TOKENS 6u

/* A word and its tokens, see models/cache.h: the bytes of the word (0: none), its tokens, and the bytes and the id of each. */
typedef struct eet_slot {
    uint8_t size, count, sizes[EET_SLOT_TOKENS], key[EET_SLOT_KEY];
    uint32_t ids[EET_SLOT_TOKENS];
} eet_slot;

typedef struct eet_work {
    const eet_blob *blob;
    const uint8_t *text;
    uint32_t size, room;        /* bytes of the text; characters of an array */
    eet_chars now, next, aside; /* aside: a copy of `now` while parts of it become words */
    eet_token *tokens;
    uint32_t count, stop;     /* tokens; and how many are enough, 0: all */
    uint8_t *pool_end, *pool; /* the end of the pool, and of what tokens may take of it */
    uint32_t bytes;           /* whether characters are bytes */
    eet_slot *slots, *noting; /* words that are remembered, or NULL; the slot of the word at hand, or NULL */
    uint32_t slot_count;
} eet_work;

/* Bytes of an arena for each character that may be there at a time: 36 for the arrays, the rest for the pool. */
#define EET_CHAR_BYTES 100u
#define EET_ARENA_LEAST (64u * EET_CHAR_BYTES + 64u)

EEB_FUNCTION eet_status eet_work_begin(eet_work *work, void *arena, size_t size)
{
    uint8_t *at = (uint8_t *)arena;
    const size_t skip = (16 - ((uintptr_t)at & 15)) & 15;
    size_t room;
    uint32_t *words;

    if (arena == NULL) {
        return EET_NULL;
    }
    if (size < EET_ARENA_LEAST) {
        return EET_ARENA;
    }
    room = (size - skip) / EET_CHAR_BYTES;
    room = (room < 0x7fffffffu ? room : 0x7fffffffu) & ~(size_t)3;
    work->room = (uint32_t)room;
    words = (uint32_t *)(void *)(at + skip);
    work->now.code = words;
    work->now.from = words + room;
    work->now.to = words + 2 * room;
    work->next.code = words + 3 * room;
    work->next.from = words + 4 * room;
    work->next.to = words + 5 * room;
    work->aside.code = words + 6 * room;
    work->aside.from = words + 7 * room;
    work->aside.to = words + 8 * room;
    work->tokens = (eet_token *)(void *)(words + 9 * room);
    work->pool_end = at + skip + (size - skip) / 16 * 16;
    work->pool = work->pool_end;
    work->count = 0;
    work->slots = NULL;
    work->noting = NULL;
    return EET_OK;
}

/* Working memory behind the tokens, aligned to 16 bytes and not cleared; NULL if there is too little. It is free again with the next word.
 */
EEB_FUNCTION void *eet_scratch(eet_work *work, size_t size)
{
    const uint8_t *low = (const uint8_t *)(work->tokens + work->count);
    const size_t have = (size_t)(work->pool_end - low);

    if (size > have || have - size < 16 + 2 * sizeof(eet_token)) {
        return NULL;
    }
    work->pool = work->pool_end - ((size + 15) & ~(size_t)15);
    return work->pool;
}

EEB_INLINE void eet_swap(eet_work *work)
{
    const eet_chars chars = work->now;

    work->now = work->next;
    work->next = chars;
}

/* One character more in `next` with its part of the text. */
EEB_INLINE int eet_put(eet_work *work, uint32_t code, uint32_t from, uint32_t to)
{
    const uint32_t at = work->next.count;

    if (at >= work->room) {
        return 0;
    }
    work->next.code[at] = code;
    work->next.from[at] = from;
    work->next.to[at] = to;
    work->next.count = at + 1;
    return 1;
}

/* One character more in `next` with its change, for eet_align. */
EEB_INLINE int eet_put_change(eet_work *work, uint32_t code, int32_t change)
{
    return eet_put(work, code, (uint32_t)change, 0);
}

/* Parts of the text for the characters in `next`, from their changes. */
EEB_FUNCTION void eet_align(eet_work *work)
{
    const eet_chars *now = &work->now;
    const eet_chars *next = &work->next;
    uint32_t at, place = 0;

    for (at = 0; at < next->count; ++at) {
        const int32_t change = (int32_t)next->from[at];
        const uint32_t left = now->count - place;

        if (change > 0) {
            next->from[at] = place == 0 ? 0 : now->from[place - 1];
            next->to[at] = place == 0 ? 0 : now->to[place - 1];
        } else if (left == 0) {
            next->from[at] = now->count == 0 ? 0 : now->from[now->count - 1];
            next->to[at] = now->count == 0 ? 0 : now->to[now->count - 1];
        } else {
            const uint32_t taken = 1 + (uint32_t)-change;
            next->from[at] = now->from[place];
            next->to[at] = now->to[place];
            place += taken < left ? taken : left;
        }
    }
}

/* Puts the code points of a string that replaces a character, all for one part of the text; the first has the character's mark. */
EEB_FUNCTION int eet_put_string(eet_work *work, eet_view string, uint32_t replaced, uint32_t from, uint32_t to)
{
    uint32_t at = 0, flag = replaced & EET_START, code, length;

    while (at < string.size && (length = eet_decode(string.data + at, string.size - at, &code)) != 0) {
        code = code == EET_ITSELF ? replaced & EET_CODE : code;
        if (!eet_put(work, code | flag, from, to)) {
            return 0;
        }
        flag = 0;
        at += length;
    }
    return 1;
}

#endif
