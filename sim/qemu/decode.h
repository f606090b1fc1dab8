/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One RV64GC(V) instruction word in; out comes what its timing and its memory traffic depend on. */
#ifndef SST_DECODE_H
#define SST_DECODE_H

#include "instruction.h"

/* A word that begins with a compressed instruction may have anything in its upper half. */
void decode(uint32_t word, struct instruction *out);

#endif
