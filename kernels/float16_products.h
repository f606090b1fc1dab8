/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products and convolutions of float16, whose sums are float32: the bits of the array's.
 */
#ifndef ACALSIM_FLOAT16_PRODUCTS_H
#define ACALSIM_FLOAT16_PRODUCTS_H

#include "float16.h"
#include "fused.h"

#define NAME f16
#define ELEMENT float16
#define SUM float
#define MULTIPLY_ADD(a, b, sum) fused(value_of_f16(a), value_of_f16(b), sum)
#include "narrow.h"

#endif
