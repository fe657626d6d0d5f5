/* Body of a variant of QuantizedLookup, included once for each instruction set (and so without a guard).
 *
 * The includer names the variant and its target, and provides how a run of codes that share a scale is written:
 *
 *     #define EEB_ISA(name) name##_avx2
 *     #define EEB_ISA_TARGET EEB_TARGET("avx2,f16c")
 *     eeb_levels_<isa>            a type: what the codes of a block are turned into values with
 *     eeb_quantized_scales_<isa>  reads up to 16 scales as float32
 *     eeb_quantized_levels_<isa>  the levels of a bit width for a scale
 *     eeb_quantized_run_<isa>     writes (plane 0) or adds (later planes) `count` values from the codes in the given part of the bytes
 *     EEB_ISA_CHUNKS              defined: the variant also provides the two functions below, for rows without an odd end
 *     eeb_quantized_load_<isa>    sixteen bytes of codes, as eeb_codes_<isa>
 *     eeb_quantized_chunk_<isa>   writes or adds the sixteen values that one part of these bytes holds
 */

#if defined(EEB_ISA_CHUNKS)
/* One plane of one row whose parts and blocks are multiples of 16: each byte is read once, for all of its parts. Chunk c of the row
 * (elements 16 c ...) has the scale c >> to_block. */
EEB_INLINE EEB_ISA_TARGET void EEB_ISA(eeb_quantized_whole)(
    const uint8_t *codes, const uint8_t *scales, eeb_type scale_type, size_t width, size_t blocks, int to_block, uint8_t *output, int bits,
    int add)
{
    const size_t scale_bytes = scale_type == EEB_FLOAT16 ? 2 : 4;
    const size_t part_chunks = width / 16;
    float near[EEB_QUANTIZED_NEAR];
    size_t column, at;
    int part;

    for (at = 0; at < blocks; at += 16) {
        EEB_ISA(eeb_quantized_scales)
        (scales + at * scale_bytes, scale_type, blocks - at < 16 ? blocks - at : 16, near + at);
    }
    for (column = 0; column < width; column += 16) {
        const EEB_ISA(eeb_codes) loaded = EEB_ISA(eeb_quantized_load)(codes + column, bits);

        for (part = 0; part < 8 / bits; ++part) {
            const float scale = near[((size_t)part * part_chunks + column / 16) >> to_block];

            EEB_ISA(eeb_quantized_chunk)(loaded, part, scale, output + 4 * ((size_t)part * width + column), bits, add);
        }
    }
}
#endif

/* One plane of one row. `bits` and `add` are constants wherever this is called. */
EEB_INLINE EEB_ISA_TARGET void EEB_ISA(eeb_quantized_plane)(
    const uint8_t *codes, const uint8_t *scales, eeb_type scale_type, size_t width, size_t block, size_t blocks, uint8_t *output, int bits,
    int add)
{
    const size_t scale_bytes = scale_type == EEB_FLOAT16 ? 2 : 4;
    float near[16];
    size_t column = 0; /* of the byte that holds the next element */
    int part = 0;      /* which bits of that byte: elements part * width ... hold bits part * bits ... */
    size_t first, at;

    for (first = 0; first < blocks; first += 16) {
        const size_t group = blocks - first < 16 ? blocks - first : 16;

        EEB_ISA(eeb_quantized_scales)(scales + first * scale_bytes, scale_type, group, near);
        for (at = 0; at < group; ++at) {
            const EEB_ISA(eeb_levels) levels = EEB_ISA(eeb_quantized_levels)(near[at], bits);
            size_t left = block;

            do {
                const size_t run = left < width - column ? left : width - column;

                EEB_ISA(eeb_quantized_run)(codes + column, part, run, levels, output, bits, add);
                output += 4 * run;
                left -= run;
                column += run;
                if (column == width) {
                    column = 0;
                    ++part;
                }
            } while (left != 0);
        }
    }
}

