/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "leave.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "trace.h"

/* Gives a terminal back its lines, echo and signals. -nographic took them from it before any plugin
 * was loaded. */
static void restore_terminal(void) {
    struct termios terminal;
    if (tcgetattr(STDIN_FILENO, &terminal) != 0) return;
    terminal.c_iflag |= ICRNL | IXON;
    terminal.c_lflag |= ECHO | ICANON | IEXTEN | ISIG;
    signal(SIGTTOU, SIG_IGN); /* which would stop QEMU here when it runs in the background */
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) & ~O_NONBLOCK);
}

/* Leaves at once: exit() would run QEMU's clean-up beside its own running threads. */
void leave(const char *format, ...) {
    va_list arguments;
    char line[512];
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    dprintf(STDERR_FILENO, "sst-device: %s\n", line);
    restore_terminal();
    trace_flush();
    _exit(EXIT_SIMULATOR_LOST);
}
