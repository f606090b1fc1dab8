// SPDX-License-Identifier: Apache-2.0
// What a module's own words do: $display prints; $finish, $stop, $fatal and assertions end the
// simulation with one line.
#include <cstdarg>
#include <cstdio>
#include <string>
#include <utility>

#include "embedded/error.hh"
#include "verilated.h"

namespace {

std::string said;

// The last line, without what stop() says itself: "[0] %Fatal: FILE:LINE: ".
std::string last_said() {
    std::string line = std::move(said);
    said.clear();
    while (!line.empty() && line.back() == '\n') line.pop_back();
    line.erase(0, line.rfind('\n') + 1);
    const std::size_t kind = line.find(": ", line.find('%'));
    const std::size_t place = line.find(": ", kind + 1);
    return place == std::string::npos ? line : line.substr(place + 2);
}

[[noreturn]] void stop(const char* file, int line, const std::string& what) {
    throw acalsim::SimulationError(std::string(file) + ':' + std::to_string(line) + ": " + what);
}

}  // namespace

int acalsim_say(const char* format, ...) {
    char text[4096];
    std::va_list arguments;
    va_start(arguments, format);
    const int count = std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    said = (said + text).substr(said.size() > sizeof text ? said.size() : 0);
    std::fputs(text, stdout);
    return count;
}

void vl_finish(const char* file, int line, const char*) VL_MT_UNSAFE {
    stop(file, line, "the module ends the simulation with $finish; a device does not");
}

void vl_stop(const char* file, int line, const char*) VL_MT_UNSAFE {
    const std::string text = last_said();
    stop(file, line, text.empty() ? "the module stops: $stop" : "the module stops: " + text);
}

void vl_fatal(const char* file, int line, const char*, const char* message) VL_MT_UNSAFE {
    stop(file, line, message && *message ? message : "$fatal");
}
