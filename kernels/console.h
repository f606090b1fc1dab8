/* SPDX-License-Identifier: Apache-2.0 */
/* Prints to the board's serial port, without printf and without buffers. */
#ifndef ACALSIM_CONSOLE_H
#define ACALSIM_CONSOLE_H

#include <stdint.h>

void print(const char *text);
void print_hex(uint64_t value);
void print_decimal(uint64_t value);

#endif
