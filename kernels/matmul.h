/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products on register tiles. Sizes and strides are constants where these are inlined, so
 * that the choice of tiles and their remainders cost nothing at run time.
 *
 * Every element sums its products in ascending k, each with one rounding (fused multiply-add),
 * from 0. The exception is matmul_dots, for vectors only.
 */
#ifndef ACALSIM_MATMUL_H
#define ACALSIM_MATMUL_H

#include "inline.h"

/* Takes `count` sums, of the elements [batch, row, column .. column + count) of the product;
 * `context` is matmul_f32's. To be inlined; UNROLL_SUMS stands before its loop over the sums. */
typedef void matmul_end(const void *context, long batch, long row, long column, int count,
                        const float *sums);

/* One product: a's rows times b's columns. Strides in elements. */
struct matmul {
    const float *a;
    long a_row, a_step;
    const float *b;
    long b_step, b_column;
    long m, n, k;
};

#ifndef __riscv_vector

enum { MATMUL_ROWS = 4, MATMUL_COLUMNS = 16 };

/* Columns of a tile of so many rows: 32 registers hold its sums and what is being multiplied. */
INLINE int matmul_columns(int rows) { return rows == 1 ? 16 : rows == 2 ? 10 : rows == 3 ? 7 : 6; }

/* The products of one k, column by column: that keeps a column of a in registers and one element of
 * b, not a row of b. */
INLINE void matmul_step(const struct matmul *p, const float *left, const float *right, int rows,
                        int columns, float sums[][MATMUL_COLUMNS]) {
    UNROLL_SUMS
    for (int j = 0; j < columns; j++) {
        UNROLL_FULLY(4)
        for (int i = 0; i < rows; i++) sums[i][j] += left[i * p->a_row] * right[j * p->b_column];
    }
}

/* rows x columns elements at (row, column). Steps that are written out are scheduled best, but gcc
 * spills where there is a rest of them. */
INLINE void matmul_tile(const struct matmul *p, long batch, long row, long column, int rows,
                        int columns, matmul_end *end, const void *context) {
    const int steps = rows == 1 ? 8 : 4;
    const float *left = p->a + row * p->a_row, *right = p->b + column * p->b_column;
    float sums[MATMUL_ROWS][MATMUL_COLUMNS];
    UNROLL_FULLY(4)
    for (int i = 0; i < rows; i++) {
        UNROLL_SUMS
        for (int j = 0; j < columns; j++) sums[i][j] = 0.0f;
    }
    if (p->k % steps == 0) {
        for (long step = 0; step < p->k; step += steps) {
            UNROLL_FULLY(8)
            for (int s = 0; s < steps; s++, left += p->a_step, right += p->b_step)
                matmul_step(p, left, right, rows, columns, sums);
        }
    } else {
        UNROLL(4)
        for (long step = 0; step < p->k; step++, left += p->a_step, right += p->b_step)
            matmul_step(p, left, right, rows, columns, sums);
    }
    UNROLL_FULLY(4)
    for (int i = 0; i < rows; i++) end(context, batch, row + i, column, columns, sums[i]);
}

/* `rows` rows of the product from `row` on, tile by tile. */
INLINE void matmul_rows(const struct matmul *p, long batch, long row, int rows, matmul_end *end,
                        const void *context) {
    const int width = matmul_columns(rows);
    long column = 0;
    for (; column + width <= p->n; column += width)
        matmul_tile(p, batch, row, column, rows, width, end, context);
    if (p->n % width) matmul_tile(p, batch, row, column, rows, (int)(p->n % width), end, context);
}

INLINE void matmul_one(const struct matmul *p, long batch, matmul_end *end, const void *context) {
    long row = 0;
    for (; row + MATMUL_ROWS <= p->m; row += MATMUL_ROWS)
        matmul_rows(p, batch, row, MATMUL_ROWS, end, context);
    if (p->m % MATMUL_ROWS) matmul_rows(p, batch, row, (int)(p->m % MATMUL_ROWS), end, context);
}

#else
#include "matmul_vector.h"
#endif

/* For each of `batches`: a[m, k] times b[k, n], element [i, l] of a at i * a_row + l * a_step,
 * element [l, j] of b at l * b_step + j * b_column; sums go to `end`. Sizes may be 0. */
INLINE void matmul_f32(const float *a, long a_batch, long a_row, long a_step, const float *b,
                       long b_batch, long b_step, long b_column, long batches, long m, long n,
                       long k, matmul_end *end, const void *context) {
    for (long batch = 0; batch < batches; batch++) {
        const float *left = a + batch * a_batch, *right = b + batch * b_batch;
        const struct matmul p = {left, a_row, a_step, right, b_step, b_column, m, n, k};
        matmul_one(&p, batch, end, context);
    }
}

#endif
