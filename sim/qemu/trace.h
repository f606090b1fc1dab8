/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory trace, when asked for: a line `CYCLE R|W SIZE 0xADDRESS` for each load and store of
 * the CPU outside the devices. CYCLE is when the access's block began. SIZE is in bytes.
 */
#ifndef SST_TRACE_H
#define SST_TRACE_H

#include "instruction.h"
#include "qemu_api.h"

/* Opens the trace. False, with a message on stderr, where that fails. */
bool trace_open(const char *path, uint64_t limit);

/* Has the accesses of an instruction that is being translated traced, if there is a trace. By the
 * time they happen, the clock is already `ahead` cycles ahead. */
void trace_watch_access(struct qemu_plugin_insn *insn, const struct instruction *instruction,
                        uint64_t ahead);

/* Writes out what is buffered, from any thread. */
void trace_flush(void);

/* Writes out what is buffered and traces no more. */
void trace_close(void);

#endif
