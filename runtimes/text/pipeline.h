/* The steps from a text to its tokens, in the order of the program: EET_ADDED, operations of normalisation, of words, a model, EET_AROUND.
 */
#ifndef EET_PIPELINE_H
#define EET_PIPELINE_H

#include "added.h"
#include "around.h"
#include "charsmap.h"
#include "compose.h"
#include "models/bpe.h"
#include "models/cache.h"
#include "models/unigram.h"
#include "normalize.h"
#include "words.h"

/* Whether this build has an operation; firmware for one tokenizer defines it so that the code of the others is left out. */
#ifndef EET_HAS
#define EET_HAS(operation) 1
#endif

/* One operation on the characters at hand. */
EEB_FUNCTION eet_status eet_apply(eet_work *work, const uint32_t *record)
{
    switch (record[0]) {
    case EET_MAP: return EET_HAS(EET_MAP) ? eet_map(work, record + 1) : EET_DAMAGED;
    case EET_REPLACE: return EET_HAS(EET_REPLACE) ? eet_replace(work, record + 1) : EET_DAMAGED;
    case EET_PREPEND: return EET_HAS(EET_PREPEND) ? eet_prepend(work, record + 1) : EET_DAMAGED;
    case EET_STRIP: return EET_HAS(EET_STRIP) ? eet_strip(work, record + 1) : EET_DAMAGED;
    case EET_BYTES: return EET_HAS(EET_BYTES) ? eet_to_bytes(work) : EET_DAMAGED;
    case EET_FORM: return EET_HAS(EET_FORM) ? eet_normal_form(work, record + 1) : EET_DAMAGED;
    case EET_CHARSMAP: return EET_HAS(EET_CHARSMAP) ? eet_charsmap(work, record + 1) : EET_DAMAGED;
    case EET_SPLIT: return EET_HAS(EET_SPLIT) ? eet_split(work, record + 1) : EET_DAMAGED;
    case EET_PREFIX: return EET_HAS(EET_PREFIX) ? eet_prefix(work, record + 1) : EET_DAMAGED;
    case EET_FIXED: return EET_HAS(EET_FIXED) ? eet_fixed(work, record + 1) : EET_DAMAGED;
    default: return EET_DAMAGED;
    }
}

EEB_FUNCTION eet_status eet_word_tokens(eet_work *work, const uint32_t *record, uint32_t at, uint32_t end)
{
    switch (record[0]) {
    case EET_WORDPIECE: return EET_HAS(EET_WORDPIECE) ? eet_wordpiece(work, record + 1, at, end) : EET_DAMAGED;
    case EET_WORDLEVEL: return EET_HAS(EET_WORDLEVEL) ? eet_wordlevel(work, record + 1, at, end) : EET_DAMAGED;
    case EET_UNIGRAM: return EET_HAS(EET_UNIGRAM) ? eet_unigram_word(work, record + 1, at, end) : EET_DAMAGED;
    case EET_BPE: return EET_HAS(EET_BPE) ? eet_bpe_word(work, record + 1, at, end) : EET_DAMAGED;
    default: return EET_DAMAGED;
    }
}

/* The same with words that are remembered. */
EEB_FUNCTION eet_status eet_word_again(eet_work *work, const uint32_t *record, uint32_t at, uint32_t end)
{
    uint8_t key[EET_SLOT_KEY + 4];
    eet_slot *slot;
    eet_status status;
    uint32_t size;

    if (eet_remembered(work, at, end, key, &size, &slot)) {
        return eet_emit_remembered(work, slot, at, end);
    }
    if (slot != NULL) {
        slot->size = 0;
        slot->count = 0;
        work->noting = slot;
    }
    status = eet_word_tokens(work, record, at, end);
    if (work->noting != NULL && status == EET_OK) {
        memcpy(slot->key, key, EET_SLOT_KEY);
        slot->size = (uint8_t)size;
    }
    work->noting = NULL;
    return status;
}

