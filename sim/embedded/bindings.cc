// SPDX-License-Identifier: Apache-2.0
// The engine as the Python module _embedded, and devices written in Python.
#include "embedded/bindings.hh"

#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <nanobind/trampoline.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "embedded/server.hh"
#include "model/registry.hh"

namespace nb = nanobind;
using namespace nb::literals;

namespace acalsim {

namespace {

const std::map<std::string, std::uint32_t> kOffsets = {
#define ROW(name, offset, readable, writable) {#name, offset},
    ACALSIM_REGISTERS(ROW)
#undef ROW
};

std::uint32_t offset_of(const std::string& name) {
    const auto found = kOffsets.find(name);
    if (found == kOffsets.end()) throw std::invalid_argument("no register is named '" + name + "'");
    return found->second;
}

std::string register_at(std::uint32_t offset) {
    for (const auto& [name, at] : kOffsets) {
        if (at == offset) return name;
    }
    throw std::out_of_range("no register is at offset " + std::to_string(offset));
}

// A device as Python sees it: registers have names, and all that a model may do is public.
class NamedDevice : public Device {
public:
    explicit NamedDevice(const Slot& slot) : Device(slot), parameters_(slot.parameters) {}

    virtual void write_register(const std::string& name, std::uint32_t value) { set(name, value); }
    virtual std::uint32_t read_register(const std::string& name) { return get(name); }
    void cleared() override {}

    std::uint32_t get(const std::string& name) { return at(offset_of(name)); }
    void set(const std::string& name, std::uint32_t value) {
        offset_of(name) == REG_STATUS ? plugged().become(value) : void(at(offset_of(name)) = value);
    }
    void after_cycles(Cycle delay, Action action) { plugged().after(delay, std::move(action)); }
    void dma_read(std::uint64_t address, std::uint64_t bytes, std::function<void(nb::bytes)> done) {
        plugged().read_ram({address, bytes}, [done = std::move(done)](const Bytes& data) {
            const nb::gil_scoped_acquire python;
            done(nb::bytes(data.data(), data.size()));
        });
    }
    void dma_write(std::uint64_t address, const nb::bytes& data, Action done) {
        const auto* begin = static_cast<const std::uint8_t*>(data.data());
        plugged().write_ram({address, data.size()}, Bytes(begin, begin + data.size()),
                            std::move(done));
    }
    void say(const std::string& text) { plugged().log("%s", text.c_str()); }
    void end_simulation() { plugged().host().end_simulation(); }
    Cycle now() { return plugged().host().now(); }
    const Parameters& parameters() const { return parameters_; }

    // Python may keep a device for longer than its engine lives.
    void unplug() { is_plugged_ = false; }

private:
    void write(std::uint32_t offset, std::uint32_t value) override {
        write_register(register_at(offset), value);
    }
    std::uint32_t read(std::uint32_t offset) override { return read_register(register_at(offset)); }

    NamedDevice& plugged() {
        if (is_plugged_) return *this;
        throw std::logic_error("the engine of device '" + name() + "' is gone");
    }

    const Parameters parameters_;
    bool is_plugged_ = true;
};

// Calls what a Python subclass overrides; takes the interpreter's lock for it.
class PythonDevice : public NamedDevice {
public:
    NB_TRAMPOLINE(NamedDevice);

    void write_register(const std::string& name, std::uint32_t value) override {
        NB_OVERRIDE_NAME("write", write_register, name, value);
    }
    std::uint32_t read_register(const std::string& name) override {
        NB_OVERRIDE_NAME("read", read_register, name);
    }
    void cleared() override { NB_OVERRIDE(cleared); }
};

class PythonEngine : public Engine {
public:
    explicit PythonEngine(const DramTiming& ram) : Engine(ram) { on_long_wait = check_signals; }
    ~PythonEngine() {
        for (const auto& device : written_in_python_) device->unplug();
    }

