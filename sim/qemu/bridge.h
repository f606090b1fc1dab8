/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator's end of the wire: one Unix stream socket, frames as in docs/protocol.md, every
 * access carrying the CPU's time. A simulator that answers HELLO with failure knows only reads and
 * writes: it gets nothing else, and keeps its own time.
 */
#ifndef SST_BRIDGE_H
#define SST_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

/* Exit status of QEMU when the simulator is lost. */
enum { EXIT_SIMULATOR_LOST = 70 };

/* Connects to the socket at `path`; returns NULL or what went wrong. */
const char *bridge_connect(const char *path);

/* Says HELLO. The machine description, to be freed, or NULL from a simulator that knows none. */
char *bridge_hello(void);

/* Tells where guest RAM is, if the simulator can be told. */
void bridge_send_ram(const char *text);

/* Ends QEMU, with a status of its own, when the simulator goes away between two accesses. */
void bridge_watch(void);

/* Reads or writes a device register, and waits as the simulator says. False is a bus error. */
bool bridge_access(bool is_write, uint64_t address, unsigned bytes, uint64_t *data);

/* Sleeps until the simulator raises an interrupt, and raises it here. False: the simulation is
 * over. */
bool bridge_sleep(void);

/* One line on stderr and the end of QEMU. */
_Noreturn void bridge_lost(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
