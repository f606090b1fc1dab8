// SPDX-License-Identifier: Apache-2.0
// Compute: a decoupled access-execute matrix engine. DATA_IN holds the address of a list of
// DeviceCommands, SIZE its bytes; CONTROL = START fetches and checks the list, whole or in pieces,
// and hands one command a cycle to the load, compute, vector and store units, which work side by
// side. STATUS is DATA_READY or ERROR afterwards, RESULT tells which error, DATA_OUT how many
// commands were executed, or which one was refused. A list that is checked whole and has any error
// in it has no effect at all.
#include <cinttypes>
#include <cstring>
#include <optional>

#include "model/array_unit.hh"
#include "model/command_list.hh"
#include "model/command_order.hh"
#include "model/command_span.hh"
#include "model/dma.hh"
#include "model/epilogue.hh"
#include "model/memory_ports.hh"
#include "model/padding.hh"
#include "model/pipeline.hh"
#include "model/product.hh"
#include "model/registry.hh"
#include "model/tile.hh"
#include "model/vector_unit.hh"
#include "model/vector_values.hh"

namespace acalsim {

class Compute : public Device {
public:
    explicit Compute(const Slot& slot)
        : Device(slot),
          array_(slot),
          ports_(slot),
          start_cycles_(slot.parameter("start_cycles")),
          peer_latency_cycles_(slot.parameter("peer_latency_cycles")),
          peer_bytes_per_cycle_(slot.parameter("peer_bytes_per_cycle")),
          scratchpad_(slot.parameter("scratchpad_bytes")),
          accumulator_(slot.parameter("accumulator_bytes")),
          vector_(VectorRates(slot)),
          pipeline_({slot.parameter("load_queue_depth"), slot.parameter("compute_queue_depth"),
                     vector_.exists() ? slot.parameter("vector_queue_depth") : 0,
                     slot.parameter("store_queue_depth")}),
          list_(slot) {
        cleared();
    }

    Stages stages() const override { return pipeline_.stages(host().now()); }

    std::vector<std::size_t> order_of_list(const Bytes& list, const DramTiming& ram,
                                           std::size_t window) const override {
        std::vector<DeviceCommand> commands(list.size() / sizeof(DeviceCommand));
        std::memcpy(commands.data(), list.data(), commands.size() * sizeof(DeviceCommand));
        return order_of(commands, {array_, vector_, ram, ports_.bytes_per_cycle(), host().base()},
                        window);
    }

    std::uint64_t peer_bytes() const override { return scratchpad_.size(); }

    bool awaits_peers() const override {
        return busy() && decoded_ && list_.next().code == COMMAND_AWAIT &&
               signals_ < list_.next().m;
    }

    void receive(const PeerMessage& message) override {
        if (message.is_signal) {
            ++signals_;
            log("Signal, %" PRIu64 " not waited for", signals_);
        } else {
            log("Tile of %" PRIu64 " bytes to 0x%" PRIx64, message.block.bytes(),
                message.block.address);
            if (host().has_values()) scatter_tile(scratchpad_, message.block, message.bytes);
        }
        if (busy() && list_.has_next()) advance();
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
        array_.clear();
        ports_.clear();
        store_port_free_ = 0;
        peer_port_ = DmaChannel(peer_latency_cycles_, peer_bytes_per_cycle_);
        vector_.clear();
        list_.clear();
        decoding_ = decoded_ = false;
        signals_ = 0;
        scratchpad_.clear();
        accumulator_.clear();
    }

    // --- The list ---

    void start() {
        become(STATUS_BUSY);
        pipeline_.begin(first_op_ = 0);
        pipeline_.observe(host().now(), true);
        const std::uint32_t error = error_of_list(host().ram(), at(REG_DATA_IN), at(REG_SIZE));
        if (error) return finish(error, 0);
        list_.begin(at(REG_DATA_IN), at(REG_SIZE));
        ++lists_;
        if (!start_cycles_) return fetch_list();
        after(start_cycles_, [this] { fetch_list(); });
    }

    // As much of it as there is room for.
    void fetch_list() {
        while (const std::optional<Block> piece = list_.next_piece()) {
            fetch({*piece}, [this, list = lists_, address = piece->address](const Bytes& bytes) {
                if (busy() && list == lists_) take(address, bytes);
            });
        }
    }

    void take(std::uint64_t address, const Bytes& piece) {
        list_.take(address, piece,
                   {host().ram(), scratchpad_.size(), accumulator_.size(), host().peers(),
                    host().base(), vector_.exists(), array_.types()});
        if (list_.error())
            log("Command %zu refused, error %" PRIu32, list_.refused(), list_.error());
        decode();
        advance();
    }

    // Takes the next command, if the decoder is empty and there is one.
    void decode() {
        if (decoding_ || decoded_ || !list_.has_next()) return;
        decoding_ = true;
        after(1, [this] {
            decoding_ = false;
            decoded_ = list_.has_next();
            advance();
        });
    }

