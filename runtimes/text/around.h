/* What follows the tokens of a text: cutting it to a length, and the tokens around it.
 *
 * RECORD   EET_AROUND   single, pair, trim, left
 *     single, pair   sections u32[n][2]: what stands where, and its type: an id, or EET_FIRST or EET_SECOND for the tokens of a text
 *     trim           EET_TRIM: offsets leave out white space; EET_TRIM_PREFIX: but not a space that the tokenizer has put in front;
 *                    EET_TRIM_LATER: tokens stand before the first of a text when that is decided
 *     left           whether the beginning of a long text is cut off, where the caller leaves that open */
#ifndef EET_AROUND_H
#define EET_AROUND_H

#include "work.h"

enum { EET_AROUND = 400 };
enum { EET_TRIM = 1, EET_TRIM_PREFIX = 2, EET_TRIM_LATER = 4 };
#define EET_FIRST 0xffffffffu
#define EET_SECOND 0xfffffffeu

/* What is left out of a pair that is too long: of the longer text, of the first, or of the second. */
enum { EET_LONGEST = 0, EET_ONLY_FIRST = 1, EET_ONLY_SECOND = 2 };

enum { EET_AS_WRITTEN = 0, EET_RIGHT = 1, EET_LEFT = 2 };

typedef struct eet_options {
    uint32_t limit;    /* most tokens, those around a text included; 0: all */
    uint32_t strategy; /* EET_LONGEST, ... */
    uint32_t side;     /* EET_RIGHT cuts the end off, EET_LEFT the beginning, EET_AS_WRITTEN what the tokenizer says */
    uint32_t plain;    /* whether the tokens around a text are left out */
    uint32_t skip;     /* tokens at the beginning of the last text that are left out: where a window over it begins */
} eet_options;

/* Where results go: see eet_encode. */
typedef struct eet_output {
    uint32_t *ids, *types, *texts, *offsets;
    uint32_t room, count;
} eet_output;

/* The tokens of one text that stay: [first, last) of work->tokens. */
typedef struct eet_kept {
    const uint8_t *text;
    uint32_t size, first, last;
} eet_kept;

/* Whether a list names the first text once, and the second as often as there is one. */
EEB_FUNCTION int eet_around_fits(const eet_blob *blob, uint32_t section, uint32_t texts)
{
    const eet_view list = eet_section(blob, section);
    uint32_t at, first = 0, second = 0;

    for (at = 0; at < list.size / 8; ++at) {
        first += eet_u32(list, 2 * at) == EET_FIRST;
        second += eet_u32(list, 2 * at) == EET_SECOND;
    }
    return first == 1 && second == texts - 1;
}

EEB_FUNCTION eet_status eet_around_open(const eet_blob *blob, const uint32_t *arguments)
{
    return eet_around_fits(blob, arguments[0], 1) && eet_around_fits(blob, arguments[1], 2) ? EET_OK : EET_DAMAGED;
}

/* Tokens that stand around texts. */
EEB_FUNCTION uint32_t eet_specials(const eet_blob *blob, uint32_t section)
{
    const eet_view list = eet_section(blob, section);
    uint32_t at, count = 0;

    for (at = 0; at < list.size / 8; ++at) {
        count += eet_u32(list, 2 * at) < EET_SECOND;
    }
    return count;
}

EEB_FUNCTION void eet_keep(eet_kept *kept, uint32_t count, uint32_t left)
{
    if (count < kept->last - kept->first) {
        if (left) {
            kept->first = kept->last - count;
        } else {
            kept->last = kept->first + count;
        }
    }
}

