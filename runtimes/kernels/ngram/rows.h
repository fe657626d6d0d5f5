/* Body of a variant of NgramLookup, included once for each instruction set (and so without a guard).
 *
 * The includer names the variant and its target, and provides:
 *
 *     #define EEB_ISA(name) name##_avx2
 *     #define EEB_ISA_TARGET EEB_TARGET("avx2,f16c")
 *     eeb_ngram_extend_<isa>     takes one more byte into the hashes of some places
 *     eeb_ngram_part_<isa>       the elements of the n-grams of one size
 *
 * Hashes lie in rows of EEB_NGRAM_LANES, one for each place of the token; the lanes that there are come again until the row is full, so
 * that a vector of them faces a vector of seeds. The serial variant fills and reads the first `lanes` only.
 */

/* The bases, over and over, as `eeb_ngram_row` takes them. */
EEB_INLINE EEB_ISA_TARGET void EEB_ISA(eeb_ngram_bases)(const eeb_ngram_table *table, uint16_t *bases)
{
    size_t lane;

    for (lane = 0; lane < EEB_NGRAM_LANES; ++lane) {
        bases[lane] = (uint16_t)eeb_ngram_at(table->bases, lane & ((size_t)table->lanes - 1));
    }
}

/* The row of a token of `length` bytes, at most EEB_NGRAM_BYTES. The caller has checked the table (eeb_ngram_check). */
EEB_INLINE EEB_ISA_TARGET void EEB_ISA(eeb_ngram_token_row)(
    const eeb_ngram_table *table, const uint16_t *bases, const uint8_t *token, size_t length, uint8_t *output)
{
    uint16_t hashes[EEB_NGRAM_BYTES * EEB_NGRAM_LANES];
    const size_t lanes = (size_t)table->lanes;
    int32_t size;

    if (length == 0) {
        memset(output, 0, (size_t)table->dim * 4);
        return;
    }
    memset(hashes, 0, length * EEB_NGRAM_LANES * sizeof hashes[0]);
    for (size = 1; size <= table->n; ++size) {
        const size_t low = eeb_ngram_low(table, size), high = eeb_ngram_low(table, size + 1), before = (size_t)size - 1;
        const size_t places = length > before ? length - before : 0;

        EEB_ISA(eeb_ngram_extend)(hashes, token + (places != 0 ? before : 0), places, bases, lanes);
        EEB_ISA(eeb_ngram_part)
        (hashes, places != 0 ? places : 1, (const uint8_t *)table->seeds + 2 * low, high - low, lanes, output + 4 * low);
    }
}

/* The same for one token alone. */
EEB_FUNCTION EEB_ISA_TARGET void EEB_ISA(eeb_ngram_row)(const eeb_ngram_table *table, const void *token, size_t length, void *output)
{
    uint16_t bases[EEB_NGRAM_LANES];

    EEB_ISA(eeb_ngram_bases)(table, bases);
    EEB_ISA(eeb_ngram_token_row)(table, bases, (const uint8_t *)token, length, (uint8_t *)output);
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status
EEB_ISA(eeb_ngram_lookup)(const eeb_ngram_table *table, const eeb_ids *ids, void *output, size_t *position)
{
    uint32_t memo[EEB_NGRAM_MEMO]; /* one more than the latest position of an id of that slot */
    uint16_t bases[EEB_NGRAM_LANES];
    size_t at, start = 0, length = 0, row_bytes;
    uint8_t *to = (uint8_t *)output;
    eeb_status status = eeb_ngram_check(table, ids->count);

    if (status == EEB_OK) {
        status = eeb_check_ids(ids, table->rows, position);
    }
    if (status == EEB_OK) {
        status = eeb_ngram_check_tokens(table, ids, position);
    }
    if (status != EEB_OK) {
        return status;
    }
    memset(memo, 0, sizeof memo);
    EEB_ISA(eeb_ngram_bases)(table, bases);
    row_bytes = (size_t)table->dim * 4;
    for (at = 0; at < ids->count; ++at, to += row_bytes) {
        const int64_t id = eeb_id_at(ids, at);
        uint32_t *slot = memo + ((size_t)id & (EEB_NGRAM_MEMO - 1));

        /* A position too large for the slot names another row, which serves if its id is the same. */
        if (*slot != 0 && eeb_id_at(ids, *slot - 1u) == id) {
            memcpy(to, (uint8_t *)output + (size_t)(*slot - 1u) * row_bytes, row_bytes);
            continue;
        }
        *slot = (uint32_t)(at + 1);
        eeb_ngram_token(table, id, &start, &length);
        EEB_ISA(eeb_ngram_token_row)(table, bases, (const uint8_t *)table->tokens + start, length, to);
    }
    return EEB_OK;
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status
EEB_ISA(eeb_ngram_bytes)(const eeb_ngram_table *table, const void *bytes, size_t count, size_t width, void *output)
{
    uint32_t memo[EEB_NGRAM_MEMO];
    uint16_t bases[EEB_NGRAM_LANES];
    const uint8_t *token = (const uint8_t *)bytes;
    uint8_t *to = (uint8_t *)output;
    size_t at, row_bytes;
    const eeb_status status = eeb_ngram_check(table, count);

    if (status != EEB_OK) {
        return status;
    }
    if (width < 1 || count > SIZE_MAX / 2 / width) {
        return EEB_BAD_SHAPE;
    }
    memset(memo, 0, sizeof memo);
    EEB_ISA(eeb_ngram_bases)(table, bases);
    row_bytes = (size_t)table->dim * 4;
    for (at = 0; at < count; ++at, token += width, to += row_bytes) {
        uint32_t key;
        const size_t length = eeb_ngram_length(token, width, &key);
        uint32_t *slot = memo + (key & (EEB_NGRAM_MEMO - 1));
        const size_t earlier = *slot - (size_t)1;

        if (*slot != 0 && eeb_ngram_same(token, (const uint8_t *)bytes + earlier * width, length, width)) {
            memcpy(to, (uint8_t *)output + earlier * row_bytes, row_bytes);
            continue;
        }
        *slot = (uint32_t)(at + 1);
        EEB_ISA(eeb_ngram_token_row)(table, bases, token, length, to);
    }
    return EEB_OK;
}

#undef EEB_ISA
#undef EEB_ISA_TARGET
