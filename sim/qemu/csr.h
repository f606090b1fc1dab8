/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes rdcycle, rdinstret and their machine-mode twins tell simulated time. */
#ifndef SST_CSR_H
#define SST_CSR_H

#include <stdint.h>

void csr_take_over(void);

/* How often the guest has read the cycles. */
uint64_t csr_clock_reads(void);

#endif
