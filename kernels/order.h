/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting: the first `count` elements in order along a dimension, and their places. As in PyTorch,
 * equal elements keep their order, and NaN counts as the largest. x is [outer, size, inner], the
 * result [outer, count, inner].
 *
 * A row of the result is a heap of the best elements so far, the last of them on top, which is
 * taken apart at the end. That takes about size * log(count) steps and no other memory.
 */
#ifndef ACALSIM_ORDER_H
#define ACALSIM_ORDER_H

#include <stdint.h>

#include "inline.h"

#define COMES_BEFORE(a, b, descending)                      \
    ((descending) ? (a) > (b) || ((a) != (a) && (b) == (b)) \
                  : (a) < (b) || ((b) != (b) && (a) == (a)))

/* Whether the element at place i comes before that at place j. */
#define DEFINE_PRECEDES(type, suffix)                                                        \
    INLINE int precedes_##suffix(type a, int64_t i, type b, int64_t j, int descending) {     \
        return COMES_BEFORE(a, b, descending) || (i < j && !COMES_BEFORE(b, a, descending)); \
    }

/* Heaps of entries that are the elements themselves, or their places in the row x. */
#define VALUE_ENTRY(s) x[(s) * inner]
#define VALUE_PRECEDES(suffix, a, b) precedes_##suffix(a, 0, b, 0, descending)
#define PLACE_ENTRY(s) (s)
#define PLACE_PRECEDES(suffix, a, b) \
    precedes_##suffix(x[(a) * inner], a, x[(b) * inner], b, descending)

/* sink: puts `entry` below the root of a heap of `count` entries, or there. */
#define DEFINE_SORTED(name, kind, type, suffix, entry_type)                                       \
    INLINE void sink_##name##_##suffix(const type *x, entry_type *y, long inner, long root,       \
                                       long count, entry_type entry, int descending) {            \
        for (long child; (child = 2 * root + 1) < count; root = child) {                          \
            if (child + 1 < count &&                                                              \
                kind##_PRECEDES(suffix, y[child * inner], y[(child + 1) * inner]))                \
                child++;                                                                          \
            if (!kind##_PRECEDES(suffix, entry, y[child * inner])) break;                         \
            y[root * inner] = y[child * inner];                                                   \
        }                                                                                         \
        y[root * inner] = entry;                                                                  \
        (void)x;                                                                                  \
    }                                                                                             \
    INLINE void sorted_row_##name##_##suffix(const type *x, entry_type *y, long size, long inner, \
                                             long count, int descending) {                        \
        for (long s = 0; s < count; s++) y[s * inner] = kind##_ENTRY(s);                          \
        for (long root = count / 2 - 1; root >= 0; root--)                                        \
            sink_##name##_##suffix(x, y, inner, root, count, y[root * inner], descending);        \
        for (long s = count; s < size; s++)                                                       \
            if (kind##_PRECEDES(suffix, kind##_ENTRY(s), y[0]))                                   \
                sink_##name##_##suffix(x, y, inner, 0, count, kind##_ENTRY(s), descending);       \
        for (long end = count - 1; end > 0; end--) {                                              \
            const entry_type entry = y[end * inner];                                              \
            y[end * inner] = y[0];                                                                \
            sink_##name##_##suffix(x, y, inner, 0, end, entry, descending);                       \
        }                                                                                         \
    }                                                                                             \
    INLINE void sorted_##name##_##suffix(const type *x, entry_type *y, long outer, long size,     \
                                         long inner, long count, int descending) {                \
        for (long o = 0; o < outer; o++)                                                          \
            for (long i = 0; i < inner; i++)                                                      \
                sorted_row_##name##_##suffix(x + o * size * inner + i, y + o * count * inner + i, \
                                             size, inner, count, descending);                     \
    }

#define DEFINE_ORDER(type, suffix)                   \
    DEFINE_PRECEDES(type, suffix)                    \
    DEFINE_SORTED(values, VALUE, type, suffix, type) \
    DEFINE_SORTED(places, PLACE, type, suffix, int64_t)

DEFINE_ORDER(float, f32)
DEFINE_ORDER(double, f64)
DEFINE_ORDER(int64_t, i64)
DEFINE_ORDER(int32_t, i32)
DEFINE_ORDER(int16_t, i16)
DEFINE_ORDER(int8_t, i8)
DEFINE_ORDER(uint8_t, u8)

#endif
