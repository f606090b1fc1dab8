/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tiles of matmul.h for the vector extension. A vector runs along a row of the product, and the
 * rows of a tile share the vector that is loaded from b. Vectors have as many elements as fit the
 * shortest VLEN that the compiler is told. That is a constant, and right on a longer VLEN too.
 */
#if defined(__riscv_vector) && !defined(ACALSIM_MATMUL_VECTOR_H)
#define ACALSIM_MATMUL_VECTOR_H

#include "vector.h"

/*
 * matmul_tile_mM, for groups of M registers: computes `rows` rows of `count` elements at (row,
 * column). With a single row it computes `vectors` times as many elements of it. All three are
 * constants.
 */
#define MATMUL_TILE(M)                                                                      \
    INLINE vfloat32m##M##_t matmul_load_m##M(const struct matmul *p, const float *from,     \
                                             int count) {                                   \
        if (p->b_column == 1) return __riscv_vle32_v_f32m##M(from, count);                  \
        return __riscv_vlse32_v_f32m##M(from, p->b_column * (long)sizeof(float), count);    \
    }                                                                                       \
                                                                                            \
    INLINE void matmul_tile_m##M(const struct matmul *p, long batch, long row, long column, \
                                 int rows, int vectors, int count, matmul_end *end,         \
                                 const void *context) {                                     \
        const float *left = p->a + row * p->a_row, *right = p->b + column * p->b_column;    \
        float sums[MOST_LANES];                                                             \
        EACH_SUM(MATMUL_CLEAR_##M)                                                          \
        UNROLL(4)                                                                           \
        for (long step = 0; step < p->k; step++, left += p->a_step, right += p->b_step) {   \
            EACH_SUM(MATMUL_LEFT)                                                           \
            vfloat32m##M##_t shared = matmul_load_m##M(p, right, count);                    \
            EACH_SUM(MATMUL_ADD_##M)                                                        \
        }                                                                                   \
        EACH_SUM(MATMUL_END_##M)                                                            \
    }

#define MATMUL_CLEAR(M, I)                                                                    \
    vfloat32m##M##_t sum##I = I < rows || I < vectors ? __riscv_vfmv_v_f_f32m##M(0.0f, count) \
                                                      : __riscv_vundefined_f32m##M();
#define MATMUL_LEFT(I) const float left##I = I < rows ? left[I * p->a_row] : 0.0f;
#define MATMUL_ADD(M, I)                                                    \
    if (I < rows)                                                           \
        sum##I = __riscv_vfmacc_vf_f32m##M(sum##I, left##I, shared, count); \
    else if (I < vectors)                                                   \
        sum##I = __riscv_vfmacc_vf_f32m##M(                                 \
            sum##I, left0, matmul_load_m##M(p, right + I * count * p->b_column, count), count);
#define MATMUL_END(M, I)                                                                      \
    if (I < rows || I < vectors) {                                                            \
        __riscv_vse32_v_f32m##M(sums, sum##I, count);                                         \
        end(context, batch, I < rows ? row + I : row, I < rows ? column : column + I * count, \
            count, sums);                                                                     \
    }
#define MATMUL_CLEAR_1(I) MATMUL_CLEAR(1, I)
#define MATMUL_CLEAR_2(I) MATMUL_CLEAR(2, I)
#define MATMUL_CLEAR_4(I) MATMUL_CLEAR(4, I)
#define MATMUL_CLEAR_8(I) MATMUL_CLEAR(8, I)
#define MATMUL_ADD_1(I) MATMUL_ADD(1, I)
#define MATMUL_ADD_2(I) MATMUL_ADD(2, I)
#define MATMUL_ADD_4(I) MATMUL_ADD(4, I)
#define MATMUL_ADD_8(I) MATMUL_ADD(8, I)
#define MATMUL_END_1(I) MATMUL_END(1, I)
#define MATMUL_END_2(I) MATMUL_END(2, I)
#define MATMUL_END_4(I) MATMUL_END(4, I)
#define MATMUL_END_8(I) MATMUL_END(8, I)

MATMUL_TILE(1)
MATMUL_TILE(2)
MATMUL_TILE(4)
MATMUL_TILE(8)

INLINE void matmul_tile(const struct matmul *p, long batch, long row, long column, int rows,
                        int vectors, int count, matmul_end *end, const void *context) {
    switch (vector_group(count)) {
        case 1:
            return matmul_tile_m1(p, batch, row, column, rows, vectors, count, end, context);
        case 2:
            return matmul_tile_m2(p, batch, row, column, rows, vectors, count, end, context);
        case 4:
            return matmul_tile_m4(p, batch, row, column, rows, vectors, count, end, context);
        default:
            return matmul_tile_m8(p, batch, row, column, rows, vectors, count, end, context);
    }
}

/* Computes `count` columns from `column` on, tile by tile. */
INLINE void matmul_columns(const struct matmul *p, long batch, long column, int count,
                           matmul_end *end, const void *context) {
    const int rows = vector_sums(vector_group(count));
    long row = 0;
    for (; row + rows <= p->m; row += rows)
        matmul_tile(p, batch, row, column, rows, 1, count, end, context);
    if (p->m % rows) matmul_tile(p, batch, row, column, (int)(p->m % rows), 1, count, end, context);
}

/* Computes the first `columns` columns of a product of one row, several vectors at a time. */
INLINE void matmul_row(const struct matmul *p, long batch, long columns, matmul_end *end,
                       const void *context) {
    const int most = vector_sums(8), width = most * MOST_LANES;
    const int rest = (int)(columns % width) / MOST_LANES;
    long column = 0;
    for (; column + width <= columns; column += width)
        matmul_tile(p, batch, 0, column, 1, most, MOST_LANES, end, context);
    if (rest) matmul_tile(p, batch, 0, column, 1, rest, MOST_LANES, end, context);
}

/* --- Vectors along k ---------------------------------------------------------------------------
 *
 * With few rows and b transposed, or with a single column, few elements would share what is loaded.
 * Then vectors run along k, where a and b are contiguous. Element i of a vector starts from 0 and
 * adds the products of k = i, i + DOT_LANES, i + 2 * DOT_LANES ... in this order; vfredusum adds up
 * the elements. DOTS is how many elements of the product share a vector of a, DOT_COLUMNS how many
 * are handed to a matmul_end at once.
 */
enum { DOTS = 4, DOT_LANES = 4 * LANES, DOT_COLUMNS = 4 * LANES };

/* Adds `count` products to a vector of sums. The elements behind them stay as they are. */
INLINE vfloat32m4_t matmul_dot(vfloat32m4_t sum, vfloat32m4_t left, const float *right, int count) {
    vfloat32m4_t b = __riscv_vle32_v_f32m4(right, count);
    if (count < DOT_LANES) return __riscv_vfmacc_vv_f32m4_tu(sum, left, b, count);
    return __riscv_vfmacc_vv_f32m4(sum, left, b, count);
}

/* The sum of all elements. */
INLINE float matmul_total(vfloat32m4_t sum) {
    vfloat32m1_t zero = __riscv_vfmv_s_f_f32m1(0.0f, 1);
    return __riscv_vfmv_f_s_f32m1_f32(__riscv_vfredusum_vs_f32m4_f32m1(sum, zero, DOT_LANES));
}

/* Computes the elements of a row from `column` on; there are `columns`, at most DOTS. */
INLINE void matmul_dots(const struct matmul *p, long row, long column, int columns, float *sums) {
    const float *left = p->a + row * p->a_row, *right = p->b + column * p->b_column;
    const int rest = (int)(p->k % DOT_LANES);
    vfloat32m4_t zero = __riscv_vfmv_v_f_f32m4(0.0f, DOT_LANES), a;
    vfloat32m4_t sum0 = zero, sum1 = zero, sum2 = zero, sum3 = zero;
#define MATMUL_DOTS(count)                                                       \
    a = __riscv_vle32_v_f32m4(left, count);                                      \
    sum0 = matmul_dot(sum0, a, right, count);                                    \
    if (columns > 1) sum1 = matmul_dot(sum1, a, right + p->b_column, count);     \
    if (columns > 2) sum2 = matmul_dot(sum2, a, right + 2 * p->b_column, count); \
    if (columns > 3) sum3 = matmul_dot(sum3, a, right + 3 * p->b_column, count);
    UNROLL(1)
    for (long step = 0; step < p->k / DOT_LANES; step++, left += DOT_LANES, right += DOT_LANES) {
        MATMUL_DOTS(DOT_LANES)
    }
    if (rest) {
        MATMUL_DOTS(rest)
    }
    sums[0] = matmul_total(sum0);
    if (columns > 1) sums[1] = matmul_total(sum1);
    if (columns > 2) sums[2] = matmul_total(sum2);
    if (columns > 3) sums[3] = matmul_total(sum3);
}

INLINE void matmul_dot_columns(const struct matmul *p, long batch, long row, long column, int count,
                               matmul_end *end, const void *context) {
    float sums[DOT_COLUMNS];
    int j = 0;
    UNROLL(1)
    for (; j + DOTS <= count; j += DOTS) matmul_dots(p, row, column + j, DOTS, sums + j);
    if (count % DOTS) matmul_dots(p, row, column + j, count % DOTS, sums + j);
    end(context, batch, row, column, count, sums);
}

INLINE void matmul_dot_row(const struct matmul *p, long batch, long row, matmul_end *end,
                           const void *context) {
    long column = 0;
    for (; column + DOT_COLUMNS <= p->n; column += DOT_COLUMNS)
        matmul_dot_columns(p, batch, row, column, DOT_COLUMNS, end, context);
    if (p->n % DOT_COLUMNS)
        matmul_dot_columns(p, batch, row, column, (int)(p->n % DOT_COLUMNS), end, context);
}

/* --- The whole product ------------------------------------------------------------------------ */

/* Computes one product. */
INLINE void matmul_one(const struct matmul *p, long batch, matmul_end *end, const void *context) {
    const int is_transposed = p->b_column != 1;
    const int is_contiguous = p->a_step == 1 && p->b_step == 1 && p->k >= DOT_LANES;
    if (is_contiguous && (p->n == 1 || (is_transposed && p->m < 4))) {
        for (long row = 0; row < p->m; row++) matmul_dot_row(p, batch, row, end, context);
        return;
    }
    /* A strided load takes a cycle for each element. Shorter vectors leave registers for more rows,
     * which share what is loaded. */
    const int lanes = is_transposed && p->m > 1 ? MOST_LANES / 2 : MOST_LANES;
    const long whole = p->n / lanes * lanes;
    if (p->m == 1) {
        matmul_row(p, batch, whole, end, context);
    } else {
        for (long column = 0; column < whole; column += lanes)
            matmul_columns(p, batch, column, lanes, end, context);
    }
    if (p->n % lanes) matmul_columns(p, batch, whole, (int)(p->n % lanes), end, context);
}

#endif
