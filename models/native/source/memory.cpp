#include "memory.h"

#include <algorithm>

namespace intentflow {
namespace {

constexpr int64_t LINE = 64;  // bytes of a cache line, and of the widest vector

// A D → padded D A, times the factor of each hidden unit if there is one.
float* transposed(const float* from, const Call& call, const float* factor, Memory& memory) {
  const int64_t width = padded(call.hidden);
  float* to = memory.floats(padded(call.dim) * width);
  for (int64_t d = 0; d < call.dim; ++d) {
    for (int64_t a = 0; a < call.hidden; ++a) {
      const float scale = factor == nullptr ? 1.0f : factor[a];
      to[d * width + a] = scale * from[a * call.dim + d];
    }
  }
  return to;
}

float* scaled_rows(const float* from, const Call& call, Memory& memory) {
  const int64_t width = padded(call.dim);
  float* to = memory.floats(padded(call.hidden) * width);
  for (int64_t a = 0; a < call.hidden; ++a) {
    for (int64_t d = 0; d < call.dim; ++d) {
      to[a * width + d] = call.w_out[a] * from[a * call.dim + d];
    }
  }
  return to;
}

float* widened(const float* from, int64_t count, Memory& memory) {
  float* to = memory.floats(padded(count));
  std::copy(from, from + count, to);
  return to;
}

}  // namespace

float* Memory::floats(int64_t count) {
  const int64_t slack = LINE / sizeof(float);
  blocks_.push_back(std::unique_ptr<float[]>(new float[count + slack]()));
  const uintptr_t address = reinterpret_cast<uintptr_t>(blocks_.back().get());
  return reinterpret_cast<float*>((address + LINE - 1) / LINE * LINE);
}

Weights prepare(const Call& call, Memory& memory) {
  Weights weights{};
  weights.dim = padded(call.dim);
  weights.hidden = padded(call.hidden);
  weights.out_bias = *call.b_out;
  if (call.grad_output == nullptr) {
    weights.query = transposed(call.w_query, call, nullptr, memory);
    weights.key = transposed(call.w_key, call, nullptr, memory);
    weights.product = transposed(call.w_product, call, nullptr, memory);
    weights.bias = widened(call.b_query, call.hidden, memory);
    weights.out = widened(call.w_out, call.hidden, memory);
  } else {
    weights.scaled_query = transposed(call.w_query, call, call.w_out, memory);
    weights.scaled_product = transposed(call.w_product, call, call.w_out, memory);
    weights.scaled_key_rows = scaled_rows(call.w_key, call, memory);
    weights.scaled_product_rows = scaled_rows(call.w_product, call, memory);
  }
  return weights;
}

Scratch make_scratch(const Call& call, const Weights& weights, const Share& share, Memory& memory) {
  int64_t longest = 1;
  for (int64_t row = share.first; row < share.last; ++row) {
    longest = std::max(longest, call.end[row] - call.begin[row]);
  }
  Scratch scratch{};
  scratch.keys = memory.floats(longest * weights.dim);
  scratch.scores = memory.floats(longest);
  scratch.scaled = memory.floats(weights.dim * weights.hidden);
  scratch.bias = memory.floats(weights.hidden);
  if (call.grad_output != nullptr) {
    scratch.active = memory.floats(CHUNK * BLOCK);
    scratch.lanes = memory.floats(weights.dim * LANES);
    scratch.query = memory.floats(weights.dim);
    scratch.grad_output = memory.floats(weights.dim);
  }
  return scratch;
}

Sums make_sums(const Call& call, const Weights& weights, const std::vector<Sums>& others,
               Memory& memory) {
  Sums sums{};
  sums.key = memory.floats(weights.dim * weights.hidden);
  sums.product = memory.floats(weights.dim * weights.hidden);
  sums.query = memory.floats(weights.dim * weights.hidden);
  sums.bias = memory.floats(weights.hidden);
  const bool first = others.empty();
  if (first && weights.dim == call.dim) {
    sums.table = call.grad_table;  // zeroed by the caller
  } else if (first || call.index_bytes != 0) {
    sums.table = memory.floats(call.table_rows * weights.dim);
  } else {
    sums.table = others[0].table;
  }
  return sums;
}

}  // namespace intentflow
