// SPDX-License-Identifier: Apache-2.0
// The wire protocol's server: frames of one client in, accesses of the engine, responses out.
#pragma once

#include <functional>
#include <string>

#include "embedded/connection.hh"
#include "embedded/engine.hh"

namespace acalsim {

class Server {
public:
    // `description` answers HELLO. `on_wait` is called now and then while nothing arrives and may
    // throw to end the wait.
    Server(Engine& engine, std::string description, std::function<void()> on_wait)
        : engine_(engine), description_(std::move(description)), on_wait_(std::move(on_wait)) {}

    // Accepts one client and serves it until the simulation has ended; returns the statistics text
    // that it left, if any. Throws SimulationError.
    std::string serve(int listener);

private:
    void serve_until_end();
    void handle(const MMIORequest& frame);
    void transact(const MMIORequest& frame);
    void advance(const MMIORequest& frame);
    void greet(const MMIORequest& frame);
    void take_text(const MMIORequest& frame);
    void map_ram(const std::string& text);
    std::string receive_text(const MMIORequest& frame);
    std::string farewell();

    Engine& engine_;
    const std::string description_;
    const std::function<void()> on_wait_;
    Connection client_;
    Cycle advance_cycles_ = 0;
    bool greeted_ = false;
};

}  // namespace acalsim
