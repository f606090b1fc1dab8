// SPDX-License-Identifier: Apache-2.0
// What the parts of the Python module have in common.
#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <utility>
#include <vector>

#include "embedded/engine.hh"

namespace acalsim {

namespace nb = nanobind;

// Ctrl-C ends a wait: Python's handler has only taken a note of it so far.
inline void check_signals() {
    const nb::gil_scoped_acquire python;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

inline nb::dict as_dict(const Statistics& statistics) {
    nb::dict result;
    for (const auto& [name, value] : statistics) result[name.c_str()] = value;
    return result;
}

inline nb::dict as_dict(const std::vector<std::pair<std::string, Statistics>>& all) {
    nb::dict result;
    for (const auto& [name, statistics] : all) result[name.c_str()] = as_dict(statistics);
    return result;
}

inline nb::bytes as_bytes(const std::string& text) { return nb::bytes(text.data(), text.size()); }

inline nb::dict result_of(const Engine& engine) {
    nb::dict result;
    result["total_cycles"] = engine.now();
    result["transactions"] = engine.transactions();
    result["ended"] = engine.ended();
    result["devices"] = as_dict(engine.device_statistics());
    return result;
}

// Products, command lists and recordings, timed without values.
void bind_timing(nb::module_& module);

}  // namespace acalsim
