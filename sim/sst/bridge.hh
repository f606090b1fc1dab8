// SPDX-License-Identifier: Apache-2.0
// The CPU as SST sees it: an emulator at the other end of a socket. The bridge is its clock and
// alone has its RAM.
#pragma once

#include <sst/core/interfaces/stdMem.h>

#include <map>
#include <string>
#include <vector>

#include "embedded/client.hh"
#include "embedded/interrupts.hh"
#include "model/dram.hh"
#include "sst/component.hh"
#include "sst/events.hh"

namespace acalsim {

// A row of tables.h for sst-info.
#define ACALSIM_RAM_PARAMETER(name, otherwise, text) {"ram_" #name, text, #otherwise},

class QEMUBinary : public CycleComponent {
public:
    QEMUBinary(SST::ComponentId_t id, SST::Params& params);

    void init(unsigned phase) override;
    void setup() override;
    void finish() override;

    SST_ELI_REGISTER_COMPONENT(QEMUBinary, "acalsim", "QEMUBinary",
                               SST_ELI_ELEMENT_VERSION(1, 0, 0),
                               "A CPU in an emulator at the other end of a socket, and its RAM",
                               COMPONENT_CATEGORY_PROCESSOR)
    SST_ELI_DOCUMENT_PARAMS(
        {"socket", "path of the Unix socket to listen at", ""},
        {"description", "machine description that a client is told, as in docs/protocol.md", ""},
        {"line_bytes", "largest piece of a DMA transfer that the slot memory is asked for", "64"},
        {"stats", "JSON file for the results", ""}, {"spans", "file for what happened when", ""},
        {"clock", "the machine's clock, the same for all its components", "1GHz"},
        {"verbose", "print every access and state change", "false"},
        ACALSIM_RAM_TIMING(ACALSIM_RAM_PARAMETER))
    SST_ELI_DOCUMENT_STATISTICS({"cycles", "cycles the CPU ran or waited", "cycles", 1},
                                {"stall_cycles", "cycles the CPU waited", "cycles", 1},
                                {"transactions", "accesses to devices", "accesses", 1},
                                {"dma_bytes", "size of each DMA transfer", "bytes", 1})
    SST_ELI_DOCUMENT_PORTS({"device%(n)d",
                            "to the port bus of a device: accesses, responses, interrupts and DMA",
                            {ACALSIM_BUS_EVENTS}})
    SST_ELI_DOCUMENT_SUBCOMPONENT_SLOTS(
        {"memory",
         "how long DMA takes, by memHierarchy.standardInterface say; "
         "else the parameters ram_... decide",
         "SST::Interfaces::StandardMem"})

private:
    struct Plugged {
        SST::Link* bus;
        std::string name;  // empty until the device has introduced itself
        std::uint64_t base;
        Statistics statistics;
        SpanLog log;
    };
    using Memory = SST::Interfaces::StandardMem;
    using Counter = SST::Statistics::Statistic<std::uint64_t>;

    void introduce(const IntroductionEvent& event, std::size_t port);
    void listen();
    void on_start(SST::Event*);
    void on_answer(SST::Event*);
    void on_take(SST::Event*);
    void on_device(SST::Event* event, std::size_t port);
    void on_book(SST::Event*);
    void on_dma(SST::Event* event);

    void take_access();
    void fall_asleep();
    void route(const Access& access);
    void refuse(const Access& access);
    void wake();
    void take_interrupt(const InterruptEvent& event, std::uint64_t base);
    void take_idle(const IdleEvent& event);
    void respond(bool success, std::uint64_t data, const Stages& waited, bool ended = false);
    void ask(DmaEvent* transfer);
    void book_transfers();
    void ask_memory(DmaEvent* transfer);
    void on_memory(Memory::Request* response);
    void complete(DmaEvent* transfer);
    void share_ram(GuestRam ram);
    void end();
    void collect(const StatisticsEvent& event, Plugged& from);
    void write_results() const;
    void write_spans() const;

    const std::string socket_, results_, spans_path_;
    int listener_ = -1;
    Client client_;
    SpanLog span_log_;  // of the accesses
    GuestRam ram_;
    Dram dram_;
    const std::uint64_t line_bytes_;
    Memory* const memory_;                                // or none: dram_ has RAM's time
    std::map<Memory::Request::id_t, DmaEvent*> lines_;    // that memory_ is asked for
    std::map<const DmaEvent*, std::uint64_t> remaining_;  // lines of each transfer
    std::vector<DmaEvent*> asked_;                        // for transfers in this cycle
    std::vector<Plugged> devices_;                        // by port
    std::map<std::uint64_t, std::size_t> ports_;          // by address
    Peers peers_;                                         // that have introduced themselves
    bool introduced_ = false;                             // all of them, to each other

    Cycle begin_ = 0;  // of the access, or the sleep, that the CPU is in
    std::uint64_t transactions_ = 0;

    bool asleep_ = false;
    std::uint64_t sleeps_ = 0;  // up to this one
    std::size_t idle_ = 0;      // devices that will not end it
    Interrupts interrupts_;
    Stages waited_;  // what the waker did meanwhile

    Cycle end_ = 0;           // of the simulation
    std::size_t silent_ = 0;  // devices whose statistics have not come yet
    bool complete_ = false;
    std::string guest_statistics_;

    Counter *cycles_, *stall_cycles_, *accesses_, *dma_bytes_;
    SST::Link *start_link_, *answer_link_, *take_link_, *book_link_, *dma_link_;
};

}  // namespace acalsim
