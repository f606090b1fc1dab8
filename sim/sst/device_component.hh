// SPDX-License-Identifier: Apache-2.0
// A device model of sim/model as an SST component. EchoDevice, ComputeDevice and OwnDevice
// say to sst-info what they are; all they do is here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "embedded/access.hh"
#include "embedded/event_queue.hh"
#include "model/device.hh"
#include "sst/component.hh"
#include "sst/events.hh"
#include "tables.h"

namespace acalsim {

class DeviceComponent : public CycleComponent {
public:
    // `parameters` are the model's, all of them.
    DeviceComponent(SST::ComponentId_t id, const SST::Params& params, const std::string& model,
                    const Parameters& parameters);
    ~DeviceComponent() override;

    void init(unsigned phase) override;
    void finish() override;
    void printStatus(SST::Output&) override;

protected:
    // A model's parameters, which are `defaults` where `params` does not say otherwise.
    static Parameters told(const SST::Params& params, Parameters defaults);

private:
    class Port;

    void on_bus(SST::Event* event);
    void on_due(SST::Event* event);
    void receive(SST::Event* event);
    void access(const AccessEvent& event);
    void complete(DmaEvent& event);
    void fall_asleep(const SleepEvent& event);
    void respond(bool success, std::uint64_t data, const Stages& waited);
    void interrupt(std::uint64_t source);
    void transfer(bool is_write, const Block& block, Bytes data, std::function<void(Bytes)> done);
    void run_due();
    void leave();
    void wake_when_due();
    void refuse_silence() const;
    Access owed() const;
    std::string place() const;
    template <class Action>
    void placed(const Action& action) const;
    bool is_idle() const {
        return queue_.empty() && transfers_.empty() && !device_->awaits_peers();
    }

    const std::uint64_t base_;
    std::unique_ptr<Port> port_;  // destroyed after the device and the queue, which know it
    std::unique_ptr<Device> device_;
    Cycle cycle_ = 0;  // the device's clock
    EventQueue queue_;
    std::map<std::uint64_t, std::function<void(Bytes)>> transfers_;  // by place in the queue
    MemoryRange ram_;
    Peers peers_;
    std::optional<Cycle> wake_up_;        // the earliest that is on its way
    std::optional<Request> owed_;         // the access that is not answered yet
    std::optional<std::uint64_t> sleep_;  // of the CPU, that this device may end
    Stages before_;                       // it began
    bool ended_ = false;
    const bool keeps_spans_;
    SpanLog span_log_;
    std::optional<Statistics> final_;
    std::map<std::string, SST::Statistics::Statistic<std::uint64_t>*> statistics_;
    SST::Link* bus_;
    SST::Link* due_;
};

// A row of tables.h as a model's default, and for sst-info.
#define ACALSIM_DEFAULT(name, otherwise, text) {#name, otherwise},
#define ACALSIM_PARAMETER(name, otherwise, text) {#name, text, #otherwise},

// Every device has these.
#define ACALSIM_DEVICE_PARAMETERS                                                                 \
    {"name", "what the device is called in logs and reports; default: the component's name", ""}, \
        {"clock", "the machine's clock, the same for all its components", "1GHz"},                \
        {"verbose", "print every access and state change", "false"},                              \
        {"spans", "tell the bridge at the end what was done when", "false"},                      \
        {"base", "address of the device's registers"}
#define ACALSIM_DEVICE_STATISTICS                                 \
    {"busy_cycles", "cycles with the BUSY bit set", "cycles", 1}, \
        {"transactions", "accesses by the CPU, refused ones included", "accesses", 1}
#define ACALSIM_DEVICE_PORTS                                                   \
    {                                                                          \
        "bus", "to a port device%(n)d of a QEMUBinary", { ACALSIM_BUS_EVENTS } \
    }

class EchoDevice : public DeviceComponent {
public:
    EchoDevice(SST::ComponentId_t id, SST::Params& params)
        : DeviceComponent(id, params, "echo",
                          told(params, {ACALSIM_ECHO_PARAMETERS(ACALSIM_DEFAULT)})) {}

    SST_ELI_REGISTER_COMPONENT(EchoDevice, "acalsim", "EchoDevice",
                               SST_ELI_ELEMENT_VERSION(1, 0, 0),
                               "Answers DATA_IN in DATA_OUT after a latency; ends the simulation",
                               COMPONENT_CATEGORY_UNCATEGORIZED)
    SST_ELI_DOCUMENT_PARAMS(ACALSIM_DEVICE_PARAMETERS, ACALSIM_ECHO_PARAMETERS(ACALSIM_PARAMETER))
    SST_ELI_DOCUMENT_STATISTICS(ACALSIM_DEVICE_STATISTICS)
    SST_ELI_DOCUMENT_PORTS(ACALSIM_DEVICE_PORTS)
};

class ComputeDevice : public DeviceComponent {
public:
    ComputeDevice(SST::ComponentId_t id, SST::Params& params)
        : DeviceComponent(id, params, "compute",
                          told(params, {ACALSIM_COMPUTE_PARAMETERS(ACALSIM_DEFAULT)})) {}

