// SPDX-License-Identifier: Apache-2.0
// The streaming softmax unit of ../softmax_py in C++: the same registers and the same cycles.
//@ parameter lanes = 4 in 1..1024: elements a cycle
//@ parameter latency_cycles = 20 in 1..1000: of a row beside those of its elements
//@ register SOURCE at 0x18 RW: address of the first row, float32
//@ register TARGET at 0x1c RW: address of the first row of results
//@ register ROWS at 0x20 RW: how many rows, one behind the other
//@ register COLUMNS at 0x24 RW: elements of each
//@ sketch ../softmax_py/softmax_unit.py
#include <algorithm>
#include <cstring>
#include <vector>

#include "declared.h"
#include "kernels/elementary.h"
#include "model/registry.hh"

namespace acalsim {

class SoftmaxUnit : public Device {
public:
    explicit SoftmaxUnit(const Slot& slot)
        : Device(slot),
          lanes_(slot.parameter("lanes")),
          latency_(slot.parameter("latency_cycles")) {}

private:
    using Row = std::vector<float>;

    void write(std::uint32_t offset, std::uint32_t value) override {
        Device::write(offset, value);
        if (offset == REG_CONTROL && value == CONTROL_START) start();
    }

    void start() {
        become(STATUS_BUSY);
        at(REG_RESULT) = ERROR_NONE;
        if (!is_in_ram(at(REG_SOURCE)) || !is_in_ram(at(REG_TARGET))) return refuse();
        row_ = 0, read_ = 0, written_ = 0;
        is_working_ = has_row_ = false;
        read_next();
    }

    void read_next() {
        read_ram(row_at(REG_SOURCE, read_++), [this](Bytes bytes) { arrive(bytes); });
    }

    // The unit works on one row; the next one waits here.
    void arrive(const Bytes& bytes) {
        next_.resize(bytes.size() / sizeof(float));
        std::memcpy(next_.data(), bytes.data(), bytes.size());
        has_row_ = true;
        if (!is_working_) begin();
    }

    void begin() {
        has_row_ = false, is_working_ = true;
        present_.swap(next_);
        if (read_ < at(REG_ROWS)) read_next();
        const Cycle streaming = (at(REG_COLUMNS) + lanes_ - 1) / lanes_;
        after(latency_ + 2 * streaming, [this] { finish(); });
    }

    void finish() {
        is_working_ = false;
        softmax(present_);
        elements_ += present_.size();
        const Block block = row_at(REG_TARGET, row_++);
        Bytes bytes(block.row_bytes);
        std::memcpy(bytes.data(), present_.data(), bytes.size());
        write_ram(block, std::move(bytes), [this] { end_of_write(); });
        if (has_row_) begin();
    }

    void end_of_write() {
        if (++written_ == at(REG_ROWS)) become(STATUS_DATA_READY);
    }

    static void softmax(Row& row) {
        const float largest = *std::max_element(row.begin(), row.end());
        float sum = 0;
        for (float& x : row) sum += x = exp_f32(x - largest);
        for (float& x : row) x /= sum;
    }

    Block row_at(std::uint32_t address, std::uint64_t row) {
        const std::uint64_t bytes = sizeof(float) * at(REG_COLUMNS);
        return {at(address) + row * bytes, bytes};
    }

    bool is_in_ram(std::uint64_t address) {
        const std::uint64_t bytes = sizeof(float) * std::uint64_t(at(REG_ROWS)) * at(REG_COLUMNS);
        return bytes && host().ram().contains(address, bytes);
    }

    void refuse() {
        at(REG_RESULT) = host().ram().size_bytes ? ERROR_ADDRESS : ERROR_NO_RAM;
        become(STATUS_ERROR);
    }

    void count(Statistics& statistics) const override {
        statistics.emplace_back("elements", elements_);
    }

    const Cycle lanes_, latency_;
    std::uint64_t row_ = 0, read_ = 0, written_ = 0, elements_ = 0;
    bool is_working_ = false, has_row_ = false;
    Row present_, next_;
};

const Registered<SoftmaxUnit> registered("softmax_unit");

}  // namespace acalsim
