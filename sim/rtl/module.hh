// SPDX-License-Identifier: Apache-2.0
// A verilated module as the harness sees it: ports by name, evaluation, a waveform.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

namespace acalsim {

// One port, where Verilator keeps it: least significant byte first, in 1, 2, 4 or 8 bytes or, if it
// is wider than 64 bits, in words of 4. A port that the module does not have reads as 0.
class Wire {
public:
    Wire() = default;
    Wire(void* at, unsigned bits) : at_(static_cast<std::uint8_t*>(at)), bits_(bits) {}

    bool exists() const { return at_ != nullptr; }
    unsigned bits() const { return bits_; }
    unsigned bytes() const { return (bits_ + 7) / 8; }

    // Its low 64 bits.
    std::uint64_t get() const {
        switch (stored()) {
            case 0:
                return 0;
            case 1:
                return *at_;
            case 2:
                return load<std::uint16_t>();
            case 4:
                return load<std::uint32_t>();
            default:
                return load<std::uint64_t>();
        }
    }

    void set(std::uint64_t value) {
        if (bits_ > 64) return void(std::memcpy(at_, &value, sizeof value));
        if (bits_ < 64) value &= (std::uint64_t(1) << bits_) - 1;
        std::memcpy(at_, &value, stored());
    }

    // bytes() of them.
    const std::uint8_t* data() const { return at_; }
    std::uint8_t* data() { return at_; }

private:
    template <class Number>
    std::uint64_t load() const {
        Number number;
        std::memcpy(&number, at_, sizeof number);
        return number;
    }

    unsigned stored() const {
        if (bits_ > 64) return 8;
        return bits_ > 32 ? 8 : bits_ > 16 ? 4 : bits_ > 8 ? 2 : bits_ > 0 ? 1 : 0;
    }

    std::uint8_t* at_ = nullptr;
    unsigned bits_ = 0;
};

class Module {
public:
    virtual ~Module() = default;

    Wire wire(const std::string& name) const {
        const auto found = wires_.find(name);
        return found == wires_.end() ? Wire() : found->second;
    }

    virtual void eval() = 0;

    // From now on, dump() adds what the wires hold to the waveform in that file.
    virtual void trace(const std::string& path) = 0;
    virtual void dump(std::uint64_t time) = 0;

protected:
    void add(const std::string& name, void* at, unsigned bits) { wires_[name] = Wire(at, bits); }

private:
    std::map<std::string, Wire> wires_;
};

// The device does what AXI forbids. The text says what; the device adds its name and the cycle.
class Broken : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace acalsim
