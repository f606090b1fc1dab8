// SPDX-License-Identifier: Apache-2.0
// The command list that a device is working on. It comes whole or, where the device has a buffer
// for lists, in pieces of half that buffer. Knows no time and executes nothing.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "model/command.hh"
#include "model/device.hh"

namespace acalsim {

// What is wrong with a list of so many bytes at `address` as a whole; ERROR_NONE if nothing is.
std::uint32_t error_of_list(const MemoryRange& ram, std::uint64_t address, std::uint64_t bytes);

class CommandList {
public:
    // Throws std::invalid_argument where the buffer's halves do not hold whole commands.
    explicit CommandList(const Slot& slot);

    // A new list of `bytes` bytes at `address`.
    void begin(std::uint64_t address, std::uint64_t bytes);
    void clear() { begin(0, 0); }

    // The next piece that there is room for; the caller has to fetch it, and to bring it to take().
    std::optional<Block> next_piece();

    // A piece has come from `address`, maybe before an earlier one that other channels of RAM
    // bring: it is taken behind that. A command that is wrong is where the list ends: it and the
    // others of its piece are not executed.
    void take(std::uint64_t address, Bytes piece, const Limits& limits);

    // The command in the decoder: whether there is one, which, and the step to the one behind it.
    bool has_next() const { return next_ < commands_.size(); }
    const DeviceCommand& next() const { return commands_[next_]; }
    std::size_t index() const { return next_; }
    void advance() { ++next_; }

    // Takes no more from this list: `error` of command `index` ends it.
    void end(std::uint32_t error, std::size_t index);

    // Whether no command is left, because all have been in the decoder or because of an error.
    bool over() const { return !has_next() && (error_ || next_ == total_); }
    std::uint32_t error() const { return error_; }
    std::size_t refused() const { return refused_; }  // where there is an error

private:
    void check(const Bytes& piece, const Limits& limits);

    const std::uint64_t buffer_bytes_;
    std::uint64_t address_ = 0, bytes_ = 0, asked_bytes_ = 0, taken_bytes_ = 0;
    std::map<std::uint64_t, Bytes> come_;  // by address, before those in front of them
    std::size_t total_ = 0, next_ = 0, refused_ = 0;
    std::uint32_t error_ = ERROR_NONE;
    std::vector<DeviceCommand> commands_;  // those that have come
};

}  // namespace acalsim
