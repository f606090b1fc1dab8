/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "accounts.h"
#include "cache.h"
#include "clock.h"
#include "qemu_api.h"
#include "statistics.h"
#include "trace.h"
#include "traffic.h"

static bool has_ended;
static uint64_t sent_cycles; /* the clock as the simulator knows it */
static uint64_t sent_bytes;  /* that the caches have moved, likewise */

/* Held during an access, so that the watcher never mistakes an orderly end for a loss. */
static pthread_mutex_t access_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- Losing the simulator -------------------------------------------------------------- */

static void *watch(void *unused) {
    bridge_await_hang_up();
    pthread_mutex_lock(&access_lock);
    if (!has_ended) bridge_lost("went away");
    pthread_mutex_unlock(&access_lock);
    return unused;
}

/* A thread, since QEMU's own event loop would wake up for every response. QEMU expects signals
 * in its main thread, hence none here. */
void session_watch(void) {
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, watch, NULL) == 0) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- Time ------------------------------------------------------------------------------ */

/* Of what the caches have moved since the last request, as much as its field can hold. */
static uint32_t take_moved_bytes(void) {
    uint64_t moved = cache_moved_bytes() - sent_bytes;
    if (moved > UINT32_MAX) moved = UINT32_MAX;
    sent_bytes += moved;
    return (uint32_t)moved;
}

static struct advance take_advance(void) {
    return (struct advance){
        .cycles = clock_cycles() - sent_cycles,
        .account = accounts_current(),
        .moved_bytes = take_moved_bytes(),
    };
}

static void stall(const struct answer *answer) {
    clock_stall(answer->stall_cycles);
    sent_cycles = clock_cycles();
}

/* --- Accesses -------------------------------------------------------------------------- */

/* The guest goes on for some milliseconds before QEMU stops it: what counts is now. */
static void end(void) {
    char *statistics = statistics_text();
    has_ended = true;
    trace_close();
    bridge_close(statistics);
    free(statistics);
    qemu_system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
}

static uint64_t wait_until_raised(void) {
    struct answer answer = bridge_wait(take_advance());
    stall(&answer);
    return answer.data;
}

static struct outcome do_access(const struct access *access) {
    struct answer answer = bridge_access(access, take_advance());
    stall(&answer);
    if (answer.is_last) end();
    bool interrupts = answer.interrupts && !answer.is_last;
    return (struct outcome){
        .success = answer.success,
        .data = answer.data,
        .raised = interrupts ? wait_until_raised() : 0,
    };
}

struct outcome session_access(const struct access *access) {
    struct outcome outcome = {.success = true};
    traffic_exclude(access->is_write, access->bytes);
    pthread_mutex_lock(&access_lock);
    if (!has_ended) outcome = do_access(access);
    pthread_mutex_unlock(&access_lock);
    return outcome;
}

bool session_sleep(uint64_t *raised) {
    pthread_mutex_lock(&access_lock);
    bool goes_on = !has_ended;
    if (goes_on) *raised = wait_until_raised();
    pthread_mutex_unlock(&access_lock);
    return goes_on;
}