/* Cuts one text, or two of them, to `most` tokens together. */
EEB_FUNCTION eet_status eet_truncate(const eet_options *options, uint32_t left, uint32_t most, uint32_t texts, eet_kept *kept)
{
    const uint32_t first = kept[0].last - kept[0].first, second = texts == 2 ? kept[1].last - kept[1].first : 0;
    uint32_t less = first, more = second, target, length;

    if (first + second <= most) {
        return EET_OK;
    }
    if (options->strategy != EET_LONGEST && most != 0) {
        target = options->strategy == EET_ONLY_SECOND;
        length = target ? second : first;
        if (target >= texts || length <= first + second - most) {
            return EET_TOO_LONG;
        }
        eet_keep(kept + target, length - (first + second - most), left);
        return EET_OK;
    }
    if (texts == 1 || most == 0) {
        eet_keep(kept, most, left);
        if (texts == 2) {
            eet_keep(kept + 1, 0, left);
        }
        return EET_OK;
    }
    if (first > second) {
        less = second;
    }
    more = less > most || most - less < less ? less : most - less;
    if (less + more > most) {
        less = most / 2;
        more = less + most % 2;
    }
    eet_keep(kept, first > second ? more : less, left);
    eet_keep(kept + 1, first > second ? less : more, left);
    return EET_OK;
}

/* Leaves the white space at the ends of a token out of its part of the text. */
EEB_FUNCTION void eet_trim(const eet_token *token, const eet_kept *kept, uint32_t trim, uint32_t is_first, uint32_t *part)
{
    uint32_t lead = token->lead, trail = token->trail, back = part[1];

    if (lead == 1 && (trim & EET_TRIM_PREFIX) && ((is_first && !(trim & EET_TRIM_LATER)) || part[0] == 0)) {
        lead = 0;
    }
    for (; lead != 0 && part[0] < part[1]; --lead) {
        ++part[0];
        while (part[0] < part[1] && (kept->text[part[0]] & 0xc0u) == 0x80) {
            ++part[0];
        }
    }
    for (; trail != 0 && back > 0; --trail) {
        --back;
        while (back > 0 && (kept->text[back] & 0xc0u) == 0x80) {
            --back;
        }
    }
    if (trail == 0) {
        part[1] = back > part[0] ? back : part[0];
    }
}

EEB_FUNCTION void eet_write_token(eet_output *output, uint32_t id, uint32_t type, uint32_t text, const uint32_t *part)
{
    if (output->count < output->room) {
        output->ids[output->count] = id;
        if (output->types != NULL) {
            output->types[output->count] = type;
        }
        if (output->texts != NULL) {
            output->texts[output->count] = text;
        }
        if (output->offsets != NULL) {
            output->offsets[2 * output->count] = part[0];
            output->offsets[2 * output->count + 1] = part[1];
        }
    }
    ++output->count;
}

/* Puts tokens and what stands around them into the caller's arrays; EET_ROOM where they are too small. */
EEB_FUNCTION eet_status
eet_write(const eet_work *work, const uint32_t *arguments, uint32_t plain, const eet_kept *kept, uint32_t texts, eet_output *output)
{
    const eet_view list = eet_section(work->blob, arguments[texts - 1]);
    static const uint32_t nothing[2] = {0, 0};
    uint32_t at, place;

    for (at = 0; at < list.size / 8; ++at) {
        const uint32_t what = eet_u32(list, 2 * at), type = eet_u32(list, 2 * at + 1);
        const eet_kept *from = kept + (what == EET_SECOND && texts == 2);

        if (what < EET_SECOND) {
            if (!plain) {
                eet_write_token(output, what, type, 0, nothing);
            }
            continue;
        }
        for (place = from->first; place < from->last; ++place) {
            const eet_token *token = work->tokens + place;
            uint32_t part[2];

            part[0] = token->from;
            part[1] = token->to;
            if ((arguments[2] & EET_TRIM) && (token->lead != 0 || token->trail != 0)) {
                eet_trim(token, from, arguments[2], place == from->first, part);
            }
            eet_write_token(output, token->id, type, 1 + (uint32_t)(from - kept), part);
        }
    }
    return output->count > output->room ? EET_ROOM : EET_OK;
}

#endif
