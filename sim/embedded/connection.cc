// SPDX-License-Identifier: Apache-2.0
#include "embedded/connection.hh"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "embedded/error.hh"

namespace acalsim {

namespace {

// A signal interrupts a wait by itself, unless it comes just before the wait begins; then this is
// how long it goes unnoticed.
constexpr int kWaitMilliseconds = 200;

[[noreturn]] void fail(const char* what) {
    throw SimulationError(std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

Connection::~Connection() {
    if (socket_ >= 0) ::close(socket_);
}

void Connection::accept(int listener, std::function<void()> on_wait) {
    on_wait_ = std::move(on_wait);
    pollfd waiting{listener, POLLIN, 0};
    while (::poll(&waiting, 1, kWaitMilliseconds) <= 0) on_wait_();
    socket_ = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket_ < 0) fail("cannot accept the client");
    const timeval timeout{0, kWaitMilliseconds * 1000};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    // Whoever comes second is turned away at once instead of waiting for ever.
    ::shutdown(listener, SHUT_RD);
}

bool Connection::receive(void* target, std::size_t size) {
    auto* out = static_cast<char*>(target);
    for (std::size_t done = 0; done < size;) {
        if (begin_ == end_ && receive_some() == 0) {
            if (done == 0) return false;
            throw SimulationError("truncated frame: the client left after " + std::to_string(done) +
                                  " of " + std::to_string(size) + " bytes");
        }
        const std::size_t part = std::min(size - done, end_ - begin_);
        std::memcpy(out + done, buffer_.data() + begin_, part);
        begin_ += part;
        done += part;
    }
    return true;
}

// Blocks at once: looking again for a few microseconds first was measured, and it cost more than it
// saved whenever client and server share their CPUs with others.
std::size_t Connection::receive_some() {
    for (;;) {
        const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
        if (count >= 0) {
            begin_ = 0;
            return end_ = std::size_t(count);
        }
        if (errno == ECONNRESET) return begin_ = end_ = 0;
        if (errno != EINTR && errno != EAGAIN) fail("cannot receive from the client");
        on_wait_();
    }
}

void Connection::send(const void* source, std::size_t size) {
    const auto* in = static_cast<const char*>(source);
    while (size > 0) {
        const ssize_t count = ::send(socket_, in, size, MSG_NOSIGNAL);
        if (count >= 0) {
            in += count;
            size -= std::size_t(count);
        } else if (errno == EINTR) {
            on_wait_();
        } else {
            fail("cannot answer the client");
        }
    }
}

}  // namespace acalsim
