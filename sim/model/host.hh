// SPDX-License-Identifier: Apache-2.0
// All that a device model may ask of the engine that hosts it. The embedded engine implements it,
// and so may any other: models know no more of the world than this.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace acalsim {

using Cycle = std::uint64_t;
using Bytes = std::vector<std::uint8_t>;

// A piece of the guest's address space; size_bytes is 0 where there is none.
struct MemoryRange {
    std::uint64_t origin = 0;
    std::uint64_t size_bytes = 0;

    bool contains(std::uint64_t address, std::uint64_t bytes) const {
        return address >= origin && bytes <= size_bytes && address - origin <= size_bytes - bytes;
    }
};

class Host {
public:
    virtual ~Host() = default;

    virtual Cycle now() const = 0;

    // Runs `action` `delay` cycles from now; actions of one cycle run in the order of scheduling.
    virtual void schedule(Cycle delay, std::function<void()> action) = 0;

    // Where guest RAM lies; empty as long as the client has not shared it.
    virtual MemoryRange ram() const = 0;

    // DMA. The range lies inside ram(). Transfers of all devices share one channel in the order of
    // asking; bytes are taken from RAM, or land there, at the moment when `done` is called.
    virtual void read_ram(std::uint64_t address, std::uint64_t bytes,
                          std::function<void(Bytes)> done) = 0;
    virtual void write_ram(std::uint64_t address, Bytes bytes, std::function<void()> done) = 0;

    // log() costs nothing worth avoiding, making its text may: ask logging() first.
    virtual bool logging() const = 0;
    virtual void log(const std::string& text) = 0;

    // The access that is being answered is the simulation's last.
    virtual void end_simulation() = 0;
};

}  // namespace acalsim
