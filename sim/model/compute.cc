// SPDX-License-Identifier: Apache-2.0
// Compute: a matrix engine. DATA_IN holds the address of a list of DeviceCommands, SIZE its bytes;
// CONTROL = START fetches and checks the whole list, then executes one command after the other:
// operands in by DMA, through the systolic array, result out by DMA. STATUS is DATA_READY or ERROR
// afterwards, RESULT tells which error, DATA_OUT how many commands were executed. A list with any
// error in it has no effect at all.
#include <cinttypes>
#include <cstring>

#include "model/array.hh"
#include "model/registry.hh"

namespace acalsim {

namespace {

using Floats = std::vector<float>;

Floats as_floats(const Bytes& bytes) {
    Floats values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
    return values;
}

Bytes as_bytes(const Floats& values) {
    Bytes bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

// Every element of C sums its products in ascending k, each rounded to float32, so that the result
// is the same bits everywhere; the innermost loop runs along a row so that it can use vectors.
Floats multiply(const DeviceCommand& command, const Floats& a, const Floats& b) {
    const std::size_t m = command.m, n = command.n, k = command.k;
    Floats c(m * n, 0.0f);
    for (std::size_t row = 0; row < m; ++row) {
        float* sums = &c[row * n];
        for (std::size_t inner = 0; inner < k; ++inner) {
            const float factor = a[row * k + inner];
            const float* weights = &b[inner * n];
            for (std::size_t column = 0; column < n; ++column) {
                sums[column] += factor * weights[column];
            }
        }
    }
    return c;
}

struct Matrix {
    std::uint64_t address;
    std::uint64_t elements;

    std::uint64_t bytes() const { return elements * sizeof(float); }
};

Matrix a_of(const DeviceCommand& x) { return {x.a, std::uint64_t(x.m) * x.k}; }
Matrix b_of(const DeviceCommand& x) { return {x.b, std::uint64_t(x.k) * x.n}; }
Matrix c_of(const DeviceCommand& x) { return {x.c, std::uint64_t(x.m) * x.n}; }

std::uint32_t check_range(const MemoryRange& ram, std::uint64_t address, std::uint64_t bytes,
                          std::uint64_t alignment) {
    if (address % alignment != 0) return ERROR_ALIGNMENT;
    if (bytes == 0 || bytes > ram.size_bytes) return ERROR_SIZE;
    return ram.contains(address, bytes) ? ERROR_NONE : ERROR_ADDRESS;
}

std::uint32_t check_matrix(const MemoryRange& ram, const Matrix& matrix) {
    // First, so that bytes() cannot overflow.
    if (matrix.elements > ram.size_bytes / sizeof(float)) return ERROR_SIZE;
    return check_range(ram, matrix.address, matrix.bytes(), sizeof(float));
}

std::uint32_t check_command(const MemoryRange& ram, const DeviceCommand& command) {
    if (command.code == COMMAND_NOP) return ERROR_NONE;
    if (command.code != COMMAND_MATMUL || command.reserved != 0) return ERROR_COMMAND;
    for (const Matrix& matrix : {a_of(command), b_of(command), c_of(command)}) {
        if (const std::uint32_t error = check_matrix(ram, matrix)) return error;
    }
    return ERROR_NONE;
}

}  // namespace

class Compute : public Device {
public:
    explicit Compute(const Slot& slot)
        : Device(slot), array_{slot.parameter("rows"), slot.parameter("columns")} {}

private:
    void write(std::uint32_t offset, std::uint32_t value) override {
        Device::write(offset, value);
        if (offset == REG_CONTROL && value == CONTROL_START) start();
    }

    void start() {
        become(STATUS_BUSY);
        if (const std::uint32_t error = check_list()) return finish(error);
        fetch(at(REG_DATA_IN), at(REG_SIZE), [this](const Bytes& list) { decode(list); });
    }

    std::uint32_t check_list() {
        if (host().ram().size_bytes == 0) return ERROR_NO_RAM;
        if (at(REG_SIZE) % COMMAND_BYTES != 0) return ERROR_ALIGNMENT;
        return check_range(host().ram(), at(REG_DATA_IN), at(REG_SIZE),
                           COMMAND_LIST_ALIGNMENT_BYTES);
    }

    void decode(const Bytes& list) {
        list_.resize(list.size() / sizeof(DeviceCommand));
        std::memcpy(list_.data(), list.data(), list.size());
        next_ = 0;
        for (std::size_t i = 0; i < list_.size(); ++i) {
            if (const std::uint32_t error = check_command(host().ram(), list_[i])) {
                log("Command %zu refused, error %" PRIu32, i, error);
                return finish(error);
            }
        }
        execute_next();
    }

    void execute_next() {
        if (next_ == list_.size()) return finish(ERROR_NONE);
        command_ = list_[next_++];
        ++commands_;
        if (command_.code == COMMAND_NOP) {
            after(1, [this] { execute_next(); });
        } else {
            load();
        }
    }

    void load() {
        const Matrix a = a_of(command_), b = b_of(command_);
        fetch(a.address, a.bytes(), [this](const Bytes& bytes) { a_ = as_floats(bytes); });
        fetch(b.address, b.bytes(), [this](const Bytes& bytes) {
            b_ = as_floats(bytes);
            compute();
        });
    }

    void compute() {
        const std::uint64_t m = command_.m, n = command_.n, k = command_.k;
        const Cycle cycles = gemm_cycles(array_, {m, n, k});
        log("MATMUL [%" PRIu64 "x%" PRIu64 "] @ [%" PRIu64 "x%" PRIu64 "], %" PRIu64 " cycles", m,
            k, k, n, cycles);
        array_cycles_ += cycles;
        macs_ += m * n * k;
        after(cycles, [this] { store(); });
    }

    void store() {
        Bytes c = as_bytes(multiply(command_, a_, b_));
        dma_bytes_written_ += c.size();
        write_ram(command_.c, std::move(c), [this] { execute_next(); });
    }

    void finish(std::uint32_t error) {
        at(REG_RESULT) = error;
        at(REG_DATA_OUT) = error ? 0 : std::uint32_t(list_.size());
        become(error ? STATUS_ERROR : STATUS_DATA_READY);
    }

    void fetch(std::uint64_t address, std::uint64_t bytes, std::function<void(Bytes)> done) {
        dma_bytes_read_ += bytes;
        read_ram(address, bytes, std::move(done));
    }

    void count(Statistics& statistics) const override {
        statistics.insert(statistics.end(), {{"commands", commands_},
                                             {"macs", macs_},
                                             {"array_cycles", array_cycles_},
                                             {"dma_bytes_read", dma_bytes_read_},
                                             {"dma_bytes_written", dma_bytes_written_}});
    }

    const Array array_;
    std::vector<DeviceCommand> list_;
    std::size_t next_ = 0;  // index into list_ of the command after command_
    DeviceCommand command_{};
    Floats a_, b_;
    std::uint64_t commands_ = 0, macs_ = 0, dma_bytes_read_ = 0, dma_bytes_written_ = 0;
    Cycle array_cycles_ = 0;
};

const Registered<Compute> registered("compute");

}  // namespace acalsim
