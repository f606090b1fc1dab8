/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "statistics.h"

#include <inttypes.h>
#include <stdio.h>

#include "accounts.h"
#include "cache.h"
#include "clock.h"
#include "csr.h"
#include "traffic.h"

static void print_time(FILE *out) {
    struct passed now = clock_read();
    fprintf(out,
            "\"cpu_cycles\": %" PRIu64 ",\n \"stall_cycles\": %" PRIu64
            ",\n \"instructions\": %" PRIu64,
            now.cycles - now.stall_cycles, now.stall_cycles, now.instructions);
}

static void print_traffic(FILE *out) {
    struct traffic memory = traffic_read();
    fprintf(out, ",\n \"memory_reads\": %" PRIu64 ",\n \"memory_writes\": %" PRIu64, memory.reads,
            memory.writes);
    fprintf(out, ",\n \"memory_bytes_read\": %" PRIu64 ",\n \"memory_bytes_written\": %" PRIu64,
            memory.bytes_read, memory.bytes_written);
}

char *statistics_text(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fprintf(out, "{");
    print_time(out);
    print_traffic(out);
    cache_print(out);
    if (csr_clock_reads()) fprintf(out, ",\n \"clock_reads\": %" PRIu64, csr_clock_reads());
    accounts_print(out);
    fprintf(out, "}\n");
    fclose(out);
    return text;
}
