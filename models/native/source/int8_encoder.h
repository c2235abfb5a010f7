// A BERT-like encoder with 8-bit products, for processors with AVX-512 VNNI.
//
// Every linear layer y = W x + b is computed as
//
//   y = scale * (sum over groups of inputs: step * (Q u) + low * (Q 1)) + W_outlier x_outlier + b
//
// with Q the weights in 8 bits, a scale for each output; u the inputs in 8 bits, a step and a lowest
// value for each group of 128 inputs of each row, after a factor per input (`unscale`, whose inverse
// is in Q) has evened the inputs' ranges; and the few inputs of the widest range left out of u and
// kept in float32. A row's result depends on that row alone, added up in one order: the same bits in
// any batch and with any number of threads.
#pragma once

#include <cstdint>

namespace intentflow {

constexpr int64_t GROUP = 128;  // inputs that share a range

struct Int8Linear {
  int64_t inputs;    // a multiple of 16
  int64_t outputs;   // a multiple of 16
  int64_t outliers;
  const float* unscale;          // inputs
  const int8_t* weights;         // panels of 48 outputs: inputs / 4, 48, 4
  const float* scale;            // outputs
  const float* group_sum;        // groups outputs: sums of the weights
  const float* bias;             // outputs
  const int32_t* outlier;        // outliers: which inputs
  const float* outlier_weights;  // outliers outputs
};

struct Int8Layer {
  Int8Linear project;   // query, key and value side by side
  Int8Linear attended;
  Int8Linear expand;    // followed by GELU
  Int8Linear contract;
  const float* attention_norm_weight;
  const float* attention_norm_bias;
  const float* output_norm_weight;
  const float* output_norm_bias;
};

// All arguments of a call. models/native/int8_encoder.py mirrors it, field by field.
struct Int8Call {
  int64_t sequences;
  int64_t width;    // of a state
  int64_t heads;    // width / heads is a multiple of 16
  int64_t layers;
  int64_t threads;
  double epsilon;   // of the layer norms
  const int64_t* begin;     // sequences + 1: sequence s is states[begin[s]] to states[begin[s + 1]]
  const Int8Layer* layer;   // layers
  float* states;            // tokens, width; overwritten
  float* pooled;            // sequences, width: mean of the last states
};

}  // namespace intentflow
