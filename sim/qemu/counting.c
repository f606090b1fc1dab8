/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "counting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "cost.h"
#include "decode.h"
#include "program.h"
#include "trace.h"

/* A translated block: how often it ran, and what it does to memory each time. */
struct block {
    uint64_t executions;
    uint32_t reads, writes, bytes_read, bytes_written;
};

/* Blocks live where QEMU's generated code can find them: chunks are never moved or freed. */
enum { BLOCKS_PER_CHUNK = 1024 };
struct chunk {
    struct chunk *next;
    size_t used;
    struct block blocks[BLOCKS_PER_CHUNK];
};

struct traffic {
    uint64_t reads, writes, bytes_read, bytes_written;
};

/* Where time is booked: an op, or overhead, which is everything else. */
struct account {
    uint64_t calls, cycles, stall_cycles, instructions;
};

static struct {
    uint64_t cycles, stall_cycles, instructions;
} now, booked;

static struct chunk *chunks;
static struct traffic device_traffic;
static uint64_t vector_elements[2][4]; /* [is_write][log2 of the element's bytes] */
static struct account overhead, *op_accounts, *current = &overhead;

/* Last address of virt's boot ROM, which begins at 0x1000. */
enum { BOOT_ROM_END = 0x11000 };

uint64_t clock_cycles(void) { return now.cycles; }

void clock_stall(uint64_t cycles) {
    now.cycles += cycles;
    now.stall_cycles += cycles;
}

void clock_spend(uint64_t cycles) { now.cycles += cycles; }

uint64_t instructions_executed(void) { return now.instructions; }

uint64_t current_account(void) {
    return current == &overhead ? 0 : (uint64_t)(current - op_accounts) + 1;
}

void count_device_access(bool is_write, unsigned bytes) {
    *(is_write ? &device_traffic.writes : &device_traffic.reads) += 1;
    *(is_write ? &device_traffic.bytes_written : &device_traffic.bytes_read) += bytes;
}

void counting_start(void) { op_accounts = calloc(program_op_count() + 1, sizeof *op_accounts); }

/* --- Booking --------------------------------------------------------------------------- */

/* Books what happened since the last call to the current account. */
static void book(void) {
    current->cycles += now.cycles - booked.cycles;
    current->stall_cycles += now.stall_cycles - booked.stall_cycles;
    current->instructions += now.instructions - booked.instructions;
    booked = now;
}

/* Runs before the block's own counts are added. An op whose first block is also a loop comes by
 * here again without having been called again. */
static void switch_account(unsigned vcpu, void *opaque) {
    (void)vcpu;
    if (current == opaque) return;
    book();
    current = opaque;
    current->calls++;
}

static void watch_for_ops(struct qemu_plugin_tb *tb, uint64_t address) {
    int op = program_op_entered(address);
    if (op >= 0)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, switch_account, QEMU_PLUGIN_CB_NO_REGS,
                                             &op_accounts[op]);
    else if (program_is_caller(address))
        qemu_plugin_register_vcpu_tb_exec_cb(tb, switch_account, QEMU_PLUGIN_CB_NO_REGS, &overhead);
}

/* --- Blocks ---------------------------------------------------------------------------- */

static struct block *new_block(void) {
    if (chunks == NULL || chunks->used == BLOCKS_PER_CHUNK) {
        struct chunk *chunk = calloc(1, sizeof *chunk);
        chunk->next = chunks;
        chunks = chunk;
    }
    return &chunks->blocks[chunks->used++];
}

static void count_vector_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                                void *opaque) {
    (void)vcpu, (void)address, (void)opaque;
    vector_elements[qemu_plugin_mem_is_store(info)][qemu_plugin_mem_size_shift(info) & 3]++;
}

/* How many elements a vector access has only the running program knows. */
static void watch_vector_access(struct qemu_plugin_insn *insn,
                                const struct instruction *instruction) {
    uint64_t *counters = vector_elements[instruction->vector_write];
    if (instruction->access_bytes == 0)
        qemu_plugin_register_vcpu_mem_cb(insn, count_vector_access, QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, NULL);
    else
        qemu_plugin_register_vcpu_mem_inline(insn, QEMU_PLUGIN_MEM_RW, QEMU_PLUGIN_INLINE_ADD_U64,
                                             &counters[__builtin_ctz(instruction->access_bytes)],
                                             1);
}

