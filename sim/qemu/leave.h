/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way out of QEMU when the simulation cannot go on. */
#ifndef SST_LEAVE_H
#define SST_LEAVE_H

/* Exit status of QEMU when the simulator is lost. */
enum { EXIT_SIMULATOR_LOST = 70 };

/* One line on stderr and the end of QEMU, from any thread. */
_Noreturn void leave(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
