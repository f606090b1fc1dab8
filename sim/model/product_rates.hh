// SPDX-License-Identifier: Apache-2.0
// Which types an array multiplies, and how many products of each a place of it does in a cycle.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "model/device.hh"
#include "registers.h"
#include "tables.h"

namespace acalsim {

// A place multiplies and adds up so many neighbours along k at once: for the array's time, k is
// shorter by that factor.
class ProductRates {
public:
    explicit ProductRates(const Slot& slot) {
        std::uint64_t place = 0;
#define ROW(type, word) \
    if (slot.parameter("types") >> place++ & 1) rates_[type] = rate(slot, type, #word "_rate");
        ACALSIM_PRODUCT_TYPES(ROW)
#undef ROW
    }

    // 1 << type of each.
    std::uint32_t types() const {
        std::uint32_t types = 0;
        for (const auto& [type, rate] : rates_) types |= 1u << type;
        return types;
    }

    std::uint64_t of(std::uint32_t type) const { return rates_.at(type); }

    // Of a MATMUL along k.
    std::uint64_t steps(const DeviceCommand& command) const {
        const std::uint64_t rate = of(command.type);
        return (command.k + rate - 1) / rate;
    }

private:
    static std::uint64_t rate(const Slot& slot, std::uint32_t type, const std::string& key) {
        return type == TYPE_FLOAT32 ? 1 : slot.parameter(key);
    }

    std::map<std::uint32_t, std::uint64_t> rates_;
};

}  // namespace acalsim
