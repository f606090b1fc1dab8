// SPDX-License-Identifier: Apache-2.0
// What travels between the bridge and a device. Everything in here can be serialised, so the two
// may live in different threads and processes.
#pragma once

#include <sst/core/event.h>

#include <string>
#include <utility>
#include <vector>

#include "model/device.hh"

namespace acalsim {

// Bridge to device: the CPU's access, at `offset` bytes into the device's window.
class AccessEvent : public SST::Event {
public:
    AccessEvent() = default;
    explicit AccessEvent(const Request& request)
        : is_write(request.is_write),
          offset(request.offset),
          size_bytes(request.size_bytes),
          data(request.data) {}

    Request request() const { return {is_write, offset, size_bytes, data}; }

    bool is_write = false;
    std::uint64_t offset = 0, size_bytes = 0, data = 0;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(is_write);
        SST_SER(offset);
        SST_SER(size_bytes);
        SST_SER(data);
    }
    ImplementSerializable(acalsim::AccessEvent);
};

// Device to bridge: its answer; `ended` if that access was the simulation's last.
class ResponseEvent : public SST::Event {
public:
    ResponseEvent() = default;
    ResponseEvent(bool success, std::uint64_t data, bool ended, const Stages& waited)
        : success(success), ended(ended), data(data), waited(waited) {}

    bool success = false, ended = false;
    std::uint64_t data = 0;
    Stages waited;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(success);
        SST_SER(ended);
        SST_SER(data);
        for (Cycle& cycles : waited.cycles) SST_SER(cycles);
    }
    ImplementSerializable(acalsim::ResponseEvent);
};

// Bridge to device: where guest RAM lies, as soon as the client has shared it.
class RamEvent : public SST::Event {
public:
    RamEvent() = default;
    explicit RamEvent(const MemoryRange& range)
        : origin(range.origin), size_bytes(range.size_bytes) {}

    std::uint64_t origin = 0, size_bytes = 0;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(origin);
        SST_SER(size_bytes);
    }
    ImplementSerializable(acalsim::RamEvent);
};

// A DMA transfer. It goes from the device to the bridge, waits there until the transfer is
// complete, and comes back: a read with its bytes, a write without.
class DmaEvent : public SST::Event {
public:
    DmaEvent() = default;
    DmaEvent(std::uint64_t ticket, bool is_write, const Block& block, Bytes data)
        : ticket(ticket), block(block), is_write(is_write), data(std::move(data)) {}

    std::uint64_t ticket = 0;
    Block block;
    std::uint64_t device = 0;  // of the bridge's list, filled in there
    bool is_write = false;
    Bytes data;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(ticket);
        SST_SER(block.address);
        SST_SER(block.row_bytes);
        SST_SER(block.rows);
        SST_SER(block.planes);
        SST_SER(block.row_stride);
        SST_SER(block.plane_stride);
        SST_SER(device);
        SST_SER(is_write);
        SST_SER(data);
    }
    ImplementSerializable(acalsim::DmaEvent);
};

// Bridge to device, empty, when the simulation has ended; and back with what the device counted.
class StatisticsEvent : public SST::Event {
public:
    StatisticsEvent() = default;
    explicit StatisticsEvent(const Statistics& statistics) {
        for (const auto& [name, value] : statistics) {
            names.push_back(name);
            values.push_back(value);
        }
    }

    std::vector<std::string> names;
    std::vector<std::uint64_t> values;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(names);
        SST_SER(values);
    }
    ImplementSerializable(acalsim::StatisticsEvent);
};

}  // namespace acalsim
