/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the shared file behind guest RAM, if QEMU was given one. */
#ifndef SST_RAM_H
#define SST_RAM_H

/* `ORIGIN SIZE OFFSET PATH` as docs/protocol.md has it, to be freed. NULL: RAM is not such a
 * file. */
char *ram_description(void);

#endif
