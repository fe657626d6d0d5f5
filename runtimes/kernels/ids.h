/* The ids of a lookup: int32 or int64, at any address, checked as a whole before a kernel writes anything. */
#ifndef EEB_IDS_H
#define EEB_IDS_H

#include "status.h"

typedef struct eeb_ids {
    const void *data; /* may be NULL when count is 0 */
    size_t count;
    eeb_type type; /* EEB_INT32 or EEB_INT64 */
} eeb_ids;

/* Id at `position`; `type` must be valid and `position` below the count. */
EEB_INLINE int64_t eeb_id_at(const eeb_ids *ids, size_t position)
{
    const uint8_t *data = (const uint8_t *)ids->data;
    int32_t narrow;
    int64_t wide;

    if (ids->type == EEB_INT32) {
        memcpy(&narrow, data + position * sizeof narrow, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, data + position * sizeof wide, sizeof wide);
    return wide;
}

/* EEB_OK if every id lies in [0, rows); else the first position that does not, when `position` is given. */
EEB_FUNCTION eeb_status eeb_check_ids(const eeb_ids *ids, int64_t rows, size_t *position)
{
    size_t at;

    if (ids->type != EEB_INT32 && ids->type != EEB_INT64) {
        return EEB_BAD_TYPE;
    }
    for (at = 0; at < ids->count; ++at) {
        if ((uint64_t)eeb_id_at(ids, at) >= (uint64_t)rows) {
            if (position != NULL) {
                *position = at;
            }
            return EEB_ID_OUT_OF_RANGE;
        }
    }
    return EEB_OK;
}

/* A part of the ids: `count` of them from `first` on. */
EEB_INLINE eeb_ids eeb_ids_part(const eeb_ids *ids, size_t first, size_t count)
{
    eeb_ids part = *ids;

    part.data = (const uint8_t *)ids->data + first * (ids->type == EEB_INT32 ? sizeof(int32_t) : sizeof(int64_t));
    part.count = count;
    return part;
}

#endif
