/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compressed instruction in; out comes the 32-bit instruction that it stands for. Immediates that
 * change neither timing nor traffic are left out.
 */
#ifndef SST_DECODE_COMPRESSED_H
#define SST_DECODE_COMPRESSED_H

#include <stdint.h>

/* 0, which is no instruction, where `half` is none. */
uint32_t decode_expand(uint32_t half);

#endif
