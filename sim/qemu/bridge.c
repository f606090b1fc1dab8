/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* POLLRDHUP */
#include "bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"
#include "counting.h"
#include "interrupt.h"
#include "registers.h"
#include "trace.h"

enum {
    HELLO_TIMEOUT_MS = 30000,
    LARGEST_DESCRIPTION = 1 << 20,
    WAIT_MS = 200,   /* how often a wait looks whether QEMU has been told to stop */
    SPIN_NS = 50000, /* a wake-up on another CPU takes that long on virtual machines */
    SHORTEST_REST = 16,
    LONGEST_REST = 1024,
};

static int connection = -1;
static char socket_path[sizeof((struct sockaddr_un *)0)->sun_path];
static bool speaks_extensions;
static bool has_ended;
static uint64_t sent_cycles; /* the clock as the simulator knows it */
static uint64_t sent_bytes;  /* that the caches have moved, likewise */

/* Held during an access, so that the watcher never mistakes an orderly end for a loss. */
static pthread_mutex_t access_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- Losing the simulator -------------------------------------------------------------- */

/* Gives a terminal back its lines, echo and signals, which -nographic took from it before any
 * plugin was loaded. */
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
void bridge_lost(const char *format, ...) {
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

static void *watch(void *unused) {
    struct pollfd hang_up = {.fd = connection, .events = POLLRDHUP};
    while (poll(&hang_up, 1, -1) <= 0) {
    }
    pthread_mutex_lock(&access_lock);
    if (!has_ended)
        bridge_lost("the simulator on %s went away at cycle %" PRIu64, socket_path, clock_cycles());
    pthread_mutex_unlock(&access_lock);
    return unused;
}

/* A thread, since QEMU's own event loop would wake up for every response. QEMU expects signals
 * in its main thread, hence none here. */
void bridge_watch(void) {
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, watch, NULL) == 0) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- Bytes ----------------------------------------------------------------------------- */

static void send_bytes(const void *bytes, size_t count) {
    const char *rest = bytes;
    while (count > 0) {
        ssize_t sent = send(connection, rest, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0)
            bridge_lost("cannot send to the simulator on %s: %s", socket_path, strerror(errno));
        rest += sent;
        count -= (size_t)sent;
    }
}

/* QEMU's main loop cannot stop a CPU that waits here, so the wait looks for itself. */
static void check_shutdown(void) {
    if (qemu_shutdown_requested_get() != SHUTDOWN_CAUSE_NONE)
        bridge_lost("stopped while waiting for the simulator on %s", socket_path);
}

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* Polls for the length of a quick answer: falling asleep and being woken up would take longer than
 * the answer itself. Where that fails, the simulator has real work to do or has to share its CPU
 * with others: then the next receptions sleep at once, more of them each time. */
static ssize_t receive_spinning(void *bytes, size_t count) {
    static unsigned rest, next_rest = SHORTEST_REST;
    if (rest > 0) {
        rest--;
        return -1;
    }
    for (int64_t deadline = now_ns() + SPIN_NS; now_ns() < deadline;) {
        ssize_t got = recv(connection, bytes, count, MSG_DONTWAIT);
        if (got >= 0 || errno != EAGAIN) {
            next_rest = SHORTEST_REST;
            return got;
        }
    }
    rest = next_rest;
    next_rest = next_rest < LONGEST_REST ? 2 * next_rest : LONGEST_REST;
    return -1;
}

static void receive_bytes(void *bytes, size_t count) {
    char *rest = bytes;
    while (count > 0) {
        ssize_t got = receive_spinning(rest, count);
        if (got < 0) got = recv(connection, rest, count, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            check_shutdown();
            continue;
        }
        if (got == 0)
            bridge_lost("the simulator on %s closed the connection at cycle %" PRIu64, socket_path,
                        clock_cycles());
        if (got < 0)
            bridge_lost("cannot receive from the simulator on %s: %s", socket_path,
                        strerror(errno));
        rest += got;
        count -= (size_t)got;
    }
}

/* --- Opening --------------------------------------------------------------------------- */

const char *bridge_connect(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_usec = WAIT_MS * 1000};
    if (strlen(path) >= sizeof address.sun_path)
        return "the path is too long for a Unix socket (107 characters at most)";
    strcpy(address.sun_path, path);
    strcpy(socket_path, path);
    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0)
        return strerror(errno);
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    return NULL;
}

static void await_hello(void) {
    struct pollfd readable = {.fd = connection, .events = POLLIN};
    if (poll(&readable, 1, HELLO_TIMEOUT_MS) == 0)
        bridge_lost("the simulator on %s does not answer HELLO", socket_path);
}

