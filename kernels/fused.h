/* SPDX-License-Identifier: Apache-2.0 */
/*
 * a * b + c, rounded once. Where the machine has no such instruction the C library computes it,
 * slowly and to the same bits.
 */
#ifndef ACALSIM_FUSED_H
#define ACALSIM_FUSED_H

#include "inline.h"

INLINE float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
INLINE double fused_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }

#endif
