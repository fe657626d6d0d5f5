/* Text to the bytes of words: the tokenizer `words`, which has no vocabulary. docs/words.md pins it; edgeemb/text/words.py gives the same
 * tokens.
 *
 * CONTENTS   eem_words(prompt, prompt_size, text, size, tokens, width, limit, count)
 *
 * RESULT     tokens [limit][width]: "[CLS]", the words, "[SEP]"; a word is the byte 0x02 and its UTF-8 in lower case, cut to `width` bytes;
 *            zeros behind each token. *count tokens were written, the rest was not touched.
 *
 * TEXT       any bytes: what is no well-formed UTF-8 is left out. Words that come when limit - 1 tokens are full are left out.
 *
 * BOUNDS     5 <= width, 2 <= limit, and limit * width fits size_t.
 *
 * ERRORS     EEM_NULL where a pointer is NULL, EEM_TOO_LONG where a bound is not kept; nothing is written then.
 *
 * COST       no memory but the caller's and a few words of stack; the table of code points takes 8 * EEM_WORD_RANGES bytes of flash. */
#ifndef EEM_WORDS_H
#define EEM_WORDS_H

#include "platform.h"
#include "words_table.h"

enum { EEM_WORD_KEEP = 0, EEM_WORD_DROP = 1, EEM_WORD_SPACE = 2, EEM_WORD_ISOLATE = 3, EEM_WORD_LOWER = 4, EEM_WORD_LOWER_EVERY_OTHER = 5 };

/* A text while it is read. */
typedef struct eem_words_reading {
    uint8_t *token;     /* where the word at hand goes */
    size_t width, left; /* bytes of a token; tokens that may still be written, the one at hand included */
    size_t bytes;       /* of the word at hand, marker included; 0 between words */
} eem_words_reading;

/* A code point in lower case, and what is to be done with it. */
EEM_FUNCTION uint32_t eem_word_action(uint32_t *code)
{
    uint32_t low = 0, high = EEM_WORD_RANGES;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const eem_word_range *range = eem_word_ranges + middle;
        const uint32_t first = range->first & 0x1fffffu, action = range->first >> 21;

        if (*code < first) {
            high = middle;
        } else if (*code - first > range->span) {
            low = middle + 1;
        } else if (action < EEM_WORD_LOWER) {
            return action;
        } else {
            if (action == EEM_WORD_LOWER || (*code - first) % 2 == 0) {
                *code = (*code & ~0xffffu) | ((*code + range->added) & 0xffffu);
            }
            return EEM_WORD_KEEP;
        }
    }
    return EEM_WORD_KEEP;
}

EEM_INLINE void eem_words_put(eem_words_reading *reading, uint32_t byte)
{
    if (reading->bytes < reading->width) {
        reading->token[reading->bytes++] = (uint8_t)byte;
    }
}

/* The word ends: zeros to the end of its token, and on to the next. */
EEM_FUNCTION void eem_words_end(eem_words_reading *reading)
{
    if (reading->bytes != 0) {
        memset(reading->token + reading->bytes, 0, reading->width - reading->bytes);
        reading->token += reading->width;
        reading->bytes = 0;
        --reading->left;
    }
}

/* A code point of a word; it may begin one. */
EEM_FUNCTION void eem_words_keep(eem_words_reading *reading, uint32_t code)
{
    if (reading->bytes == 0) {
        eem_words_put(reading, 2);
    }
    if (code < 0x80) {
        eem_words_put(reading, code);
        return;
    }
    if (code < 0x800) {
        eem_words_put(reading, 0xc0u | code >> 6);
    } else {
        if (code < 0x10000) {
            eem_words_put(reading, 0xe0u | code >> 12);
        } else {
            eem_words_put(reading, 0xf0u | code >> 18);
            eem_words_put(reading, 0x80u | (code >> 12 & 0x3fu));
        }
        eem_words_put(reading, 0x80u | (code >> 6 & 0x3fu));
    }
    eem_words_put(reading, 0x80u | (code & 0x3fu));
}

/* The well-formed UTF-8 sequence at the start of `size` bytes: its length and code point; 0 if there is none. */
EEM_FUNCTION size_t eem_words_decode(const uint8_t *text, size_t size, uint32_t *code)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const uint32_t lead = text[0];
    const size_t more = lead < 0x80 ? 0 : lead < 0xc0 ? 4 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf8 ? 3 : 4;
    size_t at;

    if (more == 4 || more >= size) {
        return 0;
    }
    *code = more == 0 ? lead : lead & (0x3fu >> more);
    for (at = 1; at <= more; ++at) {
        if ((text[at] & 0xc0u) != 0x80u) {
            return 0;
        }
        *code = *code << 6 | (text[at] & 0x3fu);
    }
    return *code < least[more] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : more + 1;
}

EEM_FUNCTION void eem_words_read(eem_words_reading *reading, const uint8_t *text, size_t size)
{
    size_t at = 0;

    /* The last token is that of the end. */
    while (at < size && reading->left > 1) {
        uint32_t code = 0, action;
        const size_t length = eem_words_decode(text + at, size - at, &code);

        if (length == 0) {
            ++at;
            continue;
        }
        at += length;
        action = eem_word_action(&code);
        if (action == EEM_WORD_SPACE || action == EEM_WORD_ISOLATE) {
            eem_words_end(reading);
        }
        if (reading->left > 1 && (action == EEM_WORD_KEEP || action == EEM_WORD_ISOLATE)) {
            eem_words_keep(reading, code);
        }
        if (action == EEM_WORD_ISOLATE) {
            eem_words_end(reading);
        }
    }
}

/* Whether a text holds no word; no more of it is read than that takes. */
EEM_FUNCTION int eem_words_are_none(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        uint32_t code = 0, action;
        const size_t length = eem_words_decode((const uint8_t *)text + at, size - at, &code);

        at += length == 0 ? 1 : length;
        action = length == 0 ? (uint32_t)EEM_WORD_DROP : eem_word_action(&code);
        if (action == EEM_WORD_KEEP || action == EEM_WORD_ISOLATE) {
            return 0;
        }
    }
    return 1;
}

EEM_FUNCTION void eem_words_special(eem_words_reading *reading, const char *name)
{
    for (; *name != 0; ++name) {
        eem_words_put(reading, (uint8_t)*name);
    }
    eem_words_end(reading);
}

EEM_FUNCTION eem_status
eem_words(const char *prompt, size_t prompt_size, const char *text, size_t size, uint8_t *tokens, size_t width, size_t limit, size_t *count)
{
    eem_words_reading reading;

    if (prompt == NULL || text == NULL || tokens == NULL || count == NULL) {
        return EEM_NULL;
    }
    if (width < 5 || limit < 2 || limit > SIZE_MAX / width) {
        return EEM_TOO_LONG;
    }
    reading.token = tokens;
    reading.width = width;
    reading.left = limit;
    reading.bytes = 0;
    eem_words_special(&reading, "[CLS]");
    eem_words_read(&reading, (const uint8_t *)prompt, prompt_size);
    eem_words_read(&reading, (const uint8_t *)text, size);
    eem_words_end(&reading);
    eem_words_special(&reading, "[SEP]");
    *count = limit - reading.left;
    return EEM_OK;
}

#endif