    // Whether the command at hand leaves the decoder: for its unit's queue, if there is room.
    bool dispatch(const DeviceCommand& command) {
        if (command.code == COMMAND_OP) first_op_ = command.m;
        pipeline_.begin(first_op_ + command.ahead);
        if (command.code == COMMAND_SYNC) return pipeline_.empty();
        if (command.code == COMMAND_AWAIT) return await(command.m);
        const std::optional<Unit> unit = unit_of(command);
        if (!unit) return true;
        if (!pipeline_.has_room(*unit)) return false;
        std::vector<Use> uses = uses_of(command, host().base());
        const std::optional<Use> of_ram = ram_use_of(command);
        if (vector_.exists() && of_ram) uses.push_back(*of_ram);
        pipeline_.push(command, *unit, list_.index(), std::move(uses));
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
        if (decoded_ && dispatch(list_.next())) {
            decoded_ = false;
            ++commands_;
            list_.advance();
            decode();
            fetch_list();
        }
        start_all(Unit::load, [this](Entry job) { load(job); });
        start_all(Unit::compute, [this](Entry job) { multiply_matrices(job); });
        start_all(Unit::vector, [this](Entry job) { compute_elements(job); });
        start_all(Unit::store, [this](Entry job) { store(job); });
        if (!list_.over() || !pipeline_.empty()) return pipeline_.observe(host().now(), true);
        finish(list_.error(), list_.error() ? list_.refused() : list_.index());
    }

    // A command turned out to be wrong when it was executed: what is behind it and has not started
    // never will.
    void refuse(Entry job, std::uint32_t error) {
        log("Command %zu refused, error %" PRIu32, job->index, error);
        list_.end(error, job->index);
        decoded_ = false;
        pipeline_.drop_behind(job);
        after(1, [this, job] { done(job); });
    }

    void finish(std::uint32_t error, std::size_t data_out) {
        pipeline_.observe(host().now(), false);
        at(REG_RESULT) = error;
        at(REG_DATA_OUT) = std::uint32_t(data_out);
        become(error ? STATUS_ERROR : STATUS_DATA_READY);
    }

    // --- The units ---

    // When the unit may start another command; a LOAD or MATMUL may always.
    Cycle free(Unit unit) const {
        return unit == Unit::store ? store_port_free_ : unit == Unit::vector ? vector_.free() : 0;
    }

    template <class Start>
    void start_all(Unit unit, Start start) {
        while (free(unit) <= host().now()) {
            const std::optional<Entry> job = pipeline_.ready(unit);
            if (!job) return;
            (*job)->started = true;
            (*job)->begin = host().now();
            start(*job);
        }
    }

    void load(Entry job) {
        const DeviceCommand& command = job->command;
        if (is_peer(command.dram) && dram_bytes(command)) return load_own(job);
        std::vector<std::int64_t> indices;
        if (gathers(command))
            indices = host().deciding(indices_of(command, scratchpad_, host().has_values()));
        const auto rows = sources_of(command, indices);
        if (!rows) return refuse(job, ERROR_INDEX);
        const Cycle written = ports_.write(scratchpad_tile(command).bytes(), host().now());
        log("LOAD of %" PRIu64 " bytes to 0x%" PRIx32, dram_bytes(command), command.a);
        if (rows->empty()) {
            return after(written - host().now(), [this, job] { loaded(job, {}); });
        }
        job->transfers = true;
        fetch(*rows, [this, job, written](const Bytes& bytes) {
            release_sources(job);
            arrived(job);
            if (written <= host().now()) return loaded(job, bytes);
            after(written - host().now(), [this, job, bytes] { loaded(job, bytes); });
            advance();
        });
    }

    // From a place of the own scratchpad to another one.
    void load_own(Entry job) {
        const DeviceCommand& command = job->command;
        const Cycle now = host().now(),
                    written = ports_.write(scratchpad_tile(command).bytes(), now);
        Bytes bytes;
        if (host().has_values()) bytes = gather_tile(scratchpad_, peer_tile(command));
        log("LOAD of %" PRIu64 " bytes to 0x%" PRIx32 " from 0x%" PRIx64, dram_bytes(command),
            command.a, peer_offset(command.dram));
        after(written - now, [this, job, bytes = std::move(bytes)] { loaded(job, bytes); });
    }

    void loaded(Entry job, const Bytes& bytes) {
        ports_.share_written(array_, scratchpad_tile(job->command).bytes(), host().now());
        if (host().has_values()) load_values(job->command, bytes, scratchpad_);
        done(job);
    }

    // The values are there at once; nobody may look at them before the array has let go of them.
    void multiply_matrices(Entry job) {
        const DeviceCommand& command = job->command;
        const Cycle now = host().now();
        const TileTimes last = array_.issue(command, now);
        log("MATMUL [%dx%d] @ [%dx%d], %" PRIu64 " cycles", command.m, command.k, command.k,
            command.n, last.result - now);
        if (host().has_values()) multiply(command, scratchpad_, accumulator_);
        const Cycle a_taken = last.streamed,
                    b_taken = array_.weights_stay() ? last.loaded : last.streamed;
        after(a_taken - now, [this, job] { release(job, 0); });
        after(b_taken - now, [this, job] { release(job, 1); });
        after(last.result - now, [this, job] { done(job); });
    }