    // Tells now and then, while it works, which cycle it is at.
    void tell(std::function<void(Cycle)> told) {
        on_long_wait = [this, told = std::move(told)] {
            told(now());
            check_signals();
        };
    }

    void add_class(const nb::type_object& type, const std::string& name, std::uint64_t base,
                   const Parameters& parameters) {
        const auto make = [&](const Slot& slot) {
            const auto device = nb::cast<std::shared_ptr<NamedDevice>>(type(slot));
            written_in_python_.push_back(device);
            return device;
        };
        add_device(make, name, base, parameters);
    }

private:
    std::vector<std::shared_ptr<NamedDevice>> written_in_python_;
};

nb::bytes as_file(const std::vector<LoggedBy>& all) { return as_bytes(span_file(all)); }

nb::bytes spans_of(const PythonEngine& engine) { return as_file(engine.span_logs()); }

nb::dict serve(PythonEngine& engine, int listener, const std::string& description, bool records) {
    Server server(engine, description, check_signals);
    Recording recording;
    std::string text;
    {
        const nb::gil_scoped_release others_may_run;
        text = server.serve(listener, records ? &recording : nullptr);
    }
    nb::dict result = result_of(engine);
    result["stalls"] = as_dict(server.client().stalls().all());
    result["statistics"] = as_bytes(text);
    if (records) result["recording"] = as_bytes(recording.bytes());
    if (engine.keeps_spans()) result["spans"] = as_file(server.span_logs());
    return result;
}

nb::tuple access(PythonEngine& engine, const Access& access) {
    const Response response = engine.access(access);
    return nb::make_tuple(response.success, response.data, response.stall_cycles);
}

nb::dict last_wait(const PythonEngine& engine) {
    nb::dict result;
    const Stages::Cycles waited = engine.last_response().waited.sum();
    for (std::size_t i = 0; i < kStageCount; ++i) result[kStageNames[i]] = waited[i];
    return result;
}

nb::tuple read(PythonEngine& engine, std::uint64_t address, std::uint64_t size_bytes,
               Cycle advance_cycles, std::uint64_t moved_bytes) {
    return access(engine, {false, address, size_bytes, 0, advance_cycles, moved_bytes});
}

nb::tuple write(PythonEngine& engine, std::uint64_t address, std::uint64_t data,
                std::uint64_t size_bytes, Cycle advance_cycles, std::uint64_t moved_bytes) {
    return access(engine, {true, address, size_bytes, data, advance_cycles, moved_bytes});
}

void map_ram(PythonEngine& engine, const std::string& path, std::uint64_t origin,
             std::uint64_t size_bytes, std::uint64_t file_offset) {
    engine.map_ram(GuestRam(path, {origin, size_bytes}, file_offset));
}

std::vector<std::string> model_names() {
    std::vector<std::string> names;
    for (const auto& [name, factory] : models()) names.push_back(name);
    return names;
}

// What super().write() and the like reach from Python: not virtual, or they would come straight
// back to the override.
void default_write(NamedDevice& device, const std::string& name, std::uint32_t value) {
    device.NamedDevice::write_register(name, value);
}
std::uint32_t default_read(NamedDevice& device, const std::string& name) {
    return device.NamedDevice::read_register(name);
}
void default_cleared(NamedDevice& device) { device.NamedDevice::cleared(); }

void bind_device(nb::module_& module) {
    nb::class_<Slot>(module, "Slot", "Where a device is plugged in; pass it to Device.__init__.");
    nb::class_<NamedDevice, PythonDevice>(
        module, "Device",
        "Base of devices written in Python. Override write(register, value), read(register) and\n"
        "cleared() as needed; registers go by name. While STATUS has its BUSY bit, reads of\n"
        "DATA_OUT and RESULT, writes of DATA_IN and starts wait by themselves.")
        .def(nb::init<const Slot&>(), "slot"_a)
        .def("write", &default_write, "register"_a, "value"_a)
        .def("read", &default_read, "register"_a)
        .def("cleared", &default_cleared, "Called after a reset.")
        .def("get", &NamedDevice::get, "register"_a, "A register's content.")
        .def("set", &NamedDevice::set, "register"_a, "value"_a)
        .def("after", &NamedDevice::after_cycles, "delay_cycles"_a, "action"_a)
        .def("read_ram", &NamedDevice::dma_read, "address"_a, "size_bytes"_a, "done"_a,
             "DMA; calls done(bytes) when they are there.")
        .def("write_ram", &NamedDevice::dma_write, "address"_a, "data"_a, "done"_a)
        .def("log", &NamedDevice::say, "text"_a)
        .def("end_simulation", &NamedDevice::end_simulation)
        .def_prop_ro("now", &NamedDevice::now)
        .def_prop_ro("name", &NamedDevice::name)
        .def_prop_ro("parameters", &NamedDevice::parameters);
}

// The rows of RAM's timing as the engine's arguments: what it takes, hands on, and calls them.
#define TAKEN(name, otherwise, text) , std::uint64_t name
#define HANDED_ON(name, otherwise, text) name,
#define KEYWORD(name, otherwise, text) nb::arg(#name) = std::uint64_t(otherwise),

void make_engine(PythonEngine* place ACALSIM_RAM_TIMING(TAKEN)) {
    new (place) PythonEngine(DramTiming{ACALSIM_RAM_TIMING(HANDED_ON)});
}

void bind_engine(nb::module_& module) {
    using AddModel =
        void (Engine::*)(const std::string&, const std::string&, std::uint64_t, const Parameters&);
    nb::class_<PythonEngine>(module, "Engine", "The embedded engine: clock, events, devices, RAM.")
        .def("__init__", &make_engine,
             ACALSIM_RAM_TIMING(KEYWORD) "The RAM's timing, as in a machine file's [ram].")
        .def("add_device", AddModel(&Engine::add_device), "model"_a, "name"_a, "base"_a,
             "parameters"_a, "A built-in model by name, or a subclass of Device.")
        .def("add_device", &PythonEngine::add_class, "model"_a, "name"_a, "base"_a, "parameters"_a)
        .def("map_ram", &map_ram, "path"_a, "origin"_a, "size_bytes"_a, "file_offset"_a = 0)
        .def("read", &read, "address"_a, "size_bytes"_a = 4, "advance_cycles"_a = 0,
             "moved_bytes"_a = 0, "One access without a socket: (success, data, stall cycles).")
        .def("write", &write, "address"_a, "data"_a, "size_bytes"_a = 4, "advance_cycles"_a = 0,
             "moved_bytes"_a = 0)
        .def(
            "serve", &serve, "listener"_a, "description"_a, "records"_a = false,
            "Serves one client of the listening socket (a file descriptor) to the end; may return\n"
            "a recording for replay().")
        .def("result", [](const PythonEngine& engine) { return result_of(engine); })
        .def("tell", &PythonEngine::tell, "told"_a,
             "Calls told(cycle) now and then while it works.")
        .def(
            "place", [](const PythonEngine& engine) { return engine.place(); },
            "Where the simulation is, in words; any thread may ask.")
        .def("keep_spans", &PythonEngine::keep_spans, "From now on, what happens is kept.")
        .def("spans", &spans_of, "What the devices did, as in a run's spans.bin.")
        .def_prop_ro(
            "last_wait", &last_wait,
            "Of the last access's stall, the cycles that it waited for the device's work,\n"
            "by what the device was doing.")
        .def_rw("log", &PythonEngine::log, nb::arg("log").none(),
                "None, or a function of (cycle, who, text).");
}

}  // namespace

NB_MODULE(_embedded, module) {
    // A traceback that Python keeps to the end holds the engine; that is no leak to tell users of.
    nb::set_leak_warnings(false);
    nb::exception<SimulationError>(module, "SimulationError");
    bind_device(module);
    bind_engine(module);
    module.def("models", &model_names);
    bind_timing(module);
}

}  // namespace acalsim
