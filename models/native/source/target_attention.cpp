// The two functions that Python calls: they check, prepare the weights, share the rows out among
// threads, and add up what the threads found. The shares depend on the sizes alone, so that the same
// call with the same number of threads gives the same bits.
#include "target_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <vector>

#include "memory.h"
#include "threads.h"

namespace intentflow {

void normalise(int64_t how, int64_t length, float* scores) {
  if (how == SIGMOID) {
    for (int64_t i = 0; i < length; ++i) scores[i] = 1.0f / (1.0f + std::exp(-scores[i]));
  } else if (how == SOFTMAX) {
    float most = scores[0];
    for (int64_t i = 1; i < length; ++i) most = std::max(most, scores[i]);
    float sum = 0.0f;
    for (int64_t i = 0; i < length; ++i) sum += scores[i] = std::exp(scores[i] - most);
    for (int64_t i = 0; i < length; ++i) scores[i] /= sum;
  }
}

namespace {

constexpr int64_t ROW_COST = 4;              // of a row, in events, besides its events
constexpr int64_t LEAST_WORK = 1 << 20;      // products that are worth a thread

bool supported(int64_t instructions) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (instructions == 1) return avx2;
  if (instructions == 2) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  }
#endif
  return instructions == 0;
}

Kernels kernels(int64_t instructions) {
#if defined(__x86_64__)
  if (instructions == 2) return avx512_kernels();
  if (instructions == 1) return avx2_kernels();
#endif
  return portable_kernels();
}

template <class Index>
bool within(const Call& call, const Index* index) {
  for (int64_t i = 0; i < call.events; ++i) {
    if (index[i] < 0 || index[i] >= call.table_rows) return false;
  }
  return true;
}

Status check(const Call& call, bool backward) {
  if (!supported(call.instructions)) return NO_SUCH_SET;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (call.begin[row] < 0 || call.end[row] < call.begin[row] || call.end[row] > call.events) {
      return OUT_OF_RANGE;
    }
    // Without an index, threads write the gradients of their own events only.
    if (backward && call.index_bytes == 0 && row > 0 && call.begin[row] < call.end[row - 1]) {
      return OVERLAP;
    }
  }
  const bool in = call.index_bytes == 4   ? within(call, static_cast<const int32_t*>(call.index))
                  : call.index_bytes == 8 ? within(call, static_cast<const int64_t*>(call.index))
                                          : true;
  return in ? DONE : OUT_OF_RANGE;
}

// Rows in consecutive shares of about equal cost.
std::vector<Share> shares(const Call& call) {
  int64_t cost = call.rows * ROW_COST;
  for (int64_t row = 0; row < call.rows; ++row) cost += call.end[row] - call.begin[row];
  const int64_t worth = cost * call.dim * call.hidden / LEAST_WORK + 1;
  const int64_t count = std::max<int64_t>(1, std::min({call.threads, worth, call.rows}));
  std::vector<Share> found;
  int64_t row = 0, events = 0;
  for (int64_t part = 1; part <= count; ++part) {
    Share share{row, row, events};
    while (row < call.rows && (part == count || (events + row * ROW_COST) * count < cost * part)) {
      events += call.end[row] - call.begin[row];
      ++row;
    }
    share.last = row;
    found.push_back(share);
  }
  return found;
}

void forward(const Call& call) {
  Memory memory;
  const Weights weights = prepare(call, memory);
  const std::vector<Share> parts = shares(call);
  std::vector<Scratch> scratch;
  for (const Share& share : parts) scratch.push_back(make_scratch(call, weights, share, memory));
  const Kernels chosen = kernels(call.instructions);
  run_parts(parts.size(), [&](int64_t i) { chosen.forward(call, weights, parts[i], scratch[i]); });
}

