// SPDX-License-Identifier: Apache-2.0
// Numbers that devices found in their memories and that decided about time, to be found again where
// there are no values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace acalsim {

class Decisions {
public:
    using Numbers = std::vector<std::int64_t>;

    // That the device at `base` found these, after those that it found before.
    void add(std::uint64_t base, const Numbers& numbers) { found_[base].push_back(numbers); }

    // What that device finds next, if so many numbers are known to come.
    std::optional<Numbers> next(std::uint64_t base, std::size_t count) {
        const std::vector<Numbers>& found = found_[base];
        std::size_t& taken = taken_[base];
        if (taken == found.size() || found[taken].size() != count) return {};
        return found[taken++];
    }

    // All of it in a row, and back. Throws std::invalid_argument for any other row.
    Numbers flat() const {
        Numbers row;
        for (const auto& [base, found] : found_) {
            for (const Numbers& numbers : found) {
                row.push_back(std::int64_t(base));
                row.push_back(std::int64_t(numbers.size()));
                row.insert(row.end(), numbers.begin(), numbers.end());
            }
        }
        return row;
    }

    static Decisions of(const Numbers& row) {
        Decisions all;
        for (auto place = row.begin(); place != row.end();) {
            if (row.end() - place < 2 || place[1] < 0 || row.end() - place - 2 < place[1])
                throw std::invalid_argument("this is no recording: its numbers end too early");
            const auto first = place + 2, last = first + place[1];
            all.add(std::uint64_t(place[0]), Numbers(first, last));
            place = last;
        }
        return all;
    }

private:
    std::map<std::uint64_t, std::vector<Numbers>> found_;
    std::map<std::uint64_t, std::size_t> taken_;
};

}  // namespace acalsim
