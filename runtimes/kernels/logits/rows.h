/* Body of a variant of QuantizedLogits, included once for each instruction set (and so without a guard).
 *
 * The includer names the variant and its target, and provides the arithmetic of a chunk:
 *
 *     #define EEB_ISA(name) name##_avx2
 *     #define EEB_ISA_TARGET EEB_TARGET("avx2,f16c")
 *     #define EEB_ISA_ROWS 2     rows for which a vector is loaded once
 *     eeb_logits_lanes_<isa>     a type: 16 lanes of float32
 *     eeb_logits_zero_<isa>      lanes of zero
 *     eeb_logits_codes_<isa>     a type: 64 bytes of codes as stored
 *     eeb_logits_load_<isa>      reads up to 64 bytes; those past the end are zero
 *     eeb_logits_levels_<isa>    a type: what the codes of a part count for
 *     eeb_logits_unpack_<isa>    these, for a part of the bytes
 *     eeb_logits_near_<isa>      a type: the scales of a plane, with `values` of EEB_LOGITS_NEAR + EEB_LOGITS_LANES floats
 *     eeb_logits_read_<isa>      reads them; `whole`: for eeb_logits_spread_<isa> alone
 *     eeb_logits_scale_<isa>     the scale of each lane, for the place of a part; zero for lanes unused
 *     eeb_logits_spread_<isa>    the same for one scale that all lanes share
 *     eeb_logits_vector_<isa>    a type: a chunk's part of a vector
 *     eeb_logits_operands_<isa>  reads it
 *     eeb_logits_add_<isa>       lanes + float32(sum of levels times integers) * scales
 *     eeb_logits_total_<isa>     the tree
 */

/* `tile` rows with a prepared vector, which is loaded once for all of them; `bits` and `tile` are constants wherever this is called. */
EEB_INLINE EEB_ISA_TARGET void EEB_ISA(eeb_logits_tile)(
    const eeb_quantized_table *table, const eeb_logits_sizes *sizes, const eeb_logits_call *call, size_t row, size_t vector, int whole,
    int bits, size_t tile)
{
    const size_t scale_bytes = sizes->blocks * (table->scale_type == EEB_FLOAT16 ? 2 : 4);
    const size_t planes = (size_t)table->planes;
    const uint8_t *codes = (const uint8_t *)table->codes + row * planes * sizes->width;
    const uint8_t *scales = (const uint8_t *)table->scales + row * planes * scale_bytes;
    const uint8_t *places = (const uint8_t *)call->memory;
    const uint8_t *prepared = places + sizes->places_bytes + vector * sizes->vector_bytes;
    EEB_ISA(eeb_logits_near) near[EEB_ISA_ROWS];
    EEB_ISA(eeb_logits_lanes) lanes[EEB_ISA_ROWS];
    EEB_ISA(eeb_logits_codes) loaded[EEB_ISA_ROWS];
    size_t plane, chunk, at;
    float step;
    int part;

    for (at = 0; at < tile; ++at) {
        lanes[at] = EEB_ISA(eeb_logits_zero)();
    }
    for (plane = 0; plane < planes; ++plane, codes += sizes->width, scales += scale_bytes) {
        const uint8_t *from = prepared + sizeof(float), *place = places;

        for (at = 0; at < tile; ++at) {
            EEB_ISA(eeb_logits_read)(&near[at], scales + at * planes * scale_bytes, table->scale_type, sizes->blocks, whole);
        }
        for (chunk = 0; chunk < sizes->chunks; ++chunk) {
            const size_t column = chunk * EEB_LOGITS_CHUNK;

            for (at = 0; at < tile; ++at) {
                loaded[at] = EEB_ISA(eeb_logits_load)(codes + at * planes * sizes->width + column, sizes->width - column);
            }
            for (part = 0; part < 8 / bits; ++part, from += sizeof(eeb_logits_part), place += sizeof(eeb_logits_place)) {
                const EEB_ISA(eeb_logits_vector) loaded_vector = EEB_ISA(eeb_logits_operands)(from, bits);
                const size_t block = ((size_t)part * sizes->width + column) / (whole ? sizes->block : 1);

                for (at = 0; at < tile; ++at) {
                    const EEB_ISA(eeb_logits_lanes) scale =
                        whole ? EEB_ISA(eeb_logits_spread)(near[at].values[block]) : EEB_ISA(eeb_logits_scale)(&near[at], place);

                    lanes[at] =
                        EEB_ISA(eeb_logits_add)(lanes[at], EEB_ISA(eeb_logits_unpack)(loaded[at], part, bits), &loaded_vector, scale, bits);
                }
            }
        }
    }
    memcpy(&step, prepared, sizeof step);
    step = bits < 4 ? 0.5f * step : step;
    for (at = 0; at < tile; ++at) {
        eeb_logits_put(table, call, vector, row + at, EEB_ISA(eeb_logits_total)(lanes[at]), step);
    }
}