/* Whether a record's arguments fit the sections that they name. */
EEB_FUNCTION eet_status eet_check_record(const eet_blob *blob, const uint32_t *record)
{
    union {
        eet_trie trie;
        eet_table table;
        eet_strings strings;
        eet_pattern pattern;
        eet_form form;
        eet_unigram unigram;
        eet_bpe bpe;
        eet_added added;
    } part;
    const uint32_t *arguments = record + 1;

    switch (record[0]) {
    case EET_MAP:
        return eet_table_open(&part.table, blob, arguments[0], arguments[1]) != EET_OK
                   ? EET_DAMAGED
                   : eet_strings_open(&part.strings, blob, arguments[2]);
    case EET_REPLACE:
        return eet_pattern_open(&part.pattern, blob, arguments[0], arguments[1], arguments[2]) != EET_OK
                   ? EET_DAMAGED
                   : eet_strings_open(&part.strings, blob, arguments[3]);
    case EET_PREPEND: return eet_strings_open(&part.strings, blob, arguments[0]);
    case EET_STRIP: return eet_table_open(&part.table, blob, arguments[0], 1);
    case EET_FORM: return eet_form_open(&part.form, blob, arguments);
    case EET_CHARSMAP:
        return eet_trie_open(&part.trie, blob, arguments[0], arguments[1]) != EET_OK ? EET_DAMAGED
                                                                                     : eet_table_open(&part.table, blob, arguments[3], 1);
    case EET_SPLIT: return eet_pattern_open(&part.pattern, blob, arguments[0], arguments[1], arguments[2]);
    case EET_WORDPIECE:
    case EET_WORDLEVEL: return eet_trie_open(&part.trie, blob, arguments[0], arguments[1]);
    case EET_UNIGRAM: return eet_unigram_open(&part.unigram, blob, arguments);
    case EET_BPE: return eet_bpe_open(&part.bpe, blob, arguments);
    case EET_ADDED: return eet_added_open(&part.added, blob, arguments);
    case EET_AROUND: return eet_around_open(blob, arguments);
    case EET_BYTES:
    case EET_PREFIX:
    case EET_FIXED: return EET_OK;
    default: return EET_DAMAGED;
    }
}

/* Whether the records of a program stand in their order. */
EEB_FUNCTION eet_status eet_check_program(const eet_blob *blob, uint32_t records)
{
    uint32_t at, record[EET_WORDS];

    if (records < 3 || records > EET_RECORDS) {
        return EET_DAMAGED;
    }
    for (at = 0; at < records; ++at) {
        eet_record(blob, at, record);
        if ((at == 0) != (record[0] == EET_ADDED) || (at == records - 1) != (record[0] == EET_AROUND) ||
            (at == records - 2) != (record[0] >= EET_WORDPIECE && record[0] < EET_ADDED) || eet_check_record(blob, record) != EET_OK) {
            return EET_DAMAGED;
        }
    }
    return EET_OK;
}

/* The first record from `at` on that does not normalise. */
EEB_FUNCTION uint32_t eet_after_normalisation(const eet_work *work, uint32_t records)
{
    uint32_t at, record[EET_WORDS];

    eet_record(work->blob, 0, record);
    at = record[5];
    return at >= 1 && at <= records - 2 ? at : records - 2;
}

/* Words and tokens of `now`. */
EEB_FUNCTION eet_status eet_words_tokens(eet_work *work, uint32_t first, uint32_t records)
{
    uint32_t at, end, record[EET_WORDS];
    eet_status status = EET_OK;

    if (work->now.count == 0) {
        return EET_OK;
    }
    for (at = 0; at < work->now.count; ++at) {
        work->now.code[at] &= EET_CODE;
    }
    work->now.code[0] |= EET_START;
    for (at = first; at < records - 2 && status == EET_OK; ++at) {
        eet_record(work->blob, at, record);
        status = eet_apply(work, record);
    }
    eet_record(work->blob, records - 2, record);
    for (at = 0; at < work->now.count && status == EET_OK; at = end) {
        end = eet_word_end(&work->now, at);
        work->pool = work->pool_end;
        status = work->slots != NULL ? eet_word_again(work, record, at, end) : eet_word_tokens(work, record, at, end);
        if (work->stop != 0 && work->count >= work->stop) {
            break;
        }
    }
    work->pool = work->pool_end;
    return status;
}

/* Tokens of a stretch of the text, in which no token was added before normalisation. */
EEB_FUNCTION eet_status eet_stretch_tokens(eet_work *work, const eet_added *added, uint32_t records, uint32_t from, uint32_t to)
{
    const uint32_t words = eet_after_normalisation(work, records);
    uint32_t at, record[EET_WORDS], bytes, code = 0;
    eet_status status = EET_OK;
    eet_found found = {0, 0, 0, 0, 0};

    work->bytes = 0;
    work->now.count = 0;
    while (from < to) {
        const uint32_t length = eet_decode(work->text + from, to - from, &code);

        if (length == 0 || work->now.count >= work->room) {
            return length == 0 ? EET_BAD_TEXT : EET_ARENA;
        }
        work->now.code[work->now.count] = code;
        work->now.from[work->now.count] = from;
        from += length;
        work->now.to[work->now.count++] = from;
    }
    for (at = 1; at < words && status == EET_OK; ++at) {
        eet_record(work->blob, at, record);
        status = eet_apply(work, record);
    }
    if (status != EET_OK || !added->has_normalized || !eet_added_next(work, added, &added->normalized, &found)) {
        return status != EET_OK ? status : eet_words_tokens(work, words, records);
    }
    bytes = work->bytes;
    for (;;) {
        const int more = found.end > found.start;
        const eet_chars whole = work->now;

        if (found.gap < found.start) {
            work->now = work->aside;
            work->aside = whole;
            work->now.count = found.start - found.gap;
            memcpy(work->now.code, whole.code + found.gap, sizeof(uint32_t) * work->now.count);
            memcpy(work->now.from, whole.from + found.gap, sizeof(uint32_t) * work->now.count);
            memcpy(work->now.to, whole.to + found.gap, sizeof(uint32_t) * work->now.count);
            status = eet_words_tokens(work, words, records);
            if (status != EET_OK || (work->stop != 0 && work->count >= work->stop)) {
                return status;
            }
            work->bytes = bytes;
            work->aside = work->now;
            work->now = whole;
        }
        if (!more) {
            return EET_OK;
        }
        status = eet_added_push(work, added, found.start, found.end, found.id);
        if (status != EET_OK) {
            return status;
        }
        found.gap = found.end;
        eet_added_next(work, added, &added->normalized, &found);
    }
}

