/* SPDX-License-Identifier: Apache-2.0 */
#include "compute.h"

#include "console.h"
#include "runtime.h"

static const char *error_name(uint32_t error) {
    static const char *const names[] = {
#define X(name) #name,
        DEVICE_ERRORS(X)
#undef X
    };
    return error < sizeof names / sizeof *names ? names[error] : "an unknown error";
}

static void print_commands(uint32_t index, uint32_t bytes) {
    print(" refused command ");
    print_decimal(index);
    print(" of ");
    print_decimal(bytes / COMMAND_BYTES);
    print(": ");
}

static void print_unreachable(const struct DeviceCommand *list) {
    print(" takes command lists below 0x100000000; this one is at ");
    print_hex((uintptr_t)list);
    print("\n");
}

_Noreturn void compute_refused(uintptr_t base, const struct DeviceCommand *list, uint32_t bytes,
                               uint32_t error) {
    /* The address before the return address is that of the call. The return address itself may
     * belong to the next function, because the compiler knows that this one does not return. */
    const struct symbol *symbol = find_symbol((uint64_t)__builtin_return_address(0) - 1);
    print(symbol ? symbol->name : "the program");
    print(": the device at ");
    print_hex(base);
    if (error == ERROR_NONE) {
        print_unreachable(list);
    } else {
        print_commands(MMIO_READ32(base + REG_DATA_OUT), bytes);
        print(error_name(error));
        print("\n");
    }
    fail(EXIT_DEVICE);
}
