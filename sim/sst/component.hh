// SPDX-License-Identifier: Apache-2.0
// What the library's components have in common: time in ticks, the log, and how they fail.
#pragma once

#include <sst/core/component.h>
#include <sst/core/link.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "embedded/error.hh"
#include "sst/cycle_clock.hh"

namespace acalsim {

class CycleComponent : public SST::Component {
protected:
    CycleComponent(SST::ComponentId_t id, const SST::Params& params)
        : Component(id),
          tick_(getTimeConverter(tick_rate(params))),
          verbose_(params.find<bool>("verbose", false)) {}

    Tick tick_now() const { return getCurrentSimTime(tick_); }
    Cycle cycle_now() const { return tick_now() / kTicksPerCycle; }

    // Have `event` arrive at tick `tick` of `cycle`, or at once if that is over: over a self link,
    // and over one of the machine's, which may add to it. Throw SimulationError for a cycle that
    // SST has no time for.
    void send_at(SST::Link* self, Cycle cycle, Tick tick, SST::Event* event = nullptr) const {
        self->send(ticks_to(cycle, tick), event);
    }
    void send_over(SST::Link* bus, Cycle cycle, Tick tick, SST::Event* event) const {
        const Tick ticks = ticks_to(cycle, tick);
        bus->send(ticks - std::min(ticks, kLinkTicks), tick_, event);
    }

    void say(Cycle cycle, const std::string& who, const std::string& text) const {
        if (!verbose_) return;
        const char* separator = who.empty() ? "" : ": ";
        std::printf("[Cycle %" PRIu64 "] %s%s%s\n", cycle, who.c_str(), separator, text.c_str());
        std::fflush(stdout);
    }

    template <auto method, class Self>
    static SST::Event::HandlerBase* handler(Self* self) {
        return new SST::Event::Handler<Self, method>(self);
    }
    template <auto method, class Self, class Data>
    static SST::Event::HandlerBase* handler(Self* self, Data data) {
        return new SST::Event::Handler<Self, method, Data>(self, data);
    }

    // Runs `action`; what it throws ends the simulation with one line.
    template <class Action>
    static void guarded(const Action& action) {
        try {
            action();
        } catch (const std::exception& error) {
            fail(error.what());
        }
    }

    // The same for what is needed to construct a component.
    template <class Make>
    static auto made(const Make& make) {
        try {
            return make();
        } catch (const std::exception& error) {
            fail(error.what());
        }
    }

    // SST's own fatal() would bury the line under a backtrace; its launcher ends the other ranks.
    [[noreturn]] static void fail(const std::string& message) {
        std::fflush(stdout);
        std::fprintf(stderr, "acalsim: %s\n", message.c_str());
        std::_Exit(1);
    }

    Tick ticks_to(Cycle cycle, Tick tick) const {
        if (cycle > kEndOfTime)
            throw SimulationError("cycle " + std::to_string(cycle) +
                                  " is past the end of SST's time");
        return ticks_until(tick_now(), cycle, tick);
    }

    const SST::TimeConverter tick_;
    const bool verbose_;
};

}  // namespace acalsim
