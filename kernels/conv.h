/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions on register tiles, without a copy of the image for each tap: a tile is some channels
 * of the result times some of its columns, and each tap of the kernel shares what it loads among
 * them. Sizes and strides are constants where these are inlined.
 *
 * Every element sums its products in ascending (channel, row, column) of the kernel, each with one
 * rounding (fused multiply-add), from 0; those of a transposed convolution in ascending (channel,
 * row, column) of the kernel too.
 */
#ifndef ACALSIM_CONV_H
#define ACALSIM_CONV_H

#include "inline.h"

/* Takes `count` sums, of the elements [image, channel, row, column + j * step], j < count. */
typedef void conv_end(const void *context, long image, long channel, long row, long column,
                      long step, int count, const float *sums);

/* Sizes of the result and of the kernel; channels are those of one group. */
struct conv {
    long images, groups, channels_in, channels_out;
    long rows, columns;
    long kernel_rows, kernel_columns;
    long stride_rows, stride_columns;
    long dilation_rows, dilation_columns;
};

/* Elements of the result on a grid, of one image and group, and the taps that they sum. */
struct conv_grid {
    const float *x; /* under the first tap of element [0, 0] */
    long x_channel, x_tap_row, x_tap_column, x_row, x_column;
    const float *w; /* the first tap of the first channel */
    long w_channel_out, w_channel_in, w_tap_row, w_tap_column;
    long channels_in, channels_out, tap_rows, tap_columns;
    long rows, columns;
    long image, channel, row, column; /* where element [0, 0] of the first channel lies */
    long row_step, column_step;
};

#ifndef __riscv_vector

enum { CONV_CHANNELS = 5, CONV_POINTS = 6 };

/* Points of a tile. Neighbouring taps of a row share what they load, if registers are left for it.
 */
INLINE int conv_points(const struct conv_grid *p) {
    return p->tap_columns > 1 ? CONV_POINTS - 1 : CONV_POINTS;
}

/* What a tile takes of a grid: some channels of as many rows and columns. */
struct conv_size {
    int channels, rows, columns;
};

/* Channels of a tile of so many points: 32 registers hold its sums and what is multiplied. */
INLINE int conv_channels(int points) { return points >= 5 ? 4 : CONV_CHANNELS; }

/* One tap. */
INLINE void conv_tap(const struct conv_grid *p, const float *left, const float *right,
                     struct conv_size size, float sums[][CONV_POINTS]) {
    UNROLL_FULLY(5)
    for (int i = 0; i < size.channels; i++) UNROLL_FULLY(6)
    for (int j = 0; j < size.rows * size.columns; j++)
        sums[i][j] += left[i * p->w_channel_out] *
                      right[j / size.columns * p->x_row + j % size.columns * p->x_column];
}

INLINE void conv_tap_row(const struct conv_grid *p, const float *left, const float *right,
                         struct conv_size size, float sums[][CONV_POINTS]) {
    if (p->tap_columns <= 11) {
        UNROLL_FULLY(11)
        for (long t = 0; t < p->tap_columns; t++)
            conv_tap(p, left + t * p->w_tap_column, right + t * p->x_tap_column, size, sums);
    } else {
        for (long t = 0; t < p->tap_columns; t++)
            conv_tap(p, left + t * p->w_tap_column, right + t * p->x_tap_column, size, sums);
    }
}

/* All taps of one input channel. Small kernels are written out. */
INLINE void conv_taps(const struct conv_grid *p, const float *left, const float *right,
                      struct conv_size size, float sums[][CONV_POINTS]) {
    if (p->tap_rows * p->tap_columns <= 9) {
        UNROLL_FULLY(9)
        for (long t = 0; t < p->tap_rows; t++)
            conv_tap_row(p, left + t * p->w_tap_row, right + t * p->x_tap_row, size, sums);
    } else {
        for (long t = 0; t < p->tap_rows; t++)
            conv_tap_row(p, left + t * p->w_tap_row, right + t * p->x_tap_row, size, sums);
    }
}

