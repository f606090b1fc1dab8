// SPDX-License-Identifier: Apache-2.0
// What all devices have in common: the register window, stalling while busy, reset, statistics.
// A model overrides write(), perhaps read() and cleared(), and tells when it is busy and done.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/dram.hh"
#include "model/host.hh"
#include "model/stages.hh"
#include "registers.h"

namespace acalsim {

// One access of the CPU, at `offset` bytes into the device's window.
struct Request {
    bool is_write;
    std::uint64_t offset;
    std::uint64_t size_bytes;
    std::uint64_t data;
};

// `waited` is how the access passed its time waiting for the device's work, if it had to.
using Respond = std::function<void(bool success, std::uint64_t data, const Stages& waited)>;
using Parameters = std::map<std::string, std::uint64_t>;
using Statistics = std::vector<std::pair<std::string, std::uint64_t>>;

// A row of a device's registers. A device of the user's declares more than all have.
struct DeclaredRegister {
    std::string name;
    std::uint32_t offset;
    bool readable;
    bool writable;
};

// The place that a device is plugged into. `parameters` are the machine file's, complete. `told` is
// what else a library of the user's devices is told, where it serves several.
struct Slot {
    Host& host;
    std::string name;
    Parameters parameters;
    std::string told = {};

    std::uint64_t parameter(const std::string& key) const;
};

class Device {
public:
    explicit Device(const Slot& slot, const std::vector<DeclaredRegister>& more = {});
    virtual ~Device() = default;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    // Calls `respond` exactly once, now or later. What the registers do not allow is answered with
    // success = 0 and changes nothing. DATA_OUT and RESULT are not read, and no new work is taken
    // from DATA_IN or CONTROL, before the device is done with its present work: such an access is
    // answered at that moment.
    void access(const Request& request, Respond respond);

    // Forgets everything but the statistics. DMA on its way to RAM still arrives there.
    void reset();

    const std::string& name() const { return name_; }
    Statistics statistics() const;

    // The busy cycles so far, by stage, of a model that tells its stages apart; of a user's that
    // does not, all of them count as computing.
    virtual Stages stages() const;

    // What its work waits for, in words for whoever asks why it does not answer.
    virtual std::string waits_for() const { return {}; }

    // Bytes of scratchpad that peers may write; 0 for a model that takes no messages.
    virtual std::uint64_t peer_bytes() const { return 0; }
    virtual void receive(const PeerMessage&) {}

    // The places of a list's commands in the order in which they had better come, none more than
    // `window` others earlier; none at all for a model that has no opinion.
    virtual std::vector<std::size_t> order_of_list(const Bytes&, const DramTiming&,
                                                   std::size_t) const {
        return {};
    }

    // Whether nothing but a peer can make it go on.
    virtual bool awaits_peers() const { return false; }

protected:
    // CONTROL comes without its INTERRUPT bit: that is this class's business.
    // Both are called access_cycles after the CPU's access began, or when the stall is over.
    virtual void write(std::uint32_t offset, std::uint32_t value) { at(offset) = value; }
    virtual std::uint32_t read(std::uint32_t offset) { return at(offset); }

    // Follows a reset: registers are zero, all that was scheduled is void.
    virtual void cleared() {}

    // Appends the model's own statistics.
    virtual void count(Statistics&) const {}

    // A register's content, by REG_ offset.
    std::uint32_t& at(std::uint32_t offset) { return registers_[offset / sizeof(std::uint32_t)]; }

    // Puts `status` (STATUS_ bits) into STATUS; accesses that stalled are answered once not BUSY.
    void become(std::uint32_t status);
    bool busy() const;

    // As the host's, except that a reset in between makes the rest void.
    void after(Cycle delay, std::function<void()> action);
    void read_ram(const Block& block, std::function<void(Bytes)> done);
    // At least one block: a transfer each, in their order; `done` gets all their bytes.
    void read_each(const std::vector<Block>& blocks, std::function<void(Bytes)> done);
    void write_ram(const Block& block, Bytes bytes, std::function<void()> done);

    // An access that is allowed and need not wait, or not any longer: it waited like that.
    struct Access {
        Request request;
        Respond respond;
        Stages before;  // it had to wait
    };
    virtual void answer(const Access& access, const Stages& waited);

    // Raises the device's line, if it has one.
    void interrupt() const;

    void log(const char* format, ...) const __attribute__((format(printf, 2, 3)));
    Host& host() const { return host_; }

private:
    void keep_span(const Block& block, std::uint16_t code, Cycle begin) const;
    void keep_work();
    const DeclaredRegister* declared(const Request& request) const;
    const char* register_name(const Request& request) const;
    bool allowed(const Request& request) const;
    void refuse(const Access& access);
    void attempt(Access access);
    void control(std::uint32_t value);
    void release_stalled();
    bool must_wait(const Request& request) const;
    bool lacks_line(const Request& request) const;

    Host& host_;
    const std::string name_;
    const Cycle access_cycles_;
    const std::uint64_t interrupt_;  // source, or 0: there is no line
    std::vector<DeclaredRegister> declared_;
    std::vector<std::uint32_t> registers_;
    std::deque<Access> stalled_;
    bool interrupts_ = false;  // at each end of work
    std::uint64_t life_ = 0;   // counts resets
    std::uint64_t transactions_ = 0;
    std::uint32_t works_ = 0;
    Cycle busy_cycles_ = 0;
    Cycle busy_since_ = 0;
};

}  // namespace acalsim
