// SPDX-License-Identifier: Apache-2.0
#include "sst/bridge.hh"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
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
        throw SimulationError("QEMUBinary needs a socket's path of 1 to 107 bytes; it has '" + path +
                              "'");
    path.copy(address.sun_path, path.size());
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const mode_t mask = ::umask(0177);
    const int bound = ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::umask(mask);
    if (bound != 0 || ::listen(listener, 1) != 0)
        throw SimulationError("cannot listen on '" + path + "': " + reason());
    return listener;
}

// The machine file's [ram]; what is not said is as DramTiming has it.
DramTiming ram_timing(const SST::Params& params) {
    DramTiming ram;
    const auto number = [&](const char* key, std::uint64_t otherwise) {
        return params.find<std::uint64_t>(key, otherwise);
    };
    ram.latency_cycles = number("ram_latency_cycles", ram.latency_cycles);
    ram.bytes_per_cycle = number("ram_bytes_per_cycle", ram.bytes_per_cycle);
    ram.channels = number("ram_channels", ram.channels);
    ram.interleave_bytes = number("ram_interleave_bytes", ram.interleave_bytes);
    ram.banks = number("ram_banks", ram.banks);
    ram.row_bytes = number("ram_row_bytes", ram.row_bytes);
    ram.row_miss_cycles = number("ram_row_miss_cycles", ram.row_miss_cycles);
    return ram;
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
      listener_(params.find<int>("listener", -1)),
      client_(params.find<std::string>("description", ""),
              [this](GuestRam ram) { share_ram(std::move(ram)); }),
      cycles_(registerStatistic<std::uint64_t>("cycles")),
      stall_cycles_(registerStatistic<std::uint64_t>("stall_cycles")),
      accesses_(registerStatistic<std::uint64_t>("transactions")),
      dma_bytes_(registerStatistic<std::uint64_t>("dma_bytes")),
      access_link_(configureSelfLink("access", tick_, handler<&QEMUBinary::on_access>(this))),
      answer_link_(configureSelfLink("answer", tick_, handler<&QEMUBinary::on_answer>(this))),
      book_link_(configureSelfLink("book", tick_, handler<&QEMUBinary::on_book>(this))),
      dma_link_(configureSelfLink("dma", tick_, handler<&QEMUBinary::on_dma>(this))) {
    guarded([&] { plug_in(params); });
    registerAsPrimaryComponent();
    primaryComponentDoNotEndSim();
}

void QEMUBinary::plug_in(const SST::Params& params) {
    std::vector<std::string> names;
    std::vector<std::uint64_t> bases;
    params.find_array("names", names);
    params.find_array("bases", bases);
    dram_.emplace(ram_timing(params));
    if (names.size() != bases.size())
        throw SimulationError("QEMUBinary has " + std::to_string(names.size()) + " names and " +
                              std::to_string(bases.size()) + " bases");
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string port = "device" + std::to_string(i);
        SST::Link* bus = configureLink(port, handler<&QEMUBinary::on_device>(this, i));
        if (!bus) throw SimulationError("QEMUBinary's port '" + port + "' is not connected");
        devices_.push_back({names[i], bases[i], bus, {}});
    }
}

// The first thing that happens is that the CPU gets control.
void QEMUBinary::setup() {
    guarded([&] {
        if (listener_ < 0) listen();
        send_at(answer_link_, 0, kCpuTick);
    });
}

void QEMUBinary::listen() {
    listener_ = listen_at(socket_);
    std::printf("listening on %s\n", socket_.c_str());
    std::fflush(stdout);
}

void QEMUBinary::on_answer(SST::Event*) {
    guarded([&] {
        if (transactions_ == 0) {
            client_.accept(listener_, [] {});
            say("QEMUBinary", "Client connected");
            return take_access();
        }
        const Cycle stall = cycle_now() - begin_;
        stall_cycles_->addData(stall);
        client_.respond({response_.success, response_.data, stall, false, response_.waited},
                        response_.ended);
        response_.ended ? end() : take_access();
    });
}

// Waits for the CPU, for as long as that takes: simulated time stands still meanwhile.
void QEMUBinary::take_access() {
    const std::optional<Access> access = client_.next_access();
    if (!access) throw left_early(cycle_now(), transactions_);
    if (access->sleeps)
        throw SimulationError("the CPU waits for an interrupt, which needs ENGINE=embedded");
    access_ = *access;
    if (access_.advance_cycles == 0) return issue();
    if (access_.advance_cycles > kEndOfTime)
        throw SimulationError("the client advanced past the end of time");
    send_at(access_link_, cycle_now() + access_.advance_cycles, kCpuTick);
}

void QEMUBinary::on_access(SST::Event*) {
    guarded([&] { issue(); });
}

