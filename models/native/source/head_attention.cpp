// What Python calls of head_attention.h: checks, the rows' shares among threads, and the sums of
// what the threads found. The same call with the same number of threads gives the same bits.
#include "head_attention.h"

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "target_attention.h"
#include "threads.h"

extern "C" int intentflow_supports(int64_t instructions);

namespace intentflow {
namespace {

constexpr int64_t LEAST_WORK = 1 << 20;  // products that are worth a thread

HeadKernels kernels(int64_t instructions) {
#if defined(__x86_64__)
  if (instructions == 2) return avx512_head_kernels();
  if (instructions == 1) return avx2_head_kernels();
#endif
  return portable_head_kernels();
}

bool ascending(const int64_t* offsets, int64_t rows, int64_t most) {
  if (offsets[0] < 0 || offsets[rows] > most) return false;
  for (int64_t row = 0; row < rows; ++row) {
    if (offsets[row + 1] < offsets[row]) return false;
  }
  return true;
}

bool within(const int64_t* index, int64_t count, int64_t rows) {
  if (index == nullptr) return count <= rows;
  for (int64_t i = 0; i < count; ++i) {
    if (index[i] < 0 || index[i] >= rows) return false;
  }
  return true;
}

Status check(const HeadCall& call) {
  if (!intentflow_supports(call.instructions)) return NO_SUCH_SET;
  const bool in = ascending(call.query_offsets, call.rows, call.queries) &&
                  ascending(call.key_offsets, call.rows, call.keys) &&
                  within(call.query_index, call.queries, call.query_rows) &&
                  within(call.key_index, call.keys, call.key_rows);
  return in ? DONE : OUT_OF_RANGE;
}

// Weights of a row.
int64_t pairs(const HeadCall& call, int64_t row) {
  return (call.query_offsets[row + 1] - call.query_offsets[row]) *
         (call.key_offsets[row + 1] - call.key_offsets[row]) * ((call.heads + GROUP - 1) / GROUP) * GROUP;
}

// Rows in consecutive shares of about as many pairs each.
std::vector<HeadShare> shares(const HeadCall& call) {
  int64_t whole = 0;
  for (int64_t row = 0; row < call.rows; ++row) whole += pairs(call, row);
  const int64_t worth = whole * (call.key_dim + call.value_dim) / LEAST_WORK + 1;
  const int64_t count = std::max<int64_t>(1, std::min({call.threads, worth, call.rows}));
  std::vector<HeadShare> found;
  int64_t row = 0, saved = 0;
  for (int64_t part = 1; part <= count; ++part) {
    HeadShare share{row, row, saved};
    while (row < call.rows && (part == count || saved * count < whole * part)) {
      saved += pairs(call, row++);
    }
    share.last = row;
    found.push_back(share);
  }
  return found;
}

class Floats {
 public:
  float* zeros(int64_t count) {
    blocks_.push_back(std::make_unique<float[]>(count + LANES));
    return blocks_.back().get();
  }

 private:
  std::vector<std::unique_ptr<float[]>> blocks_;
};

struct Gradient {
  float* HeadScratch::*scratch;
  float* HeadCall::*whole;
  int64_t floats;
};

void attend(const HeadCall& call, bool backward) {
  Floats memory;
  int64_t longest = 0;
  for (int64_t row = 0; row < call.rows; ++row) {
    longest = std::max(longest, call.key_offsets[row + 1] - call.key_offsets[row]);
  }
  const int64_t key_width = call.key_step ? call.heads * call.key_dim : call.key_dim;
  const int64_t value_width = call.value_step ? call.heads * call.value_dim : call.value_dim;
  const Gradient gradients[] = {
      {&HeadScratch::grad_query, &HeadCall::grad_query,
       call.query_rows * call.heads * call.key_dim},
      {&HeadScratch::grad_key, &HeadCall::grad_key, call.key_rows * key_width},
      {&HeadScratch::grad_value, &HeadCall::grad_value, call.key_rows * value_width},
  };
  const std::vector<HeadShare> parts = shares(call);
  std::vector<HeadScratch> scratch(parts.size());
  for (size_t part = 0; part < parts.size(); ++part) {
    const int64_t floats = (longest + GROUP) * GROUP;  // whole vectors and tiles of keys
    scratch[part] = {memory.zeros(floats), memory.zeros(floats), nullptr, nullptr, nullptr};
    for (const Gradient& one : gradients) {
      if (!backward) break;
      scratch[part].*one.scratch = part ? memory.zeros(one.floats) : call.*one.whole;
    }
  }
  const HeadKernels chosen = kernels(call.instructions);
  run_parts(parts.size(), [&](int64_t part) {
    (backward ? chosen.backward : chosen.forward)(call, parts[part], scratch[part]);
  });
  for (size_t part = 1; backward && part < parts.size(); ++part) {
    for (const Gradient& one : gradients) {
      for (int64_t i = 0; i < one.floats; ++i) (call.*one.whole)[i] += (scratch[part].*one.scratch)[i];
    }
  }
}

int guarded(const HeadCall& call, bool backward) {
  const Status status = check(call);
  if (status != DONE) return status;
  try {
    attend(call, backward);
    return DONE;
  } catch (const std::bad_alloc&) {
    return OUT_OF_MEMORY;
  }
}

}  // namespace
}  // namespace intentflow

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int64_t intentflow_head_layout() {
  return 1000 * sizeof(intentflow::HeadCall) + 2;
}

EXPORT int intentflow_head_forward(const intentflow::HeadCall* call) {
  return intentflow::guarded(*call, false);
}

EXPORT int intentflow_head_backward(const intentflow::HeadCall* call) {
  return intentflow::guarded(*call, true);
}
