/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tiles of conv.h for the vector extension. A vector runs along a row of the result, and the
 * channels of a tile share the vector that is loaded from x. Vectors have as many elements as fit
 * the shortest VLEN that the compiler is told. That is a constant, and right on a longer VLEN too.
 */
#if defined(__riscv_vector) && !defined(ACALSIM_CONV_VECTOR_H)
#define ACALSIM_CONV_VECTOR_H

#include "vector.h"

/* Loops over taps are unrolled where a kernel has at most so many. */
enum { CONV_TAPS = 9 };

/* Input channels that are unrolled where a kernel has one tap. */
enum { CONV_STEPS = 4 };

/* conv_tile_mM, for groups of M registers: computes `channels` channels of `count` elements, from
 * (channel, row, column) of the grid on. `channels` and `count` are constants. */
#define CONV_TILE(M)                                                                            \
    INLINE vfloat32m##M##_t conv_load_m##M(const struct conv_grid *p, const float *from,        \
                                           int count) {                                         \
        if (p->x_column == 1) return __riscv_vle32_v_f32m##M(from, count);                      \
        return __riscv_vlse32_v_f32m##M(from, p->x_column * (long)sizeof(float), count);        \
    }                                                                                           \
                                                                                                \
    INLINE void conv_tile_m##M(const struct conv_grid *p, long channel, long row, long column,  \
                               int channels, int count, conv_end *end, const void *context) {   \
        const float *left = p->w + channel * p->w_channel_out;                                  \
        const float *right = p->x + row * p->x_row + column * p->x_column;                      \
        const int steps = p->tap_rows * p->tap_columns == 1 && p->channels_in % CONV_STEPS == 0 \
                              ? CONV_STEPS                                                      \
                              : 1;                                                              \
        float sums[MOST_LANES];                                                                 \
        EACH_SUM(CONV_CLEAR_##M)                                                                \
        for (long c = 0; c < p->channels_in; c += steps) {                                      \
            UNROLL_FULLY(CONV_STEPS)                                                            \
            for (int s = 0; s < steps; s++, left += p->w_channel_in, right += p->x_channel) {   \
                const float *taps = left, *under = right;                                       \
                CONV_TAP_ROWS(M)                                                                \
            }                                                                                   \
        }                                                                                       \
        EACH_SUM(CONV_END_##M)                                                                  \
    }

/* Adds the products of all taps of one input channel. */
#define CONV_TAP_ROWS(M)                                               \
    if (p->tap_rows * p->tap_columns <= CONV_TAPS) {                   \
        UNROLL_FULLY(CONV_TAPS)                                        \
        for (long r = 0; r < p->tap_rows; r++) UNROLL_FULLY(CONV_TAPS) \
        for (long q = 0; q < p->tap_columns; q++) CONV_TAP(M)          \
    } else {                                                           \
        for (long r = 0; r < p->tap_rows; r++) UNROLL(4)               \
        for (long q = 0; q < p->tap_columns; q++) CONV_TAP(M)          \
    }

#define CONV_TAP(M)                                                                   \
    {                                                                                 \
        const float *tap = taps + r * p->w_tap_row + q * p->w_tap_column;             \
        EACH_SUM(CONV_LEFT)                                                           \
        vfloat32m##M##_t shared =                                                     \
            conv_load_m##M(p, under + r * p->x_tap_row + q * p->x_tap_column, count); \
        EACH_SUM(CONV_ADD_##M)                                                        \
    }

#define CONV_CLEAR(M, I)      \
    vfloat32m##M##_t sum##I = \
        I < channels ? __riscv_vfmv_v_f_f32m##M(0.0f, count) : __riscv_vundefined_f32m##M();
#define CONV_LEFT(I) const float left##I = I < channels ? tap[I * p->w_channel_out] : 0.0f;
#define CONV_ADD(M, I) \
    if (I < channels) sum##I = __riscv_vfmacc_vf_f32m##M(sum##I, left##I, shared, count);
#define CONV_END(M, I)                                                               \
    if (I < channels) {                                                              \
        __riscv_vse32_v_f32m##M(sums, sum##I, count);                                \
        end(context, p->image, p->channel + channel + I, p->row + row * p->row_step, \
            p->column + column * p->column_step, p->column_step, count, sums);       \
    }
#define CONV_CLEAR_1(I) CONV_CLEAR(1, I)
#define CONV_CLEAR_2(I) CONV_CLEAR(2, I)
#define CONV_CLEAR_4(I) CONV_CLEAR(4, I)
#define CONV_CLEAR_8(I) CONV_CLEAR(8, I)
#define CONV_ADD_1(I) CONV_ADD(1, I)
#define CONV_ADD_2(I) CONV_ADD(2, I)
#define CONV_ADD_4(I) CONV_ADD(4, I)
#define CONV_ADD_8(I) CONV_ADD(8, I)
#define CONV_END_1(I) CONV_END(1, I)
#define CONV_END_2(I) CONV_END(2, I)
#define CONV_END_4(I) CONV_END(4, I)
#define CONV_END_8(I) CONV_END(8, I)

CONV_TILE(1)
CONV_TILE(2)
CONV_TILE(4)
CONV_TILE(8)

INLINE void conv_tile(const struct conv_grid *p, long channel, long row, long column, int channels,
                      int count, conv_end *end, const void *context) {
    switch (vector_group(count)) {
        case 1:
            return conv_tile_m1(p, channel, row, column, channels, count, end, context);
        case 2:
            return conv_tile_m2(p, channel, row, column, channels, count, end, context);
        case 4:
            return conv_tile_m4(p, channel, row, column, channels, count, end, context);
        default:
            return conv_tile_m8(p, channel, row, column, channels, count, end, context);
    }
}

/* Computes `count` columns from `column` on, of all rows and channels. */
INLINE void conv_columns(const struct conv_grid *p, long column, int count, conv_end *end,
                         const void *context) {
    const int channels = vector_sums(vector_group(count));
    const int rest = (int)(p->channels_out % channels);
    long channel = 0;
    for (; channel + channels <= p->channels_out; channel += channels)
        for (long row = 0; row < p->rows; row++)
            conv_tile(p, channel, row, column, channels, count, end, context);
    if (rest)
        for (long row = 0; row < p->rows; row++)
            conv_tile(p, channel, row, column, rest, count, end, context);
}

/* Computes a grid. */
INLINE void conv_grid_f32(const struct conv_grid *p, conv_end *end, const void *context) {
    const long whole = p->columns / MOST_LANES * MOST_LANES;
    for (long column = 0; column < whole; column += MOST_LANES)
        conv_columns(p, column, MOST_LANES, end, context);
    if (p->columns % MOST_LANES)
        conv_columns(p, whole, (int)(p->columns % MOST_LANES), end, context);
}

#endif
