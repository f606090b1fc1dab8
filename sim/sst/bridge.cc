// SPDX-License-Identifier: Apache-2.0
#include "sst/bridge.hh"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace acalsim {

namespace {

std::string reason() { return std::strerror(errno); }

// Listens at `path`, for this user only.
int listen_at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        throw SimulationError("QEMUBinary needs a socket's path of 1 to 107 bytes; it has '" +
                              path + "'");
    path.copy(address.sun_path, path.size());
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const mode_t mask = ::umask(0177);
    const int bound = ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::umask(mask);
    if (bound != 0 || ::listen(listener, 1) != 0)
        throw SimulationError("cannot listen on '" + path + "': " + reason());
    return listener;
}

// The machine file's [ram]; what is not said has its default.
DramTiming ram_timing(const SST::Params& params) {
    DramTiming ram;
#define ROW(name, otherwise, text) ram.name = params.find<std::uint64_t>("ram_" #name, otherwise);
    ACALSIM_RAM_TIMING(ROW)
#undef ROW
    return ram;
}

std::atomic<int> bridges = 0;  // in this process

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::trunc | std::ios::binary);
    if (!(file << text << std::flush))
        throw SimulationError("cannot write '" + path + "': " + reason());
}

std::string json(const Statistics& statistics) {
    std::string text;
    for (const auto& [name, value] : statistics)
        text += (text.empty() ? "" : ", ") + ('"' + name + "\": ") + std::to_string(value);
    return "{" + text + "}";
}

}  // namespace

QEMUBinary::QEMUBinary(SST::ComponentId_t id, SST::Params& params)
    : CycleComponent(id, params),
      socket_(params.find<std::string>("socket", "")),
      results_(params.find<std::string>("stats", "")),
      spans_path_(params.find<std::string>("spans", "")),
      client_(params.find<std::string>("description", ""),
              [this](GuestRam ram) { share_ram(std::move(ram)); }),
      dram_(made([&] { return Dram(ram_timing(params)); })),
      line_bytes_(params.find<std::uint64_t>("line_bytes", 64)),
      memory_(loadUserSubComponent<Memory>(
          "memory", SST::ComponentInfo::SHARE_NONE, tick_,
          new Memory::Handler<QEMUBinary, &QEMUBinary::on_memory>(this))),
      cycles_(registerStatistic<std::uint64_t>("cycles")),
      stall_cycles_(registerStatistic<std::uint64_t>("stall_cycles")),
      accesses_(registerStatistic<std::uint64_t>("transactions")),
      dma_bytes_(registerStatistic<std::uint64_t>("dma_bytes")),
      start_link_(configureSelfLink("start", tick_, handler<&QEMUBinary::on_start>(this))),
      answer_link_(configureSelfLink("answer", tick_, handler<&QEMUBinary::on_answer>(this))),
      take_link_(configureSelfLink("take", tick_, handler<&QEMUBinary::on_take>(this))),
      book_link_(configureSelfLink("book", tick_, handler<&QEMUBinary::on_book>(this))),
      dma_link_(configureSelfLink("dma", tick_, handler<&QEMUBinary::on_dma>(this))) {
    if (line_bytes_ == 0) fail("QEMUBinary's parameter 'line_bytes' is 0");
    for (std::size_t port = 0;; ++port) {
        const std::string name = "device" + std::to_string(port);
        if (!isPortConnected(name)) break;
        devices_.push_back(
            {configureLink(name, handler<&QEMUBinary::on_device>(this, port)), "", 0, {}, {}});
    }
    if (!spans_path_.empty()) client_.keep_spans(&span_log_);
    ++bridges;
    registerAsPrimaryComponent();
    primaryComponentDoNotEndSim();
}

void QEMUBinary::init(unsigned phase) {
    if (memory_) memory_->init(phase);
    for (std::size_t port = 0; port < devices_.size(); ++port) {
        while (SST::Event* event = devices_[port].bus->recvUntimedData()) {
            const std::unique_ptr<SST::Event> owner(event);
            const auto* introduction = dynamic_cast<IntroductionEvent*>(event);
            guarded([&] { introduction ? introduce(*introduction, port) : void(); });
        }
    }
    if (ports_.size() == devices_.size() && !std::exchange(introduced_, true)) {
        for (const Plugged& device : devices_) device.bus->sendUntimedData(new PeersEvent(peers_));
    }
}

void QEMUBinary::introduce(const IntroductionEvent& event, std::size_t port) {
    const auto above = ports_.lower_bound(event.base);
    const auto refuse_overlap = [&](std::size_t other) {
        throw SimulationError("devices '" + devices_[other].name + "' and '" + event.name +
                              "' overlap: their parameters 'base' are less than a window apart");
    };
    if (above != ports_.end() && above->first - event.base < DEVICE_WINDOW_BYTES)
        refuse_overlap(above->second);
    if (above != ports_.begin() && event.base - std::prev(above)->first < DEVICE_WINDOW_BYTES)
        refuse_overlap(std::prev(above)->second);
    ports_[event.base] = port;
    devices_[port].name = event.name;
    devices_[port].base = event.base;
    if (event.peer_bytes) peers_[event.base] = event.peer_bytes;
}

