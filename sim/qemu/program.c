/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cost.h"
#include "decode.h"

/* One executable section. The three arrays have an entry for every 2 bytes. */
struct code {
    uint64_t start, size;
    const uint8_t *bytes;
    uint32_t *costs;
    bool *leaders;   /* a basic block begins here */
    bool *functions; /* a function begins here */
};

/* A function that books: an op's entry (op >= 0) or a caller of ops (op < 0). */
struct function {
    uint64_t address, size;
    const char *name;
    int op;
};

static struct {
    const uint8_t *bytes;
    size_t size;
} file;

static struct code *codes;
static size_t code_count;
static struct function *functions; /* by address */
static size_t function_count;
static struct op *ops;
static size_t op_count;

/* --- The file -------------------------------------------------------------------------- */

/* `length` bytes of the file from `offset`, or NULL where it has not that many. */
static const void *file_part(uint64_t offset, uint64_t length) {
    return offset <= file.size && length <= file.size - offset ? file.bytes + offset : NULL;
}

static bool map_file(const char *path) {
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    bool usable = descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
                  (size_t)status.st_size >= sizeof(Elf64_Ehdr);
    void *bytes = usable ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0)
                         : MAP_FAILED;
    if (descriptor >= 0) close(descriptor);
    if (bytes == MAP_FAILED) return false;
    file.bytes = bytes;
    file.size = (size_t)status.st_size;
    return true;
}

static const Elf64_Ehdr *riscv_header(void) {
    const Elf64_Ehdr *header = file_part(0, sizeof *header);
    bool is_ours = memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
                   header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == EM_RISCV &&
                   header->e_shentsize == sizeof(Elf64_Shdr) &&
                   header->e_shoff % _Alignof(Elf64_Shdr) == 0;
    return is_ours ? header : NULL;
}

static const Elf64_Shdr *section_headers(const Elf64_Ehdr *header) {
    return file_part(header->e_shoff, (uint64_t)header->e_shnum * sizeof(Elf64_Shdr));
}

/* --- Code ------------------------------------------------------------------------------ */

static uint32_t word_at(const struct code *code, uint64_t offset) {
    uint32_t word = 0;
    memcpy(&word, code->bytes + offset, code->size - offset < 4 ? 2 : 4);
    return word;
}

static void add_code(const Elf64_Shdr *section) {
    const uint8_t *bytes = file_part(section->sh_offset, section->sh_size);
    if (bytes == NULL || section->sh_size < 2) return;
    codes = realloc(codes, (code_count + 1) * sizeof *codes);
    codes[code_count++] = (struct code){
        .start = section->sh_addr,
        .size = section->sh_size & ~1ull,
        .bytes = bytes,
        .costs = calloc(section->sh_size / 2, sizeof(uint32_t)),
        .leaders = calloc(section->sh_size / 2, sizeof(bool)),
        .functions = calloc(section->sh_size / 2, sizeof(bool)),
    };
}

static void mark_leader(struct code *code, uint64_t offset) {
    if (offset < code->size) code->leaders[offset / 2] = true;
}

static void mark_function(struct code *code, uint64_t address) {
    uint64_t offset = address - code->start;
    if (offset >= code->size) return;
    code->leaders[offset / 2] = true;
    code->functions[offset / 2] = true;
}

static void mark_leaders(struct code *code) {
    struct instruction instruction;
    mark_leader(code, 0);
    for (uint64_t offset = 0; offset < code->size; offset += instruction.length) {
        decode(word_at(code, offset), &instruction);
        if (instruction.flow == FLOW_NEXT) continue;
        mark_leader(code, offset + instruction.length);
        if (instruction.flow != FLOW_INDIRECT)
            mark_leader(code, offset + (uint64_t)(int64_t)instruction.offset);
    }
}

/* Puts the instructions from `offset` to the next leader into `run`. Returns the bytes they take.
 */
static uint64_t gather_block(const struct code *code, uint64_t offset, struct instruction *run,
                             size_t *count) {
    uint64_t end = offset;
    *count = 0;
    do {
        decode(word_at(code, end), &run[*count]);
        end += run[(*count)++].length;
    } while (end < code->size && !code->leaders[end / 2]);
    return end - offset;
}

static void cost_block(struct code *code, uint64_t offset, const struct instruction *run,
                       size_t count, struct vector_shape *shape) {
    uint32_t *costs = malloc(count * sizeof *costs);
    const struct instruction *last = &run[count - 1];
    if (code->functions[offset / 2]) *shape = vector_shape_unset();
    cost_run(run, count, shape, costs);
    for (size_t i = 0; i < count; offset += run[i++].length) code->costs[offset / 2] += costs[i];
    if (last->flow == FLOW_BRANCH && last->offset < 0 && offset < code->size)
        code->costs[offset / 2] += latencies[CLASS_branch_mispredict];
    free(costs);
}

static size_t longest_block(const struct code *code) {
    size_t longest = 0, length = 0;
    for (uint64_t i = 0; i < code->size / 2; i++) {
        length = code->leaders[i] ? 1 : length + 1;
        longest = length > longest ? length : longest;
    }
    return longest + 1;
}

static void cost_code(struct code *code) {
    struct instruction *run = malloc(longest_block(code) * sizeof *run);
    struct vector_shape shape = vector_shape_unset();
    uint64_t length;
    size_t count;
    for (uint64_t offset = 0; offset < code->size; offset += length) {
        length = gather_block(code, offset, run, &count);
        cost_block(code, offset, run, count, &shape);
    }
    free(run);
}

