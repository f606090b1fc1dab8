/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products and convolutions of int8. Sums are int32 and are handed on as float32.
 */
#ifndef ACALSIM_INT8_H
#define ACALSIM_INT8_H

#include <stdint.h>

#include "conv.h"
#include "inline.h"
#include "matmul.h"

/* The rows and columns of a tile of a product; the columns of a tile of a convolution. */
enum { INT8_ROWS = 4, INT8_COLUMNS = 4, INT8_PIXELS = 8 };

/* The operands' strides, in elements, and how many products an element of the result sums. */
struct matmul_i8 {
    long a_row, a_step, b_step, b_column, k;
};

INLINE void matmul_tile_i8(const int8_t *a, const int8_t *b, struct matmul_i8 p, int rows,
                           int columns, long batch, long row, long column, matmul_end *end,
                           const void *context) {
    int32_t sums[INT8_ROWS][INT8_COLUMNS] = {{0}};
    for (long step = 0; step < p.k; step++, a += p.a_step, b += p.b_step) {
        UNROLL_FULLY(INT8_ROWS)
        for (int i = 0; i < rows; i++) UNROLL_FULLY(INT8_COLUMNS)
        for (int j = 0; j < columns; j++) sums[i][j] += (int32_t)a[i * p.a_row] * b[j * p.b_column];
    }
    for (int i = 0; i < rows; i++) {
        float values[INT8_COLUMNS];
        for (int j = 0; j < columns; j++) values[j] = (float)sums[i][j];
        end(context, batch, row + i, column, columns, values);
    }
}

INLINE void matmul_rows_i8(const int8_t *a, const int8_t *b, struct matmul_i8 p, int rows, long n,
                           long batch, long row, matmul_end *end, const void *context) {
    long column = 0;
    for (; column + INT8_COLUMNS <= n; column += INT8_COLUMNS)
        matmul_tile_i8(a, b + column * p.b_column, p, rows, INT8_COLUMNS, batch, row, column, end,
                       context);
    for (; column < n; column++)
        matmul_tile_i8(a, b + column * p.b_column, p, rows, 1, batch, row, column, end, context);
}

/* As matmul_f32, for int8. */
INLINE void matmul_i8(const int8_t *a, long a_batch, long a_row, long a_step, const int8_t *b,
                      long b_batch, long b_step, long b_column, long batches, long m, long n,
                      long k, matmul_end *end, const void *context) {
    const struct matmul_i8 p = {
        .a_row = a_row, .a_step = a_step, .b_step = b_step, .b_column = b_column, .k = k};
    for (long batch = 0; batch < batches; batch++) {
        const int8_t *left = a + batch * a_batch, *right = b + batch * b_batch;
        long row = 0;
        for (; row + INT8_ROWS <= m; row += INT8_ROWS)
            matmul_rows_i8(left + row * a_row, right, p, INT8_ROWS, n, batch, row, end, context);
        for (; row < m; row++)
            matmul_rows_i8(left + row * a_row, right, p, 1, n, batch, row, end, context);
    }
}

/* Sums `count` neighbours in a row of one output channel. x is what the first tap of the first one
 * is multiplied with, w the channel's weights. */
INLINE void conv_pixels_i8(const int8_t *x, long x_channel, long x_row, const int8_t *w,
                           const struct conv *c, int count, int32_t *sums) {
    for (int j = 0; j < count; j++) sums[j] = 0;
    for (long channel = 0; channel < c->channels_in; channel++)
        for (long r = 0; r < c->kernel_rows; r++)
            for (long s = 0; s < c->kernel_columns; s++) {
                const int32_t weight = *w++;
                const int8_t *from = x + channel * x_channel + r * c->dilation_rows * x_row +
                                     s * c->dilation_columns;
                UNROLL_FULLY(INT8_PIXELS)
                for (int j = 0; j < count; j++) sums[j] += weight * from[j * c->stride_columns];
            }
}

/* As conv2d_f32, for int8. */
INLINE void conv2d_i8(const int8_t *x, long x_image, long x_channel, long x_row, const int8_t *w,
                      struct conv c, conv_end *end, const void *context) {
    const long out = c.channels_in * c.kernel_rows * c.kernel_columns;
    for (long image = 0; image < c.images; image++)
        for (long channel = 0; channel < c.groups * c.channels_out; channel++)
            for (long row = 0; row < c.rows; row++) {
                const long group = channel / c.channels_out;
                const int8_t *from = x + image * x_image + group * c.channels_in * x_channel +
                                     row * c.stride_rows * x_row;
                for (long column = 0; column < c.columns; column += INT8_PIXELS) {
                    const long left = c.columns - column;
                    const int count = left < INT8_PIXELS ? (int)left : INT8_PIXELS;
                    const int8_t *at = from + column * c.stride_columns;
                    int32_t sums[INT8_PIXELS];
                    float values[INT8_PIXELS];
                    if (count == INT8_PIXELS)
                        conv_pixels_i8(at, x_channel, x_row, w + channel * out, &c, INT8_PIXELS,
                                       sums);
                    else
                        conv_pixels_i8(at, x_channel, x_row, w + channel * out, &c, count, sums);
                    for (int j = 0; j < count; j++) values[j] = (float)sums[j];
                    end(context, image, channel, row, column, 1, count, values);
                }
            }
}

#endif
