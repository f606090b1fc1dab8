/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts: from the simulator to the board's PLIC, and the sleep of a CPU that waits for them.
 *
 * A CPU that executes wfi with nothing to wake up for falls asleep in QEMU. Then, and only then,
 * the simulator is asked to go on until the next interrupt. The guest's clock moves by what that
 * takes, and the CPU is woken up. How long it takes on the host changes neither.
 * A CPU that a debugger has stopped does not sleep.
 * Interrupts of devices whose work ends while the CPU is awake become pending at its next access to
 * a device.
 *
 * A source is raised for a moment. It is pending at the PLIC from then on until it is claimed.
 */
#ifndef SST_INTERRUPT_H
#define SST_INTERRUPT_H

#include "qemu_api.h"

/* Has the simulator asked when the CPU sleeps. */
void interrupt_watch(qemu_plugin_id_t id);

/* Raises sources at the PLIC, bit n being source 32 + n. There may be none. */
void interrupt_raise(uint64_t sources);

#endif
