/* CodebookLookup in plain C99: the reference of the other variants, and their tails. See codebook.h for the contract. */
#ifndef EEB_CODEBOOK_SERIAL_H
#define EEB_CODEBOOK_SERIAL_H

#include "../codebook.h"

EEB_INLINE unsigned eeb_codebook_most_serial(const uint8_t *codes, size_t count)
{
    unsigned most = 0;
    size_t at;

    for (at = 0; at < count; ++at) {
        most = codes[at] > most ? codes[at] : most;
    }
    return most;
}

EEB_INLINE void eeb_codebook_entry_serial(const uint8_t *entry, eeb_type type, size_t count, uint8_t *output, int add)
{
    size_t at;

    for (at = 0; at < count; ++at) {
        float value = eeb_float_at(entry, type, at);

        if (add) {
            float before;

            memcpy(&before, output + 4 * at, sizeof before);
            value = before + value;
        }
        memcpy(output + 4 * at, &value, sizeof value);
    }
}

#define EEB_ISA(name) name##_serial
#define EEB_ISA_TARGET
#include "rows.h"

#endif
