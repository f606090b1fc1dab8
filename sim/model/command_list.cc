// SPDX-License-Identifier: Apache-2.0
#include "model/command_list.hh"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace acalsim {

std::uint32_t error_of_list(const MemoryRange& ram, std::uint64_t address, std::uint64_t bytes) {
    if (ram.size_bytes == 0) return ERROR_NO_RAM;
    if (address % COMMAND_LIST_ALIGNMENT_BYTES || bytes % COMMAND_BYTES) return ERROR_ALIGNMENT;
    if (bytes == 0 || bytes > ram.size_bytes) return ERROR_SIZE;
    return ram.contains(address, bytes) ? ERROR_NONE : ERROR_ADDRESS;
}

CommandList::CommandList(const Slot& slot) : buffer_bytes_(slot.parameter("list_buffer_bytes")) {
    if (buffer_bytes_ % (2 * sizeof(DeviceCommand)))
        throw std::invalid_argument("device '" + slot.name +
                                    "': its parameter 'list_buffer_bytes' is " +
                                    std::to_string(buffer_bytes_) + ", no two halves of commands");
}

void CommandList::begin(std::uint64_t address, std::uint64_t bytes) {
    address_ = address;
    bytes_ = bytes;
    total_ = bytes / sizeof(DeviceCommand);
    asked_bytes_ = taken_bytes_ = next_ = refused_ = 0;
    come_.clear();
    error_ = ERROR_NONE;
    commands_.clear();
}

// A half is free again when its last command has left the decoder.
std::optional<Block> CommandList::next_piece() {
    if (error_ || asked_bytes_ == bytes_) return {};
    const std::uint64_t half = buffer_bytes_ / 2, decoded = next_ * sizeof(DeviceCommand);
    const std::uint64_t room = half ? (decoded / half + 2) * half : bytes_;
    if (asked_bytes_ >= room) return {};
    const std::uint64_t size = half ? std::min(half, bytes_ - asked_bytes_) : bytes_;
    const Block piece{address_ + asked_bytes_, size};
    asked_bytes_ += size;
    return piece;
}

void CommandList::take(std::uint64_t address, Bytes piece, const Limits& limits) {
    come_[address] = std::move(piece);
    for (auto next = come_.begin(); next != come_.end() && next->first == address_ + taken_bytes_;
         next = come_.erase(next)) {
        taken_bytes_ += next->second.size();
        check(next->second, limits);
    }
}

void CommandList::check(const Bytes& piece, const Limits& limits) {
    if (error_) return;
    if (piece.empty()) return end(ERROR_NO_RAM, commands_.size());  // RAM without values lacks it
    std::vector<DeviceCommand> commands(piece.size() / sizeof(DeviceCommand));
    std::memcpy(commands.data(), piece.data(), piece.size());
    for (std::size_t i = 0; i < commands.size(); ++i) {
        if (const std::uint32_t error = check_command(commands[i], limits)) {
            error_ = error;
            refused_ = commands_.size() + i;
            return;
        }
    }
    commands_.insert(commands_.end(), commands.begin(), commands.end());
}

void CommandList::end(std::uint32_t error, std::size_t index) {
    error_ = error;
    refused_ = index;
    commands_.resize(next_);
}

}  // namespace acalsim
