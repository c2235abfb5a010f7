#include "int8_encoder.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12 takes its own header's "undefined" vectors for a mistake (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")
#endif

namespace intentflow {
namespace {

#include "int8_linear.inc"

// states = LayerNorm(states + change)
void add_and_norm(float* states, const float* change, int64_t rows, int64_t width, float epsilon,
                  const float* weight, const float* bias) {
  for (int64_t r = 0; r < rows; ++r, states += width, change += width) {
    __m512 sum = _mm512_setzero_ps(), squares = sum;
    for (int64_t i = 0; i < width; i += LANES) {
      const __m512 value = _mm512_add_ps(_mm512_loadu_ps(states + i), _mm512_loadu_ps(change + i));
      _mm512_storeu_ps(states + i, value);
      sum = _mm512_add_ps(sum, value);
    }
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width);
    for (int64_t i = 0; i < width; i += LANES) {
      const __m512 centred = _mm512_sub_ps(_mm512_loadu_ps(states + i), mean);
      squares = _mm512_fmadd_ps(centred, centred, squares);
    }
    const float variance = _mm512_reduce_add_ps(squares) / width;
    const __m512 factor = _mm512_set1_ps(1.0f / std::sqrt(variance + epsilon));
    for (int64_t i = 0; i < width; i += LANES) {
      const __m512 centred = _mm512_sub_ps(_mm512_loadu_ps(states + i), mean);
      const __m512 scaled = _mm512_mul_ps(_mm512_mul_ps(centred, factor), _mm512_loadu_ps(weight + i));
      _mm512_storeu_ps(states + i, _mm512_add_ps(scaled, _mm512_loadu_ps(bias + i)));
    }
  }
}

// Softmax over `length` scores, in place; what stands behind them, up to whole vectors, becomes 0.
void softmax(float* scores, int64_t length) {
  const int64_t whole = (length + LANES - 1) / LANES * LANES;
  std::fill(scores + length, scores + whole, -INFINITY);
  __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
  for (int64_t j = 0; j < whole; j += LANES) most = _mm512_max_ps(most, _mm512_loadu_ps(scores + j));
  const __m512 top = _mm512_set1_ps(_mm512_reduce_max_ps(most));
  for (int64_t j = 0; j < whole; j += LANES) {
    const __mmask16 real = static_cast<__mmask16>(j + LANES <= length ? 0xffff : (1 << (length - j)) - 1);
    const __m512 value = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + j), top));
    _mm512_storeu_ps(scores + j, _mm512_maskz_mov_ps(real, value));
    sum = _mm512_add_ps(sum, _mm512_maskz_mov_ps(real, value));
  }
  const __m512 inverse = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(sum));
  for (int64_t j = 0; j < whole; j += LANES) {
    _mm512_storeu_ps(scores + j, _mm512_mul_ps(_mm512_loadu_ps(scores + j), inverse));
  }
}

// Self-attention of one sequence; `projected` holds query, key and value of each token side by side.
void attend(const float* projected, int64_t length, int64_t width, int64_t heads, float* output,
            Workspace& space) {
  const int64_t dim = width / heads, whole = (length + LANES - 1) / LANES * LANES;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  float *keys = space.keys.data(), *weights = space.weights.data();
  for (int64_t head = 0; head < heads; ++head) {
    const float* query = projected + head * dim;
    const float *key = query + width, *value = key + width;
    for (int64_t j = 0; j < length; ++j) {
      for (int64_t d = 0; d < dim; ++d) keys[d * whole + j] = key[j * 3 * width + d] * scale;
    }
    for (int64_t i = 0; i < length; ++i) {
      for (int64_t j = 0; j < whole; j += LANES) {
        __m512 score = _mm512_setzero_ps();
        for (int64_t d = 0; d < dim; ++d) {
          const __m512 factor = _mm512_set1_ps(query[i * 3 * width + d]);
          score = _mm512_fmadd_ps(factor, _mm512_loadu_ps(keys + d * whole + j), score);
        }
        _mm512_storeu_ps(weights + j, score);
      }
      softmax(weights, length);
      for (int64_t d = 0; d < dim; d += LANES) {
        __m512 sum = _mm512_setzero_ps();
        for (int64_t j = 0; j < length; ++j) {
          const __m512 row = _mm512_loadu_ps(value + j * 3 * width + d);
          sum = _mm512_fmadd_ps(_mm512_set1_ps(weights[j]), row, sum);
        }
        _mm512_storeu_ps(output + i * width + head * dim + d, sum);
      }
    }
  }
}

void pool(const float* states, int64_t length, int64_t width, float* to) {
  std::fill(to, to + width, 0.0f);
  for (int64_t t = 0; t < length; ++t) {
    for (int64_t i = 0; i < width; ++i) to[i] += states[t * width + i];
  }
  for (int64_t i = 0; i < width; ++i) to[i] /= static_cast<float>(std::max<int64_t>(length, 1));
}