static const struct code *find_code(uint64_t address) {
    for (size_t i = 0; i < code_count; i++)
        if (address - codes[i].start < codes[i].size) return &codes[i];
    return NULL;
}

/* The cost of the instruction at `address`, or 0: the file has none such there. */
static uint32_t cost_at(uint64_t address, const struct instruction *instruction) {
    const struct code *code = find_code(address);
    if (code == NULL) return 0;
    uint64_t offset = address - code->start;
    uint32_t mask = instruction->length == 2 ? 0xffff : 0xffffffff;
    bool is_same = ((word_at(code, offset) ^ instruction->word) & mask) == 0;
    return is_same ? code->costs[offset / 2] : 0;
}

static uint64_t cost_of_stranger(const struct instruction *run, size_t count) {
    struct vector_shape shape = vector_shape_unset();
    uint32_t costs[count];
    uint64_t total = 0;
    cost_run(run, count, &shape, costs);
    for (size_t i = 0; i < count; i++) total += costs[i];
    return total;
}

uint64_t program_cycles(uint64_t address, const struct instruction *run, size_t count) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; address += run[i++].length) {
        uint32_t cost = cost_at(address, &run[i]);
        if (cost == 0) return cost_of_stranger(run, count);
        total += cost;
    }
    return total;
}

size_t program_read(uint64_t address, struct instruction *run, size_t most) {
    const struct code *code = find_code(address);
    size_t count = 0;
    if (code == NULL) return 0;
    for (uint64_t offset = address - code->start; offset < code->size && count < most;)
        decode(word_at(code, offset), &run[count]), offset += run[count++].length;
    return count;
}

/* --- Functions ------------------------------------------------------------------------- */

static bool starts_with(const char *name, const char *start) {
    return strncmp(name, start, strlen(start)) == 0;
}

static bool is_op(const char *name) { return starts_with(name, "op_"); }

/* main and graph_*_forward, * being one character at least. */
static bool is_caller(const char *name) {
    static const char start[] = "graph_", end[] = "_forward";
    size_t length = strlen(name), ends = strlen(start) + strlen(end);
    bool is_graph =
        length > ends && starts_with(name, start) && strcmp(name + length - strlen(end), end) == 0;
    return is_graph || strcmp(name, "main") == 0;
}

static void add_function(const Elf64_Sym *symbol, const char *name) {
    for (size_t i = 0; i < code_count; i++) mark_function(&codes[i], symbol->st_value);
    if (!is_op(name) && !is_caller(name)) return;
    functions = realloc(functions, (function_count + 1) * sizeof *functions);
    functions[function_count++] = (struct function){
        .address = symbol->st_value, .size = symbol->st_size, .name = name, .op = -1};
}

static int by_address(const void *a, const void *b) {
    const struct function *first = a, *second = b;
    if (first->address != second->address) return first->address < second->address ? -1 : 1;
    return strcmp(first->name, second->name);
}

/* Index of the op called `name` up to its first dot, made if there is none. */
static int find_or_add_op(const char *name, uint64_t address) {
    size_t length = strcspn(name, ".");
    for (size_t i = 0; i < op_count; i++)
        if (strlen(ops[i].symbol) == length && strncmp(ops[i].symbol, name, length) == 0)
            return (int)i;
    ops = realloc(ops, (op_count + 1) * sizeof *ops);
    ops[op_count] = (struct op){.symbol = strndup(name, length), .address = address};
    return (int)op_count++;
}

static void read_symbols(const Elf64_Shdr *table, const Elf64_Shdr *names) {
    const Elf64_Sym *symbols = file_part(table->sh_offset, table->sh_size);
    const char *text = file_part(names->sh_offset, names->sh_size);
    if (symbols == NULL || text == NULL || names->sh_size == 0 ||
        text[names->sh_size - 1] != '\0' || table->sh_offset % _Alignof(Elf64_Sym) != 0)
        return;
    for (size_t i = 0; i < table->sh_size / sizeof *symbols; i++)
        if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC && symbols[i].st_shndx != SHN_UNDEF &&
            symbols[i].st_name < names->sh_size)
            add_function(&symbols[i], text + symbols[i].st_name);
    qsort(functions, function_count, sizeof *functions, by_address);
    for (size_t i = 0; i < function_count; i++)
        if (is_op(functions[i].name))
            functions[i].op = find_or_add_op(functions[i].name, functions[i].address);
}

void program_load(const char *path) {
    const Elf64_Ehdr *header = map_file(path) ? riscv_header() : NULL;
    const Elf64_Shdr *sections = header ? section_headers(header) : NULL;
    size_t count = sections ? header->e_shnum : 0;
    for (size_t i = 0; i < count; i++)
        if (sections[i].sh_type == SHT_PROGBITS && (sections[i].sh_flags & SHF_EXECINSTR))
            add_code(&sections[i]);
    for (size_t i = 0; i < count; i++)
        if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < count)
            read_symbols(&sections[i], &sections[sections[i].sh_link]);
    for (size_t i = 0; i < code_count; i++) {
        mark_leaders(&codes[i]);
        cost_code(&codes[i]);
    }
}

size_t program_op_count(void) { return op_count; }

const struct op *program_op(size_t index) { return &ops[index]; }

int program_op_entered(uint64_t address) {
    for (size_t i = 0; i < function_count; i++)
        if (functions[i].address == address && functions[i].op >= 0) return functions[i].op;
    return -1;
}

bool program_is_caller(uint64_t address) {
    for (size_t i = 0; i < function_count; i++)
        if (functions[i].op < 0 && address - functions[i].address < functions[i].size) return true;
    return false;
}
