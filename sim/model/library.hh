// SPDX-License-Identifier: Apache-2.0
// Where a device's model comes from: a built-in one by its name, one of the user's by the path of
// the library that was compiled from it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "model/device.hh"

namespace acalsim {

// Makes a model's device: NAME or LIBRARY.so, behind which after a line's end may come what the
// library is told. Throws std::invalid_argument where there is no such model, and where a
// library cannot be loaded, has no device or was compiled for another engine.
std::function<std::unique_ptr<Device>(const Slot&)> maker_of(const std::string& model);

}  // namespace acalsim
