// SPDX-License-Identifier: Apache-2.0
#include "model/span_log.hh"

#include <cstring>

#include "model/unit.hh"

namespace acalsim {

namespace {

std::string header(const std::vector<LoggedBy>& all) {
    std::string text = "{\"units\": [", separator;
    for (const Unit unit : kUnits) {
        text += separator + '"' + unit_name(unit) + '"';
        separator = ", ";
    }
    text += "], \"logs\": [";
    separator.clear();
    for (const auto& [name, base, log] : all) {
        text += separator + "{\"name\": \"" + name + "\", \"base\": " + std::to_string(base) +
                ", \"spans\": " + std::to_string(log->spans().size()) +
                ", \"left_out\": " + std::to_string(log->left_out()) + '}';
        separator = ", ";
    }
    return text + "]}\n";
}

}  // namespace

Bytes SpanLog::bytes() const {
    const auto* first = reinterpret_cast<const std::uint8_t*>(spans_.data());
    return Bytes(first, first + spans_.size() * sizeof(Span));
}

SpanLog SpanLog::of(const Bytes& spans, std::uint64_t left_out) {
    SpanLog made;
    made.spans_.resize(spans.size() / sizeof(Span));
    if (!spans.empty()) std::memcpy(made.spans_.data(), spans.data(), spans.size());
    made.left_out_ = left_out;
    return made;
}

std::string span_file(const std::vector<LoggedBy>& all) {
    std::string text = header(all);
    for (const LoggedBy& each : all) {
        const Bytes bytes = each.log->bytes();
        text.append(bytes.begin(), bytes.end());
    }
    return text;
}

}  // namespace acalsim
