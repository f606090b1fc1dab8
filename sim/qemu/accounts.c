/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accounts.h"

#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "program.h"

struct account {
    uint64_t calls;
    struct passed spent;
};

/* When the CPU went on to another account. */
struct change {
    uint64_t cycle, account;
};

enum { MOST_CHANGES = 1 << 20 }; /* what comes later is booked, but not told */

static struct change *changes;
static size_t change_count, change_room;

static struct account overhead, *op_accounts, *current = &overhead;
static struct passed booked; /* the clock when something was booked last */

void accounts_start(void) { op_accounts = calloc(program_op_count() + 1, sizeof *op_accounts); }

uint64_t accounts_current(void) {
    return current == &overhead ? 0 : (uint64_t)(current - op_accounts) + 1;
}

/* --- Booking --------------------------------------------------------------------------- */

/* Books what has passed since the last call to the current account. */
static void book(void) {
    struct passed now = clock_read();
    current->spent.cycles += now.cycles - booked.cycles;
    current->spent.stall_cycles += now.stall_cycles - booked.stall_cycles;
    current->spent.instructions += now.instructions - booked.instructions;
    booked = now;
}

static void note_change(void) {
    if (change_count == MOST_CHANGES) return;
    if (change_count == change_room) {
        change_room = change_room ? 2 * change_room : 64;
        changes = realloc(changes, change_room * sizeof *changes);
    }
    changes[change_count++] = (struct change){booked.cycles, accounts_current()};
}

struct account *accounts_beginning_at(uint64_t address) {
    int op = program_op_entered(address);
    if (op >= 0) return &op_accounts[op];
    return program_is_caller(address) ? &overhead : NULL;
}

/* An op whose first block is also a loop comes by here again without having been called again. */
void accounts_switch(struct account *account) {
    if (current == account) return;
    book();
    current = account;
    current->calls++;
    note_change();
}

/* Runs before the block's own counts are added. */
static void on_block(unsigned vcpu, void *opaque) {
    (void)vcpu;
    accounts_switch(opaque);
}

void accounts_watch_block(struct qemu_plugin_tb *tb, uint64_t address) {
    struct account *account = accounts_beginning_at(address);
    if (account != NULL)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, account);
}

/* --- Statistics ------------------------------------------------------------------------ */

static void print_account(FILE *out, const struct account *account) {
    fprintf(out,
            "\"cycles\": %" PRIu64 ", \"stall_cycles\": %" PRIu64 ", \"instructions\": %" PRIu64
            "}",
            account->spent.cycles, account->spent.stall_cycles, account->spent.instructions);
}

/* Characters that JSON would have escaped do not occur in C's names. Should they, they become _. */
static void print_symbol(FILE *out, const char *symbol) {
    for (; *symbol; symbol++)
        fputc(*symbol == '"' || *symbol == '\\' || (unsigned char)*symbol < ' ' ? '_' : *symbol,
              out);
}

static void print_ops(FILE *out) {
    for (size_t i = 0; i < program_op_count(); i++) {
        fprintf(out, "%s\n  {\"symbol\": \"", i ? "," : "");
        print_symbol(out, program_op(i)->symbol);
        fprintf(out, "\", \"account\": %zu, \"calls\": %" PRIu64 ", ", i + 1, op_accounts[i].calls);
        print_account(out, &op_accounts[i]);
    }
}

void accounts_print(FILE *out) {
    book();
    fprintf(out, ",\n \"overhead\": {");
    print_account(out, &overhead);
    fprintf(out, ",\n \"ops\": [");
    print_ops(out);
    fprintf(out, "],\n \"changes\": [");
    for (size_t i = 0; i < change_count; i++)
        fprintf(out, "%s[%" PRIu64 ", %" PRIu64 "]", i ? ", " : "", changes[i].cycle,
                changes[i].account);
    fprintf(out, "]");
}
