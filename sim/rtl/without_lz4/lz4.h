/* SPDX-License-Identifier: Apache-2.0 */
/* The two functions of LZ4 that waveforms need: one block of literals, which every LZ4 can read. */
#pragma once

#include <string.h>

static inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

static inline int LZ4_compress_default(const char* from, char* to, int size, int room) {
    if (room < LZ4_compressBound(size)) return 0;
    char* at = to;
    *at++ = (char)((size < 15 ? size : 15) << 4);
    if (size >= 15) {
        int left = size - 15;
        for (; left >= 255; left -= 255) *at++ = (char)255;
        *at++ = (char)left;
    }
    memcpy(at, from, (size_t)size);
    return (int)(at - to) + size;
}
