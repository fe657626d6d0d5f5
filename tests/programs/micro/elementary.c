/* The elementary functions and the integer dot product behind a flat interface, for ctypes. */
#include "micro/encoder.h"
#include "micro/pooling.h"

void each_exp(const float *x, float *y, size_t count);
void each_inverse_root(const float *x, float *y, size_t count);
void each_tanh(const float *x, float *y, size_t count);
void each_gelu(const float *x, float *y, size_t count);
void softmax(float *x, uint32_t count);
void steps(
    const float *rows, uint32_t count, uint32_t width, const int8_t *columns, uint32_t *pair, int32_t *sums, float *scales, int32_t *zeros);
void dot(const float *rows, uint32_t count, uint32_t width, const int8_t *columns, int wide, uint32_t *pair, int32_t *sums, float *scales);

#define EACH(name, function)                                                                                                               \
    void name(const float *x, float *y, size_t count)                                                                                      \
    {                                                                                                                                      \
        size_t at;                                                                                                                         \
                                                                                                                                           \
        for (at = 0; at < count; ++at) {                                                                                                   \
            y[at] = function(x[at]);                                                                                                       \
        }                                                                                                                                  \
    }

EACH(each_exp, eem_exp)
EACH(each_inverse_root, eem_inverse_root)
EACH(each_tanh, eem_tanh)
EACH(each_gelu, eem_gelu)

void softmax(float *x, uint32_t count)
{
    eem_softmax(x, count);
}

void dot(const float *rows, uint32_t count, uint32_t width, const int8_t *columns, int wide, uint32_t *pair, int32_t *sums, float *scales)
{
    scales[0] = eem_quantize(pair, width, 0, rows, count, wide);
    scales[1] = eem_quantize(pair, width, 1, rows + count, count, wide);
    eem_dot(pair, width, columns, columns + width, EEM_BLOCK, wide, sums);
}

void steps(
    const float *rows, uint32_t count, uint32_t width, const int8_t *columns, uint32_t *pair, int32_t *sums, float *scales, int32_t *zeros)
{
    uint32_t row;

    for (row = 0; row < 2; ++row) {
        const eem_grid grid = eem_quantize_steps(pair, width, row, rows + row * count, count);

        scales[row] = grid.scale;
        zeros[row] = grid.zero;
    }
    eem_dot(pair, width, columns, columns + width, EEM_BLOCK, 0, sums);
}
