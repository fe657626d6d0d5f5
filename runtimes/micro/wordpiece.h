/* Text to ids: BERT's normalisation, its words and greedy WordPiece, from tables that the export derives from the model's own tokenizer.
 *
 * CHARACTERS   A code point is replaced (`maps`), then kept, dropped, taken as a space, or made a word of its own (`ranges`). What stands
 * in neither table is kept. Hangul syllables are taken apart by arithmetic where the tokenizer does so. PIECES       Two sorted lists, of
 * pieces that begin a word and of those that continue one, searched by halving. LAYOUT       All arrays are little-endian uint32 at any
 * address. LIMIT        Special tokens that are spelled out in a text ("[SEP]") are read as text. */
#ifndef EEM_WORDPIECE_H
#define EEM_WORDPIECE_H

#include "lookup.h"

enum { EEM_KEEP = 0, EEM_DROP = 1, EEM_SPACE = 2, EEM_ISOLATE = 3 };

/* Bytes of the longest word that is looked up: longer ones are unknown. */
#define EEM_WORD_BYTES 400u

/* Ids on one side of a text. */
#define EEM_MOST_AROUND 8

typedef struct eem_pieces {
    const uint8_t *starts; /* [count + 1] where a piece begins in the bytes */
    const uint8_t *ids;    /* [count] */
    const uint8_t *bytes;
    uint32_t count;
} eem_pieces;

typedef struct eem_wordpiece {
    eem_pieces first, later;
    const uint8_t *ranges; /* [range_count][3] first and last code point, and what to do */
    const uint8_t *maps;   /* [map_count][2] code point, and its replacement: a code point, or 1 << 31 | count << 24 | index of the first */
    const uint8_t *more;   /* code points of longer replacements */
    uint32_t range_count, map_count;
    uint32_t longest; /* characters of a word; longer ones are unknown */
    int32_t unknown;
    int hangul;
    int32_t before[EEM_MOST_AROUND], after[EEM_MOST_AROUND]; /* ids around every text */
    uint32_t before_count, after_count;
} eem_wordpiece;

/* A text while it is read. */
typedef struct eem_reading {
    const eem_wordpiece *model;
    int32_t *ids;
    uint32_t count, limit; /* ids written; most that may be */
    uint8_t word[EEM_WORD_BYTES];
    uint32_t bytes, characters; /* of the word so far */
} eem_reading;

EEM_INLINE uint32_t eem_word_at(const uint8_t *array, uint32_t index)
{
    return (uint32_t)eem_int32_at(array, (int32_t)index);
}

/* Id of a piece, or -1. */
EEM_FUNCTION int32_t eem_find_piece(const eem_pieces *pieces, const uint8_t *text, uint32_t size)
{
    uint32_t low = 0, high = pieces->count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2, start = eem_word_at(pieces->starts, middle);
        const uint32_t length = eem_word_at(pieces->starts, middle + 1) - start;
        uint32_t at = 0;

        while (at < size && at < length && text[at] == pieces->bytes[start + at]) {
            ++at;
        }
        if (at == size && at == length) {
            return eem_int32_at(pieces->ids, (int32_t)middle);
        }
        if (at == length || (at < size && text[at] > pieces->bytes[start + at])) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return -1;
}

EEM_INLINE void eem_put_id(eem_reading *reading, int32_t id)
{
    if (reading->count < reading->limit) {
        reading->ids[reading->count] = id;
    }
    ++reading->count;
}

/* The word ends: write its pieces, the longest first, or the unknown id. */
EEM_FUNCTION void eem_end_word(eem_reading *reading)
{
    const eem_wordpiece *model = reading->model;
    const uint32_t before = reading->count;
    uint32_t start = 0;

    if (reading->characters == 0) {
        return;
    }
    if (reading->characters > model->longest || reading->bytes > EEM_WORD_BYTES) {
        eem_put_id(reading, model->unknown);
    } else {
        while (start < reading->bytes) {
            uint32_t end = reading->bytes;
            int32_t id = -1;

            while (end > start) {
                id = eem_find_piece(start == 0 ? &model->first : &model->later, reading->word + start, end - start);
                if (id >= 0) {
                    break;
                }
                do { /* back over one character */
                    --end;
                } while (end > start && (reading->word[end] & 0xc0u) == 0x80u);
            }
            if (id < 0) {
                reading->count = before;
                eem_put_id(reading, model->unknown);
                break;
            }
            eem_put_id(reading, id);
            start = end;
        }
    }
    reading->bytes = 0;
    reading->characters = 0;
}

EEM_FUNCTION void eem_keep_character(eem_reading *reading, uint32_t code)
{
    uint8_t utf8[4];
    uint32_t size = 0, at;

    if (code < 0x80) {
        utf8[size++] = (uint8_t)code;
    } else {
        if (code < 0x800) {
            utf8[size++] = (uint8_t)(0xc0u | code >> 6);
        } else {
            if (code < 0x10000) {
                utf8[size++] = (uint8_t)(0xe0u | code >> 12);
            } else {
                utf8[size++] = (uint8_t)(0xf0u | code >> 18);
                utf8[size++] = (uint8_t)(0x80u | (code >> 12 & 0x3fu));
            }
            utf8[size++] = (uint8_t)(0x80u | (code >> 6 & 0x3fu));
        }
        utf8[size++] = (uint8_t)(0x80u | (code & 0x3fu));
    }
    for (at = 0; at < size; ++at) {
        if (reading->bytes + at < EEM_WORD_BYTES) {
            reading->word[reading->bytes + at] = utf8[at];
        }
    }
    reading->bytes += size;
    ++reading->characters;
}

