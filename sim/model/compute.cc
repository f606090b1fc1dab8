// SPDX-License-Identifier: Apache-2.0
// Compute: a decoupled access-execute matrix engine. DATA_IN holds the address of a list of
// DeviceCommands, SIZE its bytes; CONTROL = START fetches and checks the whole list, then hands one
// command a cycle to the load, compute and store units, which work side by side. STATUS is
// DATA_READY or ERROR afterwards, RESULT tells which error, DATA_OUT how many commands were
// executed, or which one was refused. A list with any error in it has no effect at all.
#include <cinttypes>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>

#include "model/array.hh"
#include "model/dma.hh"
#include "model/epilogue.hh"
#include "model/padding.hh"
#include "model/pipeline.hh"
#include "model/product.hh"
#include "model/recording.hh"
#include "model/registry.hh"

namespace acalsim {

namespace {

std::uint64_t ceil_divide(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

// A parameter that is one of so many.
std::uint64_t choice(const Slot& slot, const char* key, std::uint64_t count) {
    const std::uint64_t value = slot.parameter(key);
    if (value < count) return value;
    throw std::invalid_argument("device '" + slot.name + "': its parameter '" + key + "' is " +
                                std::to_string(value) + " of " + std::to_string(count));
}

Array array_of(const Slot& slot) {
    return {slot.parameter("rows"), slot.parameter("columns"),
            static_cast<Dataflow>(choice(slot, "dataflow", 2)),
            static_cast<Overlap>(choice(slot, "overlap", 3))};
}

std::optional<Unit> unit_of(const DeviceCommand& command) {
    switch (command.code) {
        case COMMAND_LOAD:
            return Unit::load;
        case COMMAND_MATMUL:
            return Unit::compute;
        case COMMAND_STORE:
        case COMMAND_SIGNAL:
            return Unit::store;
    }
    return {};
}

}  // namespace

class Compute : public Device {
public:
    explicit Compute(const Slot& slot)
        : Device(slot),
          array_(array_of(slot)),
          port_bytes_per_cycle_(slot.parameter("scratchpad_bytes_per_cycle")),
          peer_latency_cycles_(slot.parameter("peer_latency_cycles")),
          peer_bytes_per_cycle_(slot.parameter("peer_bytes_per_cycle")),
          scratchpad_(slot.parameter("scratchpad_bytes")),
          accumulator_(slot.parameter("accumulator_bytes")),
          pipeline_({slot.parameter("load_queue_depth"), slot.parameter("compute_queue_depth"),
                     slot.parameter("store_queue_depth")}) {
        cleared();
    }

    Stages stages() const override { return pipeline_.stages(host().now()); }

    std::uint64_t peer_bytes() const override { return scratchpad_.size(); }

    bool awaits_peers() const override {
        return busy() && decoded_ && list_[next_].code == COMMAND_AWAIT &&
               signals_ < list_[next_].m;
    }

    void receive(const PeerMessage& message) override {
        if (message.is_signal) {
            ++signals_;
            log("Signal, %" PRIu64 " not waited for", signals_);
        } else {
            log("Tile of %" PRIu64 " bytes to 0x%" PRIx64, message.block.bytes(),
                message.block.address);
            if (host().has_values()) scatter(message);
        }
        if (busy() && next_ < list_.size()) advance();
    }

private:
    using Entry = Pipeline::Entry;

    void write(std::uint32_t offset, std::uint32_t value) override {
        Device::write(offset, value);
        if (offset == REG_CONTROL && value == CONTROL_START) start();
    }

    void cleared() override {
        pipeline_.observe(host().now(), false);
        pipeline_.clear();
        timeline_.emplace(array_);
        load_port_ = store_port_ = DmaChannel(0, port_bytes_per_cycle_);
        store_port_free_ = 0;
        peer_port_ = DmaChannel(peer_latency_cycles_, peer_bytes_per_cycle_);
        decoded_ = false;
        signals_ = 0;
        scratchpad_.clear();
        accumulator_.clear();
    }

    // --- The list ---

    void start() {
        become(STATUS_BUSY);
        pipeline_.observe(host().now(), true);
        if (const std::uint32_t error = check_list()) return finish(error, 0);
        fetch({at(REG_DATA_IN), at(REG_SIZE)}, [this](const Bytes& list) { take(list); });
    }

