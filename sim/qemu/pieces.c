/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pieces.h"

#include <stdlib.h>

#include "accounts.h"
#include "cache.h"
#include "clock.h"
#include "decode_fields.h"
#include "program.h"
#include "traffic.h"

/* Where QEMU ends a block at the latest. */
enum { LARGEST_BLOCK = 512, PAGE_BITS = 12 };

static const uint64_t NOWHERE = 1; /* no instruction has an odd address */

/* What is counted when a block begins. */
struct whole {
    uint64_t address, bytes, cycles, instructions;
    struct account *account;
    struct block *traffic;
};

/* An instruction as QEMU has translated it; `whole` is the block that begins with it, if one has.
 */
struct piece {
    uint64_t address;
    struct instruction instruction;
    struct whole *whole;
};

bool pieces_occur(void) {
    bool ambiguous;
    return object_resolve_path("/chardevs/gdb", &ambiguous) != NULL;
}

/* --- Whole blocks ---------------------------------------------------------------------- */

/* CSR and other system instructions, fence.i and vsetvl, behind which QEMU begins anew. */
static bool changes_state(uint32_t word) {
    enum { FENCE_I = 1, VSETVL = 7 };
    switch (field_opcode(word)) {
        case OPCODE_SYSTEM:
            return word != WORD_WFI;
        case OPCODE_FENCE:
            return field_funct3(word) == FENCE_I;
        default:
            return field_opcode(word) == OPCODE_OP_V && field_funct3(word) == VSETVL;
    }
}

/* How many of the instructions at `address` QEMU takes into one block. None but the first crosses
 * the end of a page. */
static size_t length_of_block(uint64_t address, const struct instruction *run, size_t count) {
    uint64_t page = address >> PAGE_BITS;
    size_t length = 0;
    do {
        const struct instruction *latest = &run[length++];
        address += latest->length;
        if (latest->flow != FLOW_NEXT || changes_state(latest->word)) break;
    } while (length < count && (address + run[length].length - 1) >> PAGE_BITS == page);
    return length;
}

static struct whole *new_whole(const struct piece *piece) {
    struct instruction run[LARGEST_BLOCK];
    struct whole *whole = calloc(1, sizeof *whole);
    size_t count = program_read(piece->address, run, LARGEST_BLOCK);
    if (count == 0) run[count++] = piece->instruction;
    count = length_of_block(piece->address, run, count);
    for (size_t i = 0; i < count; i++) whole->bytes += run[i].length;
    whole->address = piece->address;
    whole->cycles = program_cycles(piece->address, run, count);
    whole->instructions = count;
    whole->account = accounts_beginning_at(piece->address);
    whole->traffic = traffic_new_block(run, count);
    return whole;
}

static void begin(const struct whole *whole) {
    if (whole->account != NULL) accounts_switch(whole->account);
    cache_fetch(whole->address, whole->bytes);
    traffic_run(whole->traffic);
    clock_run(whole->cycles, whole->instructions);
}

/* --- Pieces ---------------------------------------------------------------------------- */

/* Only a jump can lead to itself: anything else that comes twice was stopped the first time. QEMU
 * leaves a block at a wfi, and comes back to the rest of it as a block of its own. */
static void on_instruction(unsigned vcpu, void *opaque) {
    static uint64_t latest, next, end;
    struct piece *piece = opaque;
    (void)vcpu;
    if (piece->address == latest && piece->instruction.flow == FLOW_NEXT) return;
    if (piece->address != next) {
        if (piece->whole == NULL) piece->whole = new_whole(piece);
        begin(piece->whole);
        end = piece->address + piece->whole->bytes;
    }
    latest = piece->address;
    next = latest + piece->instruction.length;
    if (next >= end || piece->instruction.word == WORD_WFI) next = NOWHERE;
}

void pieces_watch(struct qemu_plugin_tb *tb, uint64_t address, const struct instruction *run,
                  size_t count) {
    struct piece *pieces = calloc(count, sizeof *pieces); /* QEMU's generated code keeps it */
    for (size_t i = 0; i < count; address += run[i++].length) {
        pieces[i].address = address;
        pieces[i].instruction = run[i];
        qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(tb, i), on_instruction,
                                               QEMU_PLUGIN_CB_NO_REGS, &pieces[i]);
    }
}
