// SPDX-License-Identifier: Apache-2.0
// The way into a library that was compiled from a device of the user's: it makes the one model that
// is registered there.
#include <stdexcept>

#include "interface.h"
#include "model/registry.hh"

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED const char* acalsim_interface() { return ACALSIM_INTERFACE; }

EXPORTED acalsim::Device* acalsim_make_device(const acalsim::Slot& slot) {
    const auto& models = acalsim::models();
    if (models.size() != 1)
        throw std::invalid_argument(
            "device '" + slot.name + "': its source registers " + std::to_string(models.size()) +
            " models; it has one `const Registered<CLASS> registered(NAME);`");
    return models.begin()->second(slot).release();
}