// The first thing that happens is that the CPU gets control.
void QEMUBinary::setup() {
    if (memory_) memory_->setup();
    guarded([&] {
        for (std::size_t port = 0; port < devices_.size(); ++port) {
            if (devices_[port].name.empty())
                throw SimulationError("QEMUBinary's port 'device" + std::to_string(port) +
                                      "' leads to no device of this library");
        }
        listen();
        send_at(start_link_, 0, kCpuTick);
    });
}

void QEMUBinary::listen() {
    listener_ = listen_at(socket_);
    std::printf("listening on %s\n", socket_.c_str());
    std::fflush(stdout);
}

void QEMUBinary::on_start(SST::Event*) {
    guarded([&] {
        client_.accept(listener_, [] {});
        say(cycle_now(), "QEMUBinary", "Client connected");
        take_access();
    });
}

// Waits for the CPU, for as long as that takes: simulated time stands still meanwhile.
void QEMUBinary::take_access() {
    const std::optional<Access> access = client_.next_access();
    if (!access) throw left_early(cycle_now(), transactions_);
    if (access->advance_cycles > kEndOfTime)
        throw SimulationError("the client advanced past the end of time");
    dram_.occupy(cycle_now(), access->moved_bytes);
    begin_ = cycle_now() + access->advance_cycles;
    access->sleeps ? fall_asleep() : route(*access);
}

void QEMUBinary::route(const Access& access) {
    ++transactions_;
    accesses_->addData(1);
    const auto above = ports_.upper_bound(access.address);
    if (above == ports_.begin()) return refuse(access);
    const auto [base, port] = *std::prev(above);
    const std::uint64_t offset = access.address - base;
    if (offset >= DEVICE_WINDOW_BYTES) return refuse(access);
    const Request request{access.is_write, offset, access.size_bytes, access.data};
    send_over(devices_[port].bus, begin_ + 1, kAccessTick, new AccessEvent(begin_, request));
}

void QEMUBinary::refuse(const Access& access) {
    say(begin_, "", describe(access) + " refused: no device there");
    send_at(answer_link_, begin_ + 1, kCpuTick);
}

void QEMUBinary::fall_asleep() {
    asleep_ = true;
    ++sleeps_;
    idle_ = 0;
    for (const Plugged& device : devices_)
        send_over(device.bus, begin_, kAccessTick, new SleepEvent(sleeps_));
    if (interrupts_.any()) send_at(answer_link_, begin_, kCpuTick);
}

void QEMUBinary::on_answer(SST::Event*) {
    guarded([&] { asleep_ ? wake() : respond(false, 0, {}); });
}

void QEMUBinary::wake() {
    asleep_ = false;
    const bool waited = interrupts_.since() > begin_;
    respond(true, interrupts_.tell(), waited ? waited_ : Stages{});
}

// All devices of this cycle have their say before the CPU wakes.
void QEMUBinary::take_interrupt(const InterruptEvent& event, std::uint64_t base) {
    const bool first = !interrupts_.any();
    if (interrupts_.raise(event.source, cycle_now(), base)) waited_ = event.waited;
    if (first && asleep_) send_at(answer_link_, std::max(begin_, cycle_now()), kCpuTick);
}

void QEMUBinary::take_idle(const IdleEvent& event) {
    if (!asleep_ || event.turn != sleeps_ || ++idle_ < devices_.size()) return;
    if (!interrupts_.any()) throw interrupts_.sleepless(cycle_now());
}

void QEMUBinary::respond(bool success, std::uint64_t data, const Stages& waited, bool ended) {
    const Cycle stall = cycle_now() - begin_;
    stall_cycles_->addData(stall);
    client_.respond({success, data, stall, interrupts_.any(), waited}, ended);
    if (ended) return end();
    bridges > 1 ? send_at(take_link_, cycle_now(), kTakeTick) : take_access();
}

// Where there are other nodes, those of this cycle are answered before one is waited for: their
// CPUs run meanwhile.
void QEMUBinary::on_take(SST::Event*) {
    guarded([&] { take_access(); });
}

void QEMUBinary::on_device(SST::Event* event, std::size_t port) {
    guarded([&] {
        if (auto* transfer = dynamic_cast<DmaEvent*>(event)) {
            transfer->port = port;
            return ask(transfer);
        }
        if (auto* message = dynamic_cast<PeerEvent*>(event)) {
            SST::Link* bus = devices_[ports_.at(message->base)].bus;
            return send_over(bus, message->cycle, kAccessTick, message);
        }
        const std::unique_ptr<SST::Event> owner(event);
        if (const auto* answer = dynamic_cast<ResponseEvent*>(event))
            respond(answer->success, answer->data, answer->waited, answer->ended);
        else if (const auto* interrupt = dynamic_cast<InterruptEvent*>(event))
            take_interrupt(*interrupt, devices_[port].base);
        else if (const auto* idle = dynamic_cast<IdleEvent*>(event))
            take_idle(*idle);
        else if (const auto* statistics = dynamic_cast<StatisticsEvent*>(event))
            collect(*statistics, devices_[port]);
    });
}

