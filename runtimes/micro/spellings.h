/* The text of each token of a vocabulary, in flash: see edgeemb/text/spellings.py for the layout. */
#ifndef EEM_SPELLINGS_H
#define EEM_SPELLINGS_H

#include "platform.h"

#define EEM_SPELLINGS_HEAD 12u
#define EEM_SPELLINGS_GROUP 64u

EEM_INLINE uint32_t eem_word_at(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The text of a token, which no 0 ends, and its bytes; NULL and 0 where there is none. */
EEM_FUNCTION const char *eem_spelling(const uint8_t *table, int32_t token, size_t *bytes)
{
    const uint32_t count = eem_word_at(table + 8), id = (uint32_t)token, group = id / EEM_SPELLINGS_GROUP;
    const uint8_t *starts = table + EEM_SPELLINGS_HEAD;
    const uint8_t *lengths = starts + 4 * (size_t)((count + EEM_SPELLINGS_GROUP - 1) / EEM_SPELLINGS_GROUP);
    const uint8_t *text = lengths + count;
    uint32_t at;

    *bytes = 0;
    if (id >= count || lengths[id] == 0) {
        return NULL;
    }
    text += eem_word_at(starts + 4 * (size_t)group);
    for (at = group * EEM_SPELLINGS_GROUP; at < id; ++at) {
        text += lengths[at];
    }
    *bytes = lengths[id];
    return (const char *)text;
}

#endif
