// SPDX-License-Identifier: Apache-2.0
// What the generated source of a device puts around the class that Verilator made of its module.
#pragma once

#include <memory>
#include <string>

#include "rtl/module.hh"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif

namespace acalsim {

template <class Top>
class VerilatedModule : public Module {
public:
    VerilatedModule() : top_(&context_) {}
    ~VerilatedModule() override {
#if VM_TRACE_FST
        if (waves_) waves_->close();
#endif
        top_.final();
    }

    void eval() override { top_.eval(); }

#if VM_TRACE_FST
    void trace(const std::string& path) override {
        context_.traceEverOn(true);
        waves_ = std::make_unique<VerilatedFstC>();
        top_.trace(waves_.get(), 99);
        waves_->open(path.c_str());
    }
    void dump(std::uint64_t time) override { waves_->dump(time); }
#else
    void trace(const std::string&) override {}
    void dump(std::uint64_t) override {}
#endif

protected:
    VerilatedContext context_;
    Top top_;
#if VM_TRACE_FST
    std::unique_ptr<VerilatedFstC> waves_;
#endif
};

}  // namespace acalsim
