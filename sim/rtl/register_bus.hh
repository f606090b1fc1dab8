// SPDX-License-Identifier: Apache-2.0
// The CPU's side of the device's registers: accesses become AXI4-Lite transactions, one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "model/device.hh"
#include "rtl/channel.hh"

namespace acalsim {

class RegisterBus {
public:
    // success is false where the device answers with an error.
    using Done = std::function<void(bool success, std::uint32_t data)>;

    explicit RegisterBus(const Module& module);

    // Is on the bus from cycle `now` on, or once those before it are answered.
    void access(const Request& request, Cycle now, Done done);

    // One clock edge, in three steps: what the device is given before it, in a cycle of the
    // system's that is before `edge`; what the edge will find, whether anything passes; what
    // follows.
    void drive(Cycle edge);
    bool look();
    void step();

    bool idle() const { return accesses_.empty(); }
    void reset();
    std::string text() const;

private:
    struct Access {
        Request request;
        Cycle since;
        Done done;
        bool on_bus = false, has_address = false, has_data = false;  // the latter: passed
    };

    void look_at_responses();
    void answer(bool success, std::uint32_t data);

    Channel aw_, w_, b_, ar_, r_;
    std::deque<Access> accesses_;
    bool aw_passes_ = false, w_passes_ = false, b_passes_ = false;
    bool ar_passes_ = false, r_passes_ = false;
    std::uint64_t response_ = 0, data_ = 0;
};

}  // namespace acalsim