/* Whether a space of the text stands behind a visible ASCII character. */
EEB_INLINE int eet_breaks(const eet_work *work, uint32_t at)
{
    return work->text[at] == ' ' && work->text[at - 1] - 0x21u < 0x5e;
}

/* The end of a stretch of [from, to) that can be read by itself: where the tokenizer allows it, before a space, so that memory for half as
 * many characters as there is room for suffices. */
EEB_FUNCTION uint32_t eet_stretch(const eet_work *work, const eet_added *added, uint32_t from, uint32_t to)
{
    const uint32_t most = work->room / 2;
    uint32_t at;

    if (!added->breaks || to - from <= most) {
        return to;
    }
    for (at = from + most; at > from + 1 && !eet_breaks(work, at); --at) {
    }
    if (at > from + 1) {
        return at;
    }
    for (at = from + most + 1; at < to && !eet_breaks(work, at); ++at) {
    }
    return at;
}

/* Tokens of a part of the text, in which no token was added before normalisation. */
EEB_FUNCTION eet_status eet_part_tokens(eet_work *work, const eet_added *added, uint32_t records, uint32_t from, uint32_t to)
{
    eet_status status = EET_OK;

    while (from < to && status == EET_OK && (work->stop == 0 || work->count < work->stop)) {
        const uint32_t end = eet_stretch(work, added, from, to);

        status = eet_stretch_tokens(work, added, records, from, end);
        from = end;
    }
    return status;
}

/* Tokens of a text. */
EEB_FUNCTION eet_status eet_read(eet_work *work, uint32_t records, const uint8_t *text, uint32_t size)
{
    uint32_t record[EET_WORDS], at, code, length, gap = 0, space;
    eet_added added;
    eet_status status;

    work->text = text;
    work->size = size;
    for (at = 0; at < size; at += length) {
        length = eet_decode(work->text + at, size - at, &code);
        if (length == 0) {
            return EET_BAD_TEXT;
        }
    }
    eet_record(work->blob, 0, record);
    status = eet_added_open(&added, work->blob, record + 1);
    if (status != EET_OK) {
        return status;
    }
    for (at = 0; added.has_raw && at < size; at += length) {
        uint32_t node = EET_ROOT, end = at, next, place = 0, start = at, flags;

        length = 1;
        for (next = at; next < size; ++next) {
            node = eet_trie_step(&added.raw, node, work->text[next]);
            if (node == EET_NOWHERE) {
                break;
            }
            if (eet_trie_ends(&added.raw, node)) {
                end = next + 1;
                place = eet_trie_value(&added.raw, eet_trie_rank(&added.raw, node));
            }
        }
        if (end == at) {
            continue;
        }
        length = end - at;
        flags = eet_u32(added.tokens, 2 * place + 1);
        if ((flags & EET_SINGLE_WORD) &&
            ((eet_kind_before(work, &added, start, &space) & 2) || (eet_kind_behind(work, &added, end, &space) & 2))) {
            continue;
        }
        while ((flags & EET_TAKES_LEFT) && start > gap && (eet_kind_before(work, &added, start, &space) & 1)) {
            start -= space;
        }
        while ((flags & EET_TAKES_RIGHT) && (eet_kind_behind(work, &added, end, &space) & 1)) {
            end += space;
        }
        if (gap < start) {
            status = eet_part_tokens(work, &added, records, gap, start);
            if (status != EET_OK || (work->stop != 0 && work->count >= work->stop)) {
                return status;
            }
        }
        status = eet_raw_push(work, &added, start, end, eet_u32(added.tokens, 2 * place));
        if (status != EET_OK) {
            return status;
        }
        gap = end;
    }
    return gap < size ? eet_part_tokens(work, &added, records, gap, size) : EET_OK;
}

#endif
