/* A compiled tokenizer: what edgeemb/text/compiled/ writes from a tokenizer.json, and how it is read where it lies, mapped or in flash.
 *
 * LAYOUT      little-endian; every offset counts from the first byte of the blob.
 *     0   u32  magic "EETB" (0x42544545)
 *     4   u32  version, EET_VERSION
 *     8   u32  bytes of the whole blob, a multiple of 8
 *     12  u32  CRC-32 (IEEE 802.3) of all that follows this word
 *     16  u32  sections S
 *     20  u32  highest id that the tokenizer gives, plus 1
 *     24       S times u32 offset, u32 bytes: the sections; an offset is a multiple of 8
 *     Section 0 is the program: records of EET_WORDS words, each an operation and its arguments. Arguments named "section" are indexes
 *     into the table of sections; EET_NONE stands for a section that is not there.
 *
 * TRUST       none. eet_open checks the header, every section and every record before it says EET_OK. What is inside a section is read
 *             through functions that compare the place with the section's end, so that no content of a blob makes a read or a write go
 *             astray, or a loop go on without end; a wrong blob gives wrong ids or EET_DAMAGED. eet_check compares the checksum as well,
 * which takes a pass over the whole blob; whoever has a checksum of the file needs none.
 *
 * ALIGNMENT   none wanted of the blob's address. */
#ifndef EET_BLOB_H
#define EET_BLOB_H

#include "../kernels/status.h"

#define EET_VERSION 1u
#define EET_MAGIC 0x42544545u
#define EET_NONE 0xffffffffu
#define EET_HEADER 24u
/* Words of a record of the program, and the most records that one has. */
#define EET_WORDS 12u
#define EET_RECORDS 64u
#define EET_MAX_SECTIONS 256u

typedef int32_t eet_status;

enum {
    EET_OK = 0,
    EET_NULL = 1,     /* a pointer that must not be NULL is */
    EET_BAD_TEXT = 2, /* the text is not well-formed UTF-8 */
    EET_ARENA = 3,    /* the arena is too small for the text: try again with a larger one */
    EET_TOO_LONG = 4, /* the limit leaves no room for a token beside those around every text, or a text has 2^31 bytes or more */
    EET_ROOM = 5,     /* the caller's arrays are too small for the tokens; *count says how many there are */
    EET_UNKNOWN = 6,  /* the text has a part for which the vocabulary has no token, nor one for the unknown */
    EET_DAMAGED = 7,  /* the blob contradicts itself: copy it again */
    EET_NEWER = 8     /* the blob is of another version than this code */
};

typedef struct eet_view {
    const uint8_t *data;
    uint32_t size;
} eet_view;

typedef struct eet_blob {
    const uint8_t *data;
    uint32_t size, sections, ids;
} eet_blob;

EEB_INLINE uint32_t eet_load16(const uint8_t *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

EEB_INLINE uint32_t eet_load32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

EEB_INLINE uint64_t eet_load64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* Elements of a section by their index; 0 outside of it. */
EEB_INLINE uint32_t eet_u8(eet_view view, uint32_t at)
{
    return at < view.size ? view.data[at] : 0;
}

EEB_INLINE uint32_t eet_u16(eet_view view, uint32_t at)
{
    return at < view.size / 2 ? eet_load16(view.data + 2 * (size_t)at) : 0;
}

EEB_INLINE uint32_t eet_u24(eet_view view, uint32_t at)
{
    const uint8_t *from;

    if (at >= view.size / 3) {
        return 0;
    }
    from = view.data + 3 * (size_t)at;
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16;
}

EEB_INLINE uint32_t eet_u32(eet_view view, uint32_t at)
{
    return at < view.size / 4 ? eet_load32(view.data + 4 * (size_t)at) : 0;
}

/* A section by its index; an empty view where there is none. */
EEB_INLINE eet_view eet_section(const eet_blob *blob, uint32_t index)
{
    eet_view view = {NULL, 0};

    if (index < blob->sections) {
        const uint8_t *entry = blob->data + EET_HEADER + 8 * (size_t)index;
        view.data = blob->data + eet_load32(entry);
        view.size = eet_load32(entry + 4);
    }
    return view;
}

/* A record of the program, as words. `index` is below the number of records. */
EEB_INLINE void eet_record(const eet_blob *blob, uint32_t index, uint32_t *record)
{
    memcpy(record, eet_section(blob, 0).data + 4 * EET_WORDS * (size_t)index, 4 * EET_WORDS);
}

/* Header and table of sections. `size` is what the caller has mapped. */
EEB_FUNCTION eet_status eet_blob_open(eet_blob *blob, const void *data, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)data;
    uint32_t at, start;

    if (blob == NULL || data == NULL) {
        return EET_NULL;
    }
    if (size < EET_HEADER || eet_load32(bytes) != EET_MAGIC) {
        return EET_DAMAGED;
    }
    if (eet_load32(bytes + 4) != EET_VERSION) {
        return EET_NEWER;
    }
    blob->data = bytes;
    blob->size = eet_load32(bytes + 8);
    blob->sections = eet_load32(bytes + 16);
    blob->ids = eet_load32(bytes + 20);
    if (blob->size > size || blob->size % 8 != 0 || blob->sections == 0 || blob->sections > EET_MAX_SECTIONS) {
        return EET_DAMAGED;
    }
    start = EET_HEADER + 8 * blob->sections;
    if (blob->size < start) {
        return EET_DAMAGED;
    }
    for (at = 0; at < blob->sections; ++at) {
        const uint8_t *entry = bytes + EET_HEADER + 8 * (size_t)at;
        const uint32_t offset = eet_load32(entry), length = eet_load32(entry + 4);

        if (offset < start || offset % 8 != 0 || offset > blob->size || length > blob->size - offset) {
            return EET_DAMAGED;
        }
    }
    return EET_OK;
}

/* CRC-32 of the blob behind its checksum; a table of 16 entries serves four bits at a time. */
EEB_FUNCTION uint32_t eet_blob_checksum(const eet_blob *blob)
{
    uint32_t table[16], crc = 0xffffffffu, at;

    for (at = 0; at < 16; ++at) {
        uint32_t value = at, bit;
        for (bit = 0; bit < 4; ++bit) {
            value = value & 1u ? value >> 1 ^ 0xedb88320u : value >> 1;
        }
        table[at] = value;
    }
    for (at = 16; at < blob->size; ++at) {
        crc ^= blob->data[at];
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return crc ^ 0xffffffffu;
}

#endif
