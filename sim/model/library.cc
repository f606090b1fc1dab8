// SPDX-License-Identifier: Apache-2.0
#include "model/library.hh"

#include <dlfcn.h>

#include <stdexcept>

#include "interface.h"
#include "model/registry.hh"

namespace acalsim {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw std::invalid_argument("device library '" + path + "' " + why);
}

// Libraries stay: their code is that of devices, and of what these have scheduled.
void* load(const std::string& path) {
    void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) refuse(path, std::string("cannot be loaded: ") + ::dlerror());
    return library;
}

template <class Function>
Function* function_of(void* library, const std::string& path, const char* name) {
    void* const found = ::dlsym(library, name);
    if (!found) refuse(path, std::string("has no function ") + name);
    return reinterpret_cast<Function*>(found);
}

}  // namespace

std::function<std::unique_ptr<Device>(const Slot&)> maker_of(const std::string& model) {
    const auto found = models().find(model);
    if (found != models().end()) return found->second;
    if (model.find('/') == std::string::npos)
        throw std::invalid_argument("there is no model '" + model + "'");
    const std::size_t end = model.find('\n');
    const std::string path = model.substr(0, end);
    const std::string told = end == std::string::npos ? "" : model.substr(end + 1);
    void* const library = load(path);
    const std::string interface = function_of<const char*()>(library, path, "acalsim_interface")();
    if (interface != ACALSIM_INTERFACE)
        refuse(path, "was compiled for interface " + interface + "; this engine has " +
                         ACALSIM_INTERFACE + ": compile it again");
    auto* const make = function_of<Device*(const Slot&)>(library, path, "acalsim_make_device");
    return [make, told](Slot slot) {
        slot.told = told;
        return std::unique_ptr<Device>(make(slot));
    };
}

}  // namespace acalsim
