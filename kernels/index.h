/* SPDX-License-Identifier: Apache-2.0 */
/* Checks indices that are elements of tensors. A negative index counts from the end. */
#ifndef ACALSIM_INDEX_H
#define ACALSIM_INDEX_H

#include <stdint.h>

#include "inline.h"

/* Ends the program and says that `index` is not within a dimension of `size`. */
_Noreturn void index_error(int64_t index, int64_t size);

/* The index counted from the start. */
INLINE int64_t index_within(int64_t index, int64_t size) {
    const int64_t place = index < 0 ? index + size : index;
    if ((uint64_t)place >= (uint64_t)size) index_error(index, size);
    return place;
}

#endif