void QEMUBinary::ask(DmaEvent* transfer) {
    ram_.refuse_outside(devices_[transfer->port].name, transfer->block);
    dma_bytes_->addData(transfer->block.bytes());
    if (asked_.empty()) send_at(book_link_, cycle_now(), kBookTick);
    asked_.push_back(transfer);
}

void QEMUBinary::on_book(SST::Event*) {
    guarded([&] { book_transfers(); });
}

void QEMUBinary::book_transfers() {
    std::stable_sort(asked_.begin(), asked_.end(), [&](const DmaEvent* a, const DmaEvent* b) {
        return devices_[a->port].base < devices_[b->port].base;
    });
    for (DmaEvent* transfer : asked_) {
        if (memory_)
            ask_memory(transfer);
        else
            send_at(dma_link_, dram_.book(cycle_now(), transfer->block), kDmaTick, transfer);
    }
    asked_.clear();
}

// Only time is asked for; the bytes are in guest RAM.
void QEMUBinary::ask_memory(DmaEvent* transfer) {
    const Block runs = transfer->block.merged();
    std::uint64_t& remaining = remaining_[transfer];
    runs.for_each_row([&](std::uint64_t offset) {
        std::uint64_t address = runs.address + offset;
        for (const std::uint64_t end = address + runs.row_bytes; address < end;) {
            const std::uint64_t bytes =
                std::min(end, (address / line_bytes_ + 1) * line_bytes_) - address;
            Memory::Request* request = nullptr;
            if (transfer->is_write)
                request = new Memory::Write(address, bytes, Bytes(bytes));
            else
                request = new Memory::Read(address, bytes);
            lines_[request->getID()] = transfer;
            ++remaining;
            memory_->send(request);
            address += bytes;
        }
    });
}

void QEMUBinary::on_memory(Memory::Request* response) {
    const std::unique_ptr<Memory::Request> owner(response);
    DmaEvent* const transfer = lines_.extract(response->getID()).mapped();
    if (--remaining_[transfer] > 0) return;
    remaining_.erase(transfer);
    guarded([&] { send_at(dma_link_, cycle_now() + 1, kDmaTick, transfer); });
}

void QEMUBinary::on_dma(SST::Event* event) {
    guarded([&] { complete(static_cast<DmaEvent*>(event)); });
}

void QEMUBinary::complete(DmaEvent* transfer) {
    if (transfer->is_write) {
        ram_.write(transfer->block, transfer->data);
        transfer->data.clear();
    } else {
        transfer->data = ram_.read(transfer->block);
    }
    devices_[transfer->port].bus->send(transfer);
}

void QEMUBinary::share_ram(GuestRam ram) {
    ram_ = std::move(ram);
    for (const Plugged& device : devices_) device.bus->send(new RamEvent(ram_.range()));
}

void QEMUBinary::end() {
    end_ = cycle_now();
    guest_statistics_ = client_.farewell();
    silent_ = devices_.size();
    for (const Plugged& device : devices_) device.bus->send(new StatisticsEvent);
}

void QEMUBinary::collect(const StatisticsEvent& event, Plugged& from) {
    for (std::size_t i = 0; i < event.names.size(); ++i)
        from.statistics.emplace_back(event.names[i], event.values[i]);
    from.log = SpanLog::of(event.spans, event.left_out);
    if (--silent_ > 0) return;
    complete_ = true;
    write_results();
    write_spans();
    primaryComponentOKToEndSim();
}

// What acalsim_backend.serve writes, in one go; the client's text is JSON already.
void QEMUBinary::write_results() const {
    std::ostringstream text;
    text << "{\n \"total_cycles\": " << end_ << ",\n \"device_transactions\": " << transactions_
         << ",\n \"ended\": true,\n \"devices\": {";
    const char* separator = "\n";
    for (const auto& [base, port] : ports_) {
        text << separator << "  \"" << devices_[port].name
             << "\": " << json(devices_[port].statistics);
        separator = ",\n";
    }
    text << "\n },\n \"stalls\": {";
    separator = "\n";
    for (const auto& [account, cycles] : client_.stalls().all()) {
        text << separator << "  \"" << account << "\": " << json(cycles);
        separator = ",\n";
    }
    text << "\n },\n \"guest\": " << (guest_statistics_.empty() ? "null" : guest_statistics_)
         << "\n}\n";
    if (!results_.empty()) write_file(results_, text.str());
}

void QEMUBinary::write_spans() const {
    if (spans_path_.empty()) return;
    std::vector<LoggedBy> all = {{"", 0, &span_log_}};
    for (const auto& [base, port] : ports_)
        all.push_back({devices_[port].name, base, &devices_[port].log});
    write_file(spans_path_, span_file(all));
}

void QEMUBinary::finish() {
    if (memory_) memory_->finish();
    ::unlink(socket_.c_str());
    if (!complete_)
        fail("SST stopped at cycle " + std::to_string(cycle_now()) +
             ", before the firmware ended the simulation");
    cycles_->addData(end_);
}

}  // namespace acalsim
