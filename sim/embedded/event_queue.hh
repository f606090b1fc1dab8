// SPDX-License-Identifier: Apache-2.0
// Actions in the order of (time, scheduling).
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "model/host.hh"

namespace acalsim {

using Action = std::function<void()>;

class EventQueue {
public:
    bool empty() const { return heap_.empty(); }
    Cycle next_time() const { return heap_.front().time; }

    void push(Cycle time, Action action) { push(time, reserve(), std::move(action)); }

    // A place in the order, for an action that is known only later.
    std::uint64_t reserve() { return sequence_++; }
    void push(Cycle time, std::uint64_t place, Action action) {
        heap_.push_back({time, place, std::move(action)});
        std::push_heap(heap_.begin(), heap_.end(), later);
    }

    // Not a std::priority_queue, whose top() cannot be moved from.
    Action pop() {
        std::pop_heap(heap_.begin(), heap_.end(), later);
        Action action = std::move(heap_.back().action);
        heap_.pop_back();
        return action;
    }

private:
    struct Event {
        Cycle time;
        std::uint64_t sequence;
        Action action;
    };

    static bool later(const Event& a, const Event& b) {
        return a.time != b.time ? a.time > b.time : a.sequence > b.sequence;
    }

    std::vector<Event> heap_;
    std::uint64_t sequence_ = 0;
};

}  // namespace acalsim
