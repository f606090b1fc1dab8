// SPDX-License-Identifier: Apache-2.0
#include "model/device.hh"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <iterator>
#include <memory>
#include <stdexcept>

#include "model/span_log.hh"
#include "model/unit.hh"

// A device of the user's has more registers than all devices have, and a copy of this file.
#ifdef ACALSIM_OWN
#include "declared.h"
#else
#define ACALSIM_OWN_REGISTERS(ROW)
#endif

namespace acalsim {

namespace {

const DeclaredRegister kRegisters[] = {
#define ROW(name, offset, readable, writable) {#name, offset, readable != 0, writable != 0},
    ACALSIM_REGISTERS(ROW) ACALSIM_OWN_REGISTERS(ROW)
#undef ROW
};

const char* verb(const Request& request) { return request.is_write ? "WRITE" : "READ"; }

std::string status_name(std::uint32_t status) {
    std::string text;
    if (status & STATUS_BUSY) text += "|BUSY";
    if (status & STATUS_DATA_READY) text += "|DATA_READY";
    if (status & STATUS_ERROR) text += "|ERROR";
    return text.empty() ? "IDLE" : text.substr(1);
}

std::uint64_t without_interrupt(std::uint64_t control) {
    return control & ~std::uint64_t(CONTROL_INTERRUPT);
}

}  // namespace

std::uint64_t Slot::parameter(const std::string& key) const {
    const auto found = parameters.find(key);
    if (found != parameters.end()) return found->second;
    throw std::invalid_argument("device '" + name + "' lacks its parameter '" + key + "'");
}

Device::Device(const Slot& slot, const std::vector<DeclaredRegister>& more)
    : host_(slot.host),
      name_(slot.name),
      access_cycles_(slot.parameter("access_cycles")),
      interrupt_(slot.parameters.count("interrupt") ? slot.parameter("interrupt") : 0),
      declared_(std::begin(kRegisters), std::end(kRegisters)) {
    declared_.insert(declared_.end(), more.begin(), more.end());
    std::uint32_t last = 0;
    for (const DeclaredRegister& row : declared_) last = std::max(last, row.offset);
    registers_.resize(last / sizeof(std::uint32_t) + 1);
}

const DeclaredRegister* Device::declared(const Request& request) const {
    for (const DeclaredRegister& row : declared_) {
        if (row.offset == request.offset) return &row;
    }
    return nullptr;
}

// Declared, whole, and in the register's direction.
bool Device::allowed(const Request& request) const {
    const DeclaredRegister* row = declared(request);
    if (!row || request.size_bytes != sizeof(std::uint32_t)) return false;
    return request.is_write ? row->writable : row->readable;
}

const char* Device::register_name(const Request& request) const {
    const DeclaredRegister* row = declared(request);
    return row ? row->name.c_str() : "?";
}

void Device::access(const Request& request, Respond respond) {
    ++transactions_;
    Access access{request, std::move(respond), {}};
    if (!allowed(request) || lacks_line(request)) return refuse(access);
    if (request.is_write) {
        log("WRITE to REG_%s = 0x%08" PRIX32, register_name(request), std::uint32_t(request.data));
    }
    host_.schedule(access_cycles_, [this, access = std::move(access)] { attempt(access); });
}

void Device::refuse(const Access& access) {
    const Request& request = access.request;
    log("%s refused: %" PRIu64 " bytes at offset 0x%" PRIx64 " (register %s)", verb(request),
        request.size_bytes, request.offset, register_name(request));
    host_.schedule(access_cycles_, [respond = access.respond] { respond(false, 0, {}); });
}

void Device::attempt(Access access) {
    if (!must_wait(access.request)) return answer(access, {});
    log("%s of REG_%s waits: BUSY", verb(access.request), register_name(access.request));
    access.before = stages();
    stalled_.push_back(std::move(access));
}

bool Device::must_wait(const Request& request) const {
    if (!busy()) return false;
    if (!request.is_write) return request.offset == REG_DATA_OUT || request.offset == REG_RESULT;
    const bool starts =
        request.offset == REG_CONTROL && without_interrupt(request.data) == CONTROL_START;
    return request.offset == REG_DATA_IN || starts;
}

bool Device::lacks_line(const Request& request) const {
    const bool asks = request.is_write && request.offset == REG_CONTROL;
    return asks && interrupt_ == 0 && (request.data & CONTROL_INTERRUPT);
}

void Device::answer(const Access& access, const Stages& waited) {
    const auto offset = std::uint32_t(access.request.offset);
    const auto value = std::uint32_t(access.request.data);
    if (!access.request.is_write) {
        const std::uint32_t found = read(offset);
        log("READ from REG_%s = 0x%08" PRIX32, register_name(access.request), found);
        return access.respond(true, found, waited);
    }
    offset == REG_CONTROL ? control(value) : write(offset, value);
    access.respond(true, 0, waited);
}

void Device::control(std::uint32_t value) {
    const std::uint32_t operation = without_interrupt(value);
    if (operation == CONTROL_RESET) return reset();
    interrupts_ = value & CONTROL_INTERRUPT;
    write(REG_CONTROL, operation);
    if (interrupts_) at(REG_CONTROL) |= CONTROL_INTERRUPT;
}

void Device::reset() {
    ++life_;
    interrupts_ = false;
    become(0);
    registers_.assign(registers_.size(), 0);
    cleared();
}

void Device::become(std::uint32_t status) {
    const bool was_busy = busy();
    const bool changed = at(REG_STATUS) != status;
    at(REG_STATUS) = status;
    if (changed) log("Status -> %s", status_name(status).c_str());
    if (!was_busy && busy()) busy_since_ = host_.now();
    if (was_busy && !busy()) {
        busy_cycles_ += host_.now() - busy_since_;
        keep_work();
        if (interrupts_) interrupt();
        // An event of its own: the model may still be in the middle of what it does when done.
        if (!stalled_.empty()) host_.schedule(0, [this] { release_stalled(); });
    }
}

void Device::interrupt() const {
    if (interrupt_) host_.interrupt(interrupt_);
}

void Device::release_stalled() {
    while (!stalled_.empty() && !must_wait(stalled_.front().request)) {
        const Access access = std::move(stalled_.front());
        stalled_.pop_front();
        answer(access, stages().since(access.before));
    }
}

bool Device::busy() const { return registers_[REG_STATUS / sizeof(std::uint32_t)] & STATUS_BUSY; }

Statistics Device::statistics() const {
    const Cycle present_work = busy() ? host_.now() - busy_since_ : 0;
    Statistics statistics = {{"busy_cycles", busy_cycles_ + present_work},
                             {"transactions", transactions_}};
    count(statistics);
    return statistics;
}

Stages Device::stages() const {
    Stages stages;
#ifdef ACALSIM_OWN
    stages.at(0, Stage::compute) = busy_cycles_ + (busy() ? host_.now() - busy_since_ : 0);
#endif
    return stages;
}

void Device::after(Cycle delay, std::function<void()> action) {
    host_.schedule(delay, [this, life = life_, action = std::move(action)] {
        if (life == life_) action();
    });
}

void Device::read_each(const std::vector<Block>& blocks, std::function<void(Bytes)> done) {
    if (blocks.size() == 1) return read_ram(blocks.front(), std::move(done));
    const auto parts = std::make_shared<std::vector<Bytes>>(blocks.size());
    const auto left = std::make_shared<std::size_t>(blocks.size());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        read_ram(blocks[i], [parts, left, i, done](Bytes bytes) {
            (*parts)[i] = std::move(bytes);
            if (--*left) return;
            Bytes all;
            for (const Bytes& part : *parts) all.insert(all.end(), part.begin(), part.end());
            done(std::move(all));
        });
    }
}

