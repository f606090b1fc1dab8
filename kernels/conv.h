/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions on register tiles. A tile is some channels of the result times some of its points.
 * For each tap of the kernel a tile loads its weights and its elements of the image once and
 * multiplies them all with each other. The image itself is read; it is not copied for each tap.
 * Sizes and strides are constants where these functions are inlined.
 *
 * Every element of the result, transposed convolutions included, starts from 0 and adds its
 * products in ascending (input channel, row, column) of the kernel. A product and its addition are
 * rounded once (fused multiply-add).
 */
#ifndef ACALSIM_CONV_H
#define ACALSIM_CONV_H

#include "inline.h"

/* Takes `count` sums: sums[j] is the element [image, channel, row, column + j * step] of the
 * result. `context` is what conv2d_f32 was given. */
typedef void conv_end(const void *context, long image, long channel, long row, long column,
                      long step, int count, const float *sums);

/* The sizes of a convolution. */
struct conv {
    long images, groups, channels_in, channels_out; /* channels of one group */
    long rows, columns;                             /* of the result */
    long kernel_rows, kernel_columns;
    long stride_rows, stride_columns;
    long dilation_rows, dilation_columns;
};

/* Elements of the result of one image and group, on a grid of rows and columns, and the taps that
 * they sum. Strides count floats. */
struct conv_grid {
    const float *x;                   /* what the first tap of element [0, 0] is multiplied with */
    long x_channel;                   /* to the next input channel */
    long x_tap_row, x_tap_column;     /* to what the next tap is multiplied with */
    long x_row, x_column;             /* to what the same tap of the next element is */
    const float *w;                   /* the first tap of the first output channel */
    long w_channel_out, w_channel_in; /* to the same tap of the next channel */
    long w_tap_row, w_tap_column;     /* to the next tap */
    long channels_in, channels_out;
    long tap_rows, tap_columns;
    long rows, columns;               /* of the grid */
    long image, channel, row, column; /* where element [0, 0] lies in the result */
    long row_step, column_step;       /* between neighbours of the grid, in the result */
};

#ifndef __riscv_vector

/* The most channels and points of a tile. */
enum { CONV_CHANNELS = 5, CONV_POINTS = 6 };

/* Loops over taps are unrolled where a row has at most CONV_ROW_TAPS of them, and loops over rows
 * of taps where a kernel has at most CONV_TAPS. */
enum { CONV_ROW_TAPS = 11, CONV_TAPS = 9 };

/* Input channels that are unrolled where a kernel has one tap. */
enum { CONV_STEPS = 4 };

/* How many points a tile has. With several taps in a row it has one less: neighbouring taps use
 * elements in common, which need registers to stay in. */
INLINE int conv_points(const struct conv_grid *p) {
    return p->tap_columns > 1 ? CONV_POINTS - 1 : CONV_POINTS;
}

/* The size of a tile. Its points are rows * columns. */
struct conv_size {
    int channels, rows, columns;
};

/* How many channels a tile of so many points has, so that its sums and factors fit 32 registers. */
INLINE int conv_channels(int points) { return points >= 5 ? 4 : CONV_CHANNELS; }

/* Adds the products of one tap. `left` is the tap, `right` what it is multiplied with. */
INLINE void conv_tap(const struct conv_grid *p, const float *left, const float *right,
                     struct conv_size size, float sums[][CONV_POINTS]) {
    UNROLL_FULLY(CONV_CHANNELS)
    for (int i = 0; i < size.channels; i++) UNROLL_FULLY(CONV_POINTS)
    for (int j = 0; j < size.rows * size.columns; j++)
        sums[i][j] += left[i * p->w_channel_out] *
                      right[j / size.columns * p->x_row + j % size.columns * p->x_column];
}

/* Adds the products of one row of taps. */
INLINE void conv_tap_row(const struct conv_grid *p, const float *left, const float *right,
                         struct conv_size size, float sums[][CONV_POINTS]) {
    if (p->tap_columns <= CONV_ROW_TAPS) {
        UNROLL_FULLY(CONV_ROW_TAPS)
        for (long t = 0; t < p->tap_columns; t++)
            conv_tap(p, left + t * p->w_tap_column, right + t * p->x_tap_column, size, sums);
    } else {
        for (long t = 0; t < p->tap_columns; t++)
            conv_tap(p, left + t * p->w_tap_column, right + t * p->x_tap_column, size, sums);
    }
}

