/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts a debugged program as if nobody debugged it.
 *
 * A debugger has QEMU translate blocks in pieces: alone, each instruction of a page with a
 * breakpoint, of a step, and behind a watchpoint, which moreover stops an instruction half way and
 * has it done anew. Blocks are counted whole and as they begin, however. So here each instruction
 * is watched, and where one does not go on in the block that is running, the block that QEMU would
 * have made from there is counted. It is read in the program's file.
 *
 * That is slow. It is done only where somebody can debug: where QEMU has a socket for gdb.
 */
#ifndef SST_PIECES_H
#define SST_PIECES_H

#include "instruction.h"
#include "qemu_api.h"

/* Whether blocks may be cut in pieces. */
bool pieces_occur(void);

/* Has what is being translated counted as a part of whole blocks. */
void pieces_watch(struct qemu_plugin_tb *tb, uint64_t address, const struct instruction *run,
                  size_t count);

#endif
