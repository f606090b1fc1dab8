/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Books the guest's time to accounts: one for each op, and overhead for everything else.
 *
 * An op's account is the current one from the op's entry until a function that calls ops goes on.
 */
#ifndef SST_ACCOUNTS_H
#define SST_ACCOUNTS_H

#include <stdio.h>

#include "qemu_api.h"

/* Opens an account for each op. Call it after program_load. */
void accounts_start(void);

/* The number of the account that time is booked to now: 0 is overhead, and ops count from 1. */
uint64_t accounts_current(void);

/* The account to switch to where a block begins at `address`: an op is entered there, or its caller
 * goes on. NULL: none. */
struct account *accounts_beginning_at(uint64_t address);

/* Books to another account from now on, before what begins is counted. */
void accounts_switch(struct account *account);

/* Has a block that is being translated switch to the account that begins there. */
void accounts_watch_block(struct qemu_plugin_tb *tb, uint64_t address);

/* Books up to now and prints the members `overhead`, `ops` and `changes` of the statistics' JSON
 * object. */
void accounts_print(FILE *out);

#endif
