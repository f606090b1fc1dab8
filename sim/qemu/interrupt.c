/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interrupt.h"

#include "leave.h"
#include "session.h"

enum { FIRST_SOURCE = 32, SOURCES = 64 };

static DeviceState *find_plic(void) {
    bool ambiguous = false;
    Object *plic = object_resolve_path_type("", "riscv.sifive.plic", &ambiguous);
    if (plic == NULL) leave("a device interrupts, but this board has no PLIC, or several");
    return (DeviceState *)plic;
}

/* QEMU's PLIC remembers what rose, and would forget it if the line fell before the claim. */
void interrupt_raise(uint64_t sources) {
    if (sources == 0) return;
    DeviceState *plic = find_plic();
    for (int i = 0; i < SOURCES; i++)
        if (sources >> i & 1) qemu_set_irq(qdev_get_gpio_in(plic, FIRST_SOURCE + i), 1);
}

/* Not stopped by anybody, but asleep of its own will. */
static bool cpu_sleeps(void) {
    CPUState *cpu = qemu_get_cpu(0);
    return !cpu_is_stopped(cpu) && qemu_shutdown_requested_get() == SHUTDOWN_CAUSE_NONE &&
           cpu_thread_is_idle(cpu);
}

/* A source that the guest has not enabled does not wake it up. */
static void sleep_until_awake(void *unused) {
    uint64_t raised;
    (void)unused;
    while (cpu_sleeps() && session_sleep(&raised)) interrupt_raise(raised);
}

/* QEMU calls this in the CPU's thread, which waits for a signal afterwards whatever happens in
 * here. To be woken up, it needs another thread. */
static void on_idle(qemu_plugin_id_t id, unsigned vcpu) {
    (void)id, (void)vcpu;
    aio_bh_schedule_oneshot_full(qemu_get_aio_context(), sleep_until_awake, NULL, "sst-sleep");
}

/* A CPU that was stopped in its sleep sleeps on, and QEMU does not say so a second time. */
static void on_change_of_state(void *unused, bool running, int state) {
    (void)unused, (void)state;
    if (running) on_idle(0, 0);
}

void interrupt_watch(qemu_plugin_id_t id) {
    qemu_plugin_register_vcpu_idle_cb(id, on_idle);
    qemu_add_vm_change_state_handler(on_change_of_state, NULL);
}
