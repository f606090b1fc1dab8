// SPDX-License-Identifier: Apache-2.0
// Values of a ROWS: softmax and norms, in the steps of the CPU's kernels.
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "kernels/elementary.h"
#include "model/elements.hh"
#include "model/product.hh"
#include "model/reduction.hh"
#include "model/vector_values.hh"

namespace acalsim {

namespace {

using Row = std::vector<float>;

// --- Softmax ---

// x = A scale + B, each operation rounded on its own.
void prepare(const DeviceCommand& x, Row& row, const Row& summand) {
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (x.flags & FLAG_SCALE) row[i] *= x.scale;
        if (x.flags & FLAG_ADD) row[i] += summand[i];
    }
}

// NaN does not count.
float largest_of(const Row& row) {
    float most = -INFINITY;
    for (const float each : row) most = each > most ? each : most;
    return most;
}

void softmax(const DeviceCommand& x, std::size_t lanes, Row& row) {
    const float most = largest_of(row);
    Row powers(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) powers[i] = exp_negative(row[i] - most);
    const float sum = sum_of(powers.data(), powers.size(), lanes);
    if (x.k == FUNCTION_LOG_SOFTMAX) {
        const float shift = most + log_f32(sum);
        for (float& each : row) each -= shift;
        return;
    }
    const bool is_empty = x.k == FUNCTION_SAFE_SOFTMAX && most == -INFINITY;
    const float scale = 1.0f / sum;
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = is_empty ? 0.0f : powers[i] * scale;
}

// --- Norms ---

// The last product and its summand are rounded once.
void finish(const DeviceCommand& x, float scale, const Row& affine, Row& row) {
    const float* gamma = x.flags & FLAG_GAMMA ? affine.data() : nullptr;
    const float* beta = x.flags & FLAG_BETA ? affine.data() + (gamma ? row.size() : 0) : nullptr;
    for (std::size_t i = 0; i < row.size(); ++i) {
        const float factor = gamma ? gamma[i] : scale;
        if (gamma) row[i] *= scale;
        row[i] = beta ? fused_multiply_add(row[i], factor, beta[i]) : row[i] * factor;
    }
}

void norm(const DeviceCommand& x, std::size_t lanes, const Row& affine, Row& row) {
    const float count = float(row.size());
    if (x.k == FUNCTION_LAYER_NORM) {
        const float mean = sum_of(row.data(), row.size(), lanes) / count;
        for (float& each : row) each -= mean;
    }
    const float squares = sum_of_squares(row.data(), row.size(), lanes);
    finish(x, 1.0f / std::sqrt(squares / count + x.low), affine, row);
}

bool is_norm(const DeviceCommand& x) {
    return x.k == FUNCTION_LAYER_NORM || x.k == FUNCTION_RMS_NORM;
}

}  // namespace

void compute_rows(const DeviceCommand& x, std::size_t lanes, const Memories& memories) {
    const Operands operands = operands_of(x);
    Reader<float> a(operands.a, memories);
    Row row(a.size()), other(operands.b ? operands.b->counts[3] : 0);
    std::optional<Reader<float>> b;
    if (operands.b) b.emplace(*operands.b, memories);
    if (b && is_norm(x)) b->next(other.data());
    Writer<float> writer(operands.c, x);
    for (std::uint64_t i = 0; i < operands.c.rows(); ++i) {
        a.next(row.data());
        if (is_norm(x)) {
            norm(x, lanes, other, row);
        } else {
            if (b) b->next(other.data());
            prepare(x, row, other);
            softmax(x, lanes, row);
        }
        writer.append(row.data(), row.size());
    }
    writer.write(memories);
}

}  // namespace acalsim
