/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions of the V extension, version 1.0: operations, settings of vtype, loads and stores. */
#ifndef SST_DECODE_VECTOR_H
#define SST_DECODE_VECTOR_H

#include "instruction.h"

/* Whether a word with the opcode of a float load or store is one of vectors. */
bool decode_is_vector_access(uint32_t word);

void decode_vector_access(uint32_t word, bool is_write, struct instruction *out);
void decode_vector(uint32_t word, struct instruction *out);

#endif
