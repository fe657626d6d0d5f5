/* Text to the bytes of words: the tokenizer `words`, which has no vocabulary. docs/words.md pins it; edgeemb/text/words.py gives the same
 * tokens.
 *
 * CONTENTS   eev_words(prompt, prompt_size, text, size, tokens, width, limit, count)
 *
 * RESULT     tokens [limit][width]: "[CLS]", the words, "[SEP]"; a word is the byte 0x02 and its UTF-8 in lower case, cut to `width` bytes;
 *            zeros behind each token. *count tokens were written, the rest was not touched.
 *
 * TEXT       any bytes: what is no well-formed UTF-8 is left out. Words that come when limit - 1 tokens are full are left out.
 *
 * BOUNDS     5 <= width, 2 <= limit, and limit * width fits size_t.
 *
 * ERRORS     EET_NULL where a pointer is NULL, EET_TOO_LONG where a bound is not kept; nothing is written then.
 *
 * COST       no memory but the caller's and a few words of stack; the table of code points takes 8 * EEV_WORD_RANGES bytes of flash. */
#ifndef EEV_WORDS_H
#define EEV_WORDS_H

#include "../blob.h"
#include "words_table.h"

enum { EEV_WORD_KEEP = 0, EEV_WORD_DROP = 1, EEV_WORD_SPACE = 2, EEV_WORD_ISOLATE = 3, EEV_WORD_LOWER = 4, EEV_WORD_LOWER_EVERY_OTHER = 5 };

/* A text while it is read. */
typedef struct eev_words_reading {
    uint8_t *token;     /* where the word at hand goes */
    size_t width, left; /* bytes of a token; tokens that may still be written, the one at hand included */
    size_t bytes;       /* of the word at hand, marker included; 0 between words */
} eev_words_reading;

/* A code point in lower case, and what is to be done with it. */
EEB_FUNCTION uint32_t eev_word_action(uint32_t *code)
{
    uint32_t low = 0, high = EEV_WORD_RANGES;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const eev_word_range *range = eev_word_ranges + middle;
        const uint32_t first = range->first & 0x1fffffu, action = range->first >> 21;

        if (*code < first) {
            high = middle;
        } else if (*code - first > range->span) {
            low = middle + 1;
        } else if (action < EEV_WORD_LOWER) {
            return action;
        } else {
            if (action == EEV_WORD_LOWER || (*code - first) % 2 == 0) {
                *code = (*code & ~0xffffu) | ((*code + range->added) & 0xffffu);
            }
            return EEV_WORD_KEEP;
        }
    }
    return EEV_WORD_KEEP;
}

EEB_INLINE void eev_words_put(eev_words_reading *reading, uint32_t byte)
{
    if (reading->bytes < reading->width) {
        reading->token[reading->bytes++] = (uint8_t)byte;
    }
}

/* The word ends: zeros to the end of its token, and on to the next. */
EEB_FUNCTION void eev_words_end(eev_words_reading *reading)
{
    if (reading->bytes != 0) {
        memset(reading->token + reading->bytes, 0, reading->width - reading->bytes);
        reading->token += reading->width;
        reading->bytes = 0;
        --reading->left;
    }
}

/* A code point of a word; it may begin one. */
EEB_FUNCTION void eev_words_keep(eev_words_reading *reading, uint32_t code)
{
    if (reading->bytes == 0) {
        eev_words_put(reading, 2);
    }
    if (code < 0x80) {
        eev_words_put(reading, code);
        return;
    }
    if (code < 0x800) {
        eev_words_put(reading, 0xc0u | code >> 6);
    } else {
        if (code < 0x10000) {
            eev_words_put(reading, 0xe0u | code >> 12);
        } else {
            eev_words_put(reading, 0xf0u | code >> 18);
            eev_words_put(reading, 0x80u | (code >> 12 & 0x3fu));
        }
        eev_words_put(reading, 0x80u | (code >> 6 & 0x3fu));
    }
    eev_words_put(reading, 0x80u | (code & 0x3fu));
}

/* The well-formed UTF-8 sequence at the start of `size` bytes: its length and code point; 0 if there is none. */
EEB_FUNCTION size_t eev_words_decode(const uint8_t *text, size_t size, uint32_t *code)
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

EEB_FUNCTION void eev_words_read(eev_words_reading *reading, const uint8_t *text, size_t size)
{
    size_t at = 0;

    /* The last token is that of the end. */
    while (at < size && reading->left > 1) {
        uint32_t code = 0, action;
        const size_t length = eev_words_decode(text + at, size - at, &code);

        if (length == 0) {
            ++at;
            continue;
        }
        at += length;
        action = eev_word_action(&code);
        if (action == EEV_WORD_SPACE || action == EEV_WORD_ISOLATE) {
            eev_words_end(reading);
        }
        if (reading->left > 1 && (action == EEV_WORD_KEEP || action == EEV_WORD_ISOLATE)) {
            eev_words_keep(reading, code);
        }
        if (action == EEV_WORD_ISOLATE) {
            eev_words_end(reading);
        }
    }
}

/* Whether a text holds no word; no more of it is read than that takes. */
EEB_FUNCTION int eev_words_are_none(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        uint32_t code = 0, action;
        const size_t length = eev_words_decode((const uint8_t *)text + at, size - at, &code);

        at += length == 0 ? 1 : length;
        action = length == 0 ? (uint32_t)EEV_WORD_DROP : eev_word_action(&code);
        if (action == EEV_WORD_KEEP || action == EEV_WORD_ISOLATE) {
            return 0;
        }
    }
    return 1;
}

EEB_FUNCTION void eev_words_special(eev_words_reading *reading, const char *name)
{
    for (; *name != 0; ++name) {
        eev_words_put(reading, (uint8_t)*name);
    }
    eev_words_end(reading);
}

EEB_FUNCTION eet_status
eev_words(const char *prompt, size_t prompt_size, const char *text, size_t size, uint8_t *tokens, size_t width, size_t limit, size_t *count)
{
    eev_words_reading reading;

    if (prompt == NULL || text == NULL || tokens == NULL || count == NULL) {
        return EET_NULL;
    }
    if (width < 5 || limit < 2 || limit > SIZE_MAX / width) {
        return EET_TOO_LONG;
    }
    reading.token = tokens;
    reading.width = width;
    reading.left = limit;
    reading.bytes = 0;
    eev_words_special(&reading, "[CLS]");
    eev_words_read(&reading, (const uint8_t *)prompt, prompt_size);
    eev_words_read(&reading, (const uint8_t *)text, size);
    eev_words_end(&reading);
    eev_words_special(&reading, "[SEP]");
    *count = limit - reading.left;
    return EET_OK;
}

#endif
