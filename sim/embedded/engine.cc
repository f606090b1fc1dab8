// SPDX-License-Identifier: Apache-2.0
#include "embedded/engine.hh"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "model/library.hh"

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
    Port(Engine& engine, std::string name, std::uint64_t base)
        : engine_(engine), name_(std::move(name)), base_(base) {}

    Cycle now() const override { return engine_.now_; }
    MemoryRange ram() const override { return engine_.ram_.range(); }
    bool has_values() const override { return engine_.ram_.has_values(); }
    std::vector<std::int64_t> deciding(std::vector<std::int64_t> found) override {
        if (has_values()) {
            engine_.decisions_.add(base_, found);
            return found;
        }
        const auto known = engine_.decisions_.next(base_, found.size());
        engine_.guessed_ |= !known;
        return known.value_or(found);
    }
    bool logging() const override { return static_cast<bool>(engine_.log); }

    void schedule(Cycle delay, Action action) override {
        if (delay > std::numeric_limits<Cycle>::max() - now())
            throw SimulationError("device '" + name_ + "' plans past the end of time");
        engine_.queue_.push(now() + delay, std::move(action));
    }

    void read_ram(const Block& block, std::function<void(Bytes)> done) override {
        engine_.ask({base_, 0, block, false, {}, std::move(done)});
    }

    void write_ram(const Block& block, Bytes bytes, std::function<void()> done) override {
        const auto written = [done = std::move(done)](Bytes) { done(); };
        engine_.ask({base_, 0, block, true, std::move(bytes), written});
    }

    void log(const std::string& text) override {
        if (engine_.log) engine_.log(now(), name_, text);
    }

    SpanLog* span_log() override { return engine_.keeps_spans_ ? &span_log_ : nullptr; }
    const SpanLog& spans() const { return span_log_; }
    std::uint64_t base() const override { return base_; }

    Peers peers() const override {
        Peers found;
        for (const Plugged& plugged : engine_.devices_) {
            const std::uint64_t bytes = plugged.device->peer_bytes();
            if (bytes && plugged.base != base_) found[plugged.base] = bytes;
        }
        return found;
    }

    void send(std::uint64_t base, Cycle delay, PeerMessage message) override {
        std::uint64_t found = 0;
        Device* peer = engine_.device_at(base, found);
        schedule(delay, [peer, message = std::move(message)] { peer->receive(message); });
    }

    void interrupt(std::uint64_t source) override {
        log("Interrupt " + std::to_string(source));
        engine_.interrupts_.raise(source, now(), base_);
    }

    void end_simulation() override {
        engine_.ended_ = true;
        if (engine_.log) engine_.log(now(), "", "Simulation complete");
    }

private:
    Engine& engine_;
    const std::string name_;
    const std::uint64_t base_;
    SpanLog span_log_;
};

Engine::Engine(const DramTiming& ram) : dram_(ram) {}

Engine::~Engine() = default;

void Engine::add_device(const Maker& make, const std::string& name, std::uint64_t base,
                        const Parameters& parameters) {
    for (const Plugged& other : devices_) {
        if (std::max(base, other.base) - std::min(base, other.base) < DEVICE_WINDOW_BYTES)
            throw std::invalid_argument("device '" + name + "' at " + hex(base) + " overlaps '" +
                                        other.device->name() + "' at " + hex(other.base));
    }
    auto port = std::make_unique<Port>(*this, name, base);
    auto device = make(Slot{*port, name, parameters});
    devices_.push_back({base, std::move(port), std::move(device)});
}

void Engine::add_device(const std::string& model, const std::string& name, std::uint64_t base,
                        const Parameters& parameters) {
    const auto make = [&] {
        try {
            return maker_of(model);
        } catch (const std::invalid_argument& error) {
            throw std::invalid_argument("device '" + name + "': " + error.what());
        }
    };
    add_device(make(), name, base, parameters);
}

// Moves the clock to where the CPU is, whose own traffic came first.
Cycle Engine::begin(const Access& access) {
    if (access.advance_cycles > std::numeric_limits<Cycle>::max() / 2 - now_)
        throw SimulationError("the client advanced past the end of time");
    dram_.occupy(now_, access.moved_bytes);
    run_until(now_ + access.advance_cycles);
    return now_;
}

Response Engine::access(const Access& access) {
    if (access.sleeps) return sleep(access);
    const Cycle begin = this->begin(access);
    ++transactions_;
    answered_ = false;
    present_ = access;
    route(access);
    while (!answered_) {
        if (!next_until(std::numeric_limits<Cycle>::max())) deadlock(access);
        run_next();
    }
    // A device that answers at once would let a client poll without time ever passing.
    run_until(std::max(now_, begin + 1));
    present_.reset();
    response_.stall_cycles = now_ - begin;
    response_.interrupted = interrupts_.any();
    return response_;
}

Response Engine::sleep(const Access& access) {
    const Cycle begin = this->begin(access);
    const std::map<std::uint64_t, Stages> before = stages();
    while (!interrupts_.any()) {
        if (!next_until(std::numeric_limits<Cycle>::max())) throw interrupts_.sleepless(now_);
        run_next();
    }
    run_until(now_);  // others may interrupt in the same cycle
    const std::uint64_t waker = interrupts_.waker();
    const Stages waited = stages().at(waker).since(before.at(waker));
    response_ = {true, interrupts_.tell(), now_ - begin, false, waited};
    return response_;
}