    SST_ELI_REGISTER_COMPONENT(ComputeDevice, "acalsim", "ComputeDevice",
                               SST_ELI_ELEMENT_VERSION(1, 0, 0),
                               "Matrix engine: a command list in RAM, fetched and executed by DMA",
                               COMPONENT_CATEGORY_UNCATEGORIZED)
    SST_ELI_DOCUMENT_PARAMS(ACALSIM_DEVICE_PARAMETERS,
                            ACALSIM_COMPUTE_PARAMETERS(ACALSIM_PARAMETER))
    SST_ELI_DOCUMENT_STATISTICS(
        ACALSIM_DEVICE_STATISTICS, {"commands", "commands executed", "commands", 1},
        {"macs", "multiply-accumulates", "operations", 1},
        {"array_cycles", "cycles in which operands streamed into the array", "cycles", 1},
        {"peak_macs_per_cycle", "multiply-accumulates that the array can do", "operations", 1},
        {"dma_bytes_read", "bytes fetched from RAM", "bytes", 1},
        {"dma_bytes_written", "bytes stored to RAM", "bytes", 1},
        {"peer_bytes_sent", "bytes stored in other devices' scratchpads", "bytes", 1},
        {"load_busy_cycles", "cycles with a LOAD under way", "cycles", 1},
        {"load_wait_load_cycles", "cycles the load unit waited for a LOAD", "cycles", 1},
        {"load_wait_compute_cycles", "cycles the load unit waited for the array", "cycles", 1},
        {"load_wait_vector_cycles", "cycles the load unit waited for the vector unit", "cycles", 1},
        {"load_wait_store_cycles", "cycles the load unit waited for a STORE", "cycles", 1},
        {"load_idle_cycles", "cycles without a LOAD", "cycles", 1},
        {"compute_busy_cycles", "cycles with a MATMUL in the array", "cycles", 1},
        {"compute_wait_load_cycles", "cycles the array waited for a LOAD", "cycles", 1},
        {"compute_wait_vector_cycles", "cycles the array waited for the vector unit", "cycles", 1},
        {"compute_wait_store_cycles", "cycles the array waited for a STORE", "cycles", 1},
        {"compute_idle_cycles", "cycles without a MATMUL", "cycles", 1},
        {"vector_elements", "elements that the vector unit computed", "elements", 1},
        {"special_elements", "elements of functions like exp", "elements", 1},
        {"vector_busy_cycles", "cycles with a command in the vector unit", "cycles", 1},
        {"vector_wait_load_cycles", "cycles the vector unit waited for a LOAD", "cycles", 1},
        {"vector_wait_compute_cycles", "cycles the vector unit waited for the array", "cycles", 1},
        {"vector_wait_vector_cycles", "cycles the vector unit waited for itself", "cycles", 1},
        {"vector_wait_store_cycles", "cycles the vector unit waited for a STORE", "cycles", 1},
        {"vector_idle_cycles", "cycles without a command in the vector unit", "cycles", 1},
        {"store_busy_cycles", "cycles with a STORE under way", "cycles", 1},
        {"store_wait_load_cycles", "cycles the store unit waited for a LOAD", "cycles", 1},
        {"store_wait_compute_cycles", "cycles the store unit waited for the array", "cycles", 1},
        {"store_wait_vector_cycles", "cycles the store unit waited for the vector unit", "cycles",
         1},
        {"store_wait_store_cycles", "cycles the store unit waited for a STORE", "cycles", 1},
        {"store_idle_cycles", "cycles without a STORE", "cycles", 1})
    SST_ELI_DOCUMENT_PORTS(ACALSIM_DEVICE_PORTS)
};

class OwnDevice : public DeviceComponent {
public:
    OwnDevice(SST::ComponentId_t id, SST::Params& params);

    SST_ELI_REGISTER_COMPONENT(OwnDevice, "acalsim", "OwnDevice", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                               "A device of the user's, from the library that was made of it",
                               COMPONENT_CATEGORY_UNCATEGORIZED)
    SST_ELI_DOCUMENT_PARAMS(ACALSIM_DEVICE_PARAMETERS,
                            {"library", "path of the library, python -m acalsim_backend.host.own"},
                            {"parameters", "those of the device: NAME=NUMBER NAME=NUMBER...", ""})
    SST_ELI_DOCUMENT_STATISTICS(ACALSIM_DEVICE_STATISTICS)
    SST_ELI_DOCUMENT_PORTS(ACALSIM_DEVICE_PORTS)
};

}  // namespace acalsim
