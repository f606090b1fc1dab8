/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* POLLRDHUP */
#include "bridge.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "clock.h"
#include "leave.h"
#include "qemu_api.h"
#include "registers.h"

enum {
    HELLO_TIMEOUT_MS = 30000,
    LARGEST_DESCRIPTION = 1 << 20,
    WAIT_MS = 200,   /* how often a wait looks whether QEMU has been told to stop */
    SPIN_NS = 50000, /* a wake-up on another CPU takes that long on virtual machines */
    SHORTEST_REST = 16,
    LONGEST_REST = 1024,
};

/* Where a response's reserved bytes hold what. */
enum { STALL_BYTES = 6, FLAGS_BYTE = 6 };

/* The account has the lower half of an ADVANCE's address, the moved bytes the upper one. */
enum { MOVED_BYTES_SHIFT = 32 };

static int connection = -1;
static char socket_path[sizeof((struct sockaddr_un *)0)->sun_path];
static bool speaks_extensions;

void bridge_lost(const char *what_happened) {
    leave("the simulator on %s %s at cycle %" PRIu64, socket_path, what_happened, clock_cycles());
}

void bridge_await_hang_up(void) {
    struct pollfd hang_up = {.fd = connection, .events = POLLRDHUP};
    while (poll(&hang_up, 1, -1) <= 0) {
    }
}

/* --- Bytes ----------------------------------------------------------------------------- */

static void send_bytes(const void *bytes, size_t count) {
    const char *rest = bytes;
    while (count > 0) {
        ssize_t sent = send(connection, rest, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0)
            leave("cannot send to the simulator on %s: %s", socket_path, strerror(errno));
        rest += sent;
        count -= (size_t)sent;
    }
}

/* QEMU's main loop cannot stop a CPU that waits here, so the wait looks for itself. */
static void check_shutdown(void) {
    if (qemu_shutdown_requested_get() != SHUTDOWN_CAUSE_NONE)
        leave("stopped while waiting for the simulator on %s", socket_path);
}

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* Polls for the length of a quick answer: falling asleep and being woken up would take longer than
 * the answer itself. Where that fails, the simulator has real work to do or has to share its CPU
 * with others. The next receptions then sleep at once, more of them each time. */
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
        if (got == 0) bridge_lost("closed the connection");
        if (got < 0)
            leave("cannot receive from the simulator on %s: %s", socket_path, strerror(errno));
        rest += got;
        count -= (size_t)got;
    }
}

/* --- Opening and closing --------------------------------------------------------------- */

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
        leave("the simulator on %s does not answer HELLO", socket_path);
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
        leave("the simulator on %s announces a machine description of %" PRIu64
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

void bridge_close(const char *statistics) {
    if (speaks_extensions) send_text(TEXT_STATISTICS, statistics);
    shutdown(connection, SHUT_RDWR);
}

/* --- Requests -------------------------------------------------------------------------- */

static void send_request(const struct MMIORequest *request, struct advance advance) {
    struct MMIORequest frames[2] = {
        {.type = REQUEST_ADVANCE,
         .addr = (uint64_t)advance.moved_bytes << MOVED_BYTES_SHIFT | advance.account,
         .data = advance.cycles},
        *request,
    };
    if (speaks_extensions)
        send_bytes(frames, sizeof frames);
    else
        send_bytes(request, sizeof *request);
}

static bool ends_simulation(const struct MMIORequest *request) {
    return request->type == REQUEST_WRITE && request->data == END_OF_SIMULATION &&
           request->addr == ECHO_DEFAULT_BASE + REG_DATA_IN;
}

static struct answer read_response(const struct MMIOResponse *response) {
    struct answer answer = {
        .success = response->success,
        .is_last = response->reserved[FLAGS_BYTE] & RESPONSE_ENDED,
        .interrupts = response->reserved[FLAGS_BYTE] & RESPONSE_INTERRUPT,
        .data = response->data,
    };
    memcpy(&answer.stall_cycles, response->reserved, STALL_BYTES);
    return answer;
}

/* A simulator without extensions tells neither time nor flags: each of its accesses takes one
 * cycle. */
static struct answer read_plain_response(const struct MMIORequest *request,
                                         const struct MMIOResponse *response) {
    return (struct answer){
        .success = response->success,
        .is_last = response->success && ends_simulation(request),
        .stall_cycles = 1,
        .data = response->data,
    };
}

static struct answer ask(const struct MMIORequest *request, struct advance advance) {
    struct MMIOResponse response;
    send_request(request, advance);
    receive_bytes(&response, sizeof response);
    return speaks_extensions ? read_response(&response) : read_plain_response(request, &response);
}

struct answer bridge_access(const struct access *access, struct advance advance) {
    struct MMIORequest request = {
        .type = access->is_write ? REQUEST_WRITE : REQUEST_READ,
        .size = access->bytes,
        .addr = access->address,
        .data = access->data,
    };
    return ask(&request, advance);
}

struct answer bridge_wait(struct advance advance) {
    struct MMIORequest request = {.type = REQUEST_WAIT};
    if (!speaks_extensions)
        leave("the guest waits for an interrupt (wfi); the simulator on %s raises none",
              socket_path);
    return ask(&request, advance);
}
