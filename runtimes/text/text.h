/* Text to ids: every tokenizer that edgeemb can compile, equal to the tokenizers library in ids and offsets.
 *
 * CONTENTS
 *     eet_open     a compiled tokenizer (blob.h), where it lies: nothing is copied or parsed
 *     eet_check    compares its checksum
 *     eet_arena    bytes of memory for a text of some length
 *     eet_encode   ids, types and offsets of a text or of a pair
 *     eet_words    the bytes of a text's words, where the tokenizer has no vocabulary (vocabulary_free/words.h)
 *
 * TEXT       well-formed UTF-8; EET_BAD_TEXT for any other. A byte 0 is a character like others.
 *
 * RESULT     eet_output: the count of tokens, and the caller's arrays ids[room]; types[room]: 0, or 1 for the second of a pair, as the
 * tokenizer's template says; texts[room]: 1 for a token of the text, 2 for one of the pair's second, 0 for one around them;
 * offsets[room][2]: the bytes [from, to) of its text that a token stands for, 0 and 0 around a text. All but ids may be NULL. *cut is 0
 * where no token but those of `skip` was left out, and of a pair how many were; cut may be NULL.
 *
 * MEMORY     the caller's arena, and if the caller gives some, memory for words that come again (models/cache.h). eet_arena is enough for
 * ordinary text; where normalisation makes a text much longer, or a word has thousands of characters, EET_ARENA asks for more: double it
 * and try again.
 *
 * LIMITS     a text has fewer than 2^31 bytes. With `limit`, tokens beyond it are left out as the library's truncation does it (stride 0);
 *            where the end is cut off, the text is only read as far as it is needed. */
#ifndef EET_TEXT_H
#define EET_TEXT_H

#include "around.h"
#include "pipeline.h"
#include "vocabulary_free/words.h"

typedef struct eet_tokenizer {
    eet_blob blob;
    uint32_t records; /* of the program */
    uint32_t width;   /* bytes of a token without a vocabulary; 0 where there is one */
    eet_slot *slots;  /* memory for words and their tokens (models/cache.h): NULL unless the caller sets it after opening */
    uint32_t slot_count;
} eet_tokenizer;

/* RECORD   EET_VOCABULARY_FREE   width: the only one of its program */
enum { EET_VOCABULARY_FREE = 500 };
#define EET_LEAST_WIDTH 8u
#define EET_MOST_WIDTH 32u

/* Opens a blob of at most `size` bytes. */
EEB_FUNCTION eet_status eet_open(eet_tokenizer *tokenizer, const void *data, size_t size)
{
    uint32_t record[EET_WORDS];
    eet_status status;

    if (tokenizer == NULL) {
        return EET_NULL;
    }
    status = eet_blob_open(&tokenizer->blob, data, size);
    if (status != EET_OK) {
        return status;
    }
    tokenizer->records = eet_section(&tokenizer->blob, 0).size / (4 * EET_WORDS);
    tokenizer->width = 0;
    tokenizer->slots = NULL;
    tokenizer->slot_count = 0;
    if (tokenizer->records == 1) {
        eet_record(&tokenizer->blob, 0, record);
        tokenizer->width = record[1];
        return record[0] != EET_VOCABULARY_FREE || record[1] < EET_LEAST_WIDTH || record[1] > EET_MOST_WIDTH ? EET_DAMAGED : EET_OK;
    }
    return eet_check_program(&tokenizer->blob, tokenizer->records);
}

/* Whether the blob is as it was written. */
EEB_FUNCTION eet_status eet_check(const eet_tokenizer *tokenizer)
{
    return tokenizer == NULL                                                              ? EET_NULL
           : eet_blob_checksum(&tokenizer->blob) != eet_load32(tokenizer->blob.data + 12) ? EET_DAMAGED
                                                                                          : EET_OK;
}

/* Bytes of an arena for texts of so many bytes together. */
EEB_FUNCTION size_t eet_arena(size_t bytes)
{
    return EET_ARENA_LEAST + EET_CHAR_BYTES * (bytes + bytes / 4);
}

/* The bytes of a text's words: tokens [limit][width], of which *count are written; what is no well-formed UTF-8 is left out. EET_DAMAGED
 * where the tokenizer has a vocabulary. */
EEB_FUNCTION eet_status
eet_words(const eet_tokenizer *tokenizer, const char *text, size_t size, uint8_t *tokens, size_t limit, size_t *count)
{
    if (tokenizer == NULL) {
        return EET_NULL;
    }
    return tokenizer->width == 0 ? (eet_status)EET_DAMAGED : eev_words("", 0, text, size, tokens, tokenizer->width, limit, count);
}

/* Tokens of a text; of a pair where `pair` is not NULL. */
EEB_FUNCTION eet_status eet_encode(
    const eet_tokenizer *tokenizer, const char *text, size_t size, const char *pair, size_t pair_size, const eet_options *options,
    void *arena, size_t arena_size, eet_output *output, uint32_t *cut)
{
    const uint32_t texts = pair == NULL ? 1 : 2;
    uint32_t around[EET_WORDS], specials, left, at, left_out = 0;
    eet_kept kept[2];
    eet_work work;
    eet_status status;

    if (tokenizer == NULL || text == NULL || options == NULL || output == NULL || output->ids == NULL) {
        return EET_NULL;
    }
    if (tokenizer->width != 0) {
        return EET_DAMAGED;
    }
    if (size > 0x7fffffffu || (pair != NULL && pair_size > 0x7fffffffu)) {
        return EET_TOO_LONG;
    }
    status = eet_work_begin(&work, arena, arena_size);
    if (status != EET_OK) {
        return status;
    }
    kept[0].text = (const uint8_t *)text;
    kept[0].size = (uint32_t)size;
    kept[1].text = (const uint8_t *)pair;
    kept[1].size = (uint32_t)pair_size;
    work.blob = &tokenizer->blob;
    work.slots = tokenizer->slot_count == 0 ? NULL : tokenizer->slots;
    work.slot_count = tokenizer->slot_count;
    eet_record(work.blob, tokenizer->records - 1, around);
    left = options->side == EET_AS_WRITTEN ? around[4] != 0 : options->side == EET_LEFT;
    specials = options->plain ? 0 : eet_specials(work.blob, around[texts]);
    if (options->limit != 0 && options->limit < specials) {
        return EET_TOO_LONG;
    }
    work.stop = options->limit != 0 && texts == 1 && !left ? options->limit - specials + 1 : 0;
    for (at = 0; at < texts && status == EET_OK; ++at) {
        kept[at].first = work.count;
        status = eet_read(&work, tokenizer->records, kept[at].text, kept[at].size);
        kept[at].last = work.count;
    }
    if (status == EET_OK) {
        eet_kept *last = kept + texts - 1;

        last->first += options->skip < last->last - last->first ? options->skip : last->last - last->first;
        left_out = kept[0].last - kept[0].first + (texts == 2 ? kept[1].last - kept[1].first : 0);
    }
    if (status == EET_OK && options->limit != 0) {
        status = eet_truncate(options, left, options->limit - specials, texts, kept);
    }
    if (status != EET_OK) {
        return status;
    }
    if (cut != NULL) {
        *cut = left_out - (kept[0].last - kept[0].first) - (texts == 2 ? kept[1].last - kept[1].first : 0);
    }
    output->count = 0;
    return eet_write(&work, around + 1, options->plain, kept, texts, output);
}

#endif