/* All vectors with `tile` rows. */
EEB_INLINE EEB_ISA_TARGET void EEB_ISA(eeb_logits_some)(
    const eeb_quantized_table *table, const eeb_logits_sizes *sizes, const eeb_logits_call *call, size_t row, int whole, int bits,
    size_t tile)
{
    size_t vector;

    for (vector = 0; vector < call->count; ++vector) {
        EEB_ISA(eeb_logits_tile)(table, sizes, call, row, vector, whole, bits, tile);
    }
}

EEB_INLINE EEB_ISA_TARGET eeb_status EEB_ISA(eeb_logits_all)(const eeb_quantized_table *table, const eeb_logits_call *call, int bits)
{
    const eeb_status status = eeb_logits_check(table, call, bits);
    eeb_logits_sizes sizes;
    const size_t end = call->first + call->rows;
    size_t row, tile;
    int whole;

    if (status != EEB_OK) {
        return status;
    }
    sizes = eeb_logits_size(table);
    if (!eeb_logits_even(&sizes)) {
        return eeb_logits_all_serial(table, call, bits);
    }
    /* Every chunk's part lies in one block, and all of its lanes have elements. */
    whole = sizes.width % EEB_LOGITS_CHUNK == 0 && sizes.block % EEB_LOGITS_CHUNK == 0 && sizes.width * (size_t)sizes.parts == sizes.dim;
    for (row = call->first; row < end; row += tile) {
        tile = end - row < EEB_ISA_ROWS ? 1 : EEB_ISA_ROWS;
        if (whole && tile != 1) {
            EEB_ISA(eeb_logits_some)(table, &sizes, call, row, 1, bits, EEB_ISA_ROWS);
        } else if (tile != 1) {
            EEB_ISA(eeb_logits_some)(table, &sizes, call, row, 0, bits, EEB_ISA_ROWS);
        } else {
            EEB_ISA(eeb_logits_some)(table, &sizes, call, row, 0, bits, 1);
        }
    }
    return EEB_OK;
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status EEB_ISA(eeb_quantized_logits_b8)(const eeb_quantized_table *table, const eeb_logits_call *call)
{
    return EEB_ISA(eeb_logits_all)(table, call, 8);
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status EEB_ISA(eeb_quantized_logits_b4)(const eeb_quantized_table *table, const eeb_logits_call *call)
{
    return EEB_ISA(eeb_logits_all)(table, call, 4);
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status EEB_ISA(eeb_quantized_logits_b2)(const eeb_quantized_table *table, const eeb_logits_call *call)
{
    return EEB_ISA(eeb_logits_all)(table, call, 2);
}

EEB_FUNCTION EEB_ISA_TARGET eeb_status EEB_ISA(eeb_quantized_logits_b1)(const eeb_quantized_table *table, const eeb_logits_call *call)
{
    return EEB_ISA(eeb_logits_all)(table, call, 1);
}

EEB_FUNCTION eeb_logits_function EEB_ISA(eeb_logits_choose)(int32_t bits)
{
    switch (bits) {
    case 8: return EEB_ISA(eeb_quantized_logits_b8);
    case 4: return EEB_ISA(eeb_quantized_logits_b4);
    case 2: return EEB_ISA(eeb_quantized_logits_b2);
    case 1: return EEB_ISA(eeb_quantized_logits_b1);
    default: return NULL;
    }
}

#undef EEB_ISA
#undef EEB_ISA_TARGET
#undef EEB_ISA_ROWS
