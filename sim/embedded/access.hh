// SPDX-License-Identifier: Apache-2.0
// What the CPU asks of an engine, and what it gets.
#pragma once

#include <cinttypes>
#include <cstdio>
#include <string>

#include "model/host.hh"
#include "model/span_log.hh"
#include "model/stages.hh"

namespace acalsim {

// One access of the CPU, by global address; `advance_cycles` is how long the CPU ran before it, and
// `moved_bytes` what its caches had from RAM or brought there meanwhile.
struct Access {
    bool is_write;
    std::uint64_t address;
    std::uint64_t size_bytes;
    std::uint64_t data;
    Cycle advance_cycles;
    std::uint64_t moved_bytes = 0;
    bool sleeps = false;  // no access at all: the CPU waits for an interrupt
};

struct Response {
    bool success;
    std::uint64_t data;
    Cycle stall_cycles;        // at least 1, of an access
    bool interrupted = false;  // sources have been raised that the CPU has not been told of
    Stages waited{};           // what of the stall was waiting for a device's work
};

// The access in a recording of what happened: answered at `begin`, booked to `account`.
inline Span span_of(const Access& access, const Response& response, Cycle begin,
                    std::uint64_t account) {
    Span span{};
    span.begin = begin;
    span.end = begin + response.stall_cycles;
    span.bytes = access.size_bytes;
    span.address = access.address;
    span.value = access.is_write ? access.data : response.data;
    span.track = kAccessTrack;
    span.code = access.sleeps ? kSleeps : access.is_write ? kWrites : kReads;
    span.index = std::uint32_t(account);
    return span;
}

inline std::string describe(const Access& access) {
    char text[64];
    std::snprintf(text, sizeof text, "%s of %" PRIu64 " bytes at 0x%08" PRIx64,
                  access.is_write ? "WRITE" : "READ", access.size_bytes, access.address);
    return text;
}

// Where a run hangs: a device, an access that it owes an answer to, and what it waits for, if it
// can tell.
inline std::string debt(const std::string& device, const Access& access, const std::string& work) {
    const std::string text = "device '" + device + "' has not answered the " + describe(access);
    return work.empty() ? text : text + "; it waits for " + work;
}

// The same where nothing is left that could end it.
inline std::string deadlock(const std::string& device, const Access& access, Cycle cycle,
                            const std::string& work) {
    const std::string text = "device '" + device + "' never answers the " + describe(access) +
                             ": nothing is left to happen after cycle " + std::to_string(cycle);
    return work.empty() ? text : text + "; it waits for " + work;
}

}  // namespace acalsim
