/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products and convolutions of other elements than float32, one set of functions for each
 * NAME. Who includes this defines NAME, ELEMENT, SUM and MULTIPLY_ADD(a, b, sum), which is of two
 * ELEMENTs and a SUM. Sums go from the first k to the last and are handed on as RESULT, which is
 * float32 unless it is defined. Without a NAME there are only the sizes.
 */
#include <stdint.h>

#include "conv.h"
#include "inline.h"
#include "matmul.h"

#ifndef ACALSIM_NARROW_H
#define ACALSIM_NARROW_H

/* The rows and columns of a tile of a product; the columns of a tile of a convolution. */
enum { NARROW_ROWS = 4, NARROW_COLUMNS = 4, NARROW_PIXELS = 8 };

/* The operands' strides, in elements, and how many products an element of the result sums. */
struct matmul_narrow {
    long a_row, a_step, b_step, b_column, k;
};

#define NARROW_JOINED(function, name) function##_##name
#define NARROW_EXPANDED(function, name) NARROW_JOINED(function, name)
#define NARROW(function) NARROW_EXPANDED(function, NAME)

#endif

#ifdef NAME
#ifndef RESULT
#define RESULT float
#endif

/* As matmul_end and conv_end. */
typedef void NARROW(matmul_end)(const void *context, long batch, long row, long column, int count,
                                const RESULT *sums);
typedef void NARROW(conv_end)(const void *context, long image, long channel, long row, long column,
                              long step, int count, const RESULT *sums);

INLINE void NARROW(matmul_tile)(const ELEMENT *a, const ELEMENT *b, struct matmul_narrow p,
                                int rows, int columns, long batch, long row, long column,
                                NARROW(matmul_end) * end, const void *context) {
    SUM sums[NARROW_ROWS][NARROW_COLUMNS] = {{0}};
    for (long step = 0; step < p.k; step++, a += p.a_step, b += p.b_step) {
        UNROLL_FULLY(NARROW_ROWS)
        for (int i = 0; i < rows; i++) UNROLL_FULLY(NARROW_COLUMNS)
        for (int j = 0; j < columns; j++)
            sums[i][j] = MULTIPLY_ADD(a[i * p.a_row], b[j * p.b_column], sums[i][j]);
    }
    for (int i = 0; i < rows; i++) {
        RESULT values[NARROW_COLUMNS];
        for (int j = 0; j < columns; j++) values[j] = (RESULT)sums[i][j];
        end(context, batch, row + i, column, columns, values);
    }
}

INLINE void NARROW(matmul_rows)(const ELEMENT *a, const ELEMENT *b, struct matmul_narrow p,
                                int rows, long n, long batch, long row, NARROW(matmul_end) * end,
                                const void *context) {
    long column = 0;
    for (; column + NARROW_COLUMNS <= n; column += NARROW_COLUMNS) {
        NARROW(matmul_tile)(a, b + column * p.b_column, p, rows, NARROW_COLUMNS, batch, row, column,
                            end, context);
    }
    for (; column < n; column++) {
        NARROW(matmul_tile)(a, b + column * p.b_column, p, rows, 1, batch, row, column, end,
                            context);
    }
}

/* As matmul_f32. */
INLINE void NARROW(matmul)(const ELEMENT *a, long a_batch, long a_row, long a_step,
                           const ELEMENT *b, long b_batch, long b_step, long b_column, long batches,
                           long m, long n, long k, NARROW(matmul_end) * end, const void *context) {
    const struct matmul_narrow p = {
        .a_row = a_row, .a_step = a_step, .b_step = b_step, .b_column = b_column, .k = k};
    for (long batch = 0; batch < batches; batch++) {
        const ELEMENT *left = a + batch * a_batch, *right = b + batch * b_batch;
        long row = 0;
        for (; row + NARROW_ROWS <= m; row += NARROW_ROWS) {
            NARROW(matmul_rows)(left + row * a_row, right, p, NARROW_ROWS, n, batch, row, end,
                                context);
        }
        for (; row < m; row++) {
            NARROW(matmul_rows)(left + row * a_row, right, p, 1, n, batch, row, end, context);
        }
    }
}

/* Sums `count` neighbours in a row of one output channel. x is what the first tap of the first one
 * is multiplied with, w the channel's weights. */
INLINE void NARROW(conv_pixels)(const ELEMENT *x, long x_channel, long x_row, const ELEMENT *w,
                                const struct conv *c, int count, SUM *sums) {
    for (int j = 0; j < count; j++) sums[j] = 0;
    for (long channel = 0; channel < c->channels_in; channel++)
        for (long r = 0; r < c->kernel_rows; r++)
            for (long s = 0; s < c->kernel_columns; s++) {
                const ELEMENT weight = *w++;
                const ELEMENT *from = x + channel * x_channel + r * c->dilation_rows * x_row +
                                      s * c->dilation_columns;
                UNROLL_FULLY(NARROW_PIXELS)
                for (int j = 0; j < count; j++)
                    sums[j] = MULTIPLY_ADD(weight, from[j * c->stride_columns], sums[j]);
            }
}

/* As conv2d_f32. */
INLINE void NARROW(conv2d)(const ELEMENT *x, long x_image, long x_channel, long x_row,
                           const ELEMENT *w, struct conv c, NARROW(conv_end) * end,
                           const void *context) {
    const long out = c.channels_in * c.kernel_rows * c.kernel_columns;
    for (long image = 0; image < c.images; image++)
        for (long channel = 0; channel < c.groups * c.channels_out; channel++)
            for (long row = 0; row < c.rows; row++) {
                const long group = channel / c.channels_out;
                const ELEMENT *from = x + image * x_image + group * c.channels_in * x_channel +
                                      row * c.stride_rows * x_row;
                for (long column = 0; column < c.columns; column += NARROW_PIXELS) {
                    const long left = c.columns - column;
                    const int count = left < NARROW_PIXELS ? (int)left : NARROW_PIXELS;
                    const ELEMENT *at = from + column * c.stride_columns;
                    SUM sums[NARROW_PIXELS];
                    RESULT values[NARROW_PIXELS];
                    if (count == NARROW_PIXELS) {
                        NARROW(conv_pixels)(at, x_channel, x_row, w + channel * out, &c,
                                            NARROW_PIXELS, sums);
                    } else {
                        NARROW(conv_pixels)(at, x_channel, x_row, w + channel * out, &c, count,
                                            sums);
                    }
                    for (int j = 0; j < count; j++) values[j] = (RESULT)sums[j];
                    end(context, image, channel, row, column, 1, count, values);
                }
            }
}

#undef NAME
#undef ELEMENT
#undef SUM
#undef RESULT
#undef MULTIPLY_ADD

#endif
