// SPDX-License-Identifier: Apache-2.0
// What the Python module times without values: products, command lists, recorded runs.
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "embedded/bindings.hh"
#include "embedded/recording.hh"
#include "model/array.hh"

using namespace nanobind::literals;

namespace acalsim {

namespace {

using Number = std::uint64_t;
using ArrayCase = std::tuple<std::string, std::string, Number, Number, Number, Number, Number,
                             Number, Number, Number, Number>;

Cycle array_cycles_of(const ArrayCase& one) {
    static const std::map<std::string, Dataflow> dataflows = {{"ws", Dataflow::weight_stationary},
                                                              {"os", Dataflow::output_stationary}};
    static const std::map<std::string, Overlap> overlaps = {{"serial", Overlap::serial},
                                                            {"single", Overlap::single_buffered},
                                                            {"double", Overlap::double_buffered}};
    const auto& [dataflow, overlap, rows, cols, m, n, k, tile_m, bandwidth, latency, depth] = one;
    if (!rows || !cols || !m || !n || !k || !depth) throw std::invalid_argument("a size is 0");
    return gemm_cycles({rows, cols, dataflows.at(dataflow), overlaps.at(overlap)},
                       {m, n, k, tile_m}, {bandwidth, latency, depth});
}

std::vector<Cycle> array_cycles(const std::vector<ArrayCase>& cases) {
    std::vector<Cycle> cycles;
    for (const ArrayCase& one : cases) cycles.push_back(array_cycles_of(one));
    return cycles;
}

// --- Command lists without values ---

DramTiming dram_timing(const std::map<std::string, std::uint64_t>& ram) {
#define ROW(name, otherwise, text) ram.at(#name),
    return {ACALSIM_RAM_TIMING(ROW)};
#undef ROW
}

constexpr std::uint64_t kLargestRam = std::uint64_t(1) << 48;

Bytes bytes_of(const nb::bytes& bytes) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.c_str());
    return Bytes(data, data + bytes.size());
}

// The busy cycles of all devices by the number of the op that they count for.
std::map<std::uint32_t, Cycle> cycles_by_op(const Engine& engine,
                                            const std::vector<std::uint64_t>& bases) {
    std::map<std::uint32_t, Cycle> cycles;
    for (const std::uint64_t base : bases) {
        const Stages stages = engine.stages_of(base);
        for (const Cycle each : stages.first) cycles[0] += each;
        for (const auto& [op, named] : stages.named)
            for (const Cycle each : named) cycles[op] += each;
    }
    return cycles;
}

// The lists, one for each device, are started one after the other; returns RESULT and DATA_OUT of
// each, and the cycles from the first START until the CPU has seen the end of the last.
nb::tuple list_cycles(const std::string& model, const std::vector<Parameters>& devices,
                      const std::map<std::string, std::uint64_t>& ram,
                      const std::vector<nb::bytes>& lists,
                      const std::vector<std::uint64_t>& bases) {
    if (lists.size() != devices.size() || bases.size() != devices.size())
        throw std::invalid_argument("there is one list and one base address for each device");
    Engine engine(dram_timing(ram));
    Bytes all;
    for (const nb::bytes& list : lists) {
        const Bytes bytes = bytes_of(list);
        all.insert(all.end(), bytes.begin(), bytes.end());
    }
    engine.map_ram(GuestRam::of_lists({RAM_ORIGIN, kLargestRam}, {{RAM_ORIGIN, std::move(all)}}));
    for (std::size_t i = 0; i < devices.size(); ++i)
        engine.add_device(model, model + std::to_string(i), bases[i], devices[i]);
    const auto write = [&engine](std::uint64_t address, std::uint64_t value) {
        engine.access({true, address, sizeof(std::uint32_t), value, 0});
    };
    const auto read = [&engine](std::uint64_t address) {
        return engine.access({false, address, sizeof(std::uint32_t), 0, 0}).data;
    };
    std::uint64_t place = RAM_ORIGIN;
    for (std::size_t i = 0; i < lists.size(); ++i) {
        write(bases[i] + REG_DATA_IN, place);
        write(bases[i] + REG_SIZE, lists[i].size());
        place += lists[i].size();
    }
    const Cycle begin = engine.now();
    for (std::size_t i = 0; i < lists.size(); ++i) write(bases[i] + REG_CONTROL, CONTROL_START);
    std::vector<std::uint64_t> errors;
    for (std::size_t i = 0; i < lists.size(); ++i) errors.push_back(read(bases[i] + REG_RESULT));
    const Cycle cycles = engine.now() - begin;
    nb::list results;
    for (std::size_t i = 0; i < lists.size(); ++i)
        results.append(nb::make_tuple(errors[i], read(bases[i] + REG_DATA_OUT)));
    return nb::make_tuple(results, cycles, cycles_by_op(engine, bases));
}