EEB_INLINE EEB_ISA_TARGET eeb_status
EEB_ISA(eeb_quantized_rows)(const eeb_quantized_table *table, const eeb_ids *ids, void *output, size_t *position, int bits)
{
    /* The check comes first: nothing is divided by a size that no table has. */
    eeb_status status = table->bits == bits ? eeb_quantized_check(table, ids->count) : EEB_BAD_TYPE;
    const size_t dim = (size_t)table->dim;
    const size_t block = status != EEB_OK ? 1 : table->block == 0 ? dim : (size_t)table->block;
    const size_t blocks = dim / block;
    const size_t width = (dim + 8 / (unsigned)bits - 1) / (8 / (unsigned)bits);
    const size_t row_bytes = (size_t)table->planes * width;
    const size_t plane_scale_bytes = blocks * (table->scale_type == EEB_FLOAT16 ? 2 : 4);
    const size_t row_scale_bytes = (size_t)table->planes * plane_scale_bytes;
    const size_t fetched_codes = row_bytes < 1024 ? row_bytes : 1024;
    const size_t fetched_scales = row_scale_bytes < 256 ? row_scale_bytes : 256;
#if defined(EEB_ISA_CHUNKS)
    const int to_block = eeb_quantized_chunks_to_block(block, blocks, width, bits);
    const int whole = to_block >= 0 && width * (8 / (unsigned)bits) == dim;
#endif
    uint8_t *to = (uint8_t *)output;
    size_t at, ahead, offset;
    int32_t plane;

    if (status == EEB_OK) {
        status = eeb_check_ids(ids, table->rows, position);
    }
    if (status != EEB_OK) {
        return status;
    }
    for (at = 0; at < ids->count; ++at) {
        const size_t row = (size_t)eeb_id_at(ids, at);
        const uint8_t *codes = (const uint8_t *)table->codes + row * row_bytes;
        const uint8_t *scales = (const uint8_t *)table->scales + row * row_scale_bytes;

        if (ids->count - at > EEB_QUANTIZED_AHEAD) {
            ahead = (size_t)eeb_id_at(ids, at + EEB_QUANTIZED_AHEAD);
            for (offset = 0; offset < fetched_codes; offset += 64) {
                EEB_PREFETCH((const uint8_t *)table->codes + ahead * row_bytes + offset);
            }
            EEB_PREFETCH((const uint8_t *)table->codes + ahead * row_bytes + fetched_codes - 1);
            for (offset = 0; offset < fetched_scales; offset += 64) {
                EEB_PREFETCH((const uint8_t *)table->scales + ahead * row_scale_bytes + offset);
            }
        }
#if defined(EEB_ISA_CHUNKS)
        if (whole) {
            EEB_ISA(eeb_quantized_whole)(codes, scales, table->scale_type, width, blocks, to_block, to, bits, 0);
            for (plane = 1; plane < table->planes; ++plane) {
                codes += width;
                scales += plane_scale_bytes;
                EEB_ISA(eeb_quantized_whole)(codes, scales, table->scale_type, width, blocks, to_block, to, bits, 1);
            }
            to += 4 * dim;
            continue;
        }
#endif
        EEB_ISA(eeb_quantized_plane)(codes, scales, table->scale_type, width, block, blocks, to, bits, 0);
        for (plane = 1; plane < table->planes; ++plane) {
            codes += width;
            scales += plane_scale_bytes;
            EEB_ISA(eeb_quantized_plane)(codes, scales, table->scale_type, width, block, blocks, to, bits, 1);
        }
        to += 4 * dim;
    }
    return EEB_OK;
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status
EEB_ISA(eeb_quantized_lookup_b8)(const eeb_quantized_table *table, const eeb_ids *ids, void *output, size_t *position)
{
    return EEB_ISA(eeb_quantized_rows)(table, ids, output, position, 8);
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status
EEB_ISA(eeb_quantized_lookup_b4)(const eeb_quantized_table *table, const eeb_ids *ids, void *output, size_t *position)
{
    return EEB_ISA(eeb_quantized_rows)(table, ids, output, position, 4);
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status
EEB_ISA(eeb_quantized_lookup_b2)(const eeb_quantized_table *table, const eeb_ids *ids, void *output, size_t *position)
{
    return EEB_ISA(eeb_quantized_rows)(table, ids, output, position, 2);
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status
EEB_ISA(eeb_quantized_lookup_b1)(const eeb_quantized_table *table, const eeb_ids *ids, void *output, size_t *position)
{
    return EEB_ISA(eeb_quantized_rows)(table, ids, output, position, 1);
}

EEB_FUNCTION eeb_quantized_function EEB_ISA(eeb_quantized_choose)(int32_t bits)
{
    switch (bits) {
    case 8: return EEB_ISA(eeb_quantized_lookup_b8);
    case 4: return EEB_ISA(eeb_quantized_lookup_b4);
    case 2: return EEB_ISA(eeb_quantized_lookup_b2);
    case 1: return EEB_ISA(eeb_quantized_lookup_b1);
    default: return NULL;
    }
}

#undef EEB_ISA_CHUNKS
#undef EEB_ISA
#undef EEB_ISA_TARGET
