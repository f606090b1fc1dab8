/* SPDX-License-Identifier: Apache-2.0 */
/* Indices that come out of tensors: counted from the end where negative, and held to their bounds.
 */
#ifndef ACALSIM_INDEX_H
#define ACALSIM_INDEX_H

#include <stdint.h>

#include "inline.h"

/* Ends the program: `index` does not lie within `size`. */
_Noreturn void index_error(int64_t index, int64_t size);

INLINE int64_t index_within(int64_t index, int64_t size) {
    const int64_t place = index < 0 ? index + size : index;
    if ((uint64_t)place >= (uint64_t)size) index_error(index, size);
    return place;
}

#endif
