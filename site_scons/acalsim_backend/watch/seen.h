/* SPDX-License-Identifier: Apache-2.0 */
/* What has been asked for so far: names, what was asked, and what no list of names can tell. */
#pragma once
#include <stdbool.h>

enum { READ = 1, LOOKED = 2, AS_LINK = 4, EXECUTED = 8, WRITTEN = 16, BORN = 32 };

/* Note that `name`, absolute, was asked for in one of the ways above. BORN counts only where it is
 * the first. The file is looked at when its name comes first, so call before the system call runs.
 */
void seen(const char *name, int ways);

/* Whether one of the processes made `name`. */
bool was_written(const char *name);

/* Note why the list of names is not all; the same reason twice is one. */
void unseen(const char *reason);

/* Write the list, as watch.c describes it. False, with errno, where that fails. */
bool write_seen(const char *path);

void *allocate(unsigned long count, unsigned long size);
