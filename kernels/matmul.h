/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products on register tiles. Sizes are constants where these are inlined, so that the
 * remainders of a tile cost no test at run time. Every element sums its products in ascending k,
 * each with one rounding (fused multiply-add).
 */
#ifndef ACALSIM_MATMUL_H
#define ACALSIM_MATMUL_H

#define INLINE static inline __attribute__((always_inline))

enum { TILE_ROWS = 4, TILE_COLUMNS = 6, ROW_TILE_COLUMNS = 16 };

/* What becomes of a sum: c = alpha * sum + beta * bias, where there is a bias. */
struct gemm_end {
    const float *bias;
    long row_step, column_step;
    float alpha, beta;
};

INLINE float finished(float sum, const struct gemm_end *end, long row, long column) {
    if (!end->bias) return sum;
    /* As in PyTorch, a bias that counts nothing may be anything, NaN included. */
    if (end->beta == 0.0f) return end->alpha * sum;
    return end->alpha * sum +
           end->beta * end->bias[row * end->row_step + column * end->column_step];
}

/* rows x columns elements of c at (row, column); both counts are small constants. */
INLINE void matmul_tile_f32(const float *a, const float *b, float *c, long n, long k, long row,
                            long column, int rows, int columns, const struct gemm_end *end) {
    float sums[TILE_ROWS][ROW_TILE_COLUMNS];
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
        for (int j = 0; j < columns; j++) sums[i][j] = 0.0f;
    const float *left = a + row * k, *right = b + column;
#pragma GCC unroll 4
    for (long step = 0; step < k; step++, left++, right += n) {
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
            for (int j = 0; j < columns; j++) sums[i][j] += left[i * k] * right[j];
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
        for (int j = 0; j < columns; j++)
            c[(row + i) * n + column + j] = finished(sums[i][j], end, row + i, column + j);
}

/* `rows` rows of c from `row` on, tile by tile of `width` columns. */
INLINE void matmul_rows_f32(const float *a, const float *b, float *c, long n, long k, long row,
                            int rows, int width, const struct gemm_end *end) {
    long column = 0;
    for (; column + width <= n; column += width)
        matmul_tile_f32(a, b, c, n, k, row, column, rows, width, end);
    if (n % width) matmul_tile_f32(a, b, c, n, k, row, column, rows, (int)(n % width), end);
}

INLINE void matmul_end_f32(const float *a, const float *b, float *c, long m, long n, long k,
                           const struct gemm_end *end) {
    const int width = m == 1 ? ROW_TILE_COLUMNS : TILE_COLUMNS;
    long row = 0;
    for (; row + TILE_ROWS <= m; row += TILE_ROWS)
        matmul_rows_f32(a, b, c, n, k, row, TILE_ROWS, width, end);
    if (m % TILE_ROWS) matmul_rows_f32(a, b, c, n, k, row, (int)(m % TILE_ROWS), width, end);
}

/* c[m, n] = a[m, k] @ b[k, n] */
INLINE void matmul_f32(const float *a, const float *b, float *c, long m, long n, long k) {
    const struct gemm_end end = {0, 0, 0, 1.0f, 0.0f};
    matmul_end_f32(a, b, c, m, n, k, &end);
}

/* c[m, n] = alpha * a[m, k] @ b[k, n] + beta * bias, the bias read with the given steps */
INLINE void gemm_f32(const float *a, const float *b, const float *bias, long row_step,
                            long column_step, float *c, long m, long n, long k, float alpha,
                            float beta) {
    const struct gemm_end end = {bias, row_step, column_step, alpha, beta};
    matmul_end_f32(a, b, c, m, n, k, &end);
}

#endif
