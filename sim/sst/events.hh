// SPDX-License-Identifier: Apache-2.0
// What travels between the bridge and a device. Everything in here can be serialised, so the two
// may live in different threads and processes.
#pragma once

#include <sst/core/event.h>

#include <string>
#include <utility>
#include <vector>

#include "model/device.hh"
#include "model/span_log.hh"

namespace acalsim {

// What travels over a bus, for sst-info.
#define ACALSIM_BUS_EVENTS                                                                       \
    "acalsim.IntroductionEvent", "acalsim.AccessEvent", "acalsim.ResponseEvent",                 \
        "acalsim.SleepEvent", "acalsim.IdleEvent", "acalsim.InterruptEvent", "acalsim.RamEvent", \
        "acalsim.DmaEvent", "acalsim.PeersEvent", "acalsim.PeerEvent", "acalsim.StatisticsEvent"

// Device to bridge, before time begins: what is plugged in here.
class IntroductionEvent : public SST::Event {
public:
    IntroductionEvent() = default;
    IntroductionEvent(std::string name, std::uint64_t base, std::uint64_t peer_bytes)
        : name(std::move(name)), base(base), peer_bytes(peer_bytes) {}

    // Networks clone what they carry before time begins.
    Event* clone() override { return new IntroductionEvent(*this); }

    std::string name;
    std::uint64_t base = 0, peer_bytes = 0;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(name);
        SST_SER(base);
        SST_SER(peer_bytes);
    }
    ImplementSerializable(acalsim::IntroductionEvent);
};

// Bridge to device, before time begins: all devices that take messages.
class PeersEvent : public SST::Event {
public:
    PeersEvent() = default;
    explicit PeersEvent(Peers peers) : peers(std::move(peers)) {}

    Event* clone() override { return new PeersEvent(*this); }

    Peers peers;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(peers);
    }
    ImplementSerializable(acalsim::PeersEvent);
};

// Bridge to device: an access that the CPU began in cycle `begin`, at `offset` bytes into the
// device's window.
class AccessEvent : public SST::Event {
public:
    AccessEvent() = default;
    AccessEvent(Cycle begin, const Request& request)
        : begin(begin),
          is_write(request.is_write),
          offset(request.offset),
          size_bytes(request.size_bytes),
          data(request.data) {}

    Request request() const { return {is_write, offset, size_bytes, data}; }

    Cycle begin = 0;
    bool is_write = false;
    std::uint64_t offset = 0, size_bytes = 0, data = 0;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(begin);
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
        SST_SER(waited.first);
        SST_SER(waited.named);
    }
    ImplementSerializable(acalsim::ResponseEvent);
};

// Bridge to device: from now on the CPU sleeps, its `turn`-th time.
class SleepEvent : public SST::Event {
public:
    SleepEvent() = default;
    explicit SleepEvent(std::uint64_t turn) : turn(turn) {}

    std::uint64_t turn = 0;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(turn);
    }
    ImplementSerializable(acalsim::SleepEvent);
};

// Device to bridge: whatever happens, this device will not end the CPU's `turn`-th sleep.
class IdleEvent : public SST::Event {
public:
    IdleEvent() = default;
    explicit IdleEvent(std::uint64_t turn) : turn(turn) {}

    std::uint64_t turn = 0;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(turn);
    }
    ImplementSerializable(acalsim::IdleEvent);
};

// Device to bridge: an interrupt source was raised; what the device did since the CPU fell asleep.
class InterruptEvent : public SST::Event {
public:
    InterruptEvent() = default;
    InterruptEvent(std::uint64_t source, const Stages& waited) : source(source), waited(waited) {}

    std::uint64_t source = 0;
    Stages waited;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(source);
        SST_SER(waited.first);
        SST_SER(waited.named);
    }
    ImplementSerializable(acalsim::InterruptEvent);
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
    std::uint64_t port = 0;  // of the bridge, filled in there
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
        SST_SER(port);
        SST_SER(is_write);
        SST_SER(data);
    }
    ImplementSerializable(acalsim::DmaEvent);
};

// Device to device, by way of the bridge: to be there in `cycle`.
class PeerEvent : public SST::Event {
public:
    PeerEvent() = default;
    PeerEvent(std::uint64_t base, Cycle cycle, PeerMessage message)
        : base(base), cycle(cycle), message(std::move(message)) {}

    std::uint64_t base = 0;  // of the receiver
    Cycle cycle = 0;
    PeerMessage message;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(base);
        SST_SER(cycle);
        SST_SER(message.is_signal);
        SST_SER(message.block.address);
        SST_SER(message.block.row_bytes);
        SST_SER(message.block.rows);
        SST_SER(message.block.planes);
        SST_SER(message.block.row_stride);
        SST_SER(message.block.plane_stride);
        SST_SER(message.bytes);
    }
    ImplementSerializable(acalsim::PeerEvent);
};

// Bridge to device, empty, when the simulation has ended; and back with what the device counted
// and recorded.
class StatisticsEvent : public SST::Event {
public:
    StatisticsEvent() = default;
    StatisticsEvent(const Statistics& statistics, const SpanLog& log)
        : spans(log.bytes()), left_out(log.left_out()) {
        for (const auto& [name, value] : statistics) {
            names.push_back(name);
            values.push_back(value);
        }
    }

    std::vector<std::string> names;
    std::vector<std::uint64_t> values;
    Bytes spans;
    std::uint64_t left_out = 0;

    void serialize_order(SST::Core::Serialization::serializer& ser) override {
        Event::serialize_order(ser);
        SST_SER(names);
        SST_SER(values);
        SST_SER(spans);
        SST_SER(left_out);
    }
    ImplementSerializable(acalsim::StatisticsEvent);
};

}  // namespace acalsim
