// SPDX-License-Identifier: Apache-2.0
#include "sst/device_component.hh"

#include <sstream>

#include "model/library.hh"
#include "model/registry.hh"

namespace acalsim {

namespace {

// "NAME=NUMBER NAME=NUMBER..."
Parameters told_in(const std::string& text) {
    std::istringstream words(text);
    Parameters parameters;
    for (std::string word; words >> word;) {
        const std::size_t end = word.find('=');
        parameters[word.substr(0, end)] = std::stoull(word.substr(end + 1));
    }
    return parameters;
}

}  // namespace

OwnDevice::OwnDevice(SST::ComponentId_t id, SST::Params& params)
    : DeviceComponent(id, params, params.find<std::string>("library", ""),
                      told_in(params.find<std::string>("parameters", ""))) {}

// SST as the device model sees it.
class DeviceComponent::Port : public Host {
public:
    Port(DeviceComponent& component, std::string name)
        : component_(component), name_(std::move(name)) {}

    Cycle now() const override { return component_.cycle_; }
    MemoryRange ram() const override { return component_.ram_; }
    bool logging() const override { return component_.verbose_; }
    void log(const std::string& text) override { component_.say(now(), name_, text); }

    void schedule(Cycle delay, Action action) override {
        if (delay > kEndOfTime || now() + delay > kEndOfTime)
            throw SimulationError("device '" + name_ + "' plans past the end of time");
        component_.queue_.push(now() + delay, std::move(action));
    }
    void read_ram(const Block& block, std::function<void(Bytes)> done) override {
        component_.transfer(false, block, {}, std::move(done));
    }
    void write_ram(const Block& block, Bytes bytes, std::function<void()> done) override {
        const auto written = [done = std::move(done)](Bytes) { done(); };
        component_.transfer(true, block, std::move(bytes), written);
    }
    SpanLog* span_log() override {
        return component_.keeps_spans_ ? &component_.span_log_ : nullptr;
    }
    std::uint64_t base() const override { return component_.base_; }
    Peers peers() const override { return component_.peers_; }
    void send(std::uint64_t base, Cycle delay, PeerMessage message) override {
        component_.bus_->send(new PeerEvent(base, now() + delay, std::move(message)));
    }
    void interrupt(std::uint64_t source) override {
        log("Interrupt " + std::to_string(source));
        component_.interrupt(source);
    }
    void end_simulation() override {
        component_.ended_ = true;
        component_.say(now(), "", "Simulation complete");
    }

private:
    DeviceComponent& component_;
    const std::string name_;
};

DeviceComponent::DeviceComponent(SST::ComponentId_t id, const SST::Params& params,
                                 const std::string& model, const Parameters& parameters)
    : CycleComponent(id, params),
      base_(params.find<std::uint64_t>("base", 0)),
      keeps_spans_(params.find<bool>("spans", false)),
      bus_(configureLink("bus", handler<&DeviceComponent::on_bus>(this))),
      due_(configureSelfLink("due", tick_, handler<&DeviceComponent::on_due>(this))) {
    guarded([&] {
        const std::string name = params.find<std::string>("name", getName());
        if (!bus_) throw SimulationError("device '" + name + "': its port 'bus' is not connected");
        port_ = std::make_unique<Port>(*this, name);
        const Slot slot{*port_, name, parameters};
        if (slot.parameter("access_cycles") == 0)
            throw SimulationError("device '" + name + "': its parameter 'access_cycles' is 0");
        device_ = maker_of(model)(slot);
    });
    // SST takes no statistic that is not documented; the bridge gets a user's device's others.
    for (const auto& [name, value] : device_->statistics())
        if (models().count(model) || name == "busy_cycles" || name == "transactions")
            statistics_[name] = registerStatistic<std::uint64_t>(name);
}

DeviceComponent::~DeviceComponent() = default;

Parameters DeviceComponent::told(const SST::Params& params, Parameters defaults) {
    for (auto& [key, value] : defaults) value = params.find<std::uint64_t>(key, value);
    return defaults;
}

void DeviceComponent::init(unsigned phase) {
    if (phase == 0)
        bus_->sendUntimedData(new IntroductionEvent(device_->name(), base_, device_->peer_bytes()));
    while (SST::Event* event = bus_->recvUntimedData()) {
        const std::unique_ptr<SST::Event> owner(event);
        if (const auto* told = dynamic_cast<PeersEvent*>(event)) peers_ = told->peers;
        peers_.erase(base_);
    }
}

void DeviceComponent::on_bus(SST::Event* event) {
    guarded([&] {
        cycle_ = cycle_now();
        placed([&] { receive(event); });
        leave();
    });
}

// One that was planned before something earlier turned up has nothing to do any more.
void DeviceComponent::on_due(SST::Event*) {
    guarded([&] {
        cycle_ = cycle_now();
        if (wake_up_ != cycle_) return;
        wake_up_.reset();
        placed([&] { run_due(); });
        leave();
    });
}

// What a device of the user's throws says where that was.
template <class Action>
void DeviceComponent::placed(const Action& action) const {
    try {
        action();
    } catch (const SimulationError&) {
        throw;
    } catch (const std::exception& error) {
        throw SimulationError(place() + ": " + error.what());
    }
}

void DeviceComponent::receive(SST::Event* event) {
    const std::unique_ptr<SST::Event> owner(event);
    if (const auto* cpu = dynamic_cast<AccessEvent*>(event)) {
        access(*cpu);
    } else if (auto* transfer = dynamic_cast<DmaEvent*>(event)) {
        complete(*transfer);
    } else if (auto* peer = dynamic_cast<PeerEvent*>(event)) {
        queue_.push(cycle_,
                    [this, message = std::move(peer->message)] { device_->receive(message); });
    } else if (const auto* sleep = dynamic_cast<SleepEvent*>(event)) {
        fall_asleep(*sleep);
    } else if (const auto* shared = dynamic_cast<RamEvent*>(event)) {
        ram_ = {shared->origin, shared->size_bytes};
    } else if (dynamic_cast<StatisticsEvent*>(event)) {
        final_ = device_->statistics();
        bus_->send(new StatisticsEvent(*final_, span_log_));
    }
}

// The access began a cycle ago, when nothing but itself could tell. Where more is due in this
// cycle, that may come first: then all of it runs when it is due.
void DeviceComponent::access(const AccessEvent& event) {
    owed_ = event.request();
    const Cycle present = std::exchange(cycle_, event.begin);
    device_->access(*owed_, [this](bool success, std::uint64_t data, const Stages& waited) {
        respond(success, data, waited);
    });
    cycle_ = present;
    if (!wake_up_ || *wake_up_ > cycle_) run_due();
}

void DeviceComponent::respond(bool success, std::uint64_t data, const Stages& waited) {
    if (!owed_) throw std::logic_error("a device answered one access twice");
    owed_.reset();
    send_over(bus_, cycle_, kCpuTick, new ResponseEvent(success, data, ended_, waited));
}

void DeviceComponent::fall_asleep(const SleepEvent& event) {
    sleep_ = event.turn;
    before_ = device_->stages();
}

void DeviceComponent::interrupt(std::uint64_t source) {
    bus_->send(new InterruptEvent(source, device_->stages().since(before_)));
}

void DeviceComponent::transfer(bool is_write, const Block& block, Bytes data,
                               std::function<void(Bytes)> done) {
    const std::uint64_t place = queue_.reserve();
    transfers_[place] = std::move(done);
    bus_->send(new DmaEvent(place, is_write, block, std::move(data)));
}

void DeviceComponent::complete(DmaEvent& event) {
    auto transfer = transfers_.extract(event.ticket);
    queue_.push(
        cycle_, event.ticket,
        [done = std::move(transfer.mapped()), data = std::move(event.data)] { done(data); });
}

void DeviceComponent::run_due() {
    while (!queue_.empty() && queue_.next_time() <= cycle_) queue_.pop()();
}

// After whatever happened here.
void DeviceComponent::leave() {
    wake_when_due();
    refuse_silence();
    if (sleep_ && is_idle()) {
        bus_->send(new IdleEvent(*sleep_));
        sleep_.reset();
    }
}

void DeviceComponent::wake_when_due() {
    if (queue_.empty() || (wake_up_ && *wake_up_ <= queue_.next_time())) return;
    wake_up_ = queue_.next_time();
    send_at(due_, *wake_up_, kDeviceTick);
}

// Better one line than a CPU that waits for ever.
void DeviceComponent::refuse_silence() const {
    if (!owed_ || !is_idle()) return;
    throw SimulationError(deadlock(device_->name(), owed(), cycle_, device_->waits_for()));
}

// The access that is not answered yet, as the CPU asked it.
Access DeviceComponent::owed() const {
    return {owed_->is_write, base_ + owed_->offset, owed_->size_bytes, owed_->data, 0};
}

std::string DeviceComponent::place() const {
    const std::string cycle = "cycle " + std::to_string(cycle_), work = device_->waits_for();
    if (owed_) return cycle + ": " + debt(device_->name(), owed(), work);
    return work.empty() ? cycle : cycle + "; device '" + device_->name() + "' waits for " + work;
}

// Where the run is, for who asks SST while the CPU waits.
void DeviceComponent::printStatus(SST::Output&) {
    if (owed_) std::fprintf(stderr, "acalsim is at %s\n", place().c_str());
}

// SST counts on until its last thread has stopped; the machine's time ended with the CPU's.
void DeviceComponent::finish() {
    for (const auto& [name, value] : final_ ? *final_ : device_->statistics())
        if (statistics_.count(name)) statistics_.at(name)->addData(value);
}

}  // namespace acalsim
