// SPDX-License-Identifier: Apache-2.0
#include "embedded/server.hh"

#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace acalsim {

namespace {

constexpr std::uint64_t kLargestText = 64 << 20;
constexpr Cycle kLongestAdvance = UINT64_MAX / 2;
constexpr int kStallBits = 48;

bool valid_size(std::uint8_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

SimulationError malformed(const std::string& what) {
    return SimulationError("malformed frame: " + what);
}

MMIOResponse make_response(const Response& response, bool ended) {
    if (response.stall_cycles >> kStallBits)
        throw SimulationError("an access stalls for " + std::to_string(response.stall_cycles) +
                              " cycles; a response has room for 48 bits");
    MMIOResponse wire{};
    wire.success = response.success;
    std::memcpy(wire.reserved, &response.stall_cycles, kStallBits / 8);
    wire.reserved[6] = ended ? RESPONSE_ENDED : 0;
    wire.data = response.data;
    return wire;
}

}  // namespace

std::string Server::serve(int listener) {
    client_.accept(listener, on_wait_);
    if (engine_.log) engine_.log(engine_.now(), "QEMUBinary", "Client connected");
    serve_until_end();
    return greeted_ ? farewell() : "";
}

void Server::serve_until_end() {
    MMIORequest frame;
    while (!engine_.ended()) {
        if (!client_.receive(&frame, sizeof frame))
            throw SimulationError("the client left before the simulation ended, at cycle " +
                                  std::to_string(engine_.now()) + " after " +
                                  std::to_string(engine_.transactions()) + " transactions");
        handle(frame);
    }
}

void Server::handle(const MMIORequest& frame) {
    switch (frame.type) {
        case REQUEST_READ:
        case REQUEST_WRITE:
            return transact(frame);
        case REQUEST_ADVANCE:
            return advance(frame);
        case REQUEST_HELLO:
            return greet(frame);
        case REQUEST_TEXT:
            return take_text(frame);
    }
    throw malformed("type " + std::to_string(frame.type) + " is unknown");
}

void Server::transact(const MMIORequest& frame) {
    if (!valid_size(frame.size))
        throw malformed("size " + std::to_string(frame.size) + " is not 1, 2, 4 or 8");
    const Response response = engine_.access(
        {frame.type == REQUEST_WRITE, frame.addr, frame.size, frame.data, advance_cycles_});
    advance_cycles_ = 0;
    const MMIOResponse wire = make_response(response, engine_.ended());
    client_.send(&wire, sizeof wire);
}

// Time moves when the access that follows arrives; only then is the CPU known to wait.
void Server::advance(const MMIORequest& frame) {
    if (frame.data > kLongestAdvance - advance_cycles_)
        throw malformed("ADVANCE past the end of time");
    advance_cycles_ += frame.data;
}

void Server::greet(const MMIORequest& frame) {
    if (frame.addr != PROTOCOL_VERSION)
        throw SimulationError("the client speaks protocol version " + std::to_string(frame.addr) +
                              "; this server speaks " + std::to_string(PROTOCOL_VERSION));
    greeted_ = true;
    MMIOResponse wire{};
    wire.success = 1;
    wire.data = description_.size();
    std::string answer(reinterpret_cast<const char*>(&wire), sizeof wire);
    answer += description_;
    client_.send(answer.data(), answer.size());
}

void Server::take_text(const MMIORequest& frame) {
    if (frame.size != TEXT_RAM)
        throw malformed("TEXT of kind " + std::to_string(frame.size) +
                        " before the simulation's end");
    map_ram(receive_text(frame));
}

void Server::map_ram(const std::string& text) {
    MemoryRange range;
    std::uint64_t file_offset = 0;
    int path = 0;
    const char* format = "%" SCNx64 " %" SCNx64 " %" SCNx64 " %n";
    std::sscanf(text.c_str(), format, &range.origin, &range.size_bytes, &file_offset, &path);
    const std::string name = text.substr(std::size_t(path), text.find('\n', path) - path);
    if (path == 0 || name.empty())
        throw malformed("the TEXT about guest RAM is not ORIGIN SIZE OFFSET PATH");
    engine_.map_ram(GuestRam(name, range, file_offset));
}

std::string Server::receive_text(const MMIORequest& frame) {
    if (frame.data > kLargestText)
        throw malformed("TEXT of " + std::to_string(frame.data) + " bytes; at most " +
                        std::to_string(kLargestText) + " are taken");
    std::string text(frame.data, '\0');
    if (!text.empty() && !client_.receive(text.data(), text.size()))
        throw SimulationError("truncated frame: the client left before its text");
    return text;
}

// A client that said HELLO leaves its statistics behind, or just leaves.
std::string Server::farewell() {
    MMIORequest frame;
    if (!client_.receive(&frame, sizeof frame)) return "";
    if (frame.type != REQUEST_TEXT || frame.size != TEXT_STATISTICS)
        throw malformed("type " + std::to_string(frame.type) + " after the simulation's end");
    return receive_text(frame);
}

}  // namespace acalsim