void Device::read_ram(const Block& block, std::function<void(Bytes)> done) {
    const Cycle begin = host_.now();
    host_.read_ram(block, [this, block, begin, life = life_, done](Bytes data) {
        log("DMA READ of %zu bytes at 0x%08" PRIx64, data.size(), block.address);
        keep_span(block, kReads, begin);
        if (life == life_) done(std::move(data));
    });
}

void Device::write_ram(const Block& block, Bytes bytes, std::function<void()> done) {
    const Cycle begin = host_.now();
    const auto written = [this, block, begin, size = bytes.size(), life = life_, done] {
        log("DMA WRITE of %zu bytes at 0x%08" PRIx64, size, block.address);
        keep_span(block, kWrites, begin);
        if (life == life_) done();
    };
    host_.write_ram(block, std::move(bytes), written);
}

// A transfer of DMA that is complete.
void Device::keep_span(const Block& block, std::uint16_t code, Cycle begin) const {
    SpanLog* const log = host_.span_log();
    if (!log) return;
    Span span{};
    span.begin = begin;
    span.end = host_.now();
    span.bytes = block.bytes();
    span.address = block.address;
    span.track = kTransferTrack;
    span.code = code;
    log->add(span);
}

// Work that is done, of a device of the user's: of others the commands say more.
void Device::keep_work() {
#ifdef ACALSIM_OWN
    SpanLog* const log = host_.span_log();
    if (!log || busy_since_ == host_.now()) return;
    Span span{};
    span.begin = busy_since_;
    span.end = host_.now();
    span.track = kUnitTrack + static_cast<std::uint8_t>(Unit::compute);
    span.code = kWork;
    span.index = ++works_;
    log->add(span);
#endif
}

void Device::log(const char* format, ...) const {
    if (!host_.logging()) return;
    char text[256];
    std::va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    host_.log(text);
}

}  // namespace acalsim
