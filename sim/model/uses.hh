// SPDX-License-Identifier: Apache-2.0
// What a command touches, as ranges of bytes: they say who waits for whom.
#pragma once

#include <optional>
#include <vector>

#include "model/command.hh"

namespace acalsim {

// In the order A, B, C. LOAD's target or STORE's residual is A, STORE's scales and bias or LOAD's
// indices are B. Behind them comes what a STORE or SAVE writes to the scratchpad of the device
// itself, whose base address is `own_base`.
std::vector<Use> uses_of(const DeviceCommand& command, std::uint64_t own_base);

// What it reads or writes of RAM.
std::optional<Use> ram_use_of(const DeviceCommand& command);

}  // namespace acalsim