/* Adds the products of all taps of one input channel. */
INLINE void conv_taps(const struct conv_grid *p, const float *left, const float *right,
                      struct conv_size size, float sums[][CONV_POINTS]) {
    if (p->tap_rows * p->tap_columns <= CONV_TAPS) {
        UNROLL_FULLY(CONV_TAPS)
        for (long t = 0; t < p->tap_rows; t++)
            conv_tap_row(p, left + t * p->w_tap_row, right + t * p->x_tap_row, size, sums);
    } else {
        for (long t = 0; t < p->tap_rows; t++)
            conv_tap_row(p, left + t * p->w_tap_row, right + t * p->x_tap_row, size, sums);
    }
}

/* How many input channels are unrolled. */
INLINE int conv_steps(const struct conv_grid *p) {
    const long taps = p->tap_rows * p->tap_columns;
    return taps == 1 && p->channels_in % CONV_STEPS == 0 ? CONV_STEPS : 1;
}

/* Computes the tile that begins at (channel, row, column) of the grid. Its size is a constant. */
INLINE void conv_tile(const struct conv_grid *p, long channel, long row, long column,
                      struct conv_size size, conv_end *end, const void *context) {
    const float *left = p->w + channel * p->w_channel_out;
    const float *right = p->x + row * p->x_row + column * p->x_column;
    const int steps = conv_steps(p), points = size.rows * size.columns;
    float sums[CONV_CHANNELS][CONV_POINTS];
    UNROLL_FULLY(CONV_CHANNELS)
    for (int i = 0; i < size.channels; i++) UNROLL_FULLY(CONV_POINTS)
    for (int j = 0; j < points; j++) sums[i][j] = 0.0f;
    for (long c = 0; c < p->channels_in; c += steps) {
        UNROLL_FULLY(CONV_STEPS)
        for (int s = 0; s < steps; s++, left += p->w_channel_in, right += p->x_channel)
            conv_taps(p, left, right, size, sums);
    }
    UNROLL_FULLY(CONV_CHANNELS)
    for (int i = 0; i < size.channels; i++) UNROLL_FULLY(CONV_POINTS)
    for (int r = 0; r < size.rows; r++)
        end(context, p->image, p->channel + channel + i, p->row + (row + r) * p->row_step,
            p->column + column * p->column_step, p->column_step, size.columns,
            sums[i] + r * size.columns);
}

/* Computes `count` tiles side by side from `column` on, for the rows `row` to `rows` and for all
 * channels. */
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

/* Computes a grid: full tiles along its rows, then the columns that are left at the rows' ends, for
 * which a tile takes as many rows as make up its points. */
INLINE void conv_tiles(const struct conv_grid *p, conv_end *end, const void *context) {
    const int points = conv_points(p), rest = (int)(p->columns % points);
    const long whole = p->columns / points;
    const struct conv_size full = {.channels = conv_channels(points), .rows = 1, .columns = points};
    if (whole) conv_rows(p, 0, p->rows, 0, whole, full, end, context);
    if (rest) {
        const int high = points / rest;
        const long even = p->rows / high * high;
        const struct conv_size block = {
            .channels = conv_channels(high * rest), .rows = high, .columns = rest};
        const int low = (int)(p->rows % high);
        const struct conv_size last = {
            .channels = conv_channels(low * rest), .rows = low, .columns = rest};
        if (even) conv_rows(p, 0, even, whole * points, 1, block, end, context);
        if (low) conv_rows(p, even, p->rows, whole * points, 1, last, end, context);
    }
}

/* --- Depthwise: one channel in, one out ---------------------------------------------------------
 * The taps stay in registers, and a tile loads each element of x once.
 */

/* The most rows, columns and taps of a tile. */
enum { DEPTH_ROWS = 3, DEPTH_COLUMNS = 4, DEPTH_TAPS = 9 };

/* The most rows and columns of x that loops over them are unrolled for. */
enum { DEPTH_X_ROWS = 16, DEPTH_X_COLUMNS = 24 };

