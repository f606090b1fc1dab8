// SPDX-License-Identifier: Apache-2.0
// The embedded engine: one clock, one event queue, the devices by address, guest RAM. It works
// only while the CPU waits in an access, so the order of effects never depends on the host.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "embedded/access.hh"
#include "embedded/decisions.hh"
#include "embedded/error.hh"
#include "embedded/event_queue.hh"
#include "embedded/guest_ram.hh"
#include "embedded/interrupts.hh"
#include "model/device.hh"
#include "model/dram.hh"
#include "model/span_log.hh"

namespace acalsim {

class Engine {
public:
    using Log = std::function<void(Cycle now, const std::string& who, const std::string& text)>;
    using Maker = std::function<std::shared_ptr<Device>(const Slot&)>;

    explicit Engine(const DramTiming& ram);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Plugs a device in at `base`. Throws std::invalid_argument where its window is taken.
    void add_device(const Maker& make, const std::string& name, std::uint64_t base,
                    const Parameters& parameters);
    void add_device(const std::string& model, const std::string& name, std::uint64_t base,
                    const Parameters& parameters);

    void map_ram(GuestRam ram) { ram_ = std::move(ram); }

    // Moves the clock to the access, running all that happens until then, and on to the response.
    // Throws SimulationError if the device never answers.
    Response access(const Access& access);

    // Moves the clock on until a device raises its interrupt line, not at all if one has done so
    // since the last call; the response's data has a bit for each source, from 32 on. Throws
    // SimulationError if nothing is left that could.
    Response sleep(const Access& access);

    // Where it is and what the CPU waits for, in words. May be asked while it works, by another
    // thread.
    std::string place() const;

    Cycle now() const { return now_; }
    bool ended() const { return ended_; }
    // Whether a device has taken any value for one that it would have needed for its time.
    bool guessed() const { return guessed_; }
    // What devices found that decides about time; where there are no values, what they will find.
    const Decisions& decisions() const { return decisions_; }
    void decide_by(Decisions decisions) { decisions_ = std::move(decisions); }
    const Response& last_response() const { return response_; }
    std::uint64_t transactions() const { return transactions_; }
    std::vector<std::pair<std::string, Statistics>> device_statistics() const;

    // Of the device at `base`.
    Stages stages_of(std::uint64_t base) const { return stages().at(base); }
    std::vector<std::size_t> order_of_list(std::uint64_t base, const Bytes& list,
                                           const DramTiming& ram, std::size_t window) const;

    // From now on, what the devices do is recorded; and what was, in the order of addresses, after
    // the CPU's accesses where they are given.
    void keep_spans() { keeps_spans_ = true; }
    bool keeps_spans() const { return keeps_spans_; }
    std::vector<LoggedBy> span_logs(const SpanLog* accesses = nullptr) const;

    Log log;                             // empty: nobody listens
    std::function<void()> on_long_wait;  // called now and then while events run; may throw

private:
    class Port;

    struct Plugged {
        std::uint64_t base;
        std::unique_ptr<Port> port;
        std::shared_ptr<Device> device;
    };

    // A DMA transfer; `place` in the queue is that of its asking.
    struct Transfer {
        std::uint64_t base;  // of the device that asked
        std::uint64_t place;
        Block block;
        bool is_write;
        Bytes data;
        std::function<void(Bytes)> done;
    };

    Device* device_at(std::uint64_t address, std::uint64_t& base) const;
    void route(const Access& access);
    Cycle begin(const Access& access);
    std::map<std::uint64_t, Stages> stages() const;  // by address
    void respond(std::uint64_t transaction, bool success, std::uint64_t data, const Stages& waited);
    void ask(Transfer transfer);
    void book_transfers();
    void complete(const std::shared_ptr<Transfer>& transfer);
    std::optional<Cycle> next_time() const;
    std::optional<Cycle> next_until(Cycle time);
    void run_until(Cycle time);
    void run_next();
    [[noreturn]] void deadlock(const Access& access) const;

    std::vector<Plugged> devices_;  // destroyed after the queue, whose actions point into them
    EventQueue queue_;
    EventQueue arrivals_;          // of transfers at RAM; in their cycle they come first
    std::vector<Transfer> asked_;  // in this cycle
    GuestRam ram_;
    Dram dram_;
    Cycle now_ = 0;
    bool ended_ = false, guessed_ = false, keeps_spans_ = false;
    Decisions decisions_;
    Interrupts interrupts_;
    std::uint64_t transactions_ = 0;
    std::uint64_t events_ = 0;
    std::optional<Access> present_;  // that the CPU waits for, or waited for when all ended
    bool answered_ = false;
    Response response_{};
};

}  // namespace acalsim
