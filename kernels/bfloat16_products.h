/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products and convolutions of bfloat16, whose sums are float32: the bits of the array's.
 */
#ifndef ACALSIM_BFLOAT16_PRODUCTS_H
#define ACALSIM_BFLOAT16_PRODUCTS_H

#include "bfloat16.h"
#include "fused.h"

#define NAME bf16
#define ELEMENT bfloat16
#define SUM float
#define MULTIPLY_ADD(a, b, sum) fused(value_of_bf16(a), value_of_bf16(b), sum)
#include "narrow.h"

#endif