// Sequences first .. last, few enough to fit the cache, through all layers.
void encode_block(const Int8Call& call, int64_t first, int64_t last, Workspace& space) {
  const int64_t from = call.begin[first], rows = call.begin[last] - from, width = call.width;
  float* states = call.states + from * width;
  const float epsilon = static_cast<float>(call.epsilon);
  for (const Int8Layer* layer = call.layer; layer < call.layer + call.layers; ++layer) {
    linear(layer->project, states, rows, false, space.wide.data(), space);
    for (int64_t s = first; s < last; ++s) {
      const int64_t at = call.begin[s] - from;
      attend(space.wide.data() + at * 3 * width, call.begin[s + 1] - call.begin[s], width,
             call.heads, space.narrow.data() + at * width, space);
    }
    linear(layer->attended, space.narrow.data(), rows, false, space.wide.data(), space);
    add_and_norm(states, space.wide.data(), rows, width, epsilon, layer->attention_norm_weight,
                 layer->attention_norm_bias);
    linear(layer->expand, states, rows, true, space.wide.data(), space);
    linear(layer->contract, space.wide.data(), rows, false, space.narrow.data(), space);
    add_and_norm(states, space.narrow.data(), rows, width, epsilon, layer->output_norm_weight,
                 layer->output_norm_bias);
  }
  for (int64_t s = first; s < last; ++s) {
    const int64_t at = call.begin[s] - from;
    pool(states + at * width, call.begin[s + 1] - call.begin[s], width, call.pooled + s * width);
  }
}

void encode(const Int8Call& call, int64_t first, int64_t last, Workspace& space) {
  while (first < last) {
    int64_t end = first + 1;
    while (end < last && call.begin[end + 1] - call.begin[first] <= BLOCK_TOKENS) ++end;
    encode_block(call, first, end, space);
    first = end;
  }
}

Workspace make_workspace(const Int8Call& call) {
  int64_t longest = 0, inner = 0, inputs = 0, outliers = 1;
  for (int64_t s = 0; s < call.sequences; ++s) {
    longest = std::max(longest, call.begin[s + 1] - call.begin[s]);
  }
  for (const Int8Layer* layer = call.layer; layer < call.layer + call.layers; ++layer) {
    for (const Int8Linear* one : {&layer->project, &layer->attended, &layer->expand, &layer->contract}) {
      inner = std::max(inner, one->outputs);
      inputs = std::max(inputs, one->inputs);
      outliers = std::max(outliers, one->outliers);
    }
  }
  const int64_t tokens = std::max(BLOCK_TOKENS, longest), whole = (longest / LANES + 1) * LANES;
  Workspace space;
  space.wide.resize(tokens * inner);
  space.narrow.resize(tokens * call.width);
  space.outliers.resize(tokens * outliers);
  space.low.resize(tokens * (inputs / GROUP + 1));
  space.step.resize(tokens * (inputs / GROUP + 1));
  space.row.resize(inputs);
  space.keys.resize(call.width / call.heads * whole);
  space.weights.resize(whole);
  space.quantised.resize(tokens * inputs);
  return space;
}

// Where each thread's sequences begin: shares of about equally many tokens.
std::vector<int64_t> share_out(const Int8Call& call) {
  const int64_t tokens = call.begin[call.sequences];
  std::vector<int64_t> first{0};
  for (int64_t t = 1; t < call.threads; ++t) {
    const int64_t* found = std::lower_bound(call.begin, call.begin + call.sequences,
                                            tokens * t / call.threads);
    first.push_back(std::max<int64_t>(found - call.begin, first.back()));
  }
  first.push_back(call.sequences);
  return first;
}

void encode_all(const Int8Call& call) {
  const std::vector<int64_t> first = share_out(call);
  std::vector<Workspace> spaces;
  for (int64_t t = 0; t < call.threads; ++t) spaces.push_back(make_workspace(call));
  std::vector<std::thread> threads;
  threads.reserve(call.threads);  // nothing is allocated once threads run
  for (int64_t t = 1; t < call.threads; ++t) {
    try {
      threads.emplace_back(encode, std::cref(call), first[t], first[t + 1], std::ref(spaces[t]));
    } catch (const std::system_error&) {
      encode(call, first[t], first[t + 1], spaces[t]);
    }
  }
  encode(call, first[0], first[1], spaces[0]);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace intentflow

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#define EXPORTED extern "C" __attribute__((visibility("default")))

// Whether this processor multiplies 8-bit integers as the code here needs it.
EXPORTED int intentflow_int8_supported() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
#else
  return 0;
#endif
}

// Bytes of the call, by which Python knows that it has the same layout.
EXPORTED int64_t intentflow_int8_layout() {
  return sizeof(intentflow::Int8Call) * 1000 + sizeof(intentflow::Int8Layer);
}

// 0, or 3 without enough memory.
EXPORTED int intentflow_int8_encode(const intentflow::Int8Call* call) {
#if defined(__x86_64__)
  try {
    intentflow::encode_all(*call);
    return 0;
  } catch (const std::bad_alloc&) {
    return 3;
  }
#else
  return 4;
#endif
}
