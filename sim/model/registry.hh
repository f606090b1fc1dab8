// SPDX-License-Identifier: Apache-2.0
// Device models by the name that machine files use. A model registers itself with one line:
//     const Registered<Echo> registered("echo");
#pragma once

#include <map>
#include <memory>
#include <string>

#include "model/device.hh"

namespace acalsim {

using Factory = std::unique_ptr<Device> (*)(const Slot&);

inline std::map<std::string, Factory>& models() {
    static std::map<std::string, Factory> table;
    return table;
}

template <class Model>
struct Registered {
    explicit Registered(const char* name) {
        models()[name] = [](const Slot& slot) -> std::unique_ptr<Device> {
            return std::make_unique<Model>(slot);
        };
    }
};

}  // namespace acalsim