    std::uint32_t check_list() {
        const MemoryRange ram = host().ram();
        const std::uint64_t address = at(REG_DATA_IN), bytes = at(REG_SIZE);
        if (ram.size_bytes == 0) return ERROR_NO_RAM;
        if (address % COMMAND_LIST_ALIGNMENT_BYTES || bytes % COMMAND_BYTES) return ERROR_ALIGNMENT;
        if (bytes == 0 || bytes > ram.size_bytes) return ERROR_SIZE;
        return ram.contains(address, bytes) ? ERROR_NONE : ERROR_ADDRESS;
    }

    void take(const Bytes& list) {
        list_.resize(list.size() / sizeof(DeviceCommand));
        std::memcpy(list_.data(), list.data(), list.size());
        const Limits limits{host().ram(), scratchpad_.size(), accumulator_.size(), host().peers()};
        for (std::size_t i = 0; i < list_.size(); ++i) {
            if (const std::uint32_t error = check_command(list_[i], limits)) {
                log("Command %zu refused, error %" PRIu32, i, error);
                return finish(error, i);
            }
        }
        next_ = 0;
        pipeline_.begin(0);
        decode();
    }

    void decode() {
        after(1, [this] {
            decoded_ = true;
            advance();
        });
    }

    // Whether the command at hand leaves the decoder: for its unit's queue, if there is room.
    bool dispatch(const DeviceCommand& command) {
        if (command.code == COMMAND_OP) pipeline_.begin(command.m);
        if (command.code == COMMAND_SYNC) return pipeline_.empty();
        if (command.code == COMMAND_AWAIT) return await(command.m);
        const std::optional<Unit> unit = unit_of(command);
        if (!unit) return true;
        if (!pipeline_.has_room(*unit)) return false;
        pipeline_.push(command, *unit, next_);
        return true;
    }

    // Whether so many signals have come; they are used up then.
    bool await(std::uint64_t count) {
        if (signals_ < count) return false;
        signals_ -= count;
        return true;
    }

    // Does whatever can be done in this cycle; called whenever something has changed.
    void advance() {
        if (decoded_ && dispatch(list_[next_])) {
            decoded_ = false;
            ++commands_;
            if (++next_ < list_.size()) decode();
        }
        start_all(Unit::load, [this](Entry job) { load(job); });
        start_all(Unit::compute, [this](Entry job) { multiply_matrices(job); });
        start_all(Unit::store, [this](Entry job) { store(job); });
        const bool over = next_ == list_.size() && pipeline_.empty();
        over ? finish(ERROR_NONE, list_.size()) : pipeline_.observe(host().now(), true);
    }

    void finish(std::uint32_t error, std::size_t data_out) {
        pipeline_.observe(host().now(), false);
        at(REG_RESULT) = error;
        at(REG_DATA_OUT) = std::uint32_t(data_out);
        become(error ? STATUS_ERROR : STATUS_DATA_READY);
    }

    // --- The units ---

    template <class Start>
    void start_all(Unit unit, Start start) {
        while (unit != Unit::store || store_port_free_ <= host().now()) {
            const std::optional<Entry> job = pipeline_.ready(unit);
            if (!job) return;
            (*job)->started = true;
            (*job)->begin = host().now();
            start(*job);
        }
    }

    void load(Entry job) {
        const Block source = dram_tile(job->command);
        const Cycle written = load_port_.book(host().now(), scratchpad_tile(job->command).bytes());
        log("LOAD of %" PRIu64 " bytes to 0x%" PRIx32, source.bytes(), job->command.a);
        if (source.bytes() == 0) {
            return after(written - host().now(), [this, job] { loaded(job, {}); });
        }
        job->transfers = true;
        fetch(source, [this, job, written](const Bytes& bytes) {
            arrived(job);
            if (written <= host().now()) return loaded(job, bytes);
            after(written - host().now(), [this, job, bytes] { loaded(job, bytes); });
        });
    }

    void loaded(Entry job, const Bytes& bytes) {
        if (host().has_values()) load_values(job->command, bytes, scratchpad_);
        done(job);
    }

