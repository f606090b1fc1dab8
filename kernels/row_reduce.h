/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gaussian elimination with partial pivoting: y [count, rows, columns] is x with every matrix
 * reduced to upper triangular form, or, if `is_whole`, until its first columns are the identity.
 * Of two rows that are exchanged one changes its sign, so that the determinant stays. A column
 * without a pivot is left.
 */
#ifndef ACALSIM_ROW_REDUCE_H
#define ACALSIM_ROW_REDUCE_H

#include "fused.h"

/* Brings the row with the largest element of column k, of rows k and below, to row k. */
INLINE void pivot_f32(float *y, long rows, long columns, long k) {
    long best = k;
    for (long i = k + 1; i < rows; i++)
        if (__builtin_fabsf(y[i * columns + k]) > __builtin_fabsf(y[best * columns + k])) best = i;
    for (long j = k; best != k && j < columns; j++) {
        const float other = y[k * columns + j];
        y[k * columns + j] = y[best * columns + j];
        y[best * columns + j] = -other;
    }
}

INLINE void row_reduce_f32(const float *x, float *y, long count, long rows, long columns,
                           int is_whole) {
    for (long at = 0; at < count * rows * columns; at++) y[at] = x[at];
    for (; count > 0; count--, y += rows * columns)
        for (long k = 0; k < rows; k++) {
            pivot_f32(y, rows, columns, k);
            float *pivot = y + k * columns;
            const float value = pivot[k];
            if (value == 0.0f && !is_whole) continue;
            for (long j = k; is_whole && j < columns; j++) pivot[j] /= value;
            for (long i = is_whole ? 0 : k + 1; i < rows; i++) {
                float *row = y + i * columns;
                const float factor = is_whole ? row[k] : row[k] / value;
                if (i == k) continue;
                for (long j = k; j < columns; j++) row[j] = fused(-factor, pivot[j], row[j]);
            }
        }
}

#endif