void Engine::route(const Access& access) {
    std::uint64_t base = 0;
    Device* device = device_at(access.address, base);
    if (!device) {
        if (log) log(now_, "", describe(access) + " refused: no device there");
        return respond(transactions_, false, 0, {});
    }
    const Request request{access.is_write, access.address - base, access.size_bytes, access.data};
    device->access(request, [this, transaction = transactions_](bool success, std::uint64_t data,
                                                                const Stages& waited) {
        respond(transaction, success, data, waited);
    });
}

void Engine::respond(std::uint64_t transaction, bool success, std::uint64_t data,
                     const Stages& waited) {
    if (answered_ || transaction != transactions_)
        throw std::logic_error("a device answered one access twice");
    answered_ = true;
    response_ = {success, data, 0, false, waited};
}

Device* Engine::device_at(std::uint64_t address, std::uint64_t& base) const {
    for (const Plugged& plugged : devices_) {
        base = plugged.base;
        if (address - base < DEVICE_WINDOW_BYTES) return plugged.device.get();
    }
    return nullptr;
}

// Checked at once, so that whoever asks for what is not there is told.
void Engine::ask(Transfer transfer) {
    std::uint64_t base = 0;
    ram_.refuse_outside(device_at(transfer.base, base)->name(), transfer.block);
    transfer.place = queue_.reserve();
    asked_.push_back(std::move(transfer));
}

// In the order of the devices' addresses, whichever of them asked first in this cycle.
void Engine::book_transfers() {
    const auto by_base = [](const Transfer& a, const Transfer& b) { return a.base < b.base; };
    std::stable_sort(asked_.begin(), asked_.end(), by_base);
    for (Transfer& asked : asked_) {
        const auto transfer = std::make_shared<Transfer>(std::move(asked));
        arrivals_.push(dram_.book(now_, transfer->block), [this, transfer] { complete(transfer); });
    }
    asked_.clear();
}

void Engine::complete(const std::shared_ptr<Transfer>& transfer) {
    if (transfer->is_write) {
        ram_.write(transfer->block, transfer->data);
        transfer->data.clear();
    } else {
        transfer->data = ram_.read(transfer->block);
    }
    queue_.push(now_, transfer->place, [transfer] { transfer->done(std::move(transfer->data)); });
}

std::optional<Cycle> Engine::next_time() const {
    if (queue_.empty() && arrivals_.empty()) return {};
    if (queue_.empty()) return arrivals_.next_time();
    if (arrivals_.empty()) return queue_.next_time();
    return std::min(queue_.next_time(), arrivals_.next_time());
}

// The cycle of what happens next, if that is not after `time`. Transfers are booked when the cycle
// in which they were asked for is over.
std::optional<Cycle> Engine::next_until(Cycle time) {
    std::optional<Cycle> next = next_time();
    if (!asked_.empty() && time > now_ && (!next || *next > now_)) {
        book_transfers();
        next = next_time();
    }
    return next && *next <= time ? next : std::nullopt;
}

void Engine::run_until(Cycle time) {
    while (next_until(time)) run_next();
    now_ = time;
}

void Engine::run_next() {
    now_ = *next_time();
    const bool arrives = !arrivals_.empty() && arrivals_.next_time() == now_;
    (arrives ? arrivals_ : queue_).pop()();
    if (++events_ % kEventsBetweenChecks == 0 && on_long_wait) on_long_wait();
}

void Engine::deadlock(const Access& access) const {
    std::uint64_t base = 0;
    const Device* device = device_at(access.address, base);
    throw SimulationError(acalsim::deadlock(device->name(), access, now_, device->waits_for()));
}

std::string Engine::place() const {
    const std::string cycle = "cycle " + std::to_string(now_);
    const std::optional<Access> access = present_;
    std::uint64_t base = 0;
    const Device* device = access ? device_at(access->address, base) : nullptr;
    if (device) return cycle + ": " + debt(device->name(), *access, device->waits_for());
    std::string text = cycle;
    for (const Plugged& plugged : devices_) {
        const std::string work = plugged.device->waits_for();
        if (!work.empty()) text += "; device '" + plugged.device->name() + "' waits for " + work;
    }
    return text;
}

std::map<std::uint64_t, Stages> Engine::stages() const {
    std::map<std::uint64_t, Stages> all;
    for (const Plugged& plugged : devices_) all[plugged.base] = plugged.device->stages();
    return all;
}

std::vector<std::size_t> Engine::order_of_list(std::uint64_t base, const Bytes& list,
                                               const DramTiming& ram, std::size_t window) const {
    for (const Plugged& plugged : devices_) {
        if (plugged.base == base) return plugged.device->order_of_list(list, ram, window);
    }
    return {};
}

std::vector<LoggedBy> Engine::span_logs(const SpanLog* accesses) const {
    std::vector<LoggedBy> all;
    for (const Plugged& plugged : devices_)
        all.push_back({plugged.device->name(), plugged.base, &plugged.port->spans()});
    std::sort(all.begin(), all.end(),
              [](const LoggedBy& a, const LoggedBy& b) { return a.base < b.base; });
    if (accesses) all.insert(all.begin(), {"", 0, accesses});
    return all;
}

std::vector<std::pair<std::string, Statistics>> Engine::device_statistics() const {
    std::vector<std::pair<std::string, Statistics>> all;
    for (const Plugged& plugged : devices_)
        all.emplace_back(plugged.device->name(), plugged.device->statistics());
    return all;
}

}  // namespace acalsim