/* Input channels that are written out one behind the other. */
INLINE int conv_steps(const struct conv_grid *p) {
    const long taps = p->tap_rows * p->tap_columns;
    return taps == 1 && p->channels_in % 4 == 0 ? 4 : 1;
}

/* The elements from (channel, row, column) on; the size is a constant. */
INLINE void conv_tile(const struct conv_grid *p, long channel, long row, long column,
                      struct conv_size size, conv_end *end, const void *context) {
    const float *left = p->w + channel * p->w_channel_out;
    const float *right = p->x + row * p->x_row + column * p->x_column;
    const int steps = conv_steps(p), points = size.rows * size.columns;
    float sums[CONV_CHANNELS][CONV_POINTS];
    UNROLL_FULLY(5)
    for (int i = 0; i < size.channels; i++) UNROLL_FULLY(6)
    for (int j = 0; j < points; j++) sums[i][j] = 0.0f;
    for (long c = 0; c < p->channels_in; c += steps) {
        UNROLL_FULLY(4)
        for (int s = 0; s < steps; s++, left += p->w_channel_in, right += p->x_channel)
            conv_taps(p, left, right, size, sums);
    }
    UNROLL_FULLY(5)
    for (int i = 0; i < size.channels; i++) UNROLL_FULLY(6)
    for (int r = 0; r < size.rows; r++)
        end(context, p->image, p->channel + channel + i, p->row + (row + r) * p->row_step,
            p->column + column * p->column_step, p->column_step, size.columns,
            sums[i] + r * size.columns);
}

/* Tiles of one size side by side: `count` of them, in each of rows row, row + size.rows ... */
INLINE void conv_rows(const struct conv_grid *p, long row, long rows, long column, long count,
                      struct conv_size size, conv_end *end, const void *context) {
    const int rest = (int)(p->channels_out % size.channels);
    long channel = 0;
    for (; channel + size.channels <= p->channels_out; channel += size.channels)
        for (long r = row; r < rows; r += size.rows)
            for (long t = 0; t < count; t++)
                conv_tile(p, channel, r, column + t * size.columns, size, end, context);
    size.channels = rest;
    if (rest)
        for (long r = row; r < rows; r += size.rows)
            for (long t = 0; t < count; t++)
                conv_tile(p, channel, r, column + t * size.columns, size, end, context);
}

/* A grid: full tiles along its rows, then what is left at their ends, several rows at once. */
INLINE void conv_tiles(const struct conv_grid *p, conv_end *end, const void *context) {
    const int points = conv_points(p), rest = (int)(p->columns % points);
    const long whole = p->columns / points;
    const struct conv_size full = {conv_channels(points), 1, points};
    if (whole) conv_rows(p, 0, p->rows, 0, whole, full, end, context);
    if (rest) {
        const int high = points / rest;
        const long even = p->rows / high * high;
        const struct conv_size block = {conv_channels(high * rest), high, rest};
        const int low = (int)(p->rows % high);
        const struct conv_size last = {conv_channels(low * rest), low, rest};
        if (even) conv_rows(p, 0, even, whole * points, 1, block, end, context);
        if (low) conv_rows(p, even, p->rows, whole * points, 1, last, end, context);
    }
}

/* --- Depthwise: one channel in, one out ---------------------------------------------------------
 * The taps stay in registers; an element of x that several elements of a tile need is loaded once.
 */

enum { DEPTH_ROWS = 3, DEPTH_COLUMNS = 4, DEPTH_TAPS = 9 };

