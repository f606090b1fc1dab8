// SPDX-License-Identifier: Apache-2.0
// The client as an engine sees it: accesses come in, responses go out; the rest of the wire
// protocol stays in here. Knows no engine.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "embedded/access.hh"
#include "embedded/connection.hh"
#include "embedded/error.hh"
#include "embedded/guest_ram.hh"
#include "embedded/stalls.hh"
#include "model/span_log.hh"

namespace acalsim {

class Client {
public:
    // `description` answers HELLO; `on_ram` is called when the client shares its RAM.
    Client(std::string description, std::function<void(GuestRam)> on_ram)
        : description_(std::move(description)), on_ram_(std::move(on_ram)) {}

    // Waits for a client at `listener`. `on_wait` is called now and then while nothing arrives,
    // here and later, and may throw to end the wait.
    void accept(int listener, std::function<void()> on_wait) {
        connection_.accept(listener, std::move(on_wait));
    }

    // Waits for the next access; nothing if the client has left. Throws SimulationError.
    std::optional<Access> next_access();

    void respond(const Response& response, bool ended);

    // Where accesses are recorded, from now on; nowhere: nullptr.
    void keep_spans(SpanLog* log) { span_log_ = log; }

    // After the response that ended the simulation: the statistics text that the client left, if
    // any. A client that said HELLO leaves its statistics behind, or just leaves.
    std::string farewell();

    // What the access at hand is booked to.
    std::uint64_t account() const { return account_; }

    const Stalls& stalls() const { return stalls_; }

private:
    void advance(const MMIORequest& frame);
    Access taken(const Access& access);
    void greet(const MMIORequest& frame);
    void take_text(const MMIORequest& frame);
    std::string receive_text(const MMIORequest& frame);
    Access access_of(const MMIORequest& frame);

    const std::string description_;
    const std::function<void(GuestRam)> on_ram_;
    Connection connection_;
    Access access_{};  // that has not been answered yet
    Cycle now_ = 0;    // its beginning
    SpanLog* span_log_ = nullptr;
    Cycle advance_cycles_ = 0;
    std::uint64_t moved_bytes_ = 0;
    std::uint64_t account_ = 0;  // that the client named last
    Stalls stalls_;
    bool greeted_ = false;
};

// What to throw when next_access() has nothing.
SimulationError left_early(Cycle now, std::uint64_t transactions);

}  // namespace acalsim
