// What a call works with: the weights as the kernels read them, and each thread's memory. All of it
// is taken before threads start, so that none of them can fail.
#pragma once

#include <memory>
#include <vector>

#include "target_attention.h"

namespace intentflow {

// Zeroed floats that live as long as the call.
class Memory {
 public:
  float* floats(int64_t count);

 private:
  std::vector<std::unique_ptr<float[]>> blocks_;
};

Weights prepare(const Call& call, Memory& memory);
Scratch make_scratch(const Call& call, const Weights& weights, const Share& share, Memory& memory);
Sums make_sums(const Call& call, const Weights& weights, const std::vector<Sums>& others,
               Memory& memory);

}  // namespace intentflow
