// What Python calls of likeness.h: checks, and the rows' shares among threads. The same call gives
// the same result with any number of threads.
#include "likeness.h"

#include <algorithm>
#include <new>
#include <vector>

#include "target_attention.h"
#include "threads.h"

extern "C" int intentflow_supports(int64_t instructions);

namespace intentflow {
namespace {

constexpr int64_t LEAST_WORK = 1 << 20;  // products that are worth a thread

LikenessKernel kernel(int64_t instructions) {
#if defined(__x86_64__)
  if (instructions == 2) return avx512_likeness();
  if (instructions == 1) return avx2_likeness();
#endif
  return portable_likeness();
}

bool within(const int64_t* index, int64_t count, int64_t rows) {
  return std::all_of(index, index + count, [&](int64_t i) { return i >= 0 && i < rows; });
}

Status check(const LikenessCall& call) {
  if (!intentflow_supports(call.instructions)) return NO_SUCH_SET;
  const bool in = call.offsets[0] == 0 && call.offsets[call.rows] == call.pairs &&
                  std::is_sorted(call.offsets, call.offsets + call.rows + 1) &&
                  within(call.asking, call.rows, call.items) &&
                  within(call.item, call.pairs, call.items);
  return in ? DONE : OUT_OF_RANGE;
}

void compare(const LikenessCall& call) {
  const int64_t worth = call.pairs * call.dim / LEAST_WORK + 1;
  const int64_t count = std::max<int64_t>(1, std::min({call.threads, worth, call.rows}));
  std::vector<int16_t> memory(count * call.coarse_dim);
  std::vector<LikenessShare> shares;
  for (int64_t part = 0; part < count; ++part) {
    shares.push_back({call.rows * part / count, call.rows * (part + 1) / count,
                      memory.data() + part * call.coarse_dim});
  }
  const LikenessKernel chosen = kernel(call.instructions);
  run_parts(count, [&](int64_t part) { chosen(call, shares[part]); });
}

}  // namespace
}  // namespace intentflow

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int64_t intentflow_likeness_layout() {
  return 1000 * sizeof(intentflow::LikenessCall) + 1;
}

EXPORT int intentflow_likeness(const intentflow::LikenessCall* call) {
  using namespace intentflow;
  const Status status = check(*call);
  if (status != DONE) return status;
  try {
    compare(*call);
    return DONE;
  } catch (const std::bad_alloc&) {
    return OUT_OF_MEMORY;
  }
}
