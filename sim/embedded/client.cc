// SPDX-License-Identifier: Apache-2.0
#include "embedded/client.hh"

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
    if (ended) wire.reserved[6] |= RESPONSE_ENDED;
    if (response.interrupted) wire.reserved[6] |= RESPONSE_INTERRUPT;
    wire.data = response.data;
    return wire;
}

GuestRam map_ram(const std::string& text) {
    MemoryRange range;
    std::uint64_t file_offset = 0;
    int path = 0;
    const char* format = "%" SCNx64 " %" SCNx64 " %" SCNx64 " %n";
    std::sscanf(text.c_str(), format, &range.origin, &range.size_bytes, &file_offset, &path);
    const std::string name = text.substr(std::size_t(path), text.find('\n', path) - path);
    if (path == 0 || name.empty())
        throw malformed("the TEXT about guest RAM is not ORIGIN SIZE OFFSET PATH");
    return GuestRam(name, range, file_offset);
}

}  // namespace

std::optional<Access> Client::next_access() {
    MMIORequest frame;
    account_ = 0;
    while (connection_.receive(&frame, sizeof frame)) {
        switch (frame.type) {
            case REQUEST_READ:
            case REQUEST_WRITE:
                return taken(access_of(frame));
            case REQUEST_WAIT:
                return taken({false, 0, 0, 0, std::exchange(advance_cycles_, 0),
                              std::exchange(moved_bytes_, 0), true});
            case REQUEST_ADVANCE:
                advance(frame);
                break;
            case REQUEST_HELLO:
                greet(frame);
                break;
            case REQUEST_TEXT:
                take_text(frame);
                break;
            default:
                throw malformed("type " + std::to_string(frame.type) + " is unknown");
        }
    }
    return {};
}

Access Client::access_of(const MMIORequest& frame) {
    if (!valid_size(frame.size))
        throw malformed("size " + std::to_string(frame.size) + " is not 1, 2, 4 or 8");
    return {frame.type == REQUEST_WRITE,
            frame.addr,
            frame.size,
            frame.data,
            std::exchange(advance_cycles_, 0),
            std::exchange(moved_bytes_, 0)};
}

Access Client::taken(const Access& access) {
    now_ += access.advance_cycles;
    access_ = access;
    return access;
}

void Client::respond(const Response& response, bool ended) {
    stalls_.book(account_, response);
    if (span_log_) span_log_->add(span_of(access_, response, now_, account_));
    now_ += response.stall_cycles;
    const MMIOResponse wire = make_response(response, ended);
    connection_.send(&wire, sizeof wire);
}

// Time moves when the access that follows arrives; only then is the CPU known to wait.
void Client::advance(const MMIORequest& frame) {
    if (frame.data > kLongestAdvance - advance_cycles_)
        throw malformed("ADVANCE past the end of time");
    advance_cycles_ += frame.data;
    account_ = frame.addr & 0xFFFFFFFF;
    moved_bytes_ += frame.addr >> 32;
}

void Client::greet(const MMIORequest& frame) {
    if (frame.addr != PROTOCOL_VERSION)
        throw SimulationError("the client speaks protocol version " + std::to_string(frame.addr) +
                              "; this server speaks " + std::to_string(PROTOCOL_VERSION));
    greeted_ = true;
    MMIOResponse wire{};
    wire.success = 1;
    wire.data = description_.size();
    std::string answer(reinterpret_cast<const char*>(&wire), sizeof wire);
    answer += description_;
    connection_.send(answer.data(), answer.size());
}

void Client::take_text(const MMIORequest& frame) {
    if (frame.size != TEXT_RAM)
        throw malformed("TEXT of kind " + std::to_string(frame.size) +
                        " before the simulation's end");
    on_ram_(map_ram(receive_text(frame)));
}

std::string Client::receive_text(const MMIORequest& frame) {
    if (frame.data > kLargestText)
        throw malformed("TEXT of " + std::to_string(frame.data) + " bytes; at most " +
                        std::to_string(kLargestText) + " are taken");
    std::string text(frame.data, '\0');
    if (!text.empty() && !connection_.receive(text.data(), text.size()))
        throw SimulationError("truncated frame: the client left before its text");
    return text;
}

std::string Client::farewell() {
    MMIORequest frame;
    if (!greeted_ || !connection_.receive(&frame, sizeof frame)) return "";
    if (frame.type != REQUEST_TEXT || frame.size != TEXT_STATISTICS)
        throw malformed("type " + std::to_string(frame.type) + " after the simulation's end");
    return receive_text(frame);
}

SimulationError left_early(Cycle now, std::uint64_t transactions) {
    return SimulationError("the client left before the simulation ended, at cycle " +
                           std::to_string(now) + " after " + std::to_string(transactions) +
                           " transactions");
}

}  // namespace acalsim
