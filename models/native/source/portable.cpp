// What runs on any processor the compiler builds for: SSE2 on x86-64, NEON on ARM. A vector of eight
// is two registers there.
#include <cstdint>

#include "head_attention.h"
#include "likeness.h"
#include "target_attention.h"

#define WIDTH 8
#define TILE_ROWS 5
#define TILE_VECTORS 1
#define KEY_ROWS 5
#define KEY_VECTORS 1
#define HEAD_KEYS 1
#define HEAD_VECTORS 1
#include "vectors.inc"

namespace intentflow {
namespace {

typedef int32_t Mask __attribute__((vector_size(4 * WIDTH)));

INLINE void put_bits(uint8_t* to, Vector value) {
  const Mask lane = {1, 2, 4, 8, 16, 32, 64, 128};
  const Mask set = value <= 0.0f ? Mask{} : lane;
  int32_t bits = 0;
  for (int i = 0; i < WIDTH; ++i) bits |= set[i];
  *to = static_cast<uint8_t>(bits);
}

INLINE Vector selected(const uint8_t* bits, Vector value) {
  const Mask lane = {1, 2, 4, 8, 16, 32, 64, 128};
  return ((Mask{} + *bits) & lane) != 0 ? value : Vector{};
}

INLINE int32_t coarse_dot(const int16_t* left, const int8_t* right, int64_t width) {
  int32_t sum = 0;
  for (int64_t d = 0; d < width; ++d) sum += static_cast<int32_t>(left[d]) * right[d];
  return sum;
}

INLINE void totals(const Vector (&sums)[4], float* to) {
  for (int i = 0; i < 4; ++i) to[i] = total(sums[i]);
}

}  // namespace
}  // namespace intentflow

#include "forward.inc"
#include "backward.inc"
#include "head_attention.inc"
#include "likeness.inc"

namespace intentflow {
Kernels portable_kernels() { return {forward, backward}; }
HeadKernels portable_head_kernels() { return {head_forward, head_backward}; }
LikenessKernel portable_likeness() { return likeness; }
}  // namespace intentflow