INLINE void depth_tile(const struct conv_grid *p, const float *taps, long row, long column,
                       int rows, int columns, conv_end *end, const void *context) {
    const float *x = p->x + row * p->x_row + column * p->x_column;
    float sums[DEPTH_ROWS][DEPTH_COLUMNS];
    UNROLL_FULLY(4)
    for (int i = 0; i < rows; i++) UNROLL_FULLY(6)
    for (int j = 0; j < columns; j++) sums[i][j] = 0.0f;
    /* Row by row of x, so that an element is loaded once and then no more needed; strides count in
     * taps. */
    const long down = p->x_row / p->x_tap_row, right = p->x_column / p->x_tap_column;
    UNROLL_FULLY(16)
    for (long r = 0; r < (rows - 1) * down + p->tap_rows; r++) UNROLL_FULLY(24)
    for (long c = 0; c < (columns - 1) * right + p->tap_columns; c++) {
        const float element = x[r * p->x_tap_row + c * p->x_tap_column];
        UNROLL_FULLY(4)
        for (int i = 0; i < rows; i++) UNROLL_FULLY(6)
        for (int j = 0; j < columns; j++) {
            const long tap_row = r - i * down, tap_column = c - j * right;
            if (tap_row >= 0 && tap_row < p->tap_rows && tap_column >= 0 &&
                tap_column < p->tap_columns)
                sums[i][j] += taps[tap_row * p->tap_columns + tap_column] * element;
        }
    }
    UNROLL_FULLY(4)
    for (int i = 0; i < rows; i++)
        end(context, p->image, p->channel, p->row + (row + i) * p->row_step,
            p->column + column * p->column_step, p->column_step, columns, sums[i]);
}

INLINE void depth_rows(const struct conv_grid *p, const float *taps, long row, int rows,
                       conv_end *end, const void *context) {
    const long tiles = (p->columns + DEPTH_COLUMNS - 1) / DEPTH_COLUMNS;
    const int narrow = (int)(p->columns / tiles);
    const long wide = p->columns % tiles;
    for (long t = 0; t < wide; t++)
        depth_tile(p, taps, row, t * (narrow + 1), rows, narrow + 1, end, context);
    for (long t = 0; t < tiles - wide; t++)
        depth_tile(p, taps, row, wide * (narrow + 1) + t * narrow, rows, narrow, end, context);
}

INLINE void depth_tiles(const struct conv_grid *p, conv_end *end, const void *context) {
    float taps[DEPTH_TAPS];
    UNROLL_FULLY(9)
    for (long r = 0; r < p->tap_rows; r++) UNROLL_FULLY(9)
    for (long c = 0; c < p->tap_columns; c++)
        taps[r * p->tap_columns + c] = p->w[r * p->w_tap_row + c * p->w_tap_column];
    long row = 0;
    for (; row + DEPTH_ROWS <= p->rows; row += DEPTH_ROWS)
        depth_rows(p, taps, row, DEPTH_ROWS, end, context);
    if (p->rows % DEPTH_ROWS) depth_rows(p, taps, row, (int)(p->rows % DEPTH_ROWS), end, context);
}

INLINE void conv_grid_f32(const struct conv_grid *p, conv_end *end, const void *context) {
    if (p->channels_in == 1 && p->channels_out == 1 && p->tap_rows * p->tap_columns <= DEPTH_TAPS &&
        p->columns > 0 && p->x_tap_row > 0 && p->x_row % p->x_tap_row == 0 && p->x_tap_column > 0 &&
        p->x_column % p->x_tap_column == 0)
        depth_tiles(p, end, context);
    else
        conv_tiles(p, end, context);
}

#else
#include "conv_vector.h"
#endif

/* x is padded already: the element under tap (r, c) of [image, channel, row, column] is
 * x[image * x_image + ... + (row * stride_rows + r * dilation_rows) * x_row + ...]. w is
 * [groups * channels_out, channels_in, kernel_rows, kernel_columns], row-major. */
