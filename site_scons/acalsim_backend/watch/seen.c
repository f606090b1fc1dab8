/* SPDX-License-Identifier: Apache-2.0 */
#include "seen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct row {
    char *name;
    int ways;
    struct stat before; /* when it was first asked for; st_mode is 0 where there was nothing */
};

static struct row *table; /* open addressing; its size is a power of two, at most half of it used */
static size_t table_size, used;

enum { MOST_REASONS = 64 };
static char *reasons[MOST_REASONS];
static size_t reason_count;

void *allocate(unsigned long count, unsigned long size) {
    void *memory = calloc(count, size);
    if (!memory) {
        perror("watch: memory");
        exit(125);
    }
    return memory;
}

static char *copy(const char *text) { return strcpy(allocate(strlen(text) + 1, 1), text); }

static struct row *find(const char *name) {
    size_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *p = name; *p; p++) hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    size_t i = hash & (table_size - 1);
    while (table[i].name && strcmp(table[i].name, name)) i = (i + 1) & (table_size - 1);
    return &table[i];
}

static void grow(void) {
    struct row *old = table;
    size_t old_size = table_size;
    table_size = old_size ? 2 * old_size : 16384;
    table = allocate(table_size, sizeof *table);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].name) *find(old[i].name) = old[i];
    free(old);
}

void seen(const char *name, int ways) {
    if (2 * used >= table_size) grow();
    struct row *row = find(name);
    if (row->name) {
        row->ways |= ways & ~BORN;
        return;
    }
    row->name = copy(name);
    row->ways = ways;
    if (stat(name, &row->before)) memset(&row->before, 0, sizeof row->before);
    used++;
}

bool was_written(const char *name) {
    struct row *row = table_size ? find(name) : NULL;
    return row && row->name && row->ways & WRITTEN;
}

void unseen(const char *reason) {
    for (size_t i = 0; i < reason_count; i++)
        if (!strcmp(reasons[i], reason)) return;
    if (reason_count < MOST_REASONS) reasons[reason_count++] = copy(reason);
}

static long long nanoseconds(struct timespec time) {
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static void write_row(FILE *file, const struct row *row) {
    static const char letters[] = "rslxwb";
    for (int i = 0; letters[i]; i++)
        if (row->ways & 1 << i) fputc(letters[i], file);
    const struct stat *was = &row->before;
    fprintf(file, " %u %lld %llu %lld %lld %s%c", (unsigned)was->st_mode, (long long)was->st_size,
            (unsigned long long)was->st_ino, nanoseconds(was->st_mtim), nanoseconds(was->st_ctim),
            row->name, '\0');
}

bool write_seen(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) return false;
    for (size_t i = 0; i < reason_count; i++) fprintf(file, "! %s%c", reasons[i], '\0');
    for (size_t i = 0; i < table_size; i++)
        if (table[i].name) write_row(file, &table[i]);
    bool whole = !ferror(file);
    return !fclose(file) && whole;
}