void QEMUBinary::issue() {
    begin_ = cycle_now();
    ++transactions_;
    accesses_->addData(1);
    for (const Plugged& device : devices_) {
        const std::uint64_t offset = access_.address - device.base;
        if (offset >= DEVICE_WINDOW_BYTES) continue;
        const Request request{access_.is_write, offset, access_.size_bytes, access_.data};
        return device.bus->send(new AccessEvent(request));
    }
    say("", describe(access_) + " refused: no device there");
    answer({false, 0, false, {}});
}

// The CPU goes on once all that happens in this cycle has happened, and at least a cycle after it
// asked: a device that answers at once would let it poll without time ever passing.
void QEMUBinary::answer(const ResponseEvent& response) {
    response_.success = response.success;
    response_.data = response.data;
    response_.ended = response.ended;
    response_.waited = response.waited;
    const bool is_over = tick_now() % kTicksPerCycle > kCpuTick;
    send_at(answer_link_, std::max(begin_ + 1, cycle_now() + is_over), kCpuTick);
}

void QEMUBinary::on_device(SST::Event* event, std::size_t device) {
    guarded([&] {
        if (auto* transfer = dynamic_cast<DmaEvent*>(event)) {
            transfer->device = device;
            return ask(transfer);
        }
        const std::unique_ptr<SST::Event> owner(event);
        if (const auto* response = dynamic_cast<ResponseEvent*>(event))
            answer(*response);
        else if (const auto* statistics = dynamic_cast<StatisticsEvent*>(event))
            collect(*statistics, devices_[device]);
    });
}

void QEMUBinary::ask(DmaEvent* transfer) {
    ram_.at(transfer->block.address, transfer->block.extent());
    dma_bytes_->addData(transfer->block.bytes());
    if (asked_.empty()) send_at(book_link_, cycle_now(), kBookTick);
    asked_.push_back(transfer);
}

void QEMUBinary::on_book(SST::Event*) {
    guarded([&] { book_transfers(); });
}

void QEMUBinary::book_transfers() {
    std::stable_sort(asked_.begin(), asked_.end(), [&](const DmaEvent* a, const DmaEvent* b) {
        return devices_[a->device].base < devices_[b->device].base;
    });
    for (DmaEvent* transfer : asked_) {
        send_at(dma_link_, dram_->book(cycle_now(), transfer->block), kDmaTick, transfer);
    }
    asked_.clear();
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
    devices_[transfer->device].bus->send(transfer);
}

void QEMUBinary::share_ram(GuestRam ram) {
    ram_ = std::move(ram);
    for (const Plugged& device : devices_) device.bus->send(new RamEvent(ram_.range()));
}

void QEMUBinary::end() {
    end_ = cycle_now();
    guest_statistics_ = client_.farewell();
    for (const Plugged& device : devices_) device.bus->send(new StatisticsEvent);
}

void QEMUBinary::collect(const StatisticsEvent& event, Plugged& from) {
    from.statistics.emplace();
    for (std::size_t i = 0; i < event.names.size(); ++i)
        from.statistics->emplace_back(event.names[i], event.values[i]);
    for (const Plugged& device : devices_) {
        if (!device.statistics) return;
    }
    complete_ = true;
    write_results();
    primaryComponentOKToEndSim();
}

// What acalsim_backend.serve writes, in one go; the client's text is JSON already.
void QEMUBinary::write_results() const {
    std::ostringstream text;
    text << "{\n \"total_cycles\": " << end_ << ",\n \"device_transactions\": " << transactions_
         << ",\n \"ended\": true,\n \"devices\": {";
    const char* separator = "\n";
    for (const Plugged& device : devices_) {
        text << separator << "  \"" << device.name << "\": " << json(*device.statistics);
        separator = ",\n";
    }
    text << "\n },\n \"stalls\": {";
    separator = "\n";
    for (const auto& [account, cycles] : client_.stalls()) {
        text << separator << "  \"" << account << "\": " << json(cycles);
        separator = ",\n";
    }
    text << "\n },\n \"guest\": " << (guest_statistics_.empty() ? "null" : guest_statistics_)
         << "\n}\n";
    if (results_.empty()) return;
    std::ofstream file(results_, std::ios::trunc);
    if (!(file << text.str() << std::flush))
        throw SimulationError("cannot write '" + results_ + "': " + reason());
}

void QEMUBinary::finish() {
    if (!socket_.empty() && listener_ >= 0) ::unlink(socket_.c_str());
    if (!complete_)
        fail("SST stopped at cycle " + std::to_string(cycle_now()) +
             ", before the firmware ended the simulation");
    cycles_->addData(end_);
}

}  // namespace acalsim
