/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine description, text of one fact a line as in docs/protocol.md: devices for the map,
 * latencies and the vector unit for the costs, caches.
 */
#ifndef SST_DESCRIPTION_H
#define SST_DESCRIPTION_H

/* Tells each room its facts; cuts the text up. QEMU ends where a line is not understood. */
void description_apply(char *text);

/* The two devices that everybody knows, for a simulator that describes no machine. */
void description_apply_default(void);

#endif
