// SPDX-License-Identifier: Apache-2.0
// All that a device model may ask of the engine that hosts it. The embedded engine implements it,
// and so may any other: models know no more of the world than this.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace acalsim {

using Cycle = std::uint64_t;
using Bytes = std::vector<std::uint8_t>;

// A piece of the guest's address space; size_bytes is 0 where there is none.
struct MemoryRange {
    std::uint64_t origin = 0;
    std::uint64_t size_bytes = 0;

    bool contains(std::uint64_t address, std::uint64_t bytes) const {
        return address >= origin && bytes <= size_bytes && address - origin <= size_bytes - bytes;
    }
};

// Rows of `row_bytes` bytes each in the guest's address space, a plane of `rows` of them after the
// other: the first at `address`, rows and planes so many bytes apart.
struct Block {
    std::uint64_t address = 0, row_bytes = 0;
    std::uint64_t rows = 1, planes = 1;
    std::uint64_t row_stride = 0, plane_stride = 0;

    std::uint64_t bytes() const { return row_bytes * rows * planes; }

    // How far it reaches, gaps included.
    std::uint64_t extent() const {
        return plane_stride * (planes - 1) + row_stride * (rows - 1) + row_bytes;
    }

    // The same bytes in as few rows as possible: rows that touch become one.
    Block merged() const {
        Block block = *this;
        for (int level = 0; level < 2; ++level) {
            if (block.rows != 1 && block.row_stride != block.row_bytes) break;
            block.row_bytes *= block.rows;
            block.rows = block.planes;
            block.row_stride = block.plane_stride;
            block.planes = 1;
        }
        return block;
    }

    // Calls visit(offset) with each row's distance from `address`.
    template <class Visit>
    void for_each_row(Visit visit) const {
        for (std::uint64_t plane = 0; plane < planes; ++plane) {
            for (std::uint64_t row = 0; row < rows; ++row) {
                visit(plane * plane_stride + row * row_stride);
            }
        }
    }
};

// The devices that take messages from others: base address to bytes of scratchpad.
using Peers = std::map<std::uint64_t, std::uint64_t>;

class SpanLog;

// What a device sends another one. A tile has its bytes, without the gaps between its rows; `block`
// says where they go, its address being one of the receiver's scratchpad. A signal has neither.
struct PeerMessage {
    bool is_signal = true;
    Block block;
    Bytes bytes;
};

class Host {
public:
    virtual ~Host() = default;

    virtual Cycle now() const = 0;

    // Runs `action` `delay` cycles from now; actions of one cycle run in the order of scheduling.
    virtual void schedule(Cycle delay, std::function<void()> action) = 0;

    // Where guest RAM lies; empty as long as the client has not shared it.
    virtual MemoryRange ram() const = 0;

    // Whether anybody will look at numbers. If not, RAM holds nothing but the command list, all
    // other blocks are read as no bytes at all, and only the time of what happens is asked for.
    virtual bool has_values() const { return true; }

    // Called where numbers found in the device's memory decide about time: what to take them for.
    // Without values they are what a recorded run found there, or else a guess, `found` itself.
    virtual std::vector<std::int64_t> deciding(std::vector<std::int64_t> found) { return found; }

    // DMA. The block lies inside ram(); its bytes travel without the gaps between its rows. All
    // devices share the RAM's channels: in the order of the cycles in which they ask, within a
    // cycle in the order of their base addresses, and one device's in the order of its asking.
    // Bytes are taken from RAM, or land there, in the cycle in which `done` is called.
    virtual void read_ram(const Block& block, std::function<void(Bytes)> done) = 0;
    virtual void write_ram(const Block& block, Bytes bytes, std::function<void()> done) = 0;

    // Where the device's registers are.
    virtual std::uint64_t base() const { return 0; }

    // Those that this device may send to: all but itself.
    virtual Peers peers() const { return {}; }

    // Has one of them take the message `delay` cycles from now.
    virtual void send(std::uint64_t, Cycle, PeerMessage) {}

    // log() costs nothing worth avoiding, making its text may: ask logging() first.
    virtual bool logging() const = 0;
    virtual void log(const std::string& text) = 0;

    // Where the device says what it did when, if anybody wants to know.
    virtual SpanLog* span_log() { return nullptr; }

    // Raises the interrupt line of that source for a moment; takes no time.
    virtual void interrupt(std::uint64_t) {}

    // The access that is being answered is the simulation's last.
    virtual void end_simulation() = 0;
};

}  // namespace acalsim
