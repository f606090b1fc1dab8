/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gives every block that QEMU translates what counts it: time, accounts, traffic, trace, caches.
 *
 * A block's counts are known when QEMU translates it. Running it then costs three inline additions
 * and no call, as long as the machine has no caches and
 * no debugger cuts blocks in pieces. The board's boot ROM, which differs between
 * versions of QEMU, is not counted.
 */
#ifndef SST_COUNTING_H
#define SST_COUNTING_H

#include "qemu_api.h"

/* Called by QEMU for every block that it translates. */
void counting_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

#endif
