// SPDX-License-Identifier: Apache-2.0
#include "rtl/channel.hh"

#include <cstdio>

namespace acalsim {

namespace {

std::string hex(const std::uint8_t* bytes, std::size_t count) {
    std::string text = "0x";
    char digits[3];
    while (count > 1 && bytes[count - 1] == 0) --count;
    while (count-- > 0) {
        std::snprintf(digits, sizeof digits, "%02x", bytes[count]);
        text += digits;
    }
    return text;
}

}  // namespace

Channel::Channel(const Module& module, const std::string& prefix,
                 const std::vector<std::string>& payload)
    : valid(module.wire(prefix + "valid")), ready(module.wire(prefix + "ready")), prefix_(prefix) {
    for (const std::string& name : payload)
        payload_.push_back({name, module.wire(prefix + name), {}});
}

void Channel::watch() {
    const bool is_valid = valid.get();
    if (waits_ && !is_valid) throw Broken(prefix_ + "valid falls before " + prefix_ + "ready came");
    for (Part& part : payload_) {
        const std::uint8_t* now = part.wire.data();
        const std::size_t count = part.wire.bytes();
        if (!count) continue;
        if (waits_ && std::memcmp(now, part.held.data(), count) != 0)
            throw Broken(prefix_ + part.name + " changes from " + hex(part.held.data(), count) +
                         " to " + hex(now, count) + " while " + prefix_ + "valid waits for " +
                         prefix_ + "ready");
        if (is_valid) part.held.assign(now, now + count);
    }
    waits_ = is_valid && !ready.get();
}

std::string Channel::text() const {
    const std::string name = prefix_.substr(prefix_.rfind('_') + 1);
    return name + ' ' + std::to_string(valid.get()) + '/' + std::to_string(ready.get());
}

}  // namespace acalsim
