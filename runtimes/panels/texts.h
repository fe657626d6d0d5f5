/* Texts side by side in one working memory: where each has its rows, keys and values. */
#ifndef EEP_TEXTS_H
#define EEP_TEXTS_H

#include "panels.h"

/* A text among others: its rows lie at `first`, its keys and values at `place`, a multiple of EEM_BLOCK. */
typedef struct eep_text {
    uint32_t first;
    uint32_t tokens;
    uint32_t attended; /* tokens that have keys and values: those behind them see these, and are not seen */
    uint32_t place;
} eep_text;

typedef struct eep_texts {
    eep_text *text; /* [padded capacity / EEM_BLOCK] */
    uint32_t count;
    uint32_t rows;   /* of all of them */
    uint32_t places; /* that they take */
} eep_texts;

/* Whether a text fits beside those that are there; it is added then. */
EEM_FUNCTION int eep_texts_add(eep_texts *texts, uint32_t tokens, uint32_t attended, uint32_t capacity)
{
    eep_text *text = texts->text + texts->count;

    if (EEM_PADDED(tokens) > capacity - texts->places) {
        return 0;
    }
    text->first = texts->rows;
    text->tokens = tokens;
    text->attended = attended;
    text->place = texts->places;
    ++texts->count;
    texts->rows += tokens;
    texts->places += EEM_PADDED(tokens);
    return 1;
}

/* The memory of a text's own rows, keys and values. */
EEM_FUNCTION eep_memory eep_memory_of(const eem_shape *shape, const eep_memory *memory, const eep_text *text)
{
    const size_t head = (size_t)text->place * EEM_PADDED(shape->head);
    eep_memory own = *memory;

    own.rows += (size_t)text->first * EEM_PADDED(shape->dim);
    own.keys += head;
    own.values += head;
    own.key_scales += text->place;
    own.value_scales += text->place;
    own.key_sums += text->place;
    return own;
}

/* Zero what lies behind the last of the tokens that a text attends to: it is read, and multiplied by nothing. */
EEM_FUNCTION void eep_begin(const eem_shape *shape, const eep_memory *memory, uint32_t tokens)
{
    const uint32_t end = EEM_PADDED(tokens);
    uint32_t head;

    for (head = 0; head < shape->heads; ++head) {
        const size_t from = (size_t)head * shape->capacity + tokens;

        memset(memory->key_scales + from, 0, (end - tokens) * sizeof *memory->key_scales);
        memset(memory->value_scales + from, 0, (end - tokens) * sizeof *memory->value_scales);
        memset(memory->key_sums + from, 0, (end - tokens) * sizeof *memory->key_sums);
        memset(memory->keys + (size_t)head * shape->capacity * EEM_PADDED(shape->head), 0, (size_t)end * EEM_PADDED(shape->head));
        memset(
            memory->values + (size_t)head * shape->capacity * EEM_PADDED(shape->head), 0,
            (size_t)end * EEM_PADDED(shape->head) * sizeof *memory->values);
    }
}

/* Rows from `at` on that go through a layer together. Where they end within a text, they do so at an even token of it: values are kept two
 * at a time. */
EEM_FUNCTION uint32_t eep_block(const eep_texts *texts, uint32_t at)
{
    uint32_t end = at + EEP_BLOCK, number;

    if (end >= texts->rows) {
        return texts->rows - at;
    }
    for (number = 0; number < texts->count; ++number) {
        const eep_text *text = texts->text + number;

        if (text->first < end && end < text->first + text->tokens) {
            end -= (end - text->first) % 2;
        }
    }
    return end - at;
}

/* The part of a text that lies in the rows [at, at + count): its first row and number of rows, 0 for none. */
EEM_INLINE uint32_t eep_part(const eep_text *text, uint32_t at, uint32_t count, uint32_t *from)
{
    const uint32_t end = text->first + text->tokens < at + count ? text->first + text->tokens : at + count;

    *from = text->first > at ? text->first : at;
    return *from < end ? end - *from : 0;
}

#endif
