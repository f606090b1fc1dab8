/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products on register tiles. Sizes and strides are constants where these functions are
 * inlined, so that choosing tiles costs nothing at run time.
 *
 * Every element of the result starts from 0 and adds its products in ascending k. A product and its
 * addition are rounded once (fused multiply-add). Only matmul_dots, which is for vectors, adds in
 * another order.
 */
#ifndef ACALSIM_MATMUL_H
#define ACALSIM_MATMUL_H

#include "inline.h"

/* Takes `count` sums: sums[j] is the element [batch, row, column + j] of the product. `context` is
 * what matmul_f32 was given. Such a function is inlined; UNROLL_SUMS stands before its loop. */
typedef void matmul_end(const void *context, long batch, long row, long column, int count,
                        const float *sums);

/* One product: a[m, k] times b[k, n]. Strides count floats. */
struct matmul {
    const float *a;
    long a_row, a_step;
    const float *b;
    long b_step, b_column;
    long m, n, k;
};

#ifndef __riscv_vector

/* The most rows and columns of a tile. */
enum { MATMUL_ROWS = 4, MATMUL_COLUMNS = 16 };

/* The most values of k that are unrolled. */
enum { MATMUL_STEPS = 8 };

/* How many columns a tile of so many rows has, so that its sums and factors fit 32 registers. */
INLINE int matmul_columns(int rows) { return rows == 1 ? 16 : rows == 2 ? 10 : rows == 3 ? 7 : 6; }

/* Adds the products of one k, column by column: that needs registers for a column of a and one
 * element of b, instead of a row of b. */
INLINE void matmul_step(const struct matmul *p, const float *left, const float *right, int rows,
                        int columns, float sums[][MATMUL_COLUMNS]) {
    UNROLL_SUMS
    for (int j = 0; j < columns; j++) {
        UNROLL_FULLY(MATMUL_ROWS)
        for (int i = 0; i < rows; i++) sums[i][j] += left[i * p->a_row] * right[j * p->b_column];
    }
}

/* Computes the tile of rows x columns elements at (row, column). Unrolled steps are scheduled best,
 * but with a remainder of steps gcc spills registers; so they are unrolled wholly only without one.
 */
INLINE void matmul_tile(const struct matmul *p, long batch, long row, long column, int rows,
                        int columns, matmul_end *end, const void *context) {
    const int steps = rows == 1 ? MATMUL_STEPS : MATMUL_STEPS / 2;
    const float *left = p->a + row * p->a_row, *right = p->b + column * p->b_column;
    float sums[MATMUL_ROWS][MATMUL_COLUMNS];
    UNROLL_FULLY(MATMUL_ROWS)
    for (int i = 0; i < rows; i++) {
        UNROLL_SUMS
        for (int j = 0; j < columns; j++) sums[i][j] = 0.0f;
    }
    if (p->k % steps == 0) {
        for (long step = 0; step < p->k; step += steps) {
            UNROLL_FULLY(MATMUL_STEPS)
            for (int s = 0; s < steps; s++, left += p->a_step, right += p->b_step)
                matmul_step(p, left, right, rows, columns, sums);
        }
    } else {
        UNROLL(4)
        for (long step = 0; step < p->k; step++, left += p->a_step, right += p->b_step)
            matmul_step(p, left, right, rows, columns, sums);
    }
    UNROLL_FULLY(MATMUL_ROWS)
    for (int i = 0; i < rows; i++) end(context, batch, row + i, column, columns, sums[i]);
}

/* Computes `rows` rows of the product from `row` on, tile by tile. */
INLINE void matmul_rows(const struct matmul *p, long batch, long row, int rows, matmul_end *end,
                        const void *context) {
    const int width = matmul_columns(rows);
    long column = 0;
    for (; column + width <= p->n; column += width)
        matmul_tile(p, batch, row, column, rows, width, end, context);
    if (p->n % width) matmul_tile(p, batch, row, column, rows, (int)(p->n % width), end, context);
}

/* Computes one product. */
INLINE void matmul_one(const struct matmul *p, long batch, matmul_end *end, const void *context) {
    long row = 0;
    for (; row + MATMUL_ROWS <= p->m; row += MATMUL_ROWS)
        matmul_rows(p, batch, row, MATMUL_ROWS, end, context);
    if (p->m % MATMUL_ROWS) matmul_rows(p, batch, row, (int)(p->m % MATMUL_ROWS), end, context);
}

#else
#include "matmul_vector.h"
#endif

/* Computes a[m, k] times b[k, n] for each of `batches` batches and hands the sums to `end`. Element
 * [i, l] of a lies at i * a_row + l * a_step, element [l, j] of b at l * b_step + j * b_column.
 * Sizes may be 0. */
INLINE void matmul_f32(const float *a, long a_batch, long a_row, long a_step, const float *b,
                       long b_batch, long b_step, long b_column, long batches, long m, long n,
                       long k, matmul_end *end, const void *context) {
    for (long batch = 0; batch < batches; batch++) {
        const float *left = a + batch * a_batch, *right = b + batch * b_batch;
        const struct matmul p = {.a = left,
                                 .a_row = a_row,
                                 .a_step = a_step,
                                 .b = right,
                                 .b_step = b_step,
                                 .b_column = b_column,
                                 .m = m,
                                 .n = n,
                                 .k = k};
        matmul_one(&p, batch, end, context);
    }
}

#endif
