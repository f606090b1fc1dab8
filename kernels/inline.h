/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes and pragmas that gcc and clang spell differently. gcc compiles for scalar machines,
 * clang for machines with vectors. */
#ifndef ACALSIM_INLINE_H
#define ACALSIM_INLINE_H

#define INLINE static inline __attribute__((always_inline))

/* A function that is neither inlined nor split, so that it has a symbol and counts of its own. */
#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif

#define PRAGMA(text) _Pragma(#text)

/* UNROLL_FULLY(most) stands before loops of at most `most` rounds that must be unrolled wholly, as
 * those over a register tile: its sums stay in registers only then. UNROLL(times) stands before
 * other loops that are not vectorised, and UNROLL_SCALAR(times) before loops that clang is to
 * vectorise instead. */
#ifdef __clang__
#define UNROLL_FULLY(most) PRAGMA(clang loop unroll(full))
#define UNROLL(times) PRAGMA(clang loop unroll_count(times))
#else
#define UNROLL_FULLY(most) PRAGMA(GCC unroll most)
#define UNROLL(times) PRAGMA(GCC unroll times)
#endif
#ifdef __riscv_vector
#define UNROLL_SCALAR(times) PRAGMA(clang loop unroll(disable))
#else
#define UNROLL_SCALAR(times) UNROLL(times)
#endif

/* Stands before the loop over the sums that a tile hands to a `matmul_end` or `conv_end`. */
#ifdef __riscv_vector
#define UNROLL_SUMS PRAGMA(clang loop unroll(disable) vectorize_predicate(enable))
#else
#define UNROLL_SUMS UNROLL_FULLY(16)
#endif

#endif
