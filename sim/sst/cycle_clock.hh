// SPDX-License-Identifier: Apache-2.0
// How cycles of the machine lie on SST's time line, so that messages cost no cycles.
//
// In the embedded engine everything that happens in one cycle happens in one queue. Here it is
// spread over components, and a link always takes time. So a cycle is cut into ten ticks, a link
// of the machine's own takes one, and each tick has its duty:
//
//     0  bridge    completes the DMA transfers of this cycle: bytes leave RAM or land there
//     1            they arrive at the devices
//     2            the CPU's access of the cycle before arrives; it runs, if nothing else is due
//     3  devices   do all that is due in this cycle, in the order in which it was planned
//     4            interrupts and new DMA transfers arrive at the bridge
//     5            responses arrive; bridge answers the CPU and waits for its next access
//     6            where there are other nodes, it does that here, when all have been answered
//     8  bridge    books the DMA transfers that were asked for in this cycle
//
// Every one sees the number of whole cycles as its time, which is the embedded engine's clock.
// An access has no effect but in a later cycle, so it is sent as soon as it is known, to arrive in
// the cycle after its own: two events a read. A completion waits in the device's queue at the place
// reserved when the transfer was asked for, as if the queue were shared. Hence the same cycles,
// number for number. A link that takes longer than a tick (a network, say) is legal: then its
// messages simply arrive in a later cycle.
//
// Devices that ask for DMA in the same cycle are served in the order of their addresses, which is
// why the bridge waits for all of them before it books any.
#pragma once

#include <sst/core/baseComponent.h>
#include <sst/core/params.h>
#include <sst/core/timeConverter.h>
#include <sst/core/unitAlgebra.h>

#include <string>

#include "model/host.hh"

namespace acalsim {

using Tick = std::uint64_t;

constexpr Tick kTicksPerCycle = 10;
constexpr Tick kLinkTicks = 1;
constexpr Tick kDmaTick = 0;
constexpr Tick kAccessTick = 2;
constexpr Tick kDeviceTick = 3;
constexpr Tick kCpuTick = 5;
constexpr Tick kTakeTick = 6;
constexpr Tick kBookTick = 8;

inline SST::UnitAlgebra tick_rate(const SST::Params& params) {
    return params.find<SST::UnitAlgebra>("clock", SST::UnitAlgebra("1GHz")) *
           SST::UnitAlgebra(std::to_string(kTicksPerCycle));
}

// How many ticks from `now` to tick `tick` of `cycle`; none if that is over.
inline Tick ticks_until(Tick now, Cycle cycle, Tick tick) {
    const Tick then = cycle * kTicksPerCycle + tick;
    return then > now ? then - now : 0;
}

// Cycles beyond this have no tick. SST counts time in units of 1 ps or so: a tick is many of them.
constexpr Cycle kEndOfTime = (UINT64_MAX >> 10) / kTicksPerCycle;

}  // namespace acalsim