INLINE void conv2d_f32(const float *x, long x_image, long x_channel, long x_row, const float *w,
                       struct conv c, conv_end *end, const void *context) {
    const long taps = c.kernel_rows * c.kernel_columns, out = c.channels_in * taps;
    for (long image = 0; image < c.images; image++)
        for (long group = 0; group < c.groups; group++) {
            const struct conv_grid grid = {
                x + image * x_image + group * c.channels_in * x_channel,
                x_channel,
                c.dilation_rows * x_row,
                c.dilation_columns,
                c.stride_rows * x_row,
                c.stride_columns,
                w + group * c.channels_out * out,
                out,
                taps,
                c.kernel_columns,
                1,
                c.channels_in,
                c.channels_out,
                c.kernel_rows,
                c.kernel_columns,
                c.rows,
                c.columns,
                image,
                group * c.channels_out,
                0,
                0,
                1,
                1,
            };
            conv_grid_f32(&grid, end, context);
        }
}

/* Of one dimension of a transposed convolution: the elements first, first + stride ... of the
 * result sum the taps tap, tap + tap_step ..., over x at `at`, at - x_step ... and, for each next
 * element, one further. */
struct conv_phase {
    long first, count, tap, taps, tap_step, x_step, at;
};

INLINE struct conv_phase conv_phase(long first, long size, long kernel, long stride, long dilation,
                                    long padding) {
    struct conv_phase p = {
        first, first < size ? (size - first + stride - 1) / stride : 0, 0, 0, 1, 0, 0};
    UNROLL_FULLY(8)
    for (long step = 8; step > 0; step--)
        if (stride % step == 0 && dilation % step == 0) {
            p.tap_step = stride / step;
            p.x_step = dilation / step;
            break;
        }
    UNROLL_FULLY(8)
    for (long tap = p.tap_step - 1; tap >= 0; tap--)
        if (tap < kernel && (first + padding - tap * dilation) % stride == 0) {
            p.tap = tap;
            p.taps = (kernel - tap + p.tap_step - 1) / p.tap_step;
        }
    p.at = (first + padding - p.tap * dilation) / stride;
    return p;
}

/* x has a border of zeros as wide as the taps reach; x itself points to element [0, 0] within it.
 * w is [groups * channels_in, channels_out, kernel_rows, kernel_columns]. Elements of the result
 * whose taps are the same ones are convolved together, so that nothing is multiplied by a zero
 * that a stride would put in. Strides and dilations have no common factor beyond 8. */
INLINE void conv_transpose2d_f32(const float *x, long x_image, long x_channel, long x_row,
                                 long padding_rows, long padding_columns, const float *w,
                                 struct conv c, conv_end *end, const void *context) {
    const long taps = c.kernel_rows * c.kernel_columns, in = c.channels_out * taps;
    for (long image = 0; image < c.images; image++)
        for (long group = 0; group < c.groups; group++) {
            UNROLL_FULLY(8)
            for (long i = 0; i < c.stride_rows; i++) {
                UNROLL_FULLY(8)
                for (long j = 0; j < c.stride_columns; j++) {
                    const struct conv_phase r = conv_phase(i, c.rows, c.kernel_rows, c.stride_rows,
                                                           c.dilation_rows, padding_rows);
                    const struct conv_phase q =
                        conv_phase(j, c.columns, c.kernel_columns, c.stride_columns,
                                   c.dilation_columns, padding_columns);
                    const struct conv_grid grid = {
                        x + image * x_image + group * c.channels_in * x_channel + r.at * x_row +
                            q.at,
                        x_channel,
                        -r.x_step * x_row,
                        -q.x_step,
                        x_row,
                        1,
                        w + group * c.channels_in * in + r.tap * c.kernel_columns + q.tap,
                        taps,
                        in,
                        r.tap_step * c.kernel_columns,
                        q.tap_step,
                        c.channels_in,
                        c.channels_out,
                        r.taps,
                        q.taps,
                        r.count,
                        q.count,
                        image,
                        group * c.channels_out,
                        i,
                        j,
                        c.stride_rows,
                        c.stride_columns,
                    };
                    conv_grid_f32(&grid, end, context);
                }
            }
        }
}

#endif
