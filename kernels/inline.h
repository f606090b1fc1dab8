/* SPDX-License-Identifier: Apache-2.0 */
/* What gcc, for scalar machines, and clang, for machines with vectors, spell differently. */
#ifndef ACALSIM_INLINE_H
#define ACALSIM_INLINE_H

#define INLINE static inline __attribute__((always_inline))

/* A function that stays one, so that it can be told apart in symbols and counts. */
#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif

#define PRAGMA(text) _Pragma(#text)

/* UNROLL_FULLY(most): the loops of a register tile, of at most `most` rounds, must vanish for the
 * tile to live in registers. UNROLL(times): other loops of scalar work by hand, vectors included.
 * UNROLL_SCALAR(times): loops that a compiler for vectors is to vectorise, not to unroll. */
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

/* Before the loop over the sums that a register tile hands out. */
#ifdef __riscv_vector
#define UNROLL_SUMS PRAGMA(clang loop unroll(disable) vectorize_predicate(enable))
#else
#define UNROLL_SUMS UNROLL_FULLY(16)
#endif

#endif
