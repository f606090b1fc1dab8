/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few of QEMU's own functions and types that the plugin uses. They are declared here because no
 * distribution ships QEMU's headers.
 *
 * There are two groups. QEMU keeps the plugin interface, version 1, stable. Nobody promises the
 * symbols of the executable itself, so acalsim_backend/host/qemu.py tries them out on the installed
 * QEMU before anything is built upon them.
 *
 * Only two structures must be laid out as QEMU has them: TypeInfo and MemoryRegionOps. All others
 * stay opaque.
 */
#ifndef SST_QEMU_API_H
#define SST_QEMU_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- Plugin interface ------------------------------------------------------------------ */

#define QEMU_PLUGIN_VERSION 1
#define QEMU_PLUGIN_EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef struct {
    const char *target_name;
    struct {
        int min;
        int cur;
    } version;
    bool system_emulation;
    struct {
        int smp_vcpus;
        int max_vcpus;
    } system;
} qemu_info_t;

enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
/* QEMU 7.2 takes loads for stores when it is asked for one of the two. So ask for both, then sort.
 */
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_RW = 3 };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef void (*qemu_plugin_vcpu_simple_cb_t)(qemu_plugin_id_t id, unsigned vcpu);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned vcpu, void *opaque);
typedef void (*qemu_plugin_vcpu_mem_cb_t)(unsigned vcpu, qemu_plugin_meminfo_t info,
                                          uint64_t address, void *opaque);
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

void qemu_plugin_register_vcpu_idle_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_simple_cb_t cb);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb,
                                          enum qemu_plugin_cb_flags flags, void *opaque);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, enum qemu_plugin_op op,
                                              void *counter, uint64_t increment);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_mem_cb_t cb,
                                      enum qemu_plugin_cb_flags flags, enum qemu_plugin_mem_rw rw,
                                      void *opaque);
void qemu_plugin_register_vcpu_mem_inline(struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw,
                                          enum qemu_plugin_op op, void *counter,
                                          uint64_t increment);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            qemu_plugin_vcpu_udata_cb_t cb,
                                            enum qemu_plugin_cb_flags flags, void *opaque);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);

/* --- Object model ---------------------------------------------------------------------- */

typedef struct Object Object;
typedef struct ObjectClass ObjectClass;
typedef struct DeviceClass DeviceClass;
typedef struct DeviceState DeviceState;
typedef struct Error Error;

typedef struct {
    const char *name;
    const char *parent;
    size_t instance_size;
    size_t instance_align;
    void (*instance_init)(Object *object);
    void (*instance_post_init)(Object *object);
    void (*instance_finalize)(Object *object);
    bool abstract;
    size_t class_size;
    void (*class_init)(ObjectClass *class, void *data);
    void (*class_base_init)(ObjectClass *class, void *data);
    void *class_data;
    void *interfaces;
} TypeInfo;

typedef void (*DeviceRealize)(DeviceState *device, Error **error);

void *type_register(const TypeInfo *info);
void device_class_set_parent_realize(DeviceClass *class, DeviceRealize realize,
                                     DeviceRealize *parent_realize);
void *object_class_property_add_str(ObjectClass *class, const char *name,
                                    char *(*get)(Object *, Error **),
                                    void (*set)(Object *, const char *, Error **));
Object *object_resolve_path(const char *path, bool *ambiguous);
Object *object_resolve_path_type(const char *path, const char *type, bool *ambiguous);
char *object_property_get_str(Object *object, const char *name, Error **error);
bool object_property_get_bool(Object *object, const char *name, Error **error);
uint64_t object_property_get_uint(Object *object, const char *name, Error **error);
Object *qdev_get_machine(void);
void error_setg_internal(Error **error, const char *file, int line, const char *function,
                         const char *format, ...) __attribute__((format(printf, 5, 6)));

/* --- Memory ---------------------------------------------------------------------------- */

typedef uint64_t hwaddr;
typedef uint32_t MemTxResult;
enum { MEMTX_OK = 0, MEMTX_ERROR = 1 };
enum { DEVICE_LITTLE_ENDIAN = 2 };

typedef struct {
    uint32_t bits; /* a bit field in QEMU, of this size; passed by value */
} MemTxAttrs;

/* MemoryRegion is smaller than this in every QEMU known. Zeroed, it may be initialised. */
typedef struct {
    uint8_t opaque[8192];
} __attribute__((aligned(64))) MemoryRegion;

typedef struct {
    unsigned min_access_size;
    unsigned max_access_size;
    bool unaligned;
} MemoryRegionAccessSizes;

typedef struct {
    uint64_t (*read)(void *opaque, hwaddr offset, unsigned size);
    void (*write)(void *opaque, hwaddr offset, uint64_t data, unsigned size);
    MemTxResult (*read_with_attrs)(void *opaque, hwaddr offset, uint64_t *data, unsigned size,
                                   MemTxAttrs attributes);
    MemTxResult (*write_with_attrs)(void *opaque, hwaddr offset, uint64_t data, unsigned size,
                                    MemTxAttrs attributes);
    int endianness;
    struct {
        unsigned min_access_size;
        unsigned max_access_size;
        bool unaligned;
        bool (*accepts)(void *opaque, hwaddr offset, unsigned size, bool is_write,
                        MemTxAttrs attributes);
    } valid;
    MemoryRegionAccessSizes impl;
} MemoryRegionOps;

void memory_region_init_io(MemoryRegion *region, Object *owner, const MemoryRegionOps *ops,
                           void *opaque, const char *name, uint64_t size);
void memory_region_add_subregion(MemoryRegion *parent, hwaddr offset, MemoryRegion *region);
MemoryRegion *get_system_memory(void);

/* --- CPU and run state ----------------------------------------------------------------- */

/* QEMU's structure grew at its end over the years. It is only ever copied out of QEMU, changed in
 * its first four members and copied back. */
typedef struct {
    const char *name;
    int (*predicate)(void *env, int csr);
    int (*read)(void *env, int csr, uint64_t *value);
    int (*write)(void *env, int csr, uint64_t value);
    void *others[12];
} riscv_csr_operations;

enum { RISCV_EXCP_NONE = -1 };
enum { SHUTDOWN_CAUSE_NONE = 0, SHUTDOWN_CAUSE_GUEST_SHUTDOWN = 6 };

void riscv_get_csr_ops(int csr, riscv_csr_operations *operations);
void riscv_set_csr_ops(int csr, riscv_csr_operations *operations);
void qemu_system_shutdown_request(int cause);
int qemu_shutdown_requested_get(void);

typedef struct VMChangeStateEntry VMChangeStateEntry;
typedef void VMChangeStateHandler(void *opaque, bool running, int state);
VMChangeStateEntry *qemu_add_vm_change_state_handler(VMChangeStateHandler *callback, void *opaque);

typedef struct CPUState CPUState;
CPUState *qemu_get_cpu(int index);
bool cpu_thread_is_idle(CPUState *cpu); /* asleep with nothing to wake up for, or stopped */
bool cpu_is_stopped(CPUState *cpu);     /* by the monitor or a debugger */

/* --- Interrupts and the main loop ------------------------------------------------------ */

typedef struct AioContext AioContext;
typedef struct IRQState *qemu_irq;

/* Has the main loop call `callback` once, soon. */
void aio_bh_schedule_oneshot_full(AioContext *context, void (*callback)(void *opaque), void *opaque,
                                  const char *name);
AioContext *qemu_get_aio_context(void);
qemu_irq qdev_get_gpio_in(DeviceState *device, int index);
void qemu_set_irq(qemu_irq line, int level);

#endif
