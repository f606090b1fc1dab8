// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>

namespace acalsim {

// What stops a simulation through no fault of the engine's: one line for a person to act on.
class SimulationError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace acalsim
