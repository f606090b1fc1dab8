// SPDX-License-Identifier: Apache-2.0
// One client, served by the embedded engine.
#pragma once

#include <functional>
#include <string>

#include "embedded/client.hh"
#include "embedded/engine.hh"
#include "embedded/recording.hh"

namespace acalsim {

class Server {
public:
    // `description` answers HELLO. `on_wait` is called now and then while nothing arrives and may
    // throw to end the wait.
    Server(Engine& engine, std::string description, std::function<void()> on_wait);

    // Accepts one client and serves it until the simulation has ended; returns the statistics text
    // that it left, if any. `recording` is given every access, if there is one. Throws
    // SimulationError.
    std::string serve(int listener, Recording* recording = nullptr);

    const Client& client() const { return client_; }

    // All that was recorded, the CPU's accesses first.
    std::vector<LoggedBy> span_logs() const { return engine_.span_logs(&accesses_); }

private:
    Engine& engine_;
    const std::function<void()> on_wait_;
    Client client_;
    SpanLog accesses_;
};

}  // namespace acalsim
