// SPDX-License-Identifier: Apache-2.0
// A device's own memory: zero after power-on, and none of the host's until it is written.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace acalsim {

class LocalMemory {
public:
    // Throws std::bad_alloc where the host has no address space for so many bytes.
    explicit LocalMemory(std::uint64_t size) : size_(size) { clear(); }

    void clear() {
        bytes_.reset();
        // calloc leaves a large block to the system, which gives pages as they are written.
        bytes_.reset(static_cast<std::uint8_t*>(std::calloc(size_, 1)));
        if (!bytes_) throw std::bad_alloc();
    }

    std::uint64_t size() const { return size_; }
    std::uint8_t* data() { return bytes_.get(); }
    const std::uint8_t* data() const { return bytes_.get(); }
    std::uint8_t& operator[](std::uint64_t address) { return bytes_.get()[address]; }
    const std::uint8_t& operator[](std::uint64_t address) const { return bytes_.get()[address]; }

private:
    struct Free {
        void operator()(std::uint8_t* bytes) const { std::free(bytes); }
    };

    std::uint64_t size_;
    std::unique_ptr<std::uint8_t[], Free> bytes_;
};

}  // namespace acalsim
