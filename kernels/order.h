/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting: the first `count` elements in order along a dimension, and their places. As in PyTorch,
 * equal elements keep their order, and NaN counts as the largest. x is [outer, size, inner], the
 * result [outer, count, inner].
 */
#ifndef ACALSIM_ORDER_H
#define ACALSIM_ORDER_H

#include <stdint.h>

#include "inline.h"

#define COMES_BEFORE(a, b, descending)                      \
    ((descending) ? (a) > (b) || ((a) != (a) && (b) == (b)) \
                  : (a) < (b) || ((b) != (b) && (a) == (a)))

/* next_place: the place of the element that follows the one at `last` in order; with -1, of the
 * first one. Sorting by it takes count * size steps and no memory. */
#define DEFINE_SORTED(type, suffix)                                                               \
    INLINE long next_place_##suffix(const type *x, long size, long inner, long last,              \
                                    int descending) {                                             \
        long best = -1;                                                                           \
        for (long s = 0; s < size; s++) {                                                         \
            const type value = x[s * inner];                                                      \
            if (last >= 0) {                                                                      \
                const type before = x[last * inner];                                              \
                if (COMES_BEFORE(value, before, descending)) continue;                            \
                if (!COMES_BEFORE(before, value, descending) && s <= last) continue;              \
            }                                                                                     \
            if (best < 0 || COMES_BEFORE(value, x[best * inner], descending)) best = s;           \
        }                                                                                         \
        return best;                                                                              \
    }                                                                                             \
    INLINE void sorted_places_##suffix(const type *x, int64_t *y, long outer, long size,          \
                                       long inner, long count, int descending) {                  \
        for (long o = 0; o < outer; o++)                                                          \
            for (long i = 0; i < inner; i++) {                                                    \
                const type *row = x + o * size * inner + i;                                       \
                long place = -1;                                                                  \
                for (long c = 0; c < count; c++) {                                                \
                    place = next_place_##suffix(row, size, inner, place, descending);             \
                    y[(o * count + c) * inner + i] = place;                                       \
                }                                                                                 \
            }                                                                                     \
    }                                                                                             \
    INLINE void sorted_values_##suffix(const type *x, type *y, long outer, long size, long inner, \
                                       long count, int descending) {                              \
        for (long o = 0; o < outer; o++)                                                          \
            for (long i = 0; i < inner; i++) {                                                    \
                const type *row = x + o * size * inner + i;                                       \
                long place = -1;                                                                  \
                for (long c = 0; c < count; c++) {                                                \
                    place = next_place_##suffix(row, size, inner, place, descending);             \
                    y[(o * count + c) * inner + i] = row[place * inner];                          \
                }                                                                                 \
            }                                                                                     \
    }

DEFINE_SORTED(float, f32)
DEFINE_SORTED(int64_t, i64)
DEFINE_SORTED(int32_t, i32)
DEFINE_SORTED(int8_t, i8)
DEFINE_SORTED(uint8_t, u8)

#endif
