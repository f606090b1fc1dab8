// SPDX-License-Identifier: Apache-2.0
// What a log says of a command: when it ran, its tile, and what it touched and computed.
#pragma once

#include "model/array_unit.hh"
#include "model/pipeline.hh"
#include "model/span_log.hh"
#include "model/vector_time.hh"

namespace acalsim {

// When a command was done, and where the list is that it is of.
struct Done {
    Cycle end;
    std::uint64_t list;
};

Span span_of(const Job& job, const Done& done, const ArrayUnit& array, const VectorRates& rates);

}  // namespace acalsim
