/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator's end of the wire: one Unix stream socket, frames as in docs/protocol.md.
 *
 * A simulator that answers HELLO with failure knows only reads and writes. It gets nothing else,
 * and keeps its own time. Whenever the simulator is lost, QEMU ends.
 */
#ifndef SST_BRIDGE_H
#define SST_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

/* One access of the guest to a device register. */
struct access {
    bool is_write;
    uint8_t bytes;
    uint64_t address, data; /* data: of a write */
};

/* What happened on this side since the simulator was asked last. */
struct advance {
    uint64_t cycles;
    uint64_t account;     /* of these cycles, and of the stall that is answered */
    uint32_t moved_bytes; /* by the caches */
};

/* What the simulator answers. */
struct answer {
    bool success;    /* false is a bus error */
    bool is_last;    /* the simulation has ended */
    bool interrupts; /* a device has interrupted: bridge_wait would be answered at once */
    uint64_t stall_cycles;
    uint64_t
        data; /* what was read; for bridge_wait the sources raised, bit n being source 32 + n */
};

/* Connects to the socket at `path`. Returns NULL or what went wrong. */
const char *bridge_connect(const char *path);

/* Says HELLO. The machine description, to be freed, or NULL from a simulator that knows none. */
char *bridge_hello(void);

/* Tells where guest RAM is, if the simulator can be told. */
void bridge_send_ram(const char *text);

/* Has the simulator do an access. */
struct answer bridge_access(const struct access *access, struct advance advance);

/* Has the simulator go on until a device interrupts. */
struct answer bridge_wait(struct advance advance);

/* Sends the statistics, if the simulator can be told, and hangs up. */
void bridge_close(const char *statistics);

/* Returns when the other side has hung up. It needs a thread of its own. */
void bridge_await_hang_up(void);

/* Ends QEMU and says what the simulator did: "went away", for example. */
_Noreturn void bridge_lost(const char *what_happened);

#endif
