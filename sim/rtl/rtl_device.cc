// SPDX-License-Identifier: Apache-2.0
#include "rtl/rtl_device.hh"

#include <cstdlib>
#include <utility>

#include "embedded/error.hh"

namespace acalsim {

namespace {

constexpr int kResetEdges = 4;
// What was busy needs an edge or two to come to rest.
constexpr std::uint64_t kSettlingEdges = 2;

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

RtlDevice::RtlDevice(const Slot& slot, const std::string& source, std::unique_ptr<Module> module)
    : Device(slot),
      source_(source),
      module_(std::move(module)),
      clock_(slot.parameter("clock_numerator"), slot.parameter("clock_denominator")),
      limit_(slot.parameter("silent_cycles")),
      clk_(module_->wire("clk")),
      rst_n_(module_->wire("rst_n")),
      busy_(module_->wire("busy")),
      irq_(module_->wire("irq")),
      registers_(*module_) {
    const std::uint64_t not_ready = slot.parameter("not_ready_percent");
    Memory& memory = *this;
    if (module_->wire("m_axi_arvalid").exists()) reads_.emplace(*module_, memory, not_ready);
    if (module_->wire("m_axi_awvalid").exists()) writes_.emplace(*module_, memory, not_ready);
    if (const char* waves = std::getenv("ACALSIM_WAVES")) {
        module_->trace(std::string(waves) + '.' + name() + ".fst");
        traces_ = true;
    }
    cleared();
}

void RtlDevice::answer(const Access& access, const Stages& waited) {
    const Request& request = access.request;
    if (request.is_write && request.offset == REG_CONTROL && request.data == CONTROL_RESET)
        return Device::answer(access, waited);
    registers_.access(request, host().now(),
                      [respond = access.respond, waited](bool success, std::uint32_t data) {
                          respond(success, data, waited);
                      });
    wake();
}

// Takes no time: the pulse is over when the present cycle is.
void RtlDevice::cleared() {
    runs_ = false;
    silent_ = 0;
    registers_.reset();
    if (reads_) reads_->reset();
    if (writes_) writes_->reset();
    rst_n_.set(0);
    for (int edge = 0; edge < kResetEdges; ++edge) {
        clk_.set(0);
        module_->eval();
        clk_.set(1);
        module_->eval();
    }
    for (const char* name : {"s_axil_bvalid", "s_axil_rvalid", "m_axi_arvalid", "m_axi_awvalid",
                             "m_axi_wvalid", "busy"})
        if (module_->wire(name).get()) fail(std::string(name) + " is 1 during reset");
    rst_n_.set(1);
    was_irq_ = irq_.get();
}

void RtlDevice::count(Statistics& statistics) const {
    statistics.emplace_back("clock_cycles", edges_);
    statistics.emplace_back("dma_bytes_read", reads_ ? reads_->bytes() : 0);
    statistics.emplace_back("dma_bytes_written", writes_ ? writes_->bytes() : 0);
}

void RtlDevice::load(const Block& block, std::function<void(Bytes)> done) {
    read_ram(block, std::move(done));
}

void RtlDevice::store(const Block& block, Bytes bytes, std::function<void()> done) {
    write_ram(block, std::move(bytes), std::move(done));
}

void RtlDevice::wake() {
    still_ = 0;
    if (std::exchange(runs_, true)) return;
    edge_ = clock_.edge_after(host().now());
    after(clock_.cycle(edge_) - host().now(), [this] { run(); });
}

// All edges of this cycle of the system's.
void RtlDevice::run() {
    const Cycle now = host().now();
    try {
        while (runs_ && clock_.cycle(edge_) == now) one_edge();
    } catch (const Broken& broken) {
        fail(std::string("breaks AXI: ") + broken.what());
    }
    if (runs_) after(clock_.cycle(edge_) - now, [this] { run(); });
}

void RtlDevice::one_edge() {
    const Cycle now = host().now();
    registers_.drive(now);
    if (reads_) reads_->drive(now);
    if (writes_) writes_->drive(now);
    if (traces_) module_->eval();
    dump(edge_ - 1, false);
    clk_.set(0);
    module_->eval();
    dump(edge_, true);
    const bool passed = look();
    clk_.set(1);
    module_->eval();
    ++edges_;
    silent_ = passed ? 0 : silent_ + 1;
    registers_.step();
    if (reads_) reads_->step();
    if (writes_) writes_->step();
    after_edge();
    refuse_silence();
    still_ = idle() ? still_ + 1 : 0;
    if (still_ > kSettlingEdges) {
        runs_ = false;
        dump(edge_, false);
    }
    ++edge_;
}

bool RtlDevice::look() {
    bool passed = registers_.look();
    if (reads_) passed |= reads_->look();
    if (writes_) passed |= writes_->look();
    return passed;
}

void RtlDevice::after_edge() {
    const bool is_busy = busy_.get(), irq = irq_.get();
    if (is_busy != busy()) {
        silent_ = 0;
        become(is_busy ? STATUS_BUSY : 0);
    }
    if (irq && !was_irq_) interrupt();
    was_irq_ = irq;
}

bool RtlDevice::idle() const {
    return !busy() && registers_.idle() && (!reads_ || reads_->idle()) &&
           (!writes_ || writes_->idle());
}

void RtlDevice::refuse_silence() {
    if (silent_ < limit_) return;
    fail("hangs: nothing has passed on its buses for " + number(limit_) +
         " of its cycles, and it is not done: busy " + number(busy_.get()) + "; " + buses() +
         " (valid/ready)");
}

void RtlDevice::dump(std::uint64_t edge, bool half) {
    if (traces_) module_->dump(clock_.time(edge, half));
}

std::string RtlDevice::buses() const {
    std::string text = registers_.text();
    if (reads_ || writes_) text += "; m_axi";
    if (reads_) text += ' ' + reads_->text();
    if (writes_) text += ' ' + writes_->text();
    return text;
}

void RtlDevice::fail(const std::string& what) const {
    throw SimulationError("cycle " + number(host().now()) + ": device '" + name() + "' (" +
                          source_ + ") " + what);
}

}  // namespace acalsim
