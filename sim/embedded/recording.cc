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

// The number of entries, the entries, the numbers that decided about time.
Recording::Recording(const std::string& bytes) {
    std::uint64_t count = 0;
    const std::size_t all = bytes.size() < sizeof count ? 0 : bytes.size() - sizeof count;
    if (all) std::memcpy(&count, bytes.data(), sizeof count);
    if (count > all / sizeof(Stored) || all % sizeof(std::int64_t))
        throw std::invalid_argument("this is no recording: its length is not that of its entries");
    entries_.reserve(count);
    const char* place = bytes.data() + sizeof count;
    for (std::uint64_t i = 0; i < count; ++i, place += sizeof(Stored)) {
        Stored stored;
        std::memcpy(&stored, place, sizeof stored);
        const Access access{stored.is_write != 0, stored.address,        stored.size_bytes,
                            stored.data,          stored.advance_cycles, stored.moved_bytes,
                            stored.sleeps != 0};
        entries_.push_back(
            {access, stored.account, stored.success != 0, stored.interrupted != 0, stored.answer});
    }
    Decisions::Numbers row((all - count * sizeof(Stored)) / sizeof(std::int64_t));
    if (!row.empty()) std::memcpy(row.data(), place, row.size() * sizeof(std::int64_t));
    decisions_ = Decisions::of(row);
}

std::string Recording::bytes() const {
    const std::uint64_t count = entries_.size();
    const Decisions::Numbers row = decisions_.flat();
    std::string bytes(reinterpret_cast<const char*>(&count), sizeof count);
    bytes.reserve(sizeof count + count * sizeof(Stored) + row.size() * sizeof(std::int64_t));
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
    bytes.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(std::int64_t));
    return bytes;
}

void Recording::add(const Access& access, std::uint64_t account, const Response& response) {
    entries_.push_back({access, account, response.success, response.interrupted, response.data});
}

std::optional<Stalls> Recording::replay(Engine& engine, SpanLog* spans) const {
    Stalls stalls;
    engine.decide_by(decisions_);
    for (const Entry& entry : entries_) {
        const Response response = engine.access(entry.access);
        if (engine.guessed() || !entry.answered_by(response)) return {};
        stalls.book(entry.account, response);
        const Cycle begin = engine.now() - response.stall_cycles;
        if (spans) spans->add(span_of(entry.access, response, begin, entry.account));
    }
    return stalls;
}

}  // namespace acalsim