/* A code point after it was replaced. */
EEM_FUNCTION void eem_take_character(eem_reading *reading, uint32_t code)
{
    const eem_wordpiece *model = reading->model;
    uint32_t low = 0, high = model->range_count, action = EEM_KEEP;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (code < eem_word_at(model->ranges, 3 * middle)) {
            high = middle;
        } else if (code > eem_word_at(model->ranges, 3 * middle + 1)) {
            low = middle + 1;
        } else {
            action = eem_word_at(model->ranges, 3 * middle + 2);
            break;
        }
    }
    if (action == EEM_KEEP) {
        eem_keep_character(reading, code);
    } else if (action != EEM_DROP) {
        eem_end_word(reading);
        if (action == EEM_ISOLATE) {
            eem_keep_character(reading, code);
            eem_end_word(reading);
        }
    }
}

/* A code point of the text. */
EEM_FUNCTION void eem_read_character(eem_reading *reading, uint32_t code)
{
    const eem_wordpiece *model = reading->model;
    uint32_t low = 0, high = model->map_count;

    if (model->hangul && code >= 0xac00 && code <= 0xd7a3) { /* The Unicode Standard, 3.12: L, V and T from one index */
        const uint32_t index = code - 0xac00;

        eem_take_character(reading, 0x1100 + index / 588);
        eem_take_character(reading, 0x1161 + index % 588 / 28);
        if (index % 28 != 0) {
            eem_take_character(reading, 0x11a7 + index % 28);
        }
        return;
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2, key = eem_word_at(model->maps, 2 * middle);

        if (code < key) {
            high = middle;
        } else if (code > key) {
            low = middle + 1;
        } else {
            const uint32_t to = eem_word_at(model->maps, 2 * middle + 1);
            uint32_t at;

            if (to >> 31 == 0) {
                eem_take_character(reading, to);
                return;
            }
            for (at = 0; at < (to >> 24 & 0x7fu); ++at) {
                eem_take_character(reading, eem_word_at(model->more, (to & 0xffffffu) + at));
            }
            return;
        }
    }
    eem_take_character(reading, code);
}

/* Read UTF-8 until as many ids as may be are written; EEM_BAD_TEXT where it is none. */
EEM_FUNCTION eem_status eem_read_text(eem_reading *reading, const uint8_t *text, size_t size)
{
    size_t at = 0;

    while (at < size && reading->count < reading->limit) {
        const uint32_t lead = text[at++];
        const uint32_t more = lead < 0x80 ? 0 : lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : 3;
        uint32_t code = more == 0 ? lead : more == 1 ? lead & 0x1fu : more == 2 ? lead & 0x0fu : lead & 0x07u, left;

        if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || size - at < more) {
            return EEM_BAD_TEXT;
        }
        for (left = more; left != 0; --left, ++at) {
            if ((text[at] & 0xc0u) != 0x80u) {
                return EEM_BAD_TEXT;
            }
            code = code << 6 | (text[at] & 0x3fu);
        }
        if ((more == 2 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) || (more == 3 && (code < 0x10000 || code > 0x10ffff))) {
            return EEM_BAD_TEXT;
        }
        eem_read_character(reading, code);
    }
    return EEM_OK;
}

/* Whether a text holds no id of its own; no more of it is read than that takes. */
EEM_FUNCTION int eem_is_blank(const eem_wordpiece *model, const char *text, size_t size)
{
    int32_t id;
    eem_reading reading;

    reading.model = model;
    reading.ids = &id;
    reading.count = 0;
    reading.limit = 1;
    reading.bytes = 0;
    reading.characters = 0;
    return eem_read_text(&reading, (const uint8_t *)text, size) == EEM_OK && reading.count == 0 && reading.characters == 0;
}

/* Ids of a text with what stands around every text; the end is cut off where they are more than `limit`. */
EEM_FUNCTION eem_status eem_tokenize(
    const eem_wordpiece *model, const char *prompt, size_t prompt_size, const char *text, size_t size, int32_t *ids, uint32_t limit,
    size_t *count)
{
    eem_reading reading;
    eem_status status;
    uint32_t at;

    reading.model = model;
    reading.ids = ids;
    reading.count = 0;
    reading.limit = limit - model->after_count;
    reading.bytes = 0;
    reading.characters = 0;
    for (at = 0; at < model->before_count; ++at) {
        eem_put_id(&reading, model->before[at]);
    }
    status = eem_read_text(&reading, (const uint8_t *)prompt, prompt_size);
    if (status == EEM_OK) {
        status = eem_read_text(&reading, (const uint8_t *)text, size);
    }
    if (status != EEM_OK) {
        return status;
    }
    eem_end_word(&reading);
    reading.count = reading.count < reading.limit ? reading.count : reading.limit;
    reading.limit = limit;
    for (at = 0; at < model->after_count; ++at) {
        eem_put_id(&reading, model->after[at]);
    }
    *count = reading.count;
    return EEM_OK;
}

#endif
