/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* asprintf */
#include "ram.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "qemu_api.h"
#include "registers.h"

/* The machine's memory backend, or NULL when it has none of its own. */
static Object *memory_backend(void) {
    char *path = object_property_get_str(qdev_get_machine(), "memory-backend", NULL);
    Object *backend = path != NULL && *path != '\0' ? object_resolve_path(path, NULL) : NULL;
    free(path);
    return backend;
}

/* The absolute path of the backend's file, to be freed. NULL: it has none, or the file is gone. */
static char *backend_file(Object *backend) {
    char *path = object_property_get_str(backend, "mem-path", NULL);
    char *absolute = path != NULL ? realpath(path, NULL) : NULL;
    struct stat status;
    free(path);
    if (absolute != NULL && (stat(absolute, &status) != 0 || !S_ISREG(status.st_mode))) {
        free(absolute);
        absolute = NULL;
    }
    return absolute;
}

char *ram_description(void) {
    Object *backend = memory_backend();
    char *text = NULL;
    if (backend == NULL || !object_property_get_bool(backend, "share", NULL)) return NULL;
    char *path = backend_file(backend);
    if (path == NULL) return NULL;
    uint64_t size = object_property_get_uint(backend, "size", NULL);
    if (asprintf(&text, "0x%" PRIx64 " 0x%" PRIx64 " 0x0 %s", (uint64_t)RAM_ORIGIN, size, path) < 0)
        text = NULL;
    free(path);
    return text;
}