/* Computes the tile of rows x columns elements that begins at (row, column) of the grid. */
INLINE void depth_tile(const struct conv_grid *p, const float *taps, long row, long column,
                       int rows, int columns, conv_end *end, const void *context) {
    const float *x = p->x + row * p->x_row + column * p->x_column;
    float sums[DEPTH_ROWS][DEPTH_COLUMNS];
    UNROLL_FULLY(DEPTH_ROWS)
    for (int i = 0; i < rows; i++) UNROLL_FULLY(DEPTH_COLUMNS)
    for (int j = 0; j < columns; j++) sums[i][j] = 0.0f;
    /* The loops run over the elements of x, so that each is loaded once and then needed no more.
     * `down` and `right` are the convolution's strides, counted in taps. */
    const long down = p->x_row / p->x_tap_row, right = p->x_column / p->x_tap_column;
    UNROLL_FULLY(DEPTH_X_ROWS)
    for (long r = 0; r < (rows - 1) * down + p->tap_rows; r++) UNROLL_FULLY(DEPTH_X_COLUMNS)
    for (long c = 0; c < (columns - 1) * right + p->tap_columns; c++) {
        const float element = x[r * p->x_tap_row + c * p->x_tap_column];
        UNROLL_FULLY(DEPTH_ROWS)
        for (int i = 0; i < rows; i++) UNROLL_FULLY(DEPTH_COLUMNS)
        for (int j = 0; j < columns; j++) {
            const long tap_row = r - i * down, tap_column = c - j * right;
            if (tap_row >= 0 && tap_row < p->tap_rows && tap_column >= 0 &&
                tap_column < p->tap_columns)
                sums[i][j] += taps[tap_row * p->tap_columns + tap_column] * element;
        }
    }
    UNROLL_FULLY(DEPTH_ROWS)
    for (int i = 0; i < rows; i++)
        end(context, p->image, p->channel, p->row + (row + i) * p->row_step,
            p->column + column * p->column_step, p->column_step, columns, sums[i]);
}

/* Computes `rows` rows of the grid from `row` on, in tiles whose widths differ by one at most. */
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

/* Computes a grid. */
INLINE void depth_tiles(const struct conv_grid *p, conv_end *end, const void *context) {
    float taps[DEPTH_TAPS];
    UNROLL_FULLY(DEPTH_TAPS)
    for (long r = 0; r < p->tap_rows; r++) UNROLL_FULLY(DEPTH_TAPS)
    for (long c = 0; c < p->tap_columns; c++)
        taps[r * p->tap_columns + c] = p->w[r * p->w_tap_row + c * p->w_tap_column];
    long row = 0;
    for (; row + DEPTH_ROWS <= p->rows; row += DEPTH_ROWS)
        depth_rows(p, taps, row, DEPTH_ROWS, end, context);
    if (p->rows % DEPTH_ROWS) depth_rows(p, taps, row, (int)(p->rows % DEPTH_ROWS), end, context);
}

/* Computes a grid, depthwise if it is one: a depthwise tile needs strides that are whole taps. */
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

/* Computes a convolution. x has its padding in memory: tap (r, q) of the element (row, column) is
 * multiplied with row `row * stride_rows + r * dilation_rows` and column
 * `column * stride_columns + q * dilation_columns` of x. Columns of x are neighbours in memory;
 * x_image, x_channel and x_row are strides in floats. w is row-major, [groups * channels_out,
 * channels_in, kernel_rows, kernel_columns]. */
INLINE void conv2d_f32(const float *x, long x_image, long x_channel, long x_row, const float *w,
                       struct conv c, conv_end *end, const void *context) {
    const long taps = c.kernel_rows * c.kernel_columns, out = c.channels_in * taps;
    for (long image = 0; image < c.images; image++)
        for (long group = 0; group < c.groups; group++) {
            const struct conv_grid grid = {
                .x = x + image * x_image + group * c.channels_in * x_channel,
                .x_channel = x_channel,
                .x_tap_row = c.dilation_rows * x_row,
                .x_tap_column = c.dilation_columns,
                .x_row = c.stride_rows * x_row,
                .x_column = c.stride_columns,
                .w = w + group * c.channels_out * out,
                .w_channel_out = out,
                .w_channel_in = taps,
                .w_tap_row = c.kernel_columns,
                .w_tap_column = 1,
                .channels_in = c.channels_in,
                .channels_out = c.channels_out,
                .tap_rows = c.kernel_rows,
                .tap_columns = c.kernel_columns,
                .rows = c.rows,
                .columns = c.columns,
                .image = image,
                .channel = group * c.channels_out,
                .row = 0,
                .column = 0,
                .row_step = 1,
                .column_step = 1,
            };
            conv_grid_f32(&grid, end, context);
        }
}

