// SPDX-License-Identifier: Apache-2.0
#include "embedded/recording.hh"

#include <cstring>
#include <stdexcept>

namespace acalsim {

namespace {

// An entry in bytes(), as this host stores it.
struct Stored {
    std::uint64_t address, data, advance_cycles, moved_bytes, account, answer;
    std::uint32_t size_bytes;
    std::uint8_t is_write, sleeps, success, interrupted;
};
static_assert(sizeof(Stored) == 56, "entries have no gaps, whose bytes would be any");

}  // namespace

Recording::Recording(const std::string& bytes) {
    if (bytes.size() % sizeof(Stored))
        throw std::invalid_argument(
            "this is no recording: its length is no whole number of entries");
    entries_.reserve(bytes.size() / sizeof(Stored));
    for (std::size_t place = 0; place < bytes.size(); place += sizeof(Stored)) {
        Stored stored;
        std::memcpy(&stored, &bytes[place], sizeof stored);
        const Access access{stored.is_write != 0, stored.address,        stored.size_bytes,
                            stored.data,          stored.advance_cycles, stored.moved_bytes,
                            stored.sleeps != 0};
        entries_.push_back(
            {access, stored.account, stored.success != 0, stored.interrupted != 0, stored.answer});
    }
}

std::string Recording::bytes() const {
    std::string bytes;
    bytes.reserve(entries_.size() * sizeof(Stored));
    for (const Entry& entry : entries_) {
        const Access& access = entry.access;
        const Stored stored{access.address,
                            access.data,
                            access.advance_cycles,
                            access.moved_bytes,
                            entry.account,
                            entry.data,
                            std::uint32_t(access.size_bytes),
                            access.is_write,
                            access.sleeps,
                            entry.success,
                            entry.interrupted};
        bytes.append(reinterpret_cast<const char*>(&stored), sizeof stored);
    }
    return bytes;
}

void Recording::add(const Access& access, std::uint64_t account, const Response& response) {
    entries_.push_back({access, account, response.success, response.interrupted, response.data});
}

std::optional<Stalls> Recording::replay(Engine& engine) const {
    Stalls stalls;
    for (const Entry& entry : entries_) {
        const Response response = engine.access(entry.access);
        if (engine.guessed() || !entry.answered_by(response)) return {};
        stalls.book(entry.account, response);
    }
    return stalls;
}

}  // namespace acalsim
