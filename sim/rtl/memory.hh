// SPDX-License-Identifier: Apache-2.0
// What both sides of the device's way to RAM have in common.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "model/host.hh"
#include "rtl/channel.hh"

namespace acalsim {

// RAM as the device's host has it.
class Memory {
public:
    virtual ~Memory() = default;
    virtual MemoryRange range() const = 0;
    virtual Cycle cycle() const = 0;
    virtual void load(const Block& block, std::function<void(Bytes)> done) = 0;
    virtual void store(const Block& block, Bytes bytes, std::function<void()> done) = 0;
};

// RAM is asked line by line, so that a burst's first beats do not wait for its last.
constexpr std::uint64_t kLineBytes = 64;
// Bursts under way in each direction; more have to wait for ready.
constexpr std::size_t kMostBursts = 16;
constexpr Cycle kNever = UINT64_MAX;

inline std::uint64_t align_down(std::uint64_t address, std::uint64_t bytes) {
    return address / bytes * bytes;
}

// A burst, as an address channel asks for it.
struct Burst {
    std::uint64_t id = 0, address = 0;
    std::uint64_t beat_bytes = 1, beats = 1;

    std::uint64_t end() const { return align_down(address, beat_bytes) + beats * beat_bytes; }
    std::uint64_t first_line() const { return align_down(address, kLineBytes); }
    std::uint64_t lines() const { return (end() - 1) / kLineBytes - address / kLineBytes + 1; }
    // Of a beat; only the first one may begin inside of its bytes.
    std::uint64_t begin_of(std::uint64_t beat) const {
        return beat ? end() - (beats - beat) * beat_bytes : address;
    }
    std::uint64_t end_of(std::uint64_t beat) const {
        return end() - (beats - beat - 1) * beat_bytes;
    }
};

// The payload of m_axi_ar and m_axi_aw.
const std::vector<std::string> kBurstPayload = {"id", "addr", "len", "size", "burst"};

// What is on an address channel. Throws Broken where AXI or this machine has no such burst.
Burst burst_on(const Channel& channel, const std::string& name, unsigned bus_bytes,
               const MemoryRange& ram);

// Says no in some of the cycles, always in the same ones, where a machine asks for that.
class Chance {
public:
    explicit Chance(std::uint64_t percent) : percent_(percent) {}
    bool hit() {
        if (!percent_) return false;
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return (state_ >> 33) % 100 < percent_;
    }

private:
    std::uint64_t percent_, state_ = 1;
};

}  // namespace acalsim
