/* Body of a variant of the scan, included once for each instruction set (and so without a guard): blocks one after another.
 *
 * The includer names the variant and its target, and provides eeb_shortlist_block_<isa>, as in serial.h. */

EEB_FUNCTION EEB_ISA_TARGET void EEB_ISA(eeb_shortlist_scan)(
    const eeb_shortlist *list, const eeb_shortlist_query *query, const void *bias, size_t first, size_t blocks, eeb_selection *found)
{
    const size_t pairs = eeb_shortlist_pairs(list), rows = (size_t)list->rows;
    size_t block, at;

    for (block = first; block < first + blocks; ++block) {
        const size_t row = block * EEB_SHORTLIST_BLOCK;
        const uint8_t *codes = (const uint8_t *)list->codes + row * pairs;
        const uint8_t *scales = (const uint8_t *)list->scales + 4 * row;
        const uint8_t *biases = (const uint8_t *)eeb_bias_part(bias, row);
        float scores[EEB_SHORTLIST_BLOCK], end[EEB_SHORTLIST_BLOCK] = {0};
        uint64_t wanted, all = ~(uint64_t)0;

        if (rows - row < EEB_SHORTLIST_BLOCK) {
            all >>= EEB_SHORTLIST_BLOCK - (rows - row);
            if (bias != NULL) { /* which ends with the last row */
                memcpy(end, biases, 4 * (rows - row));
                biases = (const uint8_t *)(const void *)end;
            }
        }
        wanted = all & EEB_ISA(eeb_shortlist_block)(codes, pairs, query, scales, biases, found->floor, scores);
        for (at = 0; wanted != 0; ++at, wanted >>= 1) {
            if ((wanted & 1u) != 0) {
                eeb_selection_add_key(found, eeb_top_key(scores[at], row + at));
            }
        }
    }
}

#undef EEB_ISA
#undef EEB_ISA_TARGET