std::vector<std::size_t> list_order(const std::string& model, const Parameters& parameters,
                                    const std::map<std::string, std::uint64_t>& ram,
                                    const nb::bytes& list, std::uint64_t base, std::size_t window) {
    Engine engine(dram_timing(ram));
    engine.add_device(model, model, base, parameters);
    return engine.order_of_list(base, bytes_of(list), dram_timing(ram), window);
}

// A device as a machine has it: model, name, base address, parameters.
using Row = std::tuple<std::string, std::string, std::uint64_t, Parameters>;

// None where the devices do not answer as those did that were recorded.
nb::object replay(const std::vector<Row>& devices, const std::map<std::string, std::uint64_t>& ram,
                  std::uint64_t origin, std::uint64_t size_bytes,
                  const std::vector<std::pair<std::uint64_t, nb::bytes>>& lists,
                  const nb::bytes& recording, bool spans) {
    Engine engine(dram_timing(ram));
    if (spans) engine.keep_spans();
    engine.on_long_wait = check_signals;
    for (const auto& [model, name, base, parameters] : devices)
        engine.add_device(model, name, base, parameters);
    std::map<std::uint64_t, Bytes> placed;
    for (const auto& [address, list] : lists) placed[address] = bytes_of(list);
    engine.map_ram(GuestRam::of_lists({origin, size_bytes}, std::move(placed)));
    const Recording asked(std::string(recording.c_str(), recording.size()));
    SpanLog accesses;
    const std::optional<Stalls> stalls = asked.replay(engine, spans ? &accesses : nullptr);
    if (!stalls || !engine.ended()) return nb::none();
    nb::dict result = result_of(engine);
    result["stalls"] = as_dict(stalls->all());
    if (spans) result["spans"] = as_bytes(span_file(engine.span_logs(&accesses)));
    return result;
}

}  // namespace

void bind_timing(nb::module_& module) {
    module.def(
        "list_cycles", &list_cycles, "model"_a, "devices"_a, "ram"_a, "lists"_a, "bases"_a,
        "([(RESULT, DATA_OUT)], cycles from the first START to the last end, busy cycles by op) "
        "of\n"
        "command lists, one for each of the devices, whose parameters are given; computes no "
        "values.");
    module.def("list_order", &list_order, "model"_a, "parameters"_a, "ram"_a, "list"_a, "base"_a,
               "window"_a,
               "The places of a list's commands in the order in which they had better come; see\n"
               "model/command_order.hh.");
    module.def(
        "array_cycles", &array_cycles, "cases"_a,
        "Cycles of matrix products on an array, in a list of (dataflow, overlap, rows, cols,\n"
        "M, N, K, tile_m, bytes_per_cycle, latency, depth); see model/array.hh.");
    module.def(
        "replay", &replay, "devices"_a, "ram"_a, "origin"_a, "size_bytes"_a, "lists"_a,
        "recording"_a, "spans"_a = false,
        "What serve() would return of a run that it has recorded, had these devices, (model, "
        "name,\n"
        "base, parameters), been there; None where the run would be another one. `lists` are\n"
        "(address, bytes) of what RAM holds; computes no values. With `spans` also what happened "
        "when.");
}

}  // namespace acalsim
