// SPDX-License-Identifier: Apache-2.0
// One client's stream socket, read through a buffer: frames sent together cost one receive.
#pragma once

#include <array>
#include <cstddef>
#include <functional>

#include "registers.h"

namespace acalsim {

class Connection {
public:
    Connection() = default;
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Waits for a client. `on_wait` is called now and then while nothing happens, here and in
    // receive(); it may throw to end the wait.
    void accept(int listener, std::function<void()> on_wait);

    // Fills `target`. Returns false if the client left before its first byte; throws
    // SimulationError if it left later.
    bool receive(void* target, std::size_t size);

    // Throws SimulationError if the client has left.
    void send(const void* source, std::size_t size);

private:
    std::size_t receive_some();

    int socket_ = -1;
    std::function<void()> on_wait_;
    std::array<char, 4096> buffer_;
    std::size_t begin_ = 0, end_ = 0;  // what of buffer_ is still to be read
};

}  // namespace acalsim
