/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pooling. x and the result y are [images, channels, rows, columns]; images, channels and rows have
 * strides, and columns are neighbours in memory. A plane is one channel of one image. Windows that
 * lie within their plane are computed by loops of constant length, the others by loops over the
 * taps that do.
 */
#ifndef ACALSIM_POOL_H
#define ACALSIM_POOL_H

#include <math.h>
#include <stdint.h>

#include "inline.h"
#include "minmax.h"

/* A window's taps that lie within the plane, in one dimension: `count` of them from `first` on. */
struct taps {
    long first, count;
};

/* The taps of a window at `start`, which may be negative, that lie within `size`. */

INLINE struct taps taps_within(long start, long size, long kernel, long dilation) {
    const long first = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const long last = (size - start + dilation - 1) / dilation;
    const long end = last < kernel ? last : kernel;
    const struct taps taps = {.first = first, .count = end > first ? end - first : 0};
    return taps;
}

/* A window of a plane. */
struct window {
    const float *x;             /* under the first tap */
    long rows, columns;         /* of taps */
    long row_step, column_step; /* between taps, in floats */
};

/* The largest element, or NaN if one is NaN. */
INLINE float window_max(struct window w) {
    float best = -INFINITY;
    int is_number = 1;
    UNROLL_FULLY(4)
    for (long r = 0; r < w.rows; r++) UNROLL_FULLY(4)
    for (long c = 0; c < w.columns; c++) {
        const float value = w.x[r * w.row_step + c * w.column_step];
        best = larger(best, value);
        is_number &= value == value;
    }
    return is_number ? best : NAN;
}

INLINE float window_sum(struct window w) {
    float sum = 0;
    UNROLL_FULLY(4)
    for (long r = 0; r < w.rows; r++) UNROLL(4)
    for (long c = 0; c < w.columns; c++) sum += w.x[r * w.row_step + c * w.column_step];
    return sum;
}

/* A tap of a window. */
struct place {
    long row, column;
};

/* The first tap with the largest value, or the last one with NaN, as in PyTorch; (0, 0) without
 * taps.
 */
INLINE struct place window_place(struct window w) {
    float best = -INFINITY;
    struct place place = {0, 0};
    int found = 0;
    for (long r = 0; r < w.rows; r++)
        for (long c = 0; c < w.columns; c++) {
            const float value = w.x[r * w.row_step + c * w.column_step];
            if (!found || value > best || value != value) {
                best = value;
                place.row = r;
                place.column = c;
                found = 1;
            }
        }
    return place;
}

/* The sizes of a pooling. */
struct pool {
    long images, channels, rows, columns; /* of x */
    long out_rows, out_columns;           /* of the result */
    long kernel_rows, kernel_columns, stride_rows, stride_columns;
    long padding_rows, padding_columns, dilation_rows, dilation_columns;
};

/* The first window of a row of the result that lies within the plane. */
INLINE long first_whole(long padding, long stride) { return (padding + stride - 1) / stride; }

/* The first window behind that which does not; `out` is how many windows there are. */
INLINE long end_whole(long size, long kernel, long stride, long padding, long dilation, long out) {
    const long room = size + padding - (kernel - 1) * dilation - 1;
    const long end = room < 0 ? 0 : room / stride + 1;
    return end < out ? end : out;
}

/* The taps `rows` x `columns` of the window of the result's element (row, column). */
INLINE struct window window_at(const float *plane, long x_row, const struct pool *p, long row,
                               struct taps rows, long column, struct taps columns) {
    const struct window w = {
        .x = plane +
             (row * p->stride_rows - p->padding_rows + rows.first * p->dilation_rows) * x_row +
             column * p->stride_columns - p->padding_columns + columns.first * p->dilation_columns,
        .rows = rows.count,
        .columns = columns.count,
        .row_step = p->dilation_rows * x_row,
        .column_step = p->dilation_columns,
    };
    return w;
}

#define EACH_PLANE                                  \
    for (long image = 0; image < p.images; image++) \
        for (long channel = 0; channel < p.channels; channel++)

/* Computes a row of the result, whose windows have the taps `rows`. */
INLINE void max_pool_row(const float *plane, long x_row, float *y, const struct pool *p, long row,
                         struct taps rows) {
    const long first = first_whole(p->padding_columns, p->stride_columns);
    const long end = end_whole(p->columns, p->kernel_columns, p->stride_columns, p->padding_columns,
                               p->dilation_columns, p->out_columns);
    const struct taps whole = {.first = 0, .count = p->kernel_columns};
    for (long c = 0; c < p->out_columns; c++) {
        if (c >= first && c < end) {
            y[c] = window_max(window_at(plane, x_row, p, row, rows, c, whole));
        } else {
            const struct taps some =
                taps_within(c * p->stride_columns - p->padding_columns, p->columns,
                            p->kernel_columns, p->dilation_columns);
            y[c] = window_max(window_at(plane, x_row, p, row, rows, c, some));
        }
    }
}

INLINE void max_pool2d_f32(const float *x, long x_image, long x_channel, long x_row, float *y,
                           long y_image, long y_channel, long y_row, struct pool p) {
    const struct taps whole = {.first = 0, .count = p.kernel_rows};
    EACH_PLANE
    for (long row = 0; row < p.out_rows; row++) {
        const float *plane = x + image * x_image + channel * x_channel;
        float *to = y + image * y_image + channel * y_channel + row * y_row;
        const struct taps rows = taps_within(row * p.stride_rows - p.padding_rows, p.rows,
                                             p.kernel_rows, p.dilation_rows);
        if (rows.count == p.kernel_rows)
            max_pool_row(plane, x_row, to, &p, row, whole);
        else
            max_pool_row(plane, x_row, to, &p, row, rows);
    }
}

