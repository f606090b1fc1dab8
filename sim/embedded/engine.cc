// SPDX-License-Identifier: Apache-2.0
#include "embedded/engine.hh"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>

#include "model/registry.hh"

namespace acalsim {

namespace {

constexpr std::uint64_t kEventsBetweenChecks = 1 << 16;

std::string hex(std::uint64_t value) {
    char text[32];
    std::snprintf(text, sizeof text, "0x%08llx", static_cast<unsigned long long>(value));
    return text;
}

}  // namespace

// The engine as one device sees it.
class Engine::Port : public Host {
public:
    Port(Engine& engine, std::string name) : engine_(engine), name_(std::move(name)) {}

    Cycle now() const override { return engine_.now_; }
    MemoryRange ram() const override { return engine_.ram_.range(); }
    bool logging() const override { return static_cast<bool>(engine_.log); }

    void schedule(Cycle delay, Action action) override {
        if (delay > std::numeric_limits<Cycle>::max() - now())
            throw SimulationError("device '" + name_ + "' plans past the end of time");
        engine_.queue_.push(now() + delay, std::move(action));
    }

    void read_ram(std::uint64_t address, std::uint64_t bytes,
                  std::function<void(Bytes)> done) override {
        const std::uint8_t* source = engine_.ram_.at(address, bytes);
        engine_.queue_.push(engine_.channel_.book(now(), bytes),
                            [source, bytes, done] { done(Bytes(source, source + bytes)); });
    }

    void write_ram(std::uint64_t address, Bytes bytes, std::function<void()> done) override {
        std::uint8_t* target = engine_.ram_.at(address, bytes.size());
        const Cycle arrival = engine_.channel_.book(now(), bytes.size());
        engine_.queue_.push(arrival, [target, bytes = std::move(bytes), done] {
            std::memcpy(target, bytes.data(), bytes.size());
            done();
        });
    }

    void log(const std::string& text) override {
        if (engine_.log) engine_.log(now(), name_, text);
    }

    void end_simulation() override {
        engine_.ended_ = true;
        if (engine_.log) engine_.log(now(), "", "Simulation complete");
    }

private:
    Engine& engine_;
    const std::string name_;
};

Engine::Engine(Cycle ram_latency_cycles, std::uint64_t ram_bytes_per_cycle)
    : channel_(ram_latency_cycles, ram_bytes_per_cycle) {
    if (ram_bytes_per_cycle == 0) throw std::invalid_argument("RAM moves 0 bytes a cycle");
}

Engine::~Engine() = default;

void Engine::add_device(const Maker& make, const std::string& name, std::uint64_t base,
                        const Parameters& parameters) {
    for (const Plugged& other : devices_) {
        if (std::max(base, other.base) - std::min(base, other.base) < DEVICE_WINDOW_BYTES)
            throw std::invalid_argument("device '" + name + "' at " + hex(base) + " overlaps '" +
                                        other.device->name() + "' at " + hex(other.base));
    }
    auto port = std::make_unique<Port>(*this, name);
    auto device = make(Slot{*port, name, parameters});
    devices_.push_back({base, std::move(port), std::move(device)});
}

void Engine::add_device(const std::string& model, const std::string& name, std::uint64_t base,
                        const Parameters& parameters) {
    const auto found = models().find(model);
    if (found == models().end())
        throw std::invalid_argument("device '" + name + "': there is no model '" + model + "'");
    add_device([make = found->second](const Slot& slot) { return make(slot); }, name, base,
               parameters);
}

Response Engine::access(const Access& access) {
    if (access.advance_cycles > std::numeric_limits<Cycle>::max() / 2 - now_)
        throw SimulationError("the client advanced past the end of time");
    const Cycle begin = now_ + access.advance_cycles;
    run_until(begin);
    ++transactions_;
    answered_ = false;
    route(access);
    while (!answered_) {
        if (queue_.empty()) deadlock(access);
        run_next();
    }
    // A device that answers at once would let a client poll without time ever passing.
    run_until(std::max(now_, begin + 1));
    response_.stall_cycles = now_ - begin;
    return response_;
}

void Engine::route(const Access& access) {
    std::uint64_t base = 0;
    Device* device = device_at(access.address, base);
    if (!device) {
        if (log) log(now_, "", describe(access) + " refused: no device there");
        return respond(transactions_, false, 0);
    }
    const Request request{access.is_write, access.address - base, access.size_bytes, access.data};
    device->access(request, [this, transaction = transactions_](bool success, std::uint64_t data) {
        respond(transaction, success, data);
    });
}

void Engine::respond(std::uint64_t transaction, bool success, std::uint64_t data) {
    if (answered_ || transaction != transactions_)
        throw std::logic_error("a device answered one access twice");
    answered_ = true;
    response_ = {success, data, 0};
}

Device* Engine::device_at(std::uint64_t address, std::uint64_t& base) const {
    for (const Plugged& plugged : devices_) {
        base = plugged.base;
        if (address - base < DEVICE_WINDOW_BYTES) return plugged.device.get();
    }
    return nullptr;
}

void Engine::run_until(Cycle time) {
    while (!queue_.empty() && queue_.next_time() <= time) run_next();
    now_ = time;
}

void Engine::run_next() {
    now_ = queue_.next_time();
    queue_.pop()();
    if (++events_ % kEventsBetweenChecks == 0 && on_long_wait) on_long_wait();
}

void Engine::deadlock(const Access& access) const {
    std::uint64_t base = 0;
    throw SimulationError("device '" + device_at(access.address, base)->name() +
                          "' never answers the " + describe(access) +
                          ": nothing is left to happen after cycle " + std::to_string(now_));
}

std::vector<std::pair<std::string, Statistics>> Engine::device_statistics() const {
    std::vector<std::pair<std::string, Statistics>> all;
    for (const Plugged& plugged : devices_)
        all.emplace_back(plugged.device->name(), plugged.device->statistics());
    return all;
}

}  // namespace acalsim
