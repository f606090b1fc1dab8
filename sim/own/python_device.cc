// SPDX-License-Identifier: Apache-2.0
// A device in Python: its source is loaded by acalsim_backend.device, which drives it. What the
// library is told is the source's path, and a line for each register: NAME OFFSET ACCESS. Here is
// what crosses the border between the two, and no more of Python than every Python 3 from 3.11 on
// has: the process may be Python's own, or SST's.
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "embedded/error.hh"
#include "model/registry.hh"
#include "python_path.h"

namespace acalsim {

namespace {

// Owns a reference.
class Object {
public:
    Object() = default;
    explicit Object(PyObject* owned) : object_(owned) {}
    Object(Object&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Object& operator=(Object&& other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~Object() { Py_XDECREF(object_); }

    PyObject* get() const { return object_; }
    explicit operator bool() const { return object_ != nullptr; }

private:
    PyObject* object_ = nullptr;
};

// Holds the interpreter's lock.
class Lock {
public:
    Lock() : state_(PyGILState_Ensure()) {}
    ~Lock() { PyGILState_Release(state_); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
    const PyGILState_STATE state_;
};

std::string text_of(const Object& object) {
    const char* const text = object ? PyUnicode_AsUTF8AndSize(object.get(), nullptr) : nullptr;
    if (text) return text;
    PyErr_Clear();
    return "Python has no words for it";
}

Object driver() { return Object(PyImport_ImportModule("acalsim_backend.device")); }

// What Python has raised, as one line; ends the simulation.
[[noreturn]] void fail(const std::string& device, const std::string& source) {
    PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (value && trace) PyException_SetTraceback(value, trace);
    const Object types(type), error(value), traces(trace);
    if (PyErr_GivenExceptionMatches(error.get(), PyExc_KeyboardInterrupt)) {
        PyErr_SetInterrupt();
        throw SimulationError("interrupted");
    }
    const Object module = driver();
    const Object said(
        module ? PyObject_CallMethod(module.get(), "describe", "Os", error.get(), source.c_str())
               : PyObject_Str(error.get()));
    PyErr_Clear();
    throw SimulationError("device '" + device + "': " + text_of(said));
}

std::string source_in(const std::string& told) { return told.substr(0, told.find('\n')); }

std::vector<DeclaredRegister> registers_in(const std::string& told) {
    std::istringstream lines(told);
    std::string text, access;
    std::getline(lines, text);
    std::vector<DeclaredRegister> registers;
    for (std::uint32_t offset = 0; lines >> text >> offset >> access;) {
        const bool reads = access != "W", writes = access != "R";
        registers.push_back({text, offset, reads, writes});
    }
    return registers;
}

// Starts Python where the process has none; it stays to the end.
void start_python() {
    if (Py_IsInitialized()) return;
    Py_InitializeEx(0);
    PyObject* const path = PySys_GetObject("path");
    std::istringstream places(ACALSIM_PYTHON_PATH);
    for (std::string place; std::getline(places, place, ':');) {
        const Object text(PyUnicode_FromString(place.c_str()));
        if (text && PySequence_Contains(path, text.get()) == 0) PyList_Append(path, text.get());
    }
    PyEval_SaveThread();
}

}  // namespace

class PythonDevice : public Device {
public:
    explicit PythonDevice(const Slot& slot)
        : Device(slot, registers_in(slot.told)),
          source_(source_in(slot.told)),
          interrupt_(slot.parameters.count("interrupt") ? slot.parameter("interrupt") : 0) {
        start_python();
        const Lock python;
        const Object parameters(PyDict_New()), port = make_port();
        for (const auto& [key, value] : slot.parameters) {
            const Object number(PyLong_FromUnsignedLongLong(value));
            PyDict_SetItemString(parameters.get(), key.c_str(), number.get());
        }
        const Object module = driver();
        if (module && port)
            device_ = Object(PyObject_CallMethod(module.get(), "plug_in", "ssOO", source_.c_str(),
                                                 name().c_str(), parameters.get(), port.get()));
        if (!device_) fail(name(), source_);
    }

    // SST's interpreter may end before its components do.
    ~PythonDevice() override {
        if (!Py_IsInitialized()) {
            new Object(std::move(device_));  // never given back: nobody is left to take it
            return;
        }
        const Lock python;
        device_ = Object();
    }

    std::string waits_for() const override {
        const Lock python;
        const Object said(PyObject_CallMethod(device_.get(), "_waits_for", nullptr));
        return text_of(said);
    }

private:
    void write(std::uint32_t offset, std::uint32_t value) override {
        const Lock python;
        call("_written", "II", offset, value);
    }
    std::uint32_t read(std::uint32_t offset) override {
        const Lock python;
        const Object value = call("_read", "I", offset);
        const auto number = std::uint32_t(PyLong_AsUnsignedLongMask(value.get()));
        if (PyErr_Occurred()) fail(name(), source_);
        return number;
    }
    void cleared() override {
        const Lock python;
        call("_cleared", nullptr);
    }
    void count(Statistics& statistics) const override {
        const Lock python;
        const Object counted(PyObject_CallMethod(device_.get(), "_counted", nullptr));
        for (Py_ssize_t i = 0; counted && i < PyList_Size(counted.get()); ++i) {
            PyObject* const row = PyList_GetItem(counted.get(), i);
            statistics.emplace_back(PyUnicode_AsUTF8AndSize(PyTuple_GetItem(row, 0), nullptr),
                                    PyLong_AsUnsignedLongLongMask(PyTuple_GetItem(row, 1)));
        }
        if (!counted) fail(name(), source_);
    }

    // With the lock held.
    template <class... Arguments>
    Object call(const char* method, const char* format, Arguments... arguments) {
        Object result(PyObject_CallMethod(device_.get(), method, format, arguments...));
        if (!result) fail(name(), source_);
        return result;
    }

    // Calls `done` of Python later, with `bytes` where there are any.
    static void call_back(const PythonDevice& who, const std::shared_ptr<Object>& done,
                          const Bytes* bytes) {
        const Lock python;
        const Object data(
            bytes ? PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes->data()),
                                              Py_ssize_t(bytes->size()))
                  : nullptr);
        const Object result(PyObject_CallFunctionObjArgs(done->get(), data.get(), nullptr));
        if (!result) fail(who.name(), who.source_);
    }