void add(float* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

// The key gradients of all threads, into those of the first one and into grad_table.
void gather_tables(const Call& call, const Weights& weights, const std::vector<Sums>& sums) {
  const int64_t threads = sums.size();
  float* whole = sums[0].table;
  run_parts(threads, [&](int64_t part) {
    const int64_t from = call.table_rows * part / threads;
    const int64_t to = call.table_rows * (part + 1) / threads;
    for (int64_t other = 1; other < threads && sums[other].table != whole; ++other) {
      const int64_t at = from * weights.dim;
      add(whole + at, sums[other].table + at, (to - from) * weights.dim);
    }
    for (int64_t row = from; row < to && whole != call.grad_table; ++row) {
      const float* values = whole + row * weights.dim;
      std::copy(values, values + call.dim, call.grad_table + row * call.dim);
    }
  });
}

// What the sums over all rows say about the weights: the factor w_out, and W_out's own gradient.
void finish(const Call& call, const Weights& weights, const Sums& sums) {
  for (int64_t a = 0; a < call.hidden; ++a) {
    const float out = call.w_out[a];
    double found = static_cast<double>(call.b_query[a]) * sums.bias[a];
    for (int64_t d = 0; d < call.dim; ++d) {
      const int64_t from = d * weights.hidden + a, to = a * call.dim + d;
      found += static_cast<double>(call.w_key[to]) * sums.key[from];
      found += static_cast<double>(call.w_product[to]) * sums.product[from];
      found += static_cast<double>(call.w_query[to]) * sums.query[from];
      call.grad_w_key[to] = out * sums.key[from];
      call.grad_w_product[to] = out * sums.product[from];
      call.grad_w_query[to] = out * sums.query[from];
    }
    call.grad_b_query[a] = out * sums.bias[a];
    call.grad_w_out[a] = static_cast<float>(found);
  }
  *call.grad_b_out = static_cast<float>(sums.out_bias);
}

void backward(const Call& call) {
  Memory memory;
  const Weights weights = prepare(call, memory);
  const std::vector<Share> parts = shares(call);
  std::vector<Scratch> scratch;
  std::vector<Sums> sums;
  for (const Share& share : parts) {
    scratch.push_back(make_scratch(call, weights, share, memory));
    sums.push_back(make_sums(call, weights, sums, memory));
  }
  const Kernels chosen = kernels(call.instructions);
  run_parts(parts.size(), [&](int64_t i) {
    chosen.backward(call, weights, parts[i], scratch[i], sums[i]);
  });
  const int64_t size = weights.dim * weights.hidden;
  for (size_t other = 1; other < sums.size(); ++other) {
    add(sums[0].key, sums[other].key, size);
    add(sums[0].product, sums[other].product, size);
    add(sums[0].query, sums[other].query, size);
    add(sums[0].bias, sums[other].bias, weights.hidden);
    sums[0].out_bias += sums[other].out_bias;
  }
  gather_tables(call, weights, sums);
  finish(call, weights, sums[0]);
}

template <class Work>
int guarded(const Call* call, bool is_backward, const Work& work) {
  const Status status = check(*call, is_backward);
  if (status != DONE) return status;
  try {
    work(*call);
    return DONE;
  } catch (const std::bad_alloc&) {
    return OUT_OF_MEMORY;
  }
}

}  // namespace
}  // namespace intentflow

#define EXPORT extern "C" __attribute__((visibility("default")))

// What Python and this file must agree on: the size of `Call`, and a number that changes with its
// meaning.
EXPORT int64_t intentflow_layout() { return 1000 * sizeof(intentflow::Call) + 1; }

// 0 portable, 1 AVX2 and FMA, 2 AVX-512.
EXPORT int intentflow_supports(int64_t instructions) {
  return intentflow::supported(instructions);
}

EXPORT int64_t intentflow_active_bytes(int64_t hidden) { return intentflow::active_bytes(hidden); }

EXPORT int intentflow_target_attention_forward(const intentflow::Call* call) {
  return intentflow::guarded(call, false, intentflow::forward);
}

EXPORT int intentflow_target_attention_backward(const intentflow::Call* call) {
  return intentflow::guarded(call, true, intentflow::backward);
}
