// SPDX-License-Identifier: Apache-2.0
// Included before everything of Verilator's: where what a module says ($display, $fatal...) goes.
#pragma once

// As printf; keeps the last line for the error that may follow.
int acalsim_say(const char* format, ...) __attribute__((format(printf, 1, 2)));

#define VL_PRINTF acalsim_say
