// Multi-head attention between the queries and the keys of each row, on jagged sequences, forward
// and backward.
//
// Row r has the queries query_offsets[r] … query_offsets[r + 1] - 1 and the keys key_offsets[r] …;
// query i is query[query_index[i]] (query[i] without an index), keys and values likewise. With head
// h of a query q and of a key k:
//
//   weight = softmax over the row's keys of scale * q[h] . k[h]
//   output = sum of weight * value[h]
//
// All heads may share one key and one value (step 0). A query of a row without keys gets zeros.
#pragma once

#include <cstdint>

namespace intentflow {

// All arguments of a call. models/native/head_attention.py mirrors it, field by field.
struct HeadCall {
  int64_t rows, heads;
  int64_t key_dim, value_dim;      // of one head, both multiples of LANES
  int64_t key_step, value_step;    // from head to head within a row of the table, 0 or the width
  int64_t query_rows, key_rows;    // rows of the tables
  int64_t queries, keys;           // length of the indices, or rows of the tables without one
  int64_t threads, instructions;
  int64_t query_row, query_head;   // from query to query, and from head to head
  int64_t output_row, output_head;
  const float *query, *key, *value;
  const int64_t *query_index, *key_index;      // or null
  const int64_t *query_offsets, *key_offsets;  // rows + 1
  float* output;
  float* weights;                  // row after row: queries, groups of heads, keys, GROUP; or null
  float scale;                     // above zero
  float* grad_query;               // like the tables, zeroed; from here on for backward only
  float* grad_key;
  float* grad_value;
  const float* grad_output;
};

constexpr int64_t GROUP = 4;  // heads that are worked on together; the last group may be short of some

// Rows first … last - 1 of a thread, whose weights start at `saved`.
struct HeadShare {
  int64_t first, last, saved;
};

struct HeadScratch {
  float *weights, *gradients;          // GROUP for each key of the longest row, padded
  float *grad_query, *grad_key, *grad_value;
};

struct HeadKernels {
  void (*forward)(const HeadCall&, const HeadShare&, const HeadScratch&);
  void (*backward)(const HeadCall&, const HeadShare&, const HeadScratch&);
};

HeadKernels portable_head_kernels();
#if defined(__x86_64__)
HeadKernels avx2_head_kernels();
HeadKernels avx512_head_kernels();
#endif

}  // namespace intentflow
