/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products and convolutions of int8, whose sums are int32.
 */
#ifndef ACALSIM_INT8_H
#define ACALSIM_INT8_H

#include <stdint.h>

#define NAME i8
#define ELEMENT int8_t
#define SUM int32_t
#define MULTIPLY_ADD(a, b, sum) ((sum) + (int32_t)(a) * (b))
#include "narrow.h"

#endif
