// SPDX-License-Identifier: Apache-2.0
// Random command lists, legal ones and such with a few fields spoilt, on the embedded engine:
//
//     fuzz_commands SEED ROUNDS
//
// A round is one machine and 32 lists. Sanitizers end the program at the first mistake; what this
// program checks itself is that a list which is refused as a whole has changed nothing in RAM. Each
// round follows from its own seed, which is printed where something is wrong.
// bench/fuzz_commands.py builds it and runs it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "embedded/engine.hh"
#include "fuzz_lists.hh"
#include "model/command.hh"
#include "model/function.hh"
#include "tables.h"

namespace acalsim {

namespace {

// --- A round ---

struct Counts {
    std::uint64_t lists = 0, commands = 0, errors[9] = {};
};

class Round {
public:
    Round(std::uint64_t seed, std::uint8_t* ram, const std::string& path)
        : seed_(seed), random_(seed), ram_(ram), engine_(ram_timing()) {
        const Parameters given = parameters(random_, sizes_);
        pieces_ = given.at("list_buffer_bytes");
        engine_.add_device("compute", "compute", COMPUTE_DEFAULT_BASE, given);
        engine_.add_device("compute", "peer", kPeerBase, given);
        for (std::uint64_t i = 0; i < kRamBytes / 8; ++i) {
            const std::uint64_t word = random_.any();
            std::memcpy(ram_ + 8 * i, &word, sizeof word);
        }
        engine_.map_ram(GuestRam(path, {RAM_ORIGIN, kRamBytes}, 0));
    }

    void run(Counts& counts) {
        for (int list = 0; list < kListsOfARound; ++list) run_list(counts);
    }

private:
    DramTiming ram_timing() {
        DramTiming timing;
        timing.channels = random_.between(1, 3);
        timing.row_bytes = random_.below(2) * 256;
        timing.row_miss_cycles = random_.below(20);
        return timing;
    }

    void run_list(Counts& counts) {
        std::vector<DeviceCommand> list;
        Writer writer(random_, sizes_, random_.once_in(2));
        for (std::uint64_t n = random_.between(1, kMostCommands); n > 0; --n)
            list.push_back(writer.command());
        std::memcpy(ram_, list.data(), list.size() * sizeof(DeviceCommand));
        const Bytes before(ram_ + kListBytes, ram_ + kRamBytes);
        write(REG_DATA_IN, RAM_ORIGIN);
        write(REG_SIZE, list.size() * sizeof(DeviceCommand));
        write(REG_CONTROL, CONTROL_START);
        ++counts.lists;
        if (random_.once_in(40)) return reset();
        const std::uint64_t error = read(REG_RESULT), done = read(REG_DATA_OUT);
        if (error >= std::size(counts.errors)) fail(seed_, "RESULT is %d", int(error));
        if (error ? done >= list.size() : done != list.size())
            fail(seed_, "error %d, %d of %d commands", int(error), int(done), int(list.size()));
        ++counts.errors[error];
        counts.commands += done;
        const bool as_a_whole = error && error != ERROR_INDEX && (!pieces_ || done < pieces_ / 256);
        if (as_a_whole && std::memcmp(before.data(), ram_ + kListBytes, before.size()))
            fail(seed_, "a refused list has changed RAM, error %d", int(error));
    }

    // What is on its way to RAM still arrives there.
    void reset() {
        write(REG_CONTROL, CONTROL_RESET);
        engine_.access({false, COMPUTE_DEFAULT_BASE + REG_STATUS, 4, 0, 1 << 20});
    }

    void write(std::uint64_t offset, std::uint64_t value) {
        engine_.access({true, COMPUTE_DEFAULT_BASE + offset, 4, value, 0});
    }
    std::uint64_t read(std::uint64_t offset) {
        return engine_.access({false, COMPUTE_DEFAULT_BASE + offset, 4, 0, 0}).data;
    }

    const std::uint64_t seed_;
    Random random_;
    std::uint8_t* const ram_;
    Sizes sizes_;
    std::uint64_t pieces_ = 0;
    Engine engine_;
};

int fuzz(std::uint64_t seed, std::uint64_t rounds) {
    const int file = memfd_create("ram", 0);
    if (file < 0 || ftruncate(file, kRamBytes)) fail(seed, "no memory for RAM");
    void* ram = mmap(nullptr, kRamBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    Counts counts;
    for (std::uint64_t round = seed; round < seed + rounds; ++round) {
        try {
            Round(round, static_cast<std::uint8_t*>(ram), path).run(counts);
        } catch (const std::exception& error) {
            fail(round, "%s", error.what());
        }
    }
    std::printf("%llu lists, %llu commands executed; lists by RESULT:",
                static_cast<unsigned long long>(counts.lists),
                static_cast<unsigned long long>(counts.commands));
    for (const std::uint64_t count : counts.errors)
        std::printf(" %llu", static_cast<unsigned long long>(count));
    std::printf("\n");
    return 0;
}

}  // namespace

}  // namespace acalsim

int main(int count, char** arguments) {
    if (count != 3) return std::fprintf(stderr, "usage: fuzz_commands SEED ROUNDS\n"), 2;
    return acalsim::fuzz(std::strtoull(arguments[1], nullptr, 10),
                         std::strtoull(arguments[2], nullptr, 10));
}