    // The values are there at once; nobody may look at them before the array has let go of them.
    void multiply_matrices(Entry job) {
        const DeviceCommand& command = job->command;
        const TileTimes last = issue_tiles(command);
        const Cycle now = host().now();
        const bool weights_stay = array_.dataflow == Dataflow::weight_stationary;
        log("MATMUL [%dx%d] @ [%dx%d], %" PRIu64 " cycles", command.m, command.k, command.k,
            command.n, last.result - now);
        if (host().has_values()) multiply(command, scratchpad_, accumulator_);
        macs_ += std::uint64_t(command.m) * command.n * command.k;
        const Cycle a_taken = last.streamed, b_taken = weights_stay ? last.loaded : last.streamed;
        after(a_taken - now, [this, job] { release(job, 0); });
        after(b_taken - now, [this, job] { release(job, 1); });
        after(last.result - now, [this, job] { done(job); });
    }

    // Columns are outermost, then rows of C (where outputs stay), then K (where weights do): a
    // ragged tile takes the time of a full one, so all of them are alike.
    TileTimes issue_tiles(const DeviceCommand& command) {
        const bool weights_stay = array_.dataflow == Dataflow::weight_stationary;
        const std::uint64_t strip = ceil_divide(weights_stay ? command.k : command.m, array_.rows);
        const std::uint64_t tiles = ceil_divide(command.n, array_.columns) * strip;
        const Cycle slots = weights_stay ? command.m : command.k, now = host().now();
        TileTimes last{};
        for (std::uint64_t tile = 0; tile < tiles; ++tile) last = timeline_->issue(slots, now, now);
        array_cycles_ += tiles * slots;
        return last;
    }

    void store(Entry job) {
        const DeviceCommand& command = job->command;
        if (command.code == COMMAND_SIGNAL) return signal(job);
        const Cycle now = host().now();
        const Cycle read = store_port_.book(now, kSumBytes * command.m * command.n);
        store_port_free_ = read;
        Bytes values;
        if (host().has_values()) values = store_values(command, scratchpad_, accumulator_);
        log("STORE of %" PRIu64 " bytes from 0x%" PRIx32, dram_bytes(command), command.c);
        after(read - now, [this, job] {
            for (std::size_t use = 0; use < job->uses.size(); ++use) job->uses[use].released = true;
            advance();
        });
        if (is_peer(command.dram)) return store_at_peer(job, read, std::move(values));
        dma_bytes_written_ += dram_bytes(command);
        job->transfers = true;
        write_ram(dram_tile(command), std::move(values), [this, job, read] {
            arrived(job);
            if (read <= host().now()) return done(job);
            after(read - host().now(), [this, job] { done(job); });
        });
    }

    // Done when the last byte has left, which no RAM is asked for.
    void store_at_peer(Entry job, Cycle read, Bytes values) {
        const DeviceCommand& command = job->command;
        const Cycle now = host().now(), there = peer_port_.book(now, dram_bytes(command));
        Block block = dram_tile(command);
        block.address = peer_offset(command.dram);
        peer_bytes_sent_ += dram_bytes(command);
        const Cycle last = std::max(read, there - peer_latency_cycles_);
        host().send(peer_base(command.dram), last + peer_latency_cycles_ - now,
                    {false, block, std::move(values)});
        after(last - now, [this, job] { done(job); });
    }

    // Follows all STOREs before it, which are done.
    void signal(Entry job) {
        host().send(peer_base(job->command.dram), 1 + peer_latency_cycles_, {});
        after(1, [this, job] { done(job); });
    }

    void scatter(const PeerMessage& message) {
        const std::uint8_t* source = message.bytes.data();
        message.block.for_each_row([&](std::uint64_t offset) {
            std::memcpy(&scratchpad_[message.block.address + offset], source,
                        message.block.row_bytes);
            source += message.block.row_bytes;
        });
    }

    // The job's transfer is complete; its unit's port may still be at work.
    void arrived(Entry job) {
        job->transfers = false;
        pipeline_.observe(host().now(), true);
    }

    void release(Entry job, std::size_t use) {
        job->uses[use].released = true;
        advance();
    }

    void done(Entry job) {
        if (Recording* recording = host().recording()) recording->add(span_of(*job));
        pipeline_.remove(job);
        advance();
    }