/* One dimension of a transposed convolution, for those elements of the result that sum the same
 * taps. These elements are first, first + stride ..., `count` in all. Their taps are tap,
 * tap + tap_step ..., `taps` in all. The first element's taps are multiplied with the elements at,
 * at - x_step ... of x, and each next element's taps with the elements one further. */
struct conv_phase {
    long first, count, tap, taps, tap_step, x_step, at;
};

/* Strides are unrolled up to so many, and common factors of stride and dilation are looked for up
 * to it. */
enum { CONV_FACTOR = 8 };

INLINE struct conv_phase conv_phase(long first, long size, long kernel, long stride, long dilation,
                                    long padding) {
    struct conv_phase p = {
        .first = first,
        .count = first < size ? (size - first + stride - 1) / stride : 0,
        .tap_step = 1,
    };
    UNROLL_FULLY(CONV_FACTOR)
    for (long step = CONV_FACTOR; step > 0; step--)
        if (stride % step == 0 && dilation % step == 0) {
            p.tap_step = stride / step;
            p.x_step = dilation / step;
            break;
        }
    UNROLL_FULLY(CONV_FACTOR)
    for (long tap = p.tap_step - 1; tap >= 0; tap--)
        if (tap < kernel && (first + padding - tap * dilation) % stride == 0) {
            p.tap = tap;
            p.taps = (kernel - tap + p.tap_step - 1) / p.tap_step;
        }
    p.at = (first + padding - p.tap * dilation) / stride;
    return p;
}

/* Computes a transposed convolution. x points to element [0, 0], around which there is a border of
 * zeros as wide as the taps reach. w is row-major, [groups * channels_in, channels_out,
 * kernel_rows, kernel_columns]. Elements of the result that sum the same taps are a grid of their
 * own, so that nothing is multiplied with zeros between the elements of x. A stride and its
 * dilation have no common factor above CONV_FACTOR. */
INLINE void conv_transpose2d_f32(const float *x, long x_image, long x_channel, long x_row,
                                 long padding_rows, long padding_columns, const float *w,
                                 struct conv c, conv_end *end, const void *context) {
    const long taps = c.kernel_rows * c.kernel_columns, in = c.channels_out * taps;
    for (long image = 0; image < c.images; image++)
        for (long group = 0; group < c.groups; group++) {
            UNROLL_FULLY(CONV_FACTOR)
            for (long i = 0; i < c.stride_rows; i++) {
                UNROLL_FULLY(CONV_FACTOR)
                for (long j = 0; j < c.stride_columns; j++) {
                    const struct conv_phase r = conv_phase(i, c.rows, c.kernel_rows, c.stride_rows,
                                                           c.dilation_rows, padding_rows);
                    const struct conv_phase q =
                        conv_phase(j, c.columns, c.kernel_columns, c.stride_columns,
                                   c.dilation_columns, padding_columns);
                    const struct conv_grid grid = {
                        .x = x + image * x_image + group * c.channels_in * x_channel +
                             r.at * x_row + q.at,
                        .x_channel = x_channel,
                        .x_tap_row = -r.x_step * x_row,
                        .x_tap_column = -q.x_step,
                        .x_row = x_row,
                        .x_column = 1,
                        .w = w + group * c.channels_in * in + r.tap * c.kernel_columns + q.tap,
                        .w_channel_out = taps,
                        .w_channel_in = in,
                        .w_tap_row = r.tap_step * c.kernel_columns,
                        .w_tap_column = q.tap_step,
                        .channels_in = c.channels_in,
                        .channels_out = c.channels_out,
                        .tap_rows = r.taps,
                        .tap_columns = q.taps,
                        .rows = r.count,
                        .columns = q.count,
                        .image = image,
                        .channel = group * c.channels_out,
                        .row = i,
                        .column = j,
                        .row_step = c.stride_rows,
                        .column_step = c.stride_columns,
                    };
                    conv_grid_f32(&grid, end, context);
                }
            }
        }
}

#endif
