/* Text to ids in an exported model: runtimes/text over the compiled tokenizer in flash, in the model's own arena.
 *
 * MEMORY   the arena but for the ids: what the model keeps there while it runs is not alive yet. An arena of MODEL_ARENA_BYTES has room for
 *          ordinary text of any length; EEM_TEXT_NEEDS_MORE asks for a larger one, which may be given to any call.
 *
 * TEXT     well-formed UTF-8, as the model's tokenizer reads it; the end (or, if the tokenizer says so, the beginning) is cut off where
 *          there are more ids than the model takes. */
#ifndef EEM_TEXT_H
#define EEM_TEXT_H

#include "../text/text.h"
#include "platform.h"

/* A compiled tokenizer, and what the model expects in front of each text. */
typedef struct eem_tokenizer {
    const uint8_t *blob;
    uint32_t bytes;
    const uint8_t *prompt;
    uint32_t prompt_bytes;
} eem_tokenizer;

EEM_FUNCTION eem_status eem_text_status(eet_status status)
{
    switch (status) {
    case EET_OK: return EEM_OK;
    case EET_NULL: return EEM_NULL;
    case EET_BAD_TEXT: return EEM_BAD_TEXT;
    case EET_ARENA: return EEM_TEXT_NEEDS_MORE;
    case EET_TOO_LONG: return EEM_TOO_LONG;
    case EET_UNKNOWN: return EEM_UNKNOWN_TEXT;
    default: return EEM_DAMAGED;
    }
}

/* Tokens of a text of its own, those around it left out, but no more than one; or a status, negated. */
EEM_FUNCTION int32_t eem_text_begins(const eet_tokenizer *tokenizer, const char *text, size_t size, void *memory, size_t bytes)
{
    const eet_options options = {1, EET_LONGEST, EET_RIGHT, 1, 0};
    uint32_t id;
    eet_output output = {&id, NULL, NULL, NULL, 1, 0};
    const eet_status status = eet_encode(tokenizer, text, size, NULL, 0, &options, memory, bytes, &output, NULL);

    return status == EET_OK ? (int32_t)output.count : -eem_text_status(status);
}

/* Opens the tokenizer for texts that must each have a token of their own. */
EEM_FUNCTION eem_status eem_texts_open(
    eet_tokenizer *tokenizer, const eem_tokenizer *model, const char *const *texts, const size_t *sizes, uint32_t count, void *memory,
    size_t bytes, uint32_t limit)
{
    uint32_t at;

    if (eet_open(tokenizer, model->blob, model->bytes) != EET_OK) {
        return EEM_DAMAGED;
    }
    for (at = 0; at < count; ++at) {
        if (texts[at] == NULL) {
            return EEM_NULL;
        }
    }
    if (limit == 0) {
        return EEM_TOO_LONG;
    }
    for (at = 0; at < count; ++at) {
        const int32_t own = eem_text_begins(tokenizer, texts[at], sizes[at], memory, bytes);

        if (own < 1) {
            return own == 0 ? (eem_status)EEM_EMPTY : -own;
        }
    }
    return EEM_OK;
}

/* Bytes of the text behind what the model expects in front of it, which stands for none. */
EEM_FUNCTION void eem_text_behind(uint32_t prompt_bytes, uint32_t *spans, size_t count)
{
    size_t at;

    for (at = 0; prompt_bytes != 0 && at < 2 * count; ++at) {
        spans[at] = spans[at] > prompt_bytes ? spans[at] - prompt_bytes : 0;
    }
}

/* Ids of a text into ids [limit], and into spans [limit][2] the bytes [from, to) of it that each stands for, 0 and 0 for one around it;
 * spans may be NULL. Both lie in none of the memory. EEM_EMPTY where the text has no token of its own. */
