// SPDX-License-Identifier: Apache-2.0
// The compute device's units and the commands in them: which one may start, who waits for whom and
// for how long. Knows no time of its own and no values.
#pragma once

#include <array>
#include <list>
#include <optional>
#include <vector>

#include "model/command.hh"
#include "model/device.hh"
#include "model/stages.hh"
#include "model/unit.hh"
#include "model/uses.hh"

namespace acalsim {

// Which unit does it; none where the decoder itself does.
std::optional<Unit> unit_of(const DeviceCommand& command);

// A command in a unit's queue, from the cycle it gets there until it is done.
struct Job {
    DeviceCommand command;
    Unit unit;
    std::size_t index;  // in the list
    std::vector<Use> uses;
    std::uint32_t op;  // which the cycles count for
    bool started = false;
    Cycle begin = 0;         // it started
    bool transfers = false;  // its bytes are on their way from or to RAM
};

class Pipeline {
public:
    using Entry = std::list<Job>::iterator;

    // A device has no vector unit where that unit's depth is 0.
    explicit Pipeline(const std::array<std::uint64_t, kUnitCount>& depths) : depths_(depths) {}

    bool empty() const { return jobs_.empty(); }
    bool has_room(Unit unit) const;
    void push(const DeviceCommand& command, Unit unit, std::size_t index, std::vector<Use> uses);

    // What is pushed from now on belongs to this op.
    void begin(std::uint32_t op) { op_ = op; }
    void remove(Entry job) { jobs_.erase(job); }

    // Forgets the commands behind it that have not started.
    void drop_behind(Entry job);

    // The unit's next command if it may start: those before it have started, and no earlier
    // command that is still at work on what it touches stands in its way. One's writing excludes
    // the other's reading and writing. MATMULs never wait for each other: the array takes and
    // gives back their elements in one order.
    std::optional<Entry> ready(Unit unit);

    // Books the cycles since the last call to what the units were doing, and looks at them anew.
    // While `working` is false they do not count.
    void observe(Cycle now, bool working);

    void clear();

    // Cycles that each unit was at work, waited for each of the units, and had nothing to do.
    void count(Statistics& statistics, Cycle now) const;

    // The same cycles once more, each in exactly one stage: that of the whole device.
    Stages stages(Cycle now) const;

private:
    enum class State { off, idle, busy, wait_load, wait_compute, wait_vector, wait_store };
    static constexpr std::size_t kStateCount = 7;

    std::optional<Entry> next(Unit unit);
    std::optional<Unit> blocker(Entry job);
    State state_of(Unit unit);
    bool can_be(Unit unit, State state) const;
    Stage stage() const;

    const std::array<std::uint64_t, kUnitCount> depths_;
    std::list<Job> jobs_;  // in the order of the command list
    std::array<State, kUnitCount> states_{};
    std::array<std::array<Cycle, kStateCount>, kUnitCount> cycles_{};
    std::uint32_t op_ = 0;        // of what is pushed
    std::uint32_t working_ = 0;   // the op that the present cycles count for
    std::optional<Stage> stage_;  // nothing while the device does not work
    Stages stages_;
    Cycle observed_ = 0;
};

}  // namespace acalsim
