// SPDX-License-Identifier: Apache-2.0
#include "rtl/register_bus.hh"

#include <utility>

namespace acalsim {

RegisterBus::RegisterBus(const Module& module)
    : aw_(module, "s_axil_aw", {"addr"}),
      w_(module, "s_axil_w", {"data", "strb"}),
      b_(module, "s_axil_b", {"resp"}),
      ar_(module, "s_axil_ar", {"addr"}),
      r_(module, "s_axil_r", {"resp", "data"}) {}

void RegisterBus::access(const Request& request, Cycle now, Done done) {
    accesses_.push_back({request, now, std::move(done)});
}

void RegisterBus::drive(Cycle edge) {
    bool writes = false, reads = false, has_address = true, has_data = true;
    if (!accesses_.empty() && accesses_.front().since < edge) {
        Access& access = accesses_.front();
        access.on_bus = true;
        writes = access.request.is_write;
        reads = !writes;
        has_address = access.has_address;
        has_data = access.has_data;
        (writes ? aw_ : ar_).set(0, access.request.offset);
        if (writes) w_.set(0, access.request.data);
    }
    w_.set(1, 0xF);
    aw_.valid.set(writes && !has_address);
    w_.valid.set(writes && !has_data);
    ar_.valid.set(reads && !has_address);
    b_.ready.set(1);
    r_.ready.set(1);
}

bool RegisterBus::look() {
    look_at_responses();
    aw_passes_ = aw_.passes();
    w_passes_ = w_.passes();
    ar_passes_ = ar_.passes();
    b_passes_ = b_.passes();
    r_passes_ = r_.passes();
    response_ = b_passes_ ? b_.get(0) : r_.get(0);
    data_ = r_.get(1);
    return aw_passes_ || w_passes_ || ar_passes_ || b_passes_ || r_passes_;
}

void RegisterBus::look_at_responses() {
    const Access* access = accesses_.empty() ? nullptr : &accesses_.front();
    const bool asked = access && access->has_address;
    const bool wrote = asked && access->request.is_write && access->has_data;
    if (b_.valid.get() && !wrote)
        throw Broken("s_axil_bvalid is 1, but no write has passed on s_axil_aw and s_axil_w");
    if (r_.valid.get() && !(asked && !access->request.is_write))
        throw Broken("s_axil_rvalid is 1, but no read has passed on s_axil_ar");
    b_.watch();
    r_.watch();
}

void RegisterBus::step() {
    if (accesses_.empty()) return;
    Access& access = accesses_.front();
    access.has_address |= aw_passes_ || ar_passes_;
    access.has_data |= w_passes_;
    if (b_passes_ || r_passes_) answer(response_ == 0, std::uint32_t(data_));
}

void RegisterBus::answer(bool success, std::uint32_t data) {
    const Access access = std::move(accesses_.front());
    accesses_.pop_front();
    access.done(success, access.request.is_write ? 0 : data);
}

void RegisterBus::reset() {
    for (Channel* channel : {&aw_, &w_, &ar_}) channel->valid.set(0);
    for (Channel* channel : {&b_, &r_}) {
        channel->ready.set(0);
        channel->forget();
    }
    while (!accesses_.empty()) answer(false, 0);
}

std::string RegisterBus::text() const {
    std::string text = "s_axil";
    for (const Channel* channel : {&aw_, &w_, &b_, &ar_, &r_}) text += ' ' + channel->text();
    return text;
}

}  // namespace acalsim