    Span span_of(const Job& job) {
        const DeviceCommand& x = job.command;
        Span span{};
        span.begin = job.begin;
        span.end = host().now();
        span.value = at(REG_DATA_IN);
        span.track = std::uint8_t(kUnitTrack + static_cast<std::uint8_t>(job.unit));
        span.type = std::uint8_t(x.type);
        span.code = x.code;
        span.op = job.op;
        span.index = std::uint32_t(job.index);
        span.m = x.m;
        span.n = x.n;
        span.k = x.k;
        if (x.code == COMMAND_MATMUL) count_bytes(x, span);
        if (x.code != COMMAND_LOAD && x.code != COMMAND_STORE) return span;
        const Block tile = dram_tile(x);
        span.scratchpad_bytes = x.code == COMMAND_LOAD ? scratchpad_tile(x).bytes()
                                                       : vector_bytes(x) + residual_tile_bytes(x);
        if (x.code == COMMAND_STORE) span.accumulator_bytes = kSumBytes * x.m * x.n;
        span.bytes = tile.bytes();
        span.address = x.dram;
        span.m = std::uint32_t(tile.planes);
        span.n = std::uint32_t(tile.rows);
        span.k = std::uint32_t(tile.row_bytes);
        return span;
    }

    static std::uint64_t residual_tile_bytes(const DeviceCommand& x) {
        return x.flags & FLAG_RESIDUAL ? scratchpad_tile(x).bytes() : 0;
    }

    // Each strip of columns streams A anew and, where outputs stay, each strip of rows B. Where
    // weights stay, each strip of K adds to sums that the one before has left.
    void count_bytes(const DeviceCommand& x, Span& span) const {
        const bool weights_stay = array_.dataflow == Dataflow::weight_stationary;
        const std::uint64_t b_times = weights_stay ? 1 : ceil_divide(x.m, array_.rows);
        const std::uint64_t sums = weights_stay ? ceil_divide(x.k, array_.rows) : 1;
        const std::uint64_t a = std::uint64_t(x.m) * x.k * ceil_divide(x.n, array_.columns);
        span.scratchpad_bytes = operand_bytes(x) * (a + std::uint64_t(x.k) * x.n * b_times);
        const std::uint64_t touched = 2 * sums - 1 + ((x.flags & FLAG_ACCUMULATE) != 0);
        span.accumulator_bytes = kSumBytes * x.m * x.n * touched;
    }

    void fetch(const Block& block, std::function<void(Bytes)> done) {
        dma_bytes_read_ += block.bytes();
        read_ram(block, std::move(done));
    }

    void count(Statistics& statistics) const override {
        statistics.insert(statistics.end(), {{"commands", commands_},
                                             {"macs", macs_},
                                             {"array_cycles", array_cycles_},
                                             {"peak_macs_per_cycle", array_.rows * array_.columns},
                                             {"dma_bytes_read", dma_bytes_read_},
                                             {"dma_bytes_written", dma_bytes_written_},
                                             {"peer_bytes_sent", peer_bytes_sent_}});
        pipeline_.count(statistics, host().now());
    }

    const Array array_;
    const std::uint64_t port_bytes_per_cycle_;
    const Cycle peer_latency_cycles_;
    const std::uint64_t peer_bytes_per_cycle_;
    LocalMemory scratchpad_, accumulator_;
    Pipeline pipeline_;
    std::optional<ArrayTimeline> timeline_;
    DmaChannel load_port_{0, 1}, store_port_{0, 1}, peer_port_{0, 1};
    Cycle store_port_free_ = 0;

    std::vector<DeviceCommand> list_;
    std::size_t next_ = 0;       // index into list_ of the command in the decoder
    bool decoded_ = false;       // it has been there for its cycle
    std::uint64_t signals_ = 0;  // that peers have sent and no AWAIT has used
    std::uint64_t peer_bytes_sent_ = 0;
    std::uint64_t commands_ = 0, macs_ = 0, dma_bytes_read_ = 0, dma_bytes_written_ = 0;
    Cycle array_cycles_ = 0;
};

const Registered<Compute> registered("compute");

}  // namespace acalsim
