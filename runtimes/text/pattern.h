/* Patterns: a regular expression that the export has turned into a table of states.
 *
 * CLASSES   a table (unicode.h) from code points to classes, uint8; the last class, `classes` - 1, is the end of the text.
 * STATES    section u16[states][classes]: the next state, 0 for none; EET_ACCEPTS is set where a match ends before the character at hand. A
 * match begins in state 1. Of several alternatives the first that matches wins, as in Perl: the export has put that into the states. */
#ifndef EET_PATTERN_H
#define EET_PATTERN_H

#include "work.h"

#define EET_ACCEPTS 0x8000u

typedef struct eet_pattern {
    eet_table table;
    eet_view states;
    uint32_t classes;
} eet_pattern;

/* Arguments of a record: section of the table, section of the states, classes. */
EEB_FUNCTION eet_status eet_pattern_open(eet_pattern *pattern, const eet_blob *blob, uint32_t table, uint32_t states, uint32_t classes)
{
    const eet_status status = eet_table_open(&pattern->table, blob, table, 1);

    pattern->states = eet_section(blob, states);
    pattern->classes = classes;
    return status != EET_OK || classes < 2 || classes > 256 || pattern->states.size < 4 * classes ? EET_DAMAGED : EET_OK;
}

/* The end of the match that begins with character `at` of [at, end), or `at` if none does. */
EEB_INLINE uint32_t eet_pattern_match(const eet_pattern *pattern, const uint32_t *code, uint32_t at, uint32_t end)
{
    uint32_t found = at, state = 1;

    for (;; ++at) {
        const uint32_t kind = at < end ? eet_table_at(&pattern->table, code[at] & EET_CODE) : pattern->classes - 1;
        const uint32_t entry = eet_u16(pattern->states, state * pattern->classes + kind);

        if (entry & EET_ACCEPTS) {
            found = at;
        }
        state = entry & (EET_ACCEPTS - 1);
        if (state == 0 || at >= end) {
            return found;
        }
    }
}

#endif
