// SPDX-License-Identifier: Apache-2.0
#include "model/pipeline.hh"

#include <algorithm>

#include "model/operand.hh"

namespace acalsim {

namespace {

constexpr const char* kStateNames[] = {
    "", "idle", "busy", "wait_load", "wait_compute", "wait_vector", "wait_store"};

std::size_t index(Unit unit) { return static_cast<std::size_t>(unit); }

bool overlap(const Use& a, const Use& b) {
    return a.memory == b.memory && a.begin < b.end && b.begin < a.end;
}

bool conflict(const Job& earlier, const Job& later) {
    if (earlier.unit == Unit::compute && later.unit == Unit::compute) return false;
    if (later.command.code == COMMAND_SIGNAL && earlier.unit == Unit::store) return true;
    for (const Use& before : earlier.uses) {
        for (const Use& after : later.uses) {
            if (!before.released && (before.writes || after.writes) && overlap(before, after))
                return true;
        }
    }
    return false;
}

}  // namespace

std::optional<Unit> unit_of(const DeviceCommand& command) {
    if (is_vector(command)) return Unit::vector;
    switch (command.code) {
        case COMMAND_LOAD:
            return Unit::load;
        case COMMAND_MATMUL:
            return Unit::compute;
        case COMMAND_STORE:
        case COMMAND_SAVE:
        case COMMAND_SIGNAL:
            return Unit::store;
    }
    return {};
}

bool Pipeline::has_room(Unit unit) const {
    const auto is_there = [unit](const Job& job) { return job.unit == unit; };
    return std::uint64_t(std::count_if(jobs_.begin(), jobs_.end(), is_there)) <
           depths_[index(unit)];
}

void Pipeline::push(const DeviceCommand& command, Unit unit, std::size_t index,
                    std::vector<Use> uses) {
    jobs_.push_back({command, unit, index, std::move(uses), op_});
}

void Pipeline::drop_behind(Entry job) {
    for (Entry each = std::next(job); each != jobs_.end();)
        each = each->started ? std::next(each) : jobs_.erase(each);
}

std::optional<Pipeline::Entry> Pipeline::next(Unit unit) {
    for (Entry job = jobs_.begin(); job != jobs_.end(); ++job) {
        if (job->unit == unit && !job->started) return job;
    }
    return {};
}

std::optional<Unit> Pipeline::blocker(Entry job) {
    for (Entry earlier = jobs_.begin(); earlier != job; ++earlier) {
        if (conflict(*earlier, *job)) return earlier->unit;
    }
    return {};
}

std::optional<Pipeline::Entry> Pipeline::ready(Unit unit) {
    const std::optional<Entry> job = next(unit);
    return job && !blocker(*job) ? job : std::nullopt;
}

Pipeline::State Pipeline::state_of(Unit unit) {
    for (const Job& job : jobs_) {
        if (job.unit == unit && job.started) return State::busy;
    }
    const std::optional<Entry> job = next(unit);
    if (!job) return State::idle;
    const std::optional<Unit> other = blocker(*job);
    if (!other) return State::busy;
    switch (*other) {
        case Unit::load:
            return State::wait_load;
        case Unit::compute:
            return State::wait_compute;
        case Unit::vector:
            return State::wait_vector;
        default:
            return State::wait_store;
    }
}

// Who keeps the others waiting: the array before the vector unit, that before RAM, RAM before the
// ports, and where nothing has started the decoder.
Stage Pipeline::stage() const {
    const auto any = [this](auto is) { return std::any_of(jobs_.begin(), jobs_.end(), is); };
    const auto at_work = [any](Unit unit) {
        return any([unit](const Job& job) { return job.started && job.unit == unit; });
    };
    if (at_work(Unit::compute)) return Stage::compute;
    if (at_work(Unit::vector)) return Stage::vector;
    if (any([](const Job& job) { return job.transfers; })) return Stage::dram;
    if (at_work(Unit::load)) return Stage::load;
    return at_work(Unit::store) ? Stage::store : Stage::fetch;
}

void Pipeline::observe(Cycle now, bool working) {
    stages_ = stages(now);
    for (const Unit unit : kUnits) {
        State& state = states_[index(unit)];
        cycles_[index(unit)][static_cast<std::size_t>(state)] += now - observed_;
        state = working ? state_of(unit) : State::off;
    }
    stage_ = working ? std::optional(stage()) : std::nullopt;
    working_ = op_;
    for (const Job& job : jobs_) working_ = std::min(working_, job.op);
    observed_ = now;
}

Stages Pipeline::stages(Cycle now) const {
    Stages present = stages_;
    if (stage_) present.at(working_, *stage_) += now - observed_;
    return present;
}

void Pipeline::clear() {
    jobs_.clear();
    op_ = 0;
}

// MATMULs do not wait for their own kind, and nobody for a unit that there is not; without a vector
// unit nothing that a STORE waits for is another STORE's.
bool Pipeline::can_be(Unit unit, State state) const {
    const bool has_vector = depths_[index(Unit::vector)];
    if (unit == Unit::compute && state == State::wait_compute) return false;
    if (has_vector) return true;
    return unit != Unit::vector && state != State::wait_vector &&
           !(unit == Unit::store && state == State::wait_store);
}

void Pipeline::count(Statistics& statistics, Cycle now) const {
    for (const Unit unit : kUnits) {
        for (const State state : {State::busy, State::wait_load, State::wait_compute,
                                  State::wait_vector, State::wait_store, State::idle}) {
            if (!can_be(unit, state)) continue;
            const auto which = static_cast<std::size_t>(state);
            const std::string name = std::string(unit_name(unit)) + "_" + kStateNames[which];
            const Cycle present = states_[index(unit)] == state ? now - observed_ : 0;
            statistics.emplace_back(name + "_cycles", cycles_[index(unit)][which] + present);
        }
    }
}

}  // namespace acalsim
