/* Products of 8 bits in tiles of EEP_TALL rows by EEP_TILE columns, which a variant computes by product_of. No include guard. */

/* sums [EEP_ROWS][EEP_COLUMNS]: codes [rows][width] times a panel. */
EEP_TARGET EEM_FUNCTION void EEP(product)(
    const int8_t *panel, uint32_t columns, uint32_t width, const uint8_t *codes, uint32_t rows, int32_t *sums)
{
    const uint32_t tall = rows > EEP_TALL ? (rows + 1) / 2 : rows;
    uint32_t at, row, high;

#define EEP_CALL(n) EEP(product_of)(panel + 4 * at, columns, width, codes + (size_t)row * width, n, sums + row * EEP_COLUMNS + at)
    EEP_FIVES(EEP_TILE, EEP_CALL)
#undef EEP_CALL
}