/* y gets the places of the largest elements in their planes: row * columns + column. */
INLINE void max_pool2d_indices_i64(const float *x, long x_image, long x_channel, long x_row,
                                   int64_t *y, long y_image, long y_channel, long y_row,
                                   struct pool p) {
    EACH_PLANE
    for (long row = 0; row < p.out_rows; row++)
        for (long column = 0; column < p.out_columns; column++) {
            const long top = row * p.stride_rows - p.padding_rows;
            const long left = column * p.stride_columns - p.padding_columns;
            const struct taps rows = taps_within(top, p.rows, p.kernel_rows, p.dilation_rows);
            const struct taps columns =
                taps_within(left, p.columns, p.kernel_columns, p.dilation_columns);
            const struct place place = window_place(window_at(
                x + image * x_image + channel * x_channel, x_row, &p, row, rows, column, columns));
            y[image * y_image + channel * y_channel + row * y_row + column] =
                (top + (rows.first + place.row) * p.dilation_rows) * p.columns + left +
                (columns.first + place.column) * p.dilation_columns;
        }
}

/* Divides sums by `divisor`. If that is 0, it divides by the number of taps within the plane or,
 * with count_padding, within the plane and its padding. */
INLINE void avg_pool2d_f32(const float *x, long x_image, long x_channel, long x_row, float *y,
                           long y_image, long y_channel, long y_row, struct pool p,
                           int count_padding, long divisor) {
    const long reach_rows = p.rows + p.padding_rows, reach_columns = p.columns + p.padding_columns;
    EACH_PLANE
    for (long row = 0; row < p.out_rows; row++)
        for (long column = 0; column < p.out_columns; column++) {
            const long top = row * p.stride_rows - p.padding_rows;
            const long left = column * p.stride_columns - p.padding_columns;
            const struct taps rows = taps_within(top, p.rows, p.kernel_rows, 1);
            const struct taps columns = taps_within(left, p.columns, p.kernel_columns, 1);
            const long high = top + p.kernel_rows < reach_rows ? p.kernel_rows : reach_rows - top;
            const long wide =
                left + p.kernel_columns < reach_columns ? p.kernel_columns : reach_columns - left;
            const long count = divisor         ? divisor
                               : count_padding ? high * wide
                                               : rows.count * columns.count;
            const float *plane = x + image * x_image + channel * x_channel;
            float *to = y + image * y_image + channel * y_channel + row * y_row + column;
            if (rows.count == p.kernel_rows && columns.count == p.kernel_columns) {
                const struct taps all_rows = {.first = 0, .count = p.kernel_rows};
                const struct taps all = {.first = 0, .count = p.kernel_columns};
                *to = window_sum(window_at(plane, x_row, &p, row, all_rows, column, all)) /
                      (float)count;
            } else {
                *to = window_sum(window_at(plane, x_row, &p, row, rows, column, columns)) /
                      (float)count;
            }
        }
}

/* --- Adaptive: window i of n covers from floor(i * size / n) to ceil((i + 1) * size / n) --------
 */

INLINE struct window adaptive_window(const float *plane, long x_row, const struct pool *p, long row,
                                     long column) {
    const long top = row * p->rows / p->out_rows;
    const long left = column * p->columns / p->out_columns;
    const long bottom = ((row + 1) * p->rows + p->out_rows - 1) / p->out_rows;
    const long right = ((column + 1) * p->columns + p->out_columns - 1) / p->out_columns;
    const struct window w = {.x = plane + top * x_row + left,
                             .rows = bottom - top,
                             .columns = right - left,
                             .row_step = x_row,
                             .column_step = 1};
    return w;
}

#define EACH_ADAPTIVE_WINDOW                    \
    EACH_PLANE                                  \
    for (long row = 0; row < p.out_rows; row++) \
        for (long column = 0; column < p.out_columns; column++)

INLINE void adaptive_avg_pool2d_f32(const float *x, long x_image, long x_channel, long x_row,
                                    float *y, long y_image, long y_channel, long y_row,
                                    struct pool p) {
    EACH_ADAPTIVE_WINDOW {
        const struct window w =
            adaptive_window(x + image * x_image + channel * x_channel, x_row, &p, row, column);
        y[image * y_image + channel * y_channel + row * y_row + column] =
            window_sum(w) / (float)(w.rows * w.columns);
    }
}

INLINE void adaptive_max_pool2d_f32(const float *x, long x_image, long x_channel, long x_row,
                                    float *y, long y_image, long y_channel, long y_row,
                                    struct pool p) {
    EACH_ADAPTIVE_WINDOW {
        const struct window w =
            adaptive_window(x + image * x_image + channel * x_channel, x_row, &p, row, column);
        y[image * y_image + channel * y_channel + row * y_row + column] = window_max(w);
    }
}

INLINE void adaptive_max_pool2d_indices_i64(const float *x, long x_image, long x_channel,
                                            long x_row, int64_t *y, long y_image, long y_channel,
                                            long y_row, struct pool p) {
    EACH_ADAPTIVE_WINDOW {
        const struct window w =
            adaptive_window(x + image * x_image + channel * x_channel, x_row, &p, row, column);
        const struct place place = window_place(w);
        const long top = row * p.rows / p.out_rows, left = column * p.columns / p.out_columns;
        y[image * y_image + channel * y_channel + row * y_row + column] =
            (top + place.row) * p.columns + left + place.column;
    }
}

#endif
