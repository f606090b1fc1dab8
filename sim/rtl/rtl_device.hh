// SPDX-License-Identifier: Apache-2.0
// A device whose model is a module of Verilog: registers on s_axil, RAM on m_axi, a line `irq`.
// The clock runs while the module is busy or has anything on its buses, and stands still otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/device.hh"
#include "rtl/clock.hh"
#include "rtl/module.hh"
#include "rtl/read_side.hh"
#include "rtl/register_bus.hh"
#include "rtl/write_side.hh"

namespace acalsim {

class RtlDevice : public Device, private Memory {
public:
    // `source` is what errors call the module. Waveforms go to $ACALSIM_WAVES.NAME.fst.
    RtlDevice(const Slot& slot, const std::string& source, std::unique_ptr<Module> module);

private:
    // Device
    void answer(const Access& access, const Stages& waited) override;
    void cleared() override;
    void count(Statistics& statistics) const override;

    // Memory
    MemoryRange range() const override { return host().ram(); }
    Cycle cycle() const override { return host().now(); }
    void load(const Block& block, std::function<void(Bytes)> done) override;
    void store(const Block& block, Bytes bytes, std::function<void()> done) override;

    void wake();
    void run();
    void one_edge();
    bool look();
    void after_edge();
    bool idle() const;
    void refuse_silence();
    void dump(std::uint64_t edge, bool half);
    std::string buses() const;
    [[noreturn]] void fail(const std::string& what) const;

    const std::string source_;
    const std::unique_ptr<Module> module_;
    const Clock clock_;
    const std::uint64_t limit_;
    Wire clk_, rst_n_, busy_, irq_;
    RegisterBus registers_;
    std::optional<ReadSide> reads_;  // where the module has m_axi
    std::optional<WriteSide> writes_;
    bool runs_ = false, traces_ = false, was_irq_ = false;
    std::uint64_t edge_ = 0;    // the next one, while the clock runs
    std::uint64_t still_ = 0;   // edges since the module had anything to do
    std::uint64_t silent_ = 0;  // edges since anything passed on its buses
    std::uint64_t edges_ = 0;
};

}  // namespace acalsim
