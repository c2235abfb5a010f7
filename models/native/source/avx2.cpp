// AVX2 and FMA: 16 registers of 8 floats.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>

#include "head_attention.h"
#include "likeness.h"
#include "target_attention.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define WIDTH 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
#define KEY_ROWS 6
#define KEY_VECTORS 2
#define HEAD_KEYS 2
#define HEAD_VECTORS 2
#include "vectors.inc"

namespace intentflow {
namespace {

INLINE void put_bits(uint8_t* to, Vector value) {
  const __m256 active = _mm256_cmp_ps((__m256)value, _mm256_setzero_ps(), _CMP_NLE_UQ);
  *to = static_cast<uint8_t>(_mm256_movemask_ps(active));
}

INLINE Vector selected(const uint8_t* bits, Vector value) {
  const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i set = _mm256_and_si256(_mm256_set1_epi32(*bits), lane);
  const __m256 mask = _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane));
  return (Vector)_mm256_and_ps((__m256)value, mask);
}

INLINE int32_t coarse_dot(const int16_t* left, const int8_t* right, int64_t width) {
  __m256i sum = _mm256_setzero_si256();
  for (int64_t d = 0; d < width; d += 16) {
    const __m256i mine = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(left + d));
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(right + d));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(mine, _mm256_cvtepi8_epi16(bytes)));
  }
  const __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  const __m128i pair = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32(pair, 0xB1)));
}

INLINE void totals(const Vector (&sums)[8], float* to) {
  for (int i = 0; i < 8; i += 4) {
    const __m256 low = _mm256_hadd_ps((__m256)sums[i], (__m256)sums[i + 1]);
    const __m256 high = _mm256_hadd_ps((__m256)sums[i + 2], (__m256)sums[i + 3]);
    const __m256 halves = _mm256_hadd_ps(low, high);
    const __m128 whole = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1));
    _mm_storeu_ps(to + i, whole);
  }
}

}  // namespace
}  // namespace intentflow

#include "forward.inc"
#include "backward.inc"
#include "head_attention.inc"
#include "likeness.inc"

namespace intentflow {
Kernels avx2_kernels() { return {forward, backward}; }
HeadKernels avx2_head_kernels() { return {head_forward, head_backward}; }
LikenessKernel avx2_likeness() { return likeness; }
}  // namespace intentflow
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
