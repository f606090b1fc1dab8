/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that was counted, as the simulator gets it at the end. */
#ifndef SST_STATISTICS_H
#define SST_STATISTICS_H

/* A JSON object of this moment, to be freed. A later call finds later counts. */
char *statistics_text(void);

#endif
