// SPDX-License-Identifier: Apache-2.0
#include "rtl/memory.hh"

#include <cinttypes>
#include <cstdio>

namespace acalsim {

namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kIncrementing = 1;

std::string range_text(std::uint64_t begin, std::uint64_t end) {
    char text[64];
    std::snprintf(text, sizeof text, "0x%08" PRIx64 "..0x%08" PRIx64, begin, end - 1);
    return text;
}

}  // namespace

Burst burst_on(const Channel& channel, const std::string& name, unsigned bus_bytes,
               const MemoryRange& ram) {
    const std::uint64_t size = std::uint64_t(1) << channel.get(3);
    if (channel.get(4) != kIncrementing)
        throw Broken(name + "burst is " + std::to_string(channel.get(4)) +
                     "; only bursts of type INCR (1) are supported");
    if (size > bus_bytes)
        throw Broken(name + "size asks for " + std::to_string(size) +
                     " bytes a beat; the bus has " + std::to_string(bus_bytes));
    const Burst burst{channel.get(0), channel.get(1), size, channel.get(2) + 1};
    const std::string where =
        "the burst of " + range_text(burst.address, burst.end()) + " on " + name;
    if (burst.address / kPageBytes != (burst.end() - 1) / kPageBytes)
        throw Broken(where + " crosses a boundary of 4096 bytes");
    if (!ram.contains(burst.address, burst.end() - burst.address))
        throw Broken(where + " is outside RAM, which is " +
                     (ram.size_bytes ? range_text(ram.origin, ram.origin + ram.size_bytes)
                                     : std::string("not there")));
    return burst;
}

}  // namespace acalsim