EEM_FUNCTION eem_status eem_text_ids(
    const eem_tokenizer *model, const char *text, size_t size, void *memory, size_t bytes, int32_t *ids, uint32_t *spans, uint32_t limit,
    size_t *count)
{
    const eet_options options = {limit, EET_LONGEST, EET_AS_WRITTEN, 0, 0};
    eet_output output = {NULL, NULL, NULL, NULL, limit, 0};
    eet_tokenizer tokenizer;
    const eem_status opened = eem_texts_open(&tokenizer, model, &text, &size, 1, memory, bytes, limit);
    eet_status status;

    if (opened != EEM_OK) {
        return opened;
    }
    if (model->prompt_bytes != 0) {
        uint8_t *whole = (uint8_t *)memory;
        size_t length;

        if (size > bytes || model->prompt_bytes > bytes - size) {
            return EEM_TEXT_NEEDS_MORE;
        }
        memcpy(whole, model->prompt, model->prompt_bytes);
        memcpy(whole + model->prompt_bytes, text, size);
        length = model->prompt_bytes + size;
        text = (const char *)whole;
        memory = whole + length;
        bytes -= length;
        size = length;
    }
    output.ids = (uint32_t *)(void *)ids;
    output.offsets = spans;
    status = eet_encode(&tokenizer, text, size, NULL, 0, &options, memory, bytes, &output, NULL);
    *count = output.count;
    if (status == EET_OK && spans != NULL) {
        eem_text_behind(model->prompt_bytes, spans, output.count);
    }
    return eem_text_status(status);
}

/* Two texts. Where they are too long together, the longer one is cut; or a window over the second is read, from token `skip` of it on. */
typedef struct eem_texts {
    const char *text, *pair;
    size_t size, pair_size;
    int window;
    uint32_t skip;
} eem_texts;

/* Tokens of a pair of texts, at most output->room; what they are written to lies in none of the memory. What the model expects in front of
 * a text is for single ones. *cut is how many tokens were left out behind. */
EEM_FUNCTION eem_status
eem_pair_tokens(const eem_tokenizer *model, const eem_texts *given, void *memory, size_t bytes, eet_output *output, uint32_t *cut)
{
    const eet_options longest = {output->room, EET_LONGEST, EET_AS_WRITTEN, 0, 0};
    const eet_options window = {output->room, EET_ONLY_SECOND, EET_RIGHT, 0, given->skip};
    const char *const texts[] = {given->text, given->pair};
    const size_t sizes[] = {given->size, given->pair_size};
    eet_tokenizer tokenizer;
    const eem_status opened = eem_texts_open(&tokenizer, model, texts, sizes, 2, memory, bytes, output->room);

    return opened != EEM_OK ? opened
                            : eem_text_status(eet_encode(
                                  &tokenizer, given->text, given->size, given->pair, given->pair_size, given->window ? &window : &longest,
                                  memory, bytes, output, cut));
}

/* The ids of a text in an arena in which the ids may lie, [at, at + size): the larger part before or behind them is memory for the text. */
EEM_FUNCTION eem_status eem_text_in_arena(
    const eem_tokenizer *model, const char *text, size_t size, uint8_t *arena, size_t arena_bytes, size_t at, int32_t *ids, uint32_t *spans,
    uint32_t limit, size_t *count)
{
    const size_t behind = at + sizeof(int32_t) * (size_t)limit;

    return at > arena_bytes - behind ? eem_text_ids(model, text, size, arena, at, ids, spans, limit, count)
                                     : eem_text_ids(model, text, size, arena + behind, arena_bytes - behind, ids, spans, limit, count);
}

/* Those of a pair, which are written to [at, behind) of the arena. */
EEM_FUNCTION eem_status eem_pair_in_arena(
    const eem_tokenizer *model, const eem_texts *given, uint8_t *arena, size_t arena_bytes, size_t at, size_t behind, eet_output *output,
    uint32_t *cut)
{
    return at > arena_bytes - behind ? eem_pair_tokens(model, given, arena, at, output, cut)
                                     : eem_pair_tokens(model, given, arena + behind, arena_bytes - behind, output, cut);
}

#endif
