// SPDX-License-Identifier: Apache-2.0
// Guest RAM as the client shares it: a file mapped into this process, the same bytes for both.
#pragma once

#include <map>
#include <string>

#include "model/host.hh"

namespace acalsim {

class GuestRam {
public:
    GuestRam() = default;

    // Maps `range` from byte `file_offset` of `path`. Throws SimulationError.
    GuestRam(const std::string& path, MemoryRange range, std::uint64_t file_offset);

    // With command lists at their addresses and no other values.
    static GuestRam of_lists(MemoryRange range, std::map<std::uint64_t, Bytes> lists);

    ~GuestRam();
    GuestRam(GuestRam&& other) noexcept { *this = std::move(other); }
    GuestRam& operator=(GuestRam&& other) noexcept;

    const MemoryRange& range() const { return range_; }
    bool has_values() const { return has_values_; }

    // What to throw when DMA asks for a block that lies elsewhere than in RAM: SimulationError.
    void refuse_outside(const std::string& device, const Block& block) const;

    // The host's pointer to `bytes` bytes of guest memory. Throws std::out_of_range.
    std::uint8_t* at(std::uint64_t address, std::uint64_t bytes) const;

    // The block's bytes, without what lies between its rows. Throw std::out_of_range.
    Bytes read(const Block& block) const;
    void write(const Block& block, const Bytes& bytes) const;

private:
    Bytes list_part(const Block& block) const;

    MemoryRange range_;
    std::uint8_t* memory_ = nullptr;
    bool has_values_ = true;
    std::map<std::uint64_t, Bytes> lists_;
};

}  // namespace acalsim