static void count_accesses(struct block *block, const struct instruction *instruction) {
    block->reads += instruction->reads;
    block->writes += instruction->writes;
    block->bytes_read += (uint32_t)instruction->reads * instruction->access_bytes;
    block->bytes_written += (uint32_t)instruction->writes * instruction->access_bytes;
}

static void decode_block(struct qemu_plugin_tb *tb, size_t count, struct instruction *run) {
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint32_t word = 0;
        memcpy(&word, qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn) == 2 ? 2 : 4);
        decode(word, &run[i]);
    }
}

/* Cycles of the block: what the program file says of its instructions, or, for code that is not in
 * the file, what they take as a basic block of their own. */
static uint64_t block_cycles(uint64_t address, const struct instruction *run, size_t count) {
    uint64_t total = 0;
    uint32_t costs[count], cost;
    bool known = true;
    for (size_t i = 0; i < count && known; address += run[i++].length) {
        known = program_cost(address, run[i].word, &cost);
        total += cost;
    }
    if (known) return total;
    struct vector_shape shape = vector_shape_unset();
    cost_run(run, count, &shape, costs);
    total = 0;
    for (size_t i = 0; i < count; i++) total += costs[i];
    return total;
}

void counting_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(tb);
    uint64_t address = qemu_plugin_tb_vaddr(tb);
    struct instruction run[count];
    if (count == 0 || address < BOOT_ROM_END) return;
    struct block *block = new_block();
    decode_block(tb, count, run);
    uint64_t cycles = block_cycles(address, run, count), bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        count_accesses(block, &run[i]);
        if (run[i].vector_read || run[i].vector_write) watch_vector_access(insn, &run[i]);
        trace_watch(insn, &run[i], cycles);
        cache_watch_access(insn, &run[i]);
        bytes += run[i].length;
    }
    watch_for_ops(tb, address);
    cache_watch_block(tb, address, bytes);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &now.cycles, cycles);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &now.instructions,
                                             count);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->executions, 1);
}

/* --- Statistics ------------------------------------------------------------------------ */

static struct traffic memory_traffic(void) {
    struct traffic sum = {0};
    for (const struct chunk *chunk = chunks; chunk; chunk = chunk->next)
        for (const struct block *block = chunk->blocks; block < &chunk->blocks[chunk->used];
             block++) {
            sum.reads += block->executions * block->reads;
            sum.writes += block->executions * block->writes;
            sum.bytes_read += block->executions * block->bytes_read;
            sum.bytes_written += block->executions * block->bytes_written;
        }
    for (unsigned shift = 0; shift < 4; shift++) {
        sum.reads += vector_elements[0][shift];
        sum.writes += vector_elements[1][shift];
        sum.bytes_read += vector_elements[0][shift] << shift;
        sum.bytes_written += vector_elements[1][shift] << shift;
    }
    sum.reads -= device_traffic.reads;
    sum.writes -= device_traffic.writes;
    sum.bytes_read -= device_traffic.bytes_read;
    sum.bytes_written -= device_traffic.bytes_written;
    return sum;
}

static void print_account(FILE *out, const struct account *account) {
    fprintf(out,
            "\"cycles\": %" PRIu64 ", \"stall_cycles\": %" PRIu64 ", \"instructions\": %" PRIu64
            "}",
            account->cycles, account->stall_cycles, account->instructions);
}

/* Characters that JSON would have escaped do not occur in C's names; should they, they become _. */
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

char *counting_statistics(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct traffic memory = memory_traffic();
    book();
    fprintf(out,
            "{\"cpu_cycles\": %" PRIu64 ",\n \"stall_cycles\": %" PRIu64
            ",\n \"instructions\": %" PRIu64,
            now.cycles - now.stall_cycles, now.stall_cycles, now.instructions);
    fprintf(out, ",\n \"memory_reads\": %" PRIu64 ",\n \"memory_writes\": %" PRIu64, memory.reads,
            memory.writes);
    fprintf(out, ",\n \"memory_bytes_read\": %" PRIu64 ",\n \"memory_bytes_written\": %" PRIu64,
            memory.bytes_read, memory.bytes_written);
    cache_print(out);
    fprintf(out, ",\n \"overhead\": {");
    print_account(out, &overhead);
    fprintf(out, ",\n \"ops\": [");
    print_ops(out);
    fprintf(out, "]}\n");
    fclose(out);
    return text;
}
