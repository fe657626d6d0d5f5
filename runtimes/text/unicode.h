/* Code points: UTF-8, tables by code point, strings of replacements.
 *
 * TABLE     a value for each code point, in three stages of two sections.
 *           INDEX section: uint8[272] (code point / 4096: a middle part), then uint16[64] for each middle part (code point / 64 % 64: a
 * leaf). LEAVES section: 64 values a leaf, uint8 or uint16 (the argument `width`, 1 or 2). STRINGS   STARTS section: u32[strings + 1];
 * BYTES section: the strings, well-formed UTF-8, one behind the other. EET_ITSELF in one stands for the character that it replaces. */
#ifndef EET_UNICODE_H
#define EET_UNICODE_H

#include "blob.h"

#define EET_CODES 0x110000u
#define EET_ITSELF 0x10ffffu

typedef struct eet_table {
    eet_view index, leaves;
    uint32_t width;
} eet_table;

typedef struct eet_strings {
    eet_view starts, bytes;
} eet_strings;

EEB_FUNCTION eet_status eet_table_open(eet_table *table, const eet_blob *blob, uint32_t first, uint32_t width)
{
    if (first > blob->sections || blob->sections - first < 2 || (width != 1 && width != 2)) {
        return EET_DAMAGED;
    }
    table->index = eet_section(blob, first);
    table->leaves = eet_section(blob, first + 1);
    table->width = width;
    return table->index.size < 272 + 128 || table->leaves.size < 64 * width ? EET_DAMAGED : EET_OK;
}

EEB_INLINE uint32_t eet_table_at(const eet_table *table, uint32_t code)
{
    uint32_t place = 272 + 128 * (uint32_t)eet_u8(table->index, code >> 12) + 2 * (code >> 6 & 63);

    place = place + 2 <= table->index.size ? eet_load16(table->index.data + place) : 0;
    place = 64 * place + (code & 63);
    return table->width == 1 ? eet_u8(table->leaves, place) : eet_u16(table->leaves, place);
}

EEB_FUNCTION eet_status eet_strings_open(eet_strings *strings, const eet_blob *blob, uint32_t first)
{
    if (first > blob->sections || blob->sections - first < 2) {
        return EET_DAMAGED;
    }
    strings->starts = eet_section(blob, first);
    strings->bytes = eet_section(blob, first + 1);
    return strings->starts.size < 4 ? EET_DAMAGED : EET_OK;
}

/* A string of replacements; an empty view where there is none. */
EEB_INLINE eet_view eet_string(const eet_strings *strings, uint32_t index)
{
    const uint32_t start = eet_u32(strings->starts, index), end = eet_u32(strings->starts, index + 1);
    eet_view view = {NULL, 0};

    if (start < end && end <= strings->bytes.size) {
        view.data = strings->bytes.data + start;
        view.size = end - start;
    }
    return view;
}

/* The well-formed UTF-8 sequence at the start of `size` bytes: its length and code point; 0 if there is none. */
EEB_INLINE uint32_t eet_decode(const uint8_t *text, uint32_t size, uint32_t *code)
{
    const uint32_t lead = size == 0 ? 0xff : text[0];

    if (lead < 0x80) {
        *code = lead;
        return 1;
    }
    if (lead >= 0xc2 && lead < 0xe0 && size >= 2 && (text[1] & 0xc0u) == 0x80) {
        *code = (lead & 0x1fu) << 6 | (text[1] & 0x3fu);
        return 2;
    }
    if ((lead & 0xf0u) == 0xe0 && size >= 3 && (text[1] & 0xc0u) == 0x80 && (text[2] & 0xc0u) == 0x80) {
        *code = (lead & 0xfu) << 12 | (text[1] & 0x3fu) << 6 | (text[2] & 0x3fu);
        return *code >= 0x800 && (*code < 0xd800 || *code >= 0xe000) ? 3 : 0;
    }
    if ((lead & 0xf8u) == 0xf0 && size >= 4 && (text[1] & 0xc0u) == 0x80 && (text[2] & 0xc0u) == 0x80 && (text[3] & 0xc0u) == 0x80) {
        *code = (lead & 7u) << 18 | (text[1] & 0x3fu) << 12 | (text[2] & 0x3fu) << 6 | (text[3] & 0x3fu);
        return *code >= 0x10000 && *code < EET_CODES ? 4 : 0;
    }
    return 0;
}

/* Bytes of a code point. */
EEB_INLINE uint32_t eet_length(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/* Writes a code point, at most 4 bytes; says how many. */
EEB_INLINE uint32_t eet_put_utf8(uint32_t code, uint8_t *to)
{
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0u | code >> 6);
        to[1] = (uint8_t)(0x80u | (code & 0x3fu));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (uint8_t)(0xe0u | code >> 12);
        to[1] = (uint8_t)(0x80u | (code >> 6 & 0x3fu));
        to[2] = (uint8_t)(0x80u | (code & 0x3fu));
        return 3;
    }
    to[0] = (uint8_t)(0xf0u | (code >> 18 & 7u));
    to[1] = (uint8_t)(0x80u | (code >> 12 & 0x3fu));
    to[2] = (uint8_t)(0x80u | (code >> 6 & 0x3fu));
    to[3] = (uint8_t)(0x80u | (code & 0x3fu));
    return 4;
}

#endif