char *bridge_hello(void) {
    struct MMIORequest hello = {.type = REQUEST_HELLO, .addr = PROTOCOL_VERSION};
    struct MMIOResponse response;
    send_bytes(&hello, sizeof hello);
    await_hello();
    receive_bytes(&response, sizeof response);
    speaks_extensions = response.success;
    if (!speaks_extensions) return NULL;
    if (response.data > LARGEST_DESCRIPTION)
        bridge_lost("the simulator on %s announces a machine description of %" PRIu64
                    " bytes; at most %d",
                    socket_path, response.data, LARGEST_DESCRIPTION);
    char *description = calloc(1, response.data + 1);
    receive_bytes(description, response.data);
    return description;
}

static void send_text(uint8_t kind, const char *text) {
    struct MMIORequest header = {.type = REQUEST_TEXT, .size = kind, .data = strlen(text)};
    char *frame = malloc(sizeof header + header.data);
    memcpy(frame, &header, sizeof header);
    memcpy(frame + sizeof header, text, header.data);
    send_bytes(frame, sizeof header + header.data);
    free(frame);
}

void bridge_send_ram(const char *text) {
    if (speaks_extensions) send_text(TEXT_RAM, text);
}

/* --- Accesses -------------------------------------------------------------------------- */

/* Of what the caches have moved since the last frame, as much as fits its half of the field. */
static uint64_t take_moved_bytes(void) {
    uint64_t moved = cache_moved_bytes() - sent_bytes, most = UINT32_MAX;
    if (moved > most) moved = most;
    sent_bytes += moved;
    return moved;
}

static void send_access(const struct MMIORequest *request) {
    struct MMIORequest frames[2] = {
        {.type = REQUEST_ADVANCE,
         .addr = take_moved_bytes() << 32 | current_account(),
         .data = clock_cycles() - sent_cycles},
        *request,
    };
    if (speaks_extensions)
        send_bytes(frames, sizeof frames);
    else
        send_bytes(request, sizeof *request);
}

/* A simulator without extensions tells no time: each of its accesses takes one cycle. */
static uint64_t response_stall(const struct MMIOResponse *response) {
    uint64_t stall = 0;
    memcpy(&stall, response->reserved, 6);
    return speaks_extensions ? stall : 1;
}

static bool ends_simulation(const struct MMIORequest *request,
                            const struct MMIOResponse *response) {
    if (speaks_extensions) return response->reserved[6] & RESPONSE_ENDED;
    return response->success && request->type == REQUEST_WRITE &&
           request->data == END_OF_SIMULATION && request->addr == ECHO_DEFAULT_BASE + REG_DATA_IN;
}

/* The guest goes on for some milliseconds before QEMU stops it: what counts is now. */
static void end(void) {
    has_ended = true;
    trace_close();
    if (speaks_extensions) {
        char *statistics = counting_statistics();
        send_text(TEXT_STATISTICS, statistics);
        free(statistics);
    }
    shutdown(connection, SHUT_RDWR);
    qemu_system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
}

static struct MMIOResponse exchange(const struct MMIORequest *request) {
    struct MMIOResponse response;
    send_access(request);
    receive_bytes(&response, sizeof response);
    clock_stall(response_stall(&response));
    sent_cycles = clock_cycles();
    return response;
}

static void sleep_until_raised(void) {
    struct MMIORequest request = {.type = REQUEST_WAIT};
    interrupt_raise(exchange(&request).data);
}

static bool do_access(const struct MMIORequest *request, uint64_t *data) {
    struct MMIOResponse response = exchange(request);
    *data = response.data;
    if (ends_simulation(request, &response))
        end();
    else if (speaks_extensions && response.reserved[6] & RESPONSE_INTERRUPT)
        sleep_until_raised();
    return response.success;
}

bool bridge_access(bool is_write, uint64_t address, unsigned bytes, uint64_t *data) {
    struct MMIORequest request = {
        .type = is_write ? REQUEST_WRITE : REQUEST_READ,
        .size = (uint8_t)bytes,
        .addr = address,
        .data = is_write ? *data : 0,
    };
    bool success = true;
    count_device_access(is_write, bytes);
    pthread_mutex_lock(&access_lock);
    if (!has_ended) success = do_access(&request, data);
    pthread_mutex_unlock(&access_lock);
    return success;
}

bool bridge_sleep(void) {
    pthread_mutex_lock(&access_lock);
    bool goes_on = !has_ended;
    if (goes_on && !speaks_extensions)
        bridge_lost("the guest waits for an interrupt (wfi); the simulator on %s raises none",
                    socket_path);
    if (goes_on) sleep_until_raised();
    pthread_mutex_unlock(&access_lock);
    return goes_on;
}
