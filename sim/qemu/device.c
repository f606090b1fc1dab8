/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "device.h"

#include <stdlib.h>
#include <string.h>

#include "accounts.h"
#include "bridge.h"
#include "csr.h"
#include "description.h"
#include "program.h"
#include "qemu_api.h"
#include "ram.h"
#include "session.h"
#include "windows.h"

static char *socket_property;
static bool is_realized;

/* --- Coming to life -------------------------------------------------------------------- */

#define REFUSE(error, ...) error_setg_internal(error, __FILE__, __LINE__, __func__, __VA_ARGS__)

static void learn_machine(void) {
    char *description = bridge_hello();
    if (description != NULL)
        description_apply(description);
    else
        description_apply_default();
    free(description);
}

static void tell_ram(void) {
    char *text = ram_description();
    if (text != NULL) bridge_send_ram(text);
    free(text);
}

static void load_kernel(void) {
    char *kernel = object_property_get_str(qdev_get_machine(), "kernel", NULL);
    if (kernel != NULL && *kernel != '\0') program_load(kernel);
    free(kernel);
}

static void realize(DeviceState *device, Error **error) {
    if (is_realized)
        return REFUSE(error,
                      "one sst-device serves all devices of the machine; there is one already");
    if (socket_property == NULL || *socket_property == '\0')
        return REFUSE(error,
                      "socket=PATH is missing: the Unix socket that the simulator listens on");
    const char *problem = bridge_connect(socket_property);
    if (problem != NULL)
        return REFUSE(error, "no simulator on socket %s: %s", socket_property, problem);
    is_realized = true;
    learn_machine();
    windows_create(device);
    tell_ram();
    load_kernel();
    accounts_start();
    csr_take_over();
    session_watch();
}

/* --- The class in QEMU's object model -------------------------------------------------- */

static char *get_socket(Object *object, Error **error) {
    (void)object, (void)error;
    return strdup(socket_property ? socket_property : "");
}

static void set_socket(Object *object, const char *path, Error **error) {
    (void)object, (void)error;
    free(socket_property);
    socket_property = strdup(path);
}

static void init_class(ObjectClass *class, void *data) {
    static DeviceRealize parent_realize;
    (void)data;
    device_class_set_parent_realize((DeviceClass *)class, realize, &parent_realize);
    object_class_property_add_str(class, "socket", get_socket, set_socket);
}

void device_register(void) {
    static const TypeInfo type = {
        .name = "sst-device", .parent = "device", .class_init = init_class};
    type_register(&type);
}