    // Its values, too, are there at once.
    void compute_elements(Entry job) {
        const DeviceCommand& command = job->command;
        const Cycle now = host().now(), result = vector_.issue(command, now);
        log("Vector command %d, function %d, %" PRIu64 " cycles", command.code, command.k,
            result - now);
        if (host().has_values())
            compute_vector(command, vector_.lanes(), {scratchpad_, accumulator_});
        after(vector_.free() - now, [this] { advance(); });
        after(result - now, [this, job] { done(job); });
    }

    void store(Entry job) {
        const DeviceCommand& command = job->command;
        if (command.code == COMMAND_SIGNAL) return signal(job);
        const Cycle now = host().now(), read = ports_.read(command, now, vector_);
        store_port_free_ = read;
        ports_.share_read(array_, command, now);
        Bytes values;
        if (host().has_values()) values = leaving_values(command, scratchpad_, accumulator_);
        log("STORE of %" PRIu64 " bytes from 0x%" PRIx32, dram_bytes(command),
            command.code == COMMAND_SAVE ? command.a : command.c);
        after(read - now, [this, job] {
            release_sources(job);
            advance();
        });
        if (!is_peer(command.dram)) return store_in_ram(job, read, std::move(values));
        if (peer_base(command.dram) != host().base())
            return store_at_peer(job, read, std::move(values));
        after(read - now, [this, job, values = std::move(values)] {
            if (host().has_values()) scatter_tile(scratchpad_, peer_tile(job->command), values);
            done(job);
        });
    }

    void store_in_ram(Entry job, Cycle read, Bytes values) {
        dma_bytes_written_ += dram_bytes(job->command);
        job->transfers = true;
        write_ram(dram_tile(job->command), std::move(values), [this, job, read] {
            arrived(job);
            if (read < host().now()) return done(job);
            after(read - host().now(), [this, job] { done(job); });
        });
    }

    // Done when the last byte has left, which no RAM is asked for.
    void store_at_peer(Entry job, Cycle read, Bytes values) {
        const DeviceCommand& command = job->command;
        const Cycle now = host().now(), there = peer_port_.book(now, dram_bytes(command));
        peer_bytes_sent_ += dram_bytes(command);
        const Cycle last = std::max(read, there - peer_latency_cycles_);
        host().send(peer_base(command.dram), last + peer_latency_cycles_ - now,
                    {false, peer_tile(command), std::move(values)});
        after(last - now, [this, job] { done(job); });
    }

    // Follows all STOREs before it, which are done.
    void signal(Entry job) {
        host().send(peer_base(job->command.dram), 1 + peer_latency_cycles_, {});
        after(1, [this, job] { done(job); });
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

    // It has no more need of what it only reads.
    static void release_sources(Entry job) {
        for (Use& use : job->uses) use.released |= !use.writes;
    }

    void done(Entry job) {
        if (SpanLog* log = host().span_log())
            log->add(span_of(*job, {host().now(), at(REG_DATA_IN)}, array_, vector_.rates()));
        pipeline_.remove(job);
        advance();
    }

    void fetch(const std::vector<Block>& blocks, std::function<void(Bytes)> done) {
        for (const Block& block : blocks) dma_bytes_read_ += block.bytes();
        read_each(blocks, std::move(done));
    }

    void count(Statistics& statistics) const override {
        statistics.emplace_back("commands", commands_);
        array_.count(statistics);
        statistics.insert(statistics.end(), {{"dma_bytes_read", dma_bytes_read_},
                                             {"dma_bytes_written", dma_bytes_written_},
                                             {"peer_bytes_sent", peer_bytes_sent_}});
        vector_.count(statistics);
        pipeline_.count(statistics, host().now());
    }

    ArrayUnit array_;
    MemoryPorts ports_;
    const Cycle start_cycles_;
    const Cycle peer_latency_cycles_;
    const std::uint64_t peer_bytes_per_cycle_;
    LocalMemory scratchpad_, accumulator_;
    VectorUnit vector_;
    Pipeline pipeline_;
    DmaChannel peer_port_{0, 1};
    Cycle store_port_free_ = 0;

    CommandList list_;
    std::uint64_t lists_ = 0;     // that were begun
    bool decoding_ = false;       // a command gets to the decoder in this cycle
    std::uint32_t first_op_ = 0;  // that the last OP named
    bool decoded_ = false;        // there is one that has been there for its cycle
    std::uint64_t signals_ = 0;   // that peers have sent and no AWAIT has used
    std::uint64_t peer_bytes_sent_ = 0;
    std::uint64_t commands_ = 0, dma_bytes_read_ = 0, dma_bytes_written_ = 0;
};

const Registered<Compute> registered("compute");

}  // namespace acalsim
