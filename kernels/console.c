/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

/* The 16550 of QEMU's virt board. It can send without being set up. */
#define UART_BASE 0x10000000
enum { UART_TRANSMIT = 0, UART_LINE_STATUS = 5, LINE_STATUS_EMPTY = 0x20 };

static void print_character(char character) {
    volatile uint8_t *uart = (volatile uint8_t *)UART_BASE;
    while (!(uart[UART_LINE_STATUS] & LINE_STATUS_EMPTY)) {
    }
    uart[UART_TRANSMIT] = (uint8_t)character;
}

void print(const char *text) {
    while (*text) print_character(*text++);
}

static void print_number(uint64_t value, unsigned base) {
    char digits[21], *first = &digits[sizeof digits - 1];
    *first = '\0';
    do {
        *--first = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    print(first);
}

void print_hex(uint64_t value) {
    print("0x");
    print_number(value, 16);
}

void print_decimal(uint64_t value) { print_number(value, 10); }
