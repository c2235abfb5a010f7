// The one native kernel: DIN's target attention on jagged histories, forward and backward.
//
// Row r has one query and the keys table[index[t]] (table[t] without an index), t from begin[r] to
// end[r]. With q the query and k a key, both of width D, and A hidden units:
//
//   hidden = (W_key + W_product diag(q)) k + (W_query q + b_query)
//   score  = w_out . relu(hidden) + b_out
//   weight = score, or its sigmoid, or the softmax over the row
//   output = sum of weight * k
//
// Nothing of the size events x hidden is kept but one bit each: whether the unit is active. From
// these bits the backward pass needs no second look at the hidden layer. With
// G[d][a] = sum over events of ds * active[a] * k[d], ds the gradient of the score:
//
//   dW_key     = w_out G              dW_product = w_out q G
//   dk         = ds * sum of active[a] * w_out[a] * (W_key + W_product q)[a] + weight * d(output)
//   dw_out     = W_key G + W_product q G + ..., because relu(hidden) = active * hidden
#pragma once

#include <cstdint>

namespace intentflow {

enum Normalisation : int64_t { NONE = 0, SIGMOID = 1, SOFTMAX = 2 };
enum Status : int { DONE = 0, OUT_OF_RANGE = 1, OVERLAP = 2, OUT_OF_MEMORY = 3, NO_SUCH_SET = 4 };

// All arguments of a call. models/native/library.py mirrors it, field by field.
struct Call {
  int64_t rows;           // B
  int64_t events;         // length of index, or of the table without one
  int64_t table_rows;     // K
  int64_t dim;            // D
  int64_t hidden;         // A
  int64_t index_bytes;    // 0 without an index, 4 or 8
  int64_t normalisation;
  int64_t threads;
  int64_t instructions;   // which of the instruction sets; see target_attention.cpp
  const float* query;     // B D
  const float* table;     // K D
  const void* index;      // T, or null
  const int64_t* begin;   // B
  const int64_t* end;     // B
  const float* w_query;   // A D
  const float* b_query;   // A
  const float* w_key;     // A D
  const float* w_product; // A D
  const float* w_out;     // A
  const float* b_out;     // 1
  float* output;          // B D
  float* weights;         // one per event of each row, rows one after the other; null: not kept
  uint8_t* active;        // bits, active_bytes(hidden) per such event; null: not kept
  const float* grad_output;  // B D; from here on for the backward pass only
  float* grad_query;         // B D
  float* grad_table;         // K D
  float* grad_w_query;       // A D
  float* grad_b_query;       // A
  float* grad_w_key;         // A D
  float* grad_w_product;     // A D
  float* grad_w_out;         // A
  float* grad_b_out;         // 1
};

constexpr int64_t LANES = 16;  // widths are padded to multiples of it, for every instruction set

inline int64_t padded(int64_t width) { return (width + LANES - 1) / LANES * LANES; }
inline int64_t active_bytes(int64_t hidden) { return padded(hidden) / 8; }

// Weights as the kernels read them: padded with zeros, transposed (D x A), or times w_out (scaled).
struct Weights {
  int64_t dim, hidden;  // padded
  float *query, *key, *product;                    // D A
  float *bias, *out;                               // A
  float out_bias;
  float *scaled_query, *scaled_product;            // D A, backward
  float *scaled_key_rows, *scaled_product_rows;    // A D, backward
};

// What one thread adds up over its rows, before the factor w_out; D A and A.
struct Sums {
  float *key, *product, *query;
  float *bias;
  double out_bias;
  float* table;  // K x padded dim
};

// A thread's share: rows first .. last, whose events are counted from `saved` on.
struct Share {
  int64_t first, last, saved;
};

// The working memory of one thread.
struct Scratch {
  float* keys;     // longest row x padded dim
  float* scores;   // longest row
  float* active;   // CHUNK x BLOCK
  float* scaled;   // padded dim x padded hidden, or the transposed
  float* bias;     // padded hidden
  float* lanes;    // padded dim x LANES
  float* query;    // padded dim
  float* grad_output;  // padded dim
};

constexpr int64_t BLOCK = 128;  // hidden units of which a chunk's gradients are held at once
constexpr int64_t CHUNK = 64;   // events of which they are held

struct Kernels {
  void (*forward)(const Call&, const Weights&, const Share&, Scratch&);
  void (*backward)(const Call&, const Weights&, const Share&, Scratch&, Sums&);
};

// In place: scores to weights.
void normalise(int64_t how, int64_t length, float* scores);

Kernels portable_kernels();
#if defined(__x86_64__)
Kernels avx2_kernels();
Kernels avx512_kernels();
#endif

}  // namespace intentflow
