// SPDX-License-Identifier: Apache-2.0
// The stall cycles of all responses so far, by account and then by what they went to: `access`, or
// a stage of the device that was waited for.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "embedded/access.hh"
#include "model/device.hh"

namespace acalsim {

class Stalls {
public:
    void book(std::uint64_t account, const Response& response) {
        Stall& stall = by_account_[account];
        stall.access += response.stall_cycles - response.waited.total();
        stall.waited += response.waited;
    }

    // Ops that a command list named have rows of their own, "account/op".
    std::vector<std::pair<std::string, Statistics>> all() const {
        std::vector<std::pair<std::string, Statistics>> all;
        for (const auto& [account, stall] : by_account_) {
            Statistics cycles = by_stage(stall.waited.first);
            cycles.insert(cycles.begin(), {"access", stall.access});
            all.emplace_back(std::to_string(account), std::move(cycles));
            for (const auto& [op, waited] : stall.waited.named)
                all.emplace_back(std::to_string(account) + "/" + std::to_string(op),
                                 by_stage(waited));
        }
        return all;
    }

private:
    struct Stall {
        Cycle access = 0;
        Stages waited;
    };

    static Statistics by_stage(const Stages::Cycles& waited) {
        Statistics cycles;
        for (std::size_t i = 0; i < kStageCount; ++i)
            cycles.emplace_back(kStageNames[i], waited[i]);
        return cycles;
    }

    std::map<std::uint64_t, Stall> by_account_;
};

}  // namespace acalsim