    // A reference that is given back with the lock held, whoever drops it.
    static std::shared_ptr<Object> kept(PyObject* object) {
        Py_INCREF(object);
        return {new Object(object), [](Object* owned) {
                    if (!Py_IsInitialized()) return;
                    const Lock python;
                    delete owned;
                }};
    }

    // --- What Python calls: port.NAME(...) ---

    using Number = unsigned long long;

    static PyObject* now(PythonDevice& device, PyObject*) {
        return PyLong_FromUnsignedLongLong(device.host().now());
    }
    static PyObject* get(PythonDevice& device, PyObject* arguments) {
        unsigned offset = 0;
        if (!PyArg_ParseTuple(arguments, "I", &offset)) return nullptr;
        return PyLong_FromUnsignedLong(device.at(offset));
    }
    static PyObject* set(PythonDevice& device, PyObject* arguments) {
        unsigned offset = 0, value = 0;
        if (!PyArg_ParseTuple(arguments, "II", &offset, &value)) return nullptr;
        offset == REG_STATUS ? device.become(value) : void(device.at(offset) = value);
        return none();
    }
    static PyObject* after(PythonDevice& device, PyObject* arguments) {
        Number cycles = 0;
        PyObject* done = nullptr;
        if (!PyArg_ParseTuple(arguments, "KO", &cycles, &done)) return nullptr;
        device.Device::after(cycles,
                             [&device, done = kept(done)] { call_back(device, done, nullptr); });
        return none();
    }
    static PyObject* read_ram(PythonDevice& device, PyObject* arguments) {
        Number address = 0, bytes = 0;
        PyObject* done = nullptr;
        if (!PyArg_ParseTuple(arguments, "KKO", &address, &bytes, &done)) return nullptr;
        device.Device::read_ram({address, bytes}, [&device, done = kept(done)](Bytes data) {
            call_back(device, done, &data);
        });
        return none();
    }
    static PyObject* write_ram(PythonDevice& device, PyObject* arguments) {
        Number address = 0;
        const char* data = nullptr;
        Py_ssize_t size = 0;
        PyObject* done = nullptr;
        if (!PyArg_ParseTuple(arguments, "Ky#O", &address, &data, &size, &done)) return nullptr;
        const Block block{address, std::uint64_t(size)};
        device.Device::write_ram(block, Bytes(data, data + size), [&device, done = kept(done)] {
            call_back(device, done, nullptr);
        });
        return none();
    }
    static PyObject* ram(PythonDevice& device, PyObject*) {
        const MemoryRange range = device.host().ram();
        return Py_BuildValue("KK", Number(range.origin), Number(range.size_bytes));
    }
    static PyObject* log_text(PythonDevice& device, PyObject* arguments) {
        const char* text = nullptr;
        if (!PyArg_ParseTuple(arguments, "s", &text)) return nullptr;
        device.log("%s", text);
        return none();
    }
    static PyObject* interrupt(PythonDevice& device, PyObject*) {
        if (device.interrupt_) device.host().interrupt(device.interrupt_);
        return none();
    }

    static PyObject* none() { return Py_BuildValue(""); }

    // A C++ exception may not pass through Python.
    template <PyObject* (*function)(PythonDevice&, PyObject*)>
    static PyObject* guarded(PyObject* capsule, PyObject* arguments) {
        auto* const device = static_cast<PythonDevice*>(PyCapsule_GetPointer(capsule, nullptr));
        try {
            return function(*device, arguments);
        } catch (const std::exception& error) {
            PyErr_SetString(PyExc_RuntimeError, error.what());
            return nullptr;
        }
    }

    Object make_port() {
        static PyMethodDef methods[] = {
            {"now", &guarded<&PythonDevice::now>, METH_VARARGS, nullptr},
            {"get", &guarded<&PythonDevice::get>, METH_VARARGS, nullptr},
            {"set", &guarded<&PythonDevice::set>, METH_VARARGS, nullptr},
            {"after", &guarded<&PythonDevice::after>, METH_VARARGS, nullptr},
            {"read_ram", &guarded<&PythonDevice::read_ram>, METH_VARARGS, nullptr},
            {"write_ram", &guarded<&PythonDevice::write_ram>, METH_VARARGS, nullptr},
            {"ram", &guarded<&PythonDevice::ram>, METH_VARARGS, nullptr},
            {"log", &guarded<&PythonDevice::log_text>, METH_VARARGS, nullptr},
            {"interrupt", &guarded<&PythonDevice::interrupt>, METH_VARARGS, nullptr},
        };
        const Object capsule(PyCapsule_New(this, nullptr, nullptr));
        Object port(PyDict_New());
        for (PyMethodDef& method : methods) {
            const Object function(PyCFunction_NewEx(&method, capsule.get(), nullptr));
            PyDict_SetItemString(port.get(), method.ml_name, function.get());
        }
        return port;
    }

    const std::string source_;
    const std::uint64_t interrupt_;
    Object device_;
};

const Registered<PythonDevice> registered("python");

}  // namespace acalsim
