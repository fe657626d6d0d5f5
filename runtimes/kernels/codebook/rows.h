/* Body of a variant of CodebookLookup, included once for each instruction set (and so without a guard).
 *
 * The includer names the variant and its target, and provides:
 *
 *     #define EEB_ISA(name) name##_avx2
 *     #define EEB_ISA_TARGET EEB_TARGET("avx2,f16c")
 *     eeb_codebook_most_<isa>     the largest of some codes
 *     eeb_codebook_entry_<isa>    writes or adds the `count` values of an entry
 *     EEB_ISA_PARTS               defined: the shapes that are common get loops of their own, with the entry's size known, and the variant
 *                                 also provides the function below
 *     eeb_codebook_pair_<isa>     writes two float16 entries of 4 values
 */

/* EEB_OK if all codes of the rows asked for are below the entries of a book; else the first position of a row with another one. */
EEB_INLINE EEB_ISA_TARGET eeb_status
EEB_ISA(eeb_codebook_check_codes)(const eeb_codebook_table *table, const eeb_ids *ids, size_t *position)
{
    const size_t books = (size_t)table->books;
    size_t at;

    if (table->entries == 256) {
        return EEB_OK;
    }
    for (at = 0; at < ids->count; ++at) {
        const uint8_t *codes = (const uint8_t *)table->codes + (size_t)eeb_id_at(ids, at) * books;

        if (ids->count - at > EEB_CODEBOOK_AHEAD) {
            eeb_codebook_fetch((const uint8_t *)table->codes + (size_t)eeb_id_at(ids, at + EEB_CODEBOOK_AHEAD) * books, books);
        }
        if (EEB_ISA(eeb_codebook_most)(codes, books) >= (unsigned)table->entries) {
            if (position != NULL) {
                *position = at;
            }
            return EEB_CODE_OUT_OF_RANGE;
        }
    }
    return EEB_OK;
}

/* All rows, side by side or added up; the caller has checked everything. `type`, and `part` where EEB_ISA_PARTS says so, are constants. */
EEB_INLINE EEB_ISA_TARGET void EEB_ISA(eeb_codebook_rows)(
    const eeb_codebook_table *table, const eeb_ids *ids, uint8_t *output, eeb_type type, size_t part, int additive)
{
    const size_t books = (size_t)table->books;
    const size_t entry_bytes = part * (type == EEB_FLOAT16 ? 2 : 4);
    const size_t book_bytes = (size_t)table->entries * entry_bytes;
    size_t at, book;

    for (at = 0; at < ids->count; ++at) {
        const uint8_t *codes = (const uint8_t *)table->codes + (size_t)eeb_id_at(ids, at) * books;
        const uint8_t *entries = (const uint8_t *)table->codebooks;

        if (ids->count - at > EEB_CODEBOOK_AHEAD) {
            eeb_codebook_fetch((const uint8_t *)table->codes + (size_t)eeb_id_at(ids, at + EEB_CODEBOOK_AHEAD) * books, books);
        }
        if (additive) {
            EEB_ISA(eeb_codebook_entry)(entries + codes[0] * entry_bytes, type, part, output, 0);
            for (book = 1; book < books; ++book) {
                entries += book_bytes;
                EEB_ISA(eeb_codebook_entry)(entries + codes[book] * entry_bytes, type, part, output, 1);
            }
            output += 4 * part;
            continue;
        }
        for (book = 0; book < books; ++book) {
            EEB_ISA(eeb_codebook_entry)(entries + codes[book] * entry_bytes, type, part, output, 0);
            entries += book_bytes;
            output += 4 * part;
        }
    }
}

#if defined(EEB_ISA_PARTS)
/* All rows of float16 entries of 4 values side by side: eight codes are read at once, and two entries are converted and stored together. */
EEB_INLINE EEB_ISA_TARGET void EEB_ISA(eeb_codebook_fours)(const eeb_codebook_table *table, const eeb_ids *ids, uint8_t *output)
{
    const size_t books = (size_t)table->books;
    const size_t step = (size_t)table->entries * 8;
    size_t at, book, pair;

    for (at = 0; at < ids->count; ++at) {
        const uint8_t *codes = (const uint8_t *)table->codes + (size_t)eeb_id_at(ids, at) * books;
        const uint8_t *entries = (const uint8_t *)table->codebooks;

        if (ids->count - at > EEB_CODEBOOK_AHEAD) {
            eeb_codebook_fetch((const uint8_t *)table->codes + (size_t)eeb_id_at(ids, at + EEB_CODEBOOK_AHEAD) * books, books);
        }
        for (book = 0; books - book >= 8; book += 8) {
            uint64_t eight;

            memcpy(&eight, codes + book, sizeof eight);
            for (pair = 0; pair < 4; ++pair) {
                EEB_ISA(eeb_codebook_pair)(entries + (eight & 255u) * 8, entries + step + (eight >> 8 & 255u) * 8, output);
                eight >>= 16;
                entries += 2 * step;
                output += 32;
            }
        }
        for (; book < books; ++book) {
            EEB_ISA(eeb_codebook_entry)(entries + codes[book] * (size_t)8, EEB_FLOAT16, 4, output, 0);
            entries += step;
            output += 16;
        }
    }
}
#endif

EEB_FUNCTION EEB_ISA_TARGET eeb_status
EEB_ISA(eeb_codebook_lookup)(const eeb_codebook_table *table, const eeb_ids *ids, void *output, size_t *position)
{
    const size_t part = (size_t)table->part;
    uint8_t *to = (uint8_t *)output;
    eeb_status status = eeb_codebook_check(table, ids->count);

    if (status == EEB_OK) {
        status = eeb_check_ids(ids, table->rows, position);
    }
    if (status == EEB_OK) {
        status = EEB_ISA(eeb_codebook_check_codes)(table, ids, position);
    }
    if (status != EEB_OK) {
        return status;
    }
    if (table->book_type == EEB_FLOAT32) {
        EEB_ISA(eeb_codebook_rows)(table, ids, to, EEB_FLOAT32, part, table->additive);
#if defined(EEB_ISA_PARTS)
    } else if (part == 2 && !table->additive) {
        EEB_ISA(eeb_codebook_rows)(table, ids, to, EEB_FLOAT16, 2, 0);
    } else if (part == 4 && !table->additive) {
        EEB_ISA(eeb_codebook_fours)(table, ids, to);
    } else if (part == 8 && !table->additive) {
        EEB_ISA(eeb_codebook_rows)(table, ids, to, EEB_FLOAT16, 8, 0);
#endif
    } else {
        EEB_ISA(eeb_codebook_rows)(table, ids, to, EEB_FLOAT16, part, table->additive);
    }
    return EEB_OK;
}

#undef EEB_ISA_PARTS
#undef EEB_ISA
#undef EEB_ISA_TARGET
