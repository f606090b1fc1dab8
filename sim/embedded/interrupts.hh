// SPDX-License-Identifier: Apache-2.0
// The interrupt sources that devices have raised, until the CPU is told of them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "embedded/error.hh"
#include "model/host.hh"

namespace acalsim {

class Interrupts {
public:
    // By the device at `base`. Returns whether that makes it the waker: the first device of those
    // that the CPU has not been told of, of several in one cycle the one of the lowest address.
    bool raise(std::uint64_t source, Cycle now, std::uint64_t base) {
        if (source < kFirst || source - kFirst >= 64)
            throw SimulationError("a device raises interrupt " + std::to_string(source) +
                                  "; there are 32 to 95");
        const bool wakes = !raised_ || (since_ == now && base < waker_);
        if (wakes) since_ = now, waker_ = base;
        raised_ |= std::uint64_t(1) << (source - kFirst);
        return wakes;
    }

    bool any() const { return raised_ != 0; }
    Cycle since() const { return since_; }
    std::uint64_t waker() const { return waker_; }  // by address

    // What a WAIT is answered with: a bit for each source, from 32 on.
    std::uint64_t tell() {
        told_ |= raised_;
        return std::exchange(raised_, 0);
    }

    // What to throw when the CPU waits, and nothing is left that could wake it.
    SimulationError sleepless(Cycle now) const {
        std::string text = "the CPU waits for an interrupt (wfi) at cycle " + std::to_string(now) +
                           ", and no device has anything under way that could raise one";
        for (std::uint64_t bit = 0; bit < 64; ++bit) {
            if (told_ >> bit & 1) text += "; raised before: " + std::to_string(kFirst + bit);
        }
        return SimulationError(text);
    }

private:
    static constexpr std::uint64_t kFirst = 32;

    std::uint64_t raised_ = 0;  // not told yet; bit 0 is source 32
    std::uint64_t told_ = 0;    // at any time
    Cycle since_ = 0;           // the first of raised_
    std::uint64_t waker_ = 0;
};

}  // namespace acalsim
