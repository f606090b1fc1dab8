/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes rdcycle, rdinstret and their machine-mode twins tell simulated time. */
#ifndef SST_CSR_H
#define SST_CSR_H

void csr_take_over(void);

#endif
