// SPDX-License-Identifier: Apache-2.0
// What a CPU asked of its devices and what they answered, to be asked of other devices again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "embedded/engine.hh"
#include "embedded/stalls.hh"

namespace acalsim {

// A CPU's instructions depend on the answers to its accesses and not on when they come, unless it
// reads a clock. As long as other devices give the same answers it asks the same things, after as
// many cycles of its own.
class Recording {
public:
    Recording() = default;

    // Throws std::invalid_argument for what bytes() has not returned.
    explicit Recording(const std::string& bytes);

    std::string bytes() const;

    void add(const Access& access, std::uint64_t account, const Response& response);

    // What the run's devices found, when it is over.
    void add(const Decisions& decisions) { decisions_ = decisions; }

    // Asks `engine` all of it, and notes that in `spans` if there are any. Nothing as soon as an
    // answer is another one, or a guess.
    std::optional<Stalls> replay(Engine& engine, SpanLog* spans = nullptr) const;

private:
    struct Entry {
        Access access;
        std::uint64_t account;
        bool success, interrupted;
        std::uint64_t data;

        bool answered_by(const Response& response) const {
            return response.success == success && response.data == data &&
                   response.interrupted == interrupted;
        }
    };

    std::vector<Entry> entries_;
    Decisions decisions_;
};

}  // namespace acalsim
