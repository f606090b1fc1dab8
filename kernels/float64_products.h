/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products and convolutions of float64, whose sums are float64, too.
 */
#ifndef ACALSIM_FLOAT64_PRODUCTS_H
#define ACALSIM_FLOAT64_PRODUCTS_H

#include "fused.h"

#define NAME f64
#define ELEMENT double
#define SUM double
#define RESULT double
#define MULTIPLY_ADD(a, b, sum) fused_f64(a, b, sum)
#include "narrow.h"

#endif
