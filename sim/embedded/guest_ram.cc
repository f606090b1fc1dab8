// SPDX-License-Identifier: Apache-2.0
#include "embedded/guest_ram.hh"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

#include "embedded/error.hh"

namespace acalsim {

namespace {

// The path came over a socket: whatever it holds, the message stays one line of plain text.
SimulationError cannot_map(std::string path, const std::string& why) {
    for (char& letter : path) {
        if (letter < ' ' || letter > '~') letter = '?';
    }
    return SimulationError("guest RAM file '" + path + "': " + why);
}

// A shorter file can be mapped, but a touch of what it lacks would kill the process.
void check_length(const std::string& path, int file, std::uint64_t needed) {
    struct stat status;
    if (::fstat(file, &status) != 0) throw cannot_map(path, std::strerror(errno));
    if (std::uint64_t(status.st_size) >= needed) return;
    throw cannot_map(path, "it has " + std::to_string(status.st_size) + " bytes; the client said " +
                               std::to_string(needed));
}

std::uint8_t* map_file(const std::string& path, std::uint64_t bytes, std::uint64_t offset) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) throw cannot_map(path, std::strerror(errno));
    void* memory = MAP_FAILED;
    try {
        check_length(path, file, offset + bytes);
        memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, off_t(offset));
    } catch (...) {
        ::close(file);
        throw;
    }
    const int error = errno;
    ::close(file);
    if (memory == MAP_FAILED) throw cannot_map(path, std::strerror(error));
    return static_cast<std::uint8_t*>(memory);
}

}  // namespace

GuestRam::GuestRam(const std::string& path, MemoryRange range, std::uint64_t file_offset)
    : range_(range) {
    const std::uint64_t end = range.origin + range.size_bytes;
    if (range.size_bytes == 0 || end < range.origin || file_offset + range.size_bytes < file_offset)
        throw cannot_map(path, "the range that the client said is empty or wraps around");
    memory_ = map_file(path, range.size_bytes, file_offset);
}

GuestRam GuestRam::of_lists(MemoryRange range, std::map<std::uint64_t, Bytes> lists) {
    GuestRam ram;
    ram.range_ = range;
    ram.has_values_ = false;
    ram.lists_ = std::move(lists);
    return ram;
}

GuestRam::~GuestRam() {
    if (memory_) ::munmap(memory_, range_.size_bytes);
}

GuestRam& GuestRam::operator=(GuestRam&& other) noexcept {
    std::swap(range_, other.range_);
    std::swap(memory_, other.memory_);
    std::swap(has_values_, other.has_values_);
    std::swap(lists_, other.lists_);
    return *this;
}

void GuestRam::refuse_outside(const std::string& device, const Block& block) const {
    if (range_.contains(block.address, block.extent())) return;
    char text[128];
    std::snprintf(text, sizeof text,
                  "DMA of %" PRIu64 " bytes at 0x%08" PRIx64 " lies outside guest RAM 0x%08" PRIx64
                  "..0x%08" PRIx64,
                  block.extent(), block.address, range_.origin, range_.origin + range_.size_bytes);
    throw SimulationError("device '" + device + "': " + text);
}

std::uint8_t* GuestRam::at(std::uint64_t address, std::uint64_t bytes) const {
    if (!range_.contains(address, bytes)) throw std::out_of_range("DMA outside guest RAM");
    return memory_ + (address - range_.origin);
}

// Of what is read the lists alone have bytes.
Bytes GuestRam::list_part(const Block& block) const {
    const auto after = lists_.upper_bound(block.address);
    if (after == lists_.begin()) return {};
    const auto& [address, list] = *std::prev(after);
    const std::uint64_t first = block.address - address, bytes = block.bytes();
    if (first >= list.size() || bytes > list.size() - first) return {};
    const auto begin = list.begin() + std::ptrdiff_t(first);
    return Bytes(begin, begin + std::ptrdiff_t(bytes));
}

Bytes GuestRam::read(const Block& block) const {
    if (!has_values()) return list_part(block);
    const std::uint8_t* memory = at(block.address, block.extent());
    Bytes bytes(block.bytes());
    std::uint8_t* target = bytes.data();
    const Block runs = block.merged();
    runs.for_each_row([&](std::uint64_t offset) {
        std::memcpy(target, memory + offset, runs.row_bytes);
        target += runs.row_bytes;
    });
    return bytes;
}

void GuestRam::write(const Block& block, const Bytes& bytes) const {
    if (!has_values()) return;
    std::uint8_t* memory = at(block.address, block.extent());
    const std::uint8_t* source = bytes.data();
    const Block runs = block.merged();
    runs.for_each_row([&](std::uint64_t offset) {
        std::memcpy(memory + offset, source, runs.row_bytes);
        source += runs.row_bytes;
    });
}

}  // namespace acalsim
